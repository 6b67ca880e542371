#pragma once
/// The shared state behind Future. Not for users; included by <muster/future.h>.

#include <muster/clock.h>
#include <muster/detail/pool.h>
#include <muster/error.h>
#include <muster/executor.h>

#include <atomic>
#include <boost/intrusive/set.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <coroutine>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

namespace muster {

/// No deadline, said on purpose.
inline constexpr Duration kForever = Duration::max();

namespace detail {

template <class Derived>
struct Shared : Pooled, boost::intrusive_ref_counter<Derived, boost::thread_safe_counter> {};

/// Work that runs once, in the place it was made for.
class Continuation : public Shared<Continuation> {
 public:
  virtual ~Continuation() = default;
  virtual void run() = 0;
};

class Domain;

/// Where continuations run: an actor (one at a time with its handlers) or an executor.
class Place {
 public:
  virtual void resume(boost::intrusive_ptr<Continuation> continuation) = 0;
  virtual boost::intrusive_ptr<Domain> domain() const = 0;
  virtual void place_add_ref() noexcept = 0;
  virtual void place_release() noexcept = 0;
  friend void intrusive_ptr_add_ref(Place* place) noexcept { place->place_add_ref(); }
  friend void intrusive_ptr_release(Place* place) noexcept { place->place_release(); }

 protected:
  virtual ~Place() = default;
};

class DeadlineQueue;

/// What a Future needs of its Runtime. Outlives every incomplete Future.
class Domain : public Shared<Domain> {
 public:
  virtual ~Domain() = default;
  virtual Executor& executor() = 0;
  /// The place of plain tasks and of then() outside actors.
  virtual Place& place() = 0;
  virtual DeadlineQueue& deadlines() = 0;
};

/// The place of the handler or task that this thread is running, or null.
Place*& current_place() noexcept;

/// Somebody who waits for a future. ready() runs once, on the completing thread (or on the
/// subscribing one when the future was complete), and must be short.
class Waiter : public Shared<Waiter> {
 public:
  virtual ~Waiter() = default;
  virtual void ready() = 0;
};

/// Invariants: claim() succeeds for exactly one caller, who then stores the result and calls
/// publish(); after publish() the result does not change until it is taken.
class FutureStateBase : public Shared<FutureStateBase> {
 public:
  explicit FutureStateBase(boost::intrusive_ptr<Domain> domain) : domain_(std::move(domain)) {}
  virtual ~FutureStateBase();
  FutureStateBase(const FutureStateBase&) = delete;
  FutureStateBase& operator=(const FutureStateBase&) = delete;

  bool ready() const noexcept { return waiters_.load(std::memory_order_acquire) == closed(); }
  void subscribe(boost::intrusive_ptr<Waiter> waiter);
  /// Forgets a waiter that was not called yet. Only on the thread that subscribes.
  void unsubscribe(const Waiter& waiter);
  bool has_waiters() const noexcept { return !ready() && waiters_.load() != nullptr; }
  const boost::intrusive_ptr<Domain>& domain() const noexcept { return domain_; }
  /// Completes with `error` if it is still open; true when this call did it.
  virtual bool complete_error(Error error) = 0;
  /// Calls on_deadline() after `timeout` unless complete. False after shutdown: never.
  bool arm_deadline(Duration timeout, std::string_view what);
  /// Completes with kTimeout; a sleep completes in success.
  virtual void on_deadline();
  std::string_view what() const noexcept { return what_; }

 protected:
  bool claim() noexcept { return !claimed_.exchange(true, std::memory_order_acq_rel); }
  void publish();

 private:
  friend class DeadlineQueue;
  struct Node : Pooled {
    boost::intrusive_ptr<Waiter> waiter;
    Node* next;
  };
  static Node* closed() noexcept;
  static Node* reversed(Node* node) noexcept;

  const boost::intrusive_ptr<Domain> domain_;
  std::atomic<Node*> waiters_{nullptr};
  std::atomic<bool> claimed_{false};
  std::string_view what_;  // set before the state is shared; names a method, lives for ever
  Duration timeout_{0};
  // Guarded by the DeadlineQueue:
  boost::intrusive::set_member_hook<> deadline_hook_;
  TimePoint deadline_{};
  std::atomic<bool> has_deadline_{false};
};

template <class T>
class FutureState : public FutureStateBase {
 public:
  using FutureStateBase::FutureStateBase;
  bool complete(Result<T> result) {
    if (!claim()) return false;
    result_.emplace(std::move(result));
    publish();
    return true;
  }
  bool complete_error(Error error) override { return complete(fail(std::move(error))); }
  /// Requires: ready(), and not taken before.
  Result<T> take() { return std::move(*result_); }

