#pragma once
/// Future<T>: the one value or error that a call ends in.
///
/// Threads: a Future is owned by one thread at a time (move it to hand it over). What completes it
/// runs elsewhere. Lifetime: a Future may outlive its Runtime; by then it is complete.

#include <muster/detail/future_await.h>

#include <chrono>
#include <span>
#include <vector>

namespace muster {

/// The result of a call, once. Obtained from Handle::call, Runtime::run, sleep_for and the like.
template <class T>
class [[nodiscard]] Future {
 public:
  using value_type = T;

  Future() = default;
  Future(Future&&) noexcept = default;
  Future& operator=(Future&&) noexcept = default;
  explicit Future(boost::intrusive_ptr<detail::FutureState<T>> state) : state_(std::move(state)) {}

  /// False after the result was taken, or for a default-constructed Future.
  bool valid() const noexcept { return state_ != nullptr; }
  /// True when get() would not wait. Requires: valid().
  bool ready() const { return checked().ready(); }

  /// Waits at most `timeout` and takes the value, or throws Exception with the call's error. When
  /// the time passes first it throws kTimeout and the Future stays valid. Inside an actor's handler
  /// or a task, waiting would block a thread of the runtime: there it throws kInvalid unless
  /// ready(); use co_await. Requires: valid().
  T get(Duration timeout = kForever) { return value_or_throw(result(timeout)); }

  /// As get(), with the error as a value.
  Result<T> result(Duration timeout = kForever) {
    if (auto waited = detail::wait_ready(checked(), timeout); !waited) return fail(waited.error());
    return take();
  }

  /// Takes the result if it is there, without waiting; empty when it is not. Requires: valid().
  std::optional<Result<T>> try_get() {
    if (!checked().ready()) return std::nullopt;
    return take();
  }

  /// Ends it in kCancelled at once, unless it is complete; true when this did it. The Future stays
  /// valid. A call that waits for its actor is never handled then. A coroutine handler or a task
  /// gets kCancelled, once, from the Future that it awaits, or from the next that it does; a plain
  /// handler may ask this_actor::stop_token(). Dropping a Future cancels nothing. Requires:
  /// valid().
  bool cancel() { return checked().cancel(); }

  /// Runs `function(Result<T>)` once the result is there and gives a Future of what it returns. In
  /// an actor's handler the function runs as a message of that actor, never beside another handler;
  /// elsewhere on the runtime's executor. Cancelling that Future cancels this one. Takes this
  /// Future over. Requires: valid().
  template <class F>
  auto then(F function) && {
    using R = std::invoke_result_t<F&, Result<T>>;
    checked();
    return Future<R>(detail::continue_with<R>(std::move(state_), std::move(function)));
  }

  /// `co_await future` in a Task: suspends until the result is there, then gives the value or
  /// throws Exception. Takes this Future over. Requires: valid().
  auto operator co_await() && {
    checked();
    return detail::FutureAwaiter<T, false>{std::move(state_)};
  }
  auto operator co_await() & { return std::move(*this).operator co_await(); }
  /// `co_await future.as_result()`: the same, with the error as a value.
  auto as_result() && {
    checked();
    return detail::FutureAwaiter<T, true>{std::move(state_)};
  }
  auto as_result() & { return std::move(*this).as_result(); }

  detail::FutureStateBase* state() const noexcept { return state_.get(); }

 private:
  detail::FutureState<T>& checked() const {
    MUSTER_CHECK(state_ != nullptr, "the Future is empty or its result was taken");
    return *state_;
  }
  Result<T> take() {
    const auto state = std::move(state_);
    return state->take();
  }

  boost::intrusive_ptr<detail::FutureState<T>> state_;
};

/// Waits until one of `futures` is ready and returns its index (the lowest), or kTimeout. The
/// futures stay valid. Not inside handlers or tasks (kInvalid). Requires: all valid, at least one.
template <class T>
Result<std::size_t> wait_any(std::span<Future<T>> futures, Duration timeout = kForever) {
  std::vector<detail::FutureStateBase*> states;
  for (const auto& future : futures) states.push_back(future.state());
  return detail::wait_count(states, 1, timeout);
}
template <class T>
Result<std::size_t> wait_any(std::vector<Future<T>>& futures, Duration timeout = kForever) {
  return wait_any(std::span<Future<T>>(futures), timeout);
}

/// Waits until all of `futures` are ready (in values or errors), or kTimeout. The futures stay
/// valid. Not inside handlers or tasks (kInvalid). Requires: all valid.
template <class T>
Result<void> wait_all(std::span<Future<T>> futures, Duration timeout = kForever) {
  std::vector<detail::FutureStateBase*> states;
  for (const auto& future : futures) states.push_back(future.state());
  return detail::wait_count(states, states.size(), timeout).map([](std::size_t) {});
}
template <class T>
Result<void> wait_all(std::vector<Future<T>>& futures, Duration timeout = kForever) {
  return wait_all(std::span<Future<T>>(futures), timeout);
}

}  // namespace muster
