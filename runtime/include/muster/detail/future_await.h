#pragma once
/// How coroutines and functions wait for a FutureState. Not for users; included by
/// <muster/future.h>.

#include <muster/detail/future_state.h>
#include <muster/detail/spin_lock.h>

#include <mutex>

namespace muster::detail {

/// Resumes a coroutine in its place. disarm() (in that place) makes a pending resumption do
/// nothing: the frame is about to go.
class CoroutineWaiter final : public Waiter {
 public:
  CoroutineWaiter(std::coroutine_handle<> handle, boost::intrusive_ptr<Place> place,
                  FutureStateBase& state);
  void ready() override;
  void disarm() noexcept;

 private:
  class Resumption;
  boost::intrusive_ptr<Resumption> resumption_;
  boost::intrusive_ptr<Place> place_;
};

/// The place of the running handler or task, else that of the future's runtime, else null.
boost::intrusive_ptr<Place> place_for(const FutureStateBase& state);

/// Suspends a coroutine until a state is ready; cancelling the coroutine cancels the state.
/// Destroyed with the coroutine's frame, it leaves nothing that would resume it.
class ReadyAwaiter {
 public:
  explicit ReadyAwaiter(boost::intrusive_ptr<FutureStateBase> state) : state_(std::move(state)) {}
  ReadyAwaiter(ReadyAwaiter&&) = default;
  ~ReadyAwaiter() {
    if (waiter_) waiter_->disarm();
  }
  bool await_ready() const { return state_->ready(); }
  void await_suspend(std::coroutine_handle<> handle) {
    waiter_ = boost::intrusive_ptr(new CoroutineWaiter(handle, place_for(*state_), *state_));
    // The coroutine may be resumed, and this awaiter destroyed, before subscribe returns.
    const auto state = state_;
    state->subscribe(boost::intrusive_ptr<Waiter>(waiter_));
  }
  void await_resume() {
    if (auto waiter = std::move(waiter_)) waiter->disarm();
  }

 protected:
  FutureStateBase& state() const noexcept { return *state_; }

 private:
  boost::intrusive_ptr<FutureStateBase> state_;
  boost::intrusive_ptr<CoroutineWaiter> waiter_;
};

template <class T, bool kAsResult>
class FutureAwaiter : public ReadyAwaiter {
 public:
  explicit FutureAwaiter(boost::intrusive_ptr<FutureState<T>> state)
      : ReadyAwaiter(std::move(state)) {}
  auto await_resume() {
    ReadyAwaiter::await_resume();
    auto& state = static_cast<FutureState<T>&>(this->state());
    if constexpr (kAsResult) {
      return state.take();
    } else {
      return value_or_throw(state.take());
    }
  }
};

/// Runs `function()` in `place` when `state` is ready. Without a place, which only a state that is
/// ready may lack, at once.
void run_when_ready(FutureStateBase& state, boost::intrusive_ptr<Place> place,
                    std::function<void()> function);

/// What then() gives: cancelling it cancels what comes before it.
template <class R>
class ThenState final : public FutureState<R> {
 public:
  explicit ThenState(FutureStateBase& before) : FutureState<R>(before.domain()), before_(&before) {}
  /// `before` is complete, or will not be seen again.
  void forget() noexcept {
    const std::scoped_lock lock(mutex_);
    before_ = nullptr;
  }

 private:
  void on_abandoned(bool cancelled) override {
    boost::intrusive_ptr<FutureStateBase> before;
    {
      const std::scoped_lock lock(mutex_);
      before = before_;
    }
    if (cancelled && before) before->cancel();
  }

  SpinLock mutex_;
  FutureStateBase* before_;  // guarded by mutex_; whoever calls forget() keeps it alive
};

/// What then() leaves behind. When its place goes before it has run, the next Future ends in
/// kCancelled.
template <class T, class R, class F>
class ThenWork {
 public:
  ThenWork(boost::intrusive_ptr<FutureState<T>> state, boost::intrusive_ptr<ThenState<R>> next,
           F function)
      : state_(std::move(state)), next_(std::move(next)), function_(std::move(function)) {}
  ~ThenWork() {
    next_->forget();
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
  boost::intrusive_ptr<ThenState<R>> next_;
  F function_;
};

template <class R, class T, class F>
boost::intrusive_ptr<FutureState<R>> continue_with(boost::intrusive_ptr<FutureState<T>> state,
                                                   F function) {
  FutureStateBase& before = *state;
  auto next = boost::intrusive_ptr(new ThenState<R>(before));
  // std::function copies its target, so what only moves goes behind a shared pointer.
  auto work = std::make_shared<ThenWork<T, R, F>>(std::move(state), next, std::move(function));
  run_when_ready(before, place_for(before), [work] { work->run(); });
  return next;
}

/// Told on the thread that completes a state, which is alive then: `ready` is called with it.
template <class State, class F>
class CallingWaiter final : public Waiter {
 public:
  CallingWaiter(State& state, F function) : state_(state), function_(std::move(function)) {}
  void ready() override { function_(state_); }

 private:
  State& state_;
  F function_;
};
template <class State, class F>
void when_ready(State& state, F function) {
  state.subscribe(
      boost::intrusive_ptr<Waiter>(new CallingWaiter<State, F>(state, std::move(function))));
}

}  // namespace muster::detail