 private:
  std::optional<Result<T>> result_;
};

/// Waits on the calling thread; kInvalid inside a handler or task, kTimeout when time passes.
Result<void> wait_ready(FutureStateBase& state, Duration timeout);
/// Waits until `count` of `states` are ready; the index of the first ready one.
Result<std::size_t> wait_count(const std::vector<FutureStateBase*>& states, std::size_t count,
                               Duration timeout);

/// Resumes a coroutine in its place. disarm() (in that place) makes a pending resumption do
/// nothing: the frame is about to go.
class CoroutineWaiter final : public Waiter {
 public:
  CoroutineWaiter(std::coroutine_handle<> handle, boost::intrusive_ptr<Place> place);
  void ready() override;
  void disarm() noexcept;

 private:
  class Resumption;
  boost::intrusive_ptr<Resumption> resumption_;
  boost::intrusive_ptr<Place> place_;
};

/// The place of the running handler or task, else that of the future's runtime.
boost::intrusive_ptr<Place> place_for(const FutureStateBase& state);

template <class T, bool kAsResult>
class FutureAwaiter {
 public:
  explicit FutureAwaiter(boost::intrusive_ptr<FutureState<T>> state) : state_(std::move(state)) {}
  FutureAwaiter(FutureAwaiter&&) = default;
  ~FutureAwaiter() {
    if (waiter_) waiter_->disarm();
  }
  bool await_ready() const { return state_->ready(); }
  void await_suspend(std::coroutine_handle<> handle) {
    waiter_ = boost::intrusive_ptr(new CoroutineWaiter(handle, place_for(*state_)));
    // The coroutine may be resumed, and this awaiter destroyed, before subscribe returns.
    const auto state = state_;
    state->subscribe(boost::intrusive_ptr<Waiter>(waiter_));
  }
  auto await_resume() {
    if (auto waiter = std::move(waiter_)) waiter->disarm();
    if constexpr (kAsResult) {
      return state_->take();
    } else {
      return value_or_throw(state_->take());
    }
  }

 private:
  boost::intrusive_ptr<FutureState<T>> state_;
  boost::intrusive_ptr<CoroutineWaiter> waiter_;
};

/// Runs `function()` in `place` when `state` is ready.
void run_when_ready(FutureStateBase& state, boost::intrusive_ptr<Place> place,
                    std::function<void()> function);

/// What then() leaves behind. When its place goes before it has run, the next Future ends in
/// kCancelled.
template <class T, class R, class F>
class ThenWork {
 public:
  ThenWork(boost::intrusive_ptr<FutureState<T>> state, boost::intrusive_ptr<FutureState<R>> next,
           F function)
      : state_(std::move(state)), next_(std::move(next)), function_(std::move(function)) {}
  ~ThenWork() {
    if (next_->ready()) return;
    next_->complete_error(Error{ErrorCode::kCancelled, "what would have run then() is gone", {}});
  }
  void run() {
    try {
      if constexpr (std::is_void_v<R>) {
        function_(state_->take());
        next_->complete(Result<void>());
      } else {
        next_->complete(Result<R>(function_(state_->take())));
      }
    } catch (const CheckFailure&) {
      next_->complete_error(error_from_current_exception());
      throw;
    } catch (...) {
      next_->complete_error(error_from_current_exception());
    }
  }

 private:
  boost::intrusive_ptr<FutureState<T>> state_;
  boost::intrusive_ptr<FutureState<R>> next_;
  F function_;
};

template <class T, class R, class F>
void continue_with(boost::intrusive_ptr<FutureState<T>> state,
                   boost::intrusive_ptr<FutureState<R>> next, F function) {
  FutureStateBase& base = *state;
  // std::function copies its target, so what only moves goes behind a shared pointer.
  auto work =
      std::make_shared<ThenWork<T, R, F>>(std::move(state), std::move(next), std::move(function));
  run_when_ready(base, place_for(base), [work] { work->run(); });
}

}  // namespace detail
}  // namespace muster
