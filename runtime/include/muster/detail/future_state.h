#pragma once
/// The shared state behind Future. Not for users; included by <muster/future.h>.

#include <muster/detail/function_ref.h>
#include <muster/detail/place.h>
#include <muster/error.h>

#include <atomic>
#include <boost/intrusive/set.hpp>
#include <coroutine>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

namespace muster {

/// No deadline, said on purpose.
inline constexpr Duration kForever = Duration::max();

namespace detail {

/// Somebody who waits for a future. ready() runs once, on the completing thread (or on the
/// subscribing one when the future was complete), and must be short.
class Waiter : public Shared<Waiter> {
 public:
  virtual ~Waiter() = default;
  virtual void ready() = 0;
  /// Nobody wants to hear any more: ready() would do nothing.
  virtual bool stale() const noexcept { return false; }
};

/// Invariants: claim() succeeds for exactly one caller, who then stores the result and calls
/// publish(); after publish() the result does not change until it is taken.
class FutureStateBase : public Shared<FutureStateBase> {
 public:
  /// `domain` may be null for a state that is complete before it is shared.
  explicit FutureStateBase(boost::intrusive_ptr<Domain> domain) : domain_(std::move(domain)) {}
  virtual ~FutureStateBase();
  FutureStateBase(const FutureStateBase&) = delete;
  FutureStateBase& operator=(const FutureStateBase&) = delete;

  bool ready() const noexcept { return waiters_.load(std::memory_order_acquire) == closed(); }
  void subscribe(boost::intrusive_ptr<Waiter> waiter);
  /// Forgets a waiter that was not called yet. When another thread unsubscribes somebody else at
  /// the same time, the waiter may be left behind: it is then called in vain.
  void unsubscribe(const Waiter& waiter);
  /// Forgets the waiters that are stale; with the same exception.
  void forget_stale();
  bool has_waiters() const noexcept { return !ready() && waiters_.load() != nullptr; }
  const boost::intrusive_ptr<Domain>& domain() const noexcept { return domain_; }
  /// Completes with `error` if it is still open; true when this call did it.
  virtual bool complete_error(Error error) = 0;
  /// The error that it ended in, or null for a value. Requires: ready(), and nobody takes it.
  virtual const Error* failure() const noexcept = 0;
  /// Completes with kCancelled if it is still open, and tells what works on it; true when this call
  /// did it.
  bool cancel();
  /// True when it is complete or about to be.
  bool claimed() const noexcept { return claimed_.load(std::memory_order_acquire); }
  /// Calls on_deadline() after `timeout` unless complete. False after shutdown: never.
  bool arm_deadline(Duration timeout, std::string_view what);
  /// Completes with kTimeout; a sleep completes in success.
  virtual void on_deadline();
  /// What it is the result of, for errors.
  virtual std::string describe() const { return std::string(what_); }
  std::string_view what() const noexcept { return what_; }

 protected:
  /// After the end by cancel() or at the deadline: nobody waits any more.
  virtual void on_abandoned([[maybe_unused]] bool cancelled) {}
  bool claim() noexcept { return !claimed_.exchange(true, std::memory_order_acq_rel); }
  void publish();

 private:
  friend class DeadlineQueue;
  struct Node : Pooled {
    boost::intrusive_ptr<Waiter> waiter;
    Node* next;
  };
  void forget(FunctionRef<bool(const Waiter&)> gone);
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
  const Error* failure() const noexcept override {
    return result_->has_value() ? nullptr : &result_->error();
  }
  /// Requires: ready(), and not taken before.
  Result<T> take() { return std::move(*result_); }
  /// Requires: ready(), and nobody takes it.
  const Result<T>& peek() const { return *result_; }

 private:
  std::optional<Result<T>> result_;
};

/// Waits on the calling thread; kInvalid inside a handler or task, kTimeout when time passes.
Result<void> wait_ready(FutureStateBase& state, Duration timeout);
/// Waits until `count` of `states` are ready; the index of the first ready one.
Result<std::size_t> wait_count(const std::vector<FutureStateBase*>& states, std::size_t count,
                               Duration timeout);

}  // namespace detail
}  // namespace muster
