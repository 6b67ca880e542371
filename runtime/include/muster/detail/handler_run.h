#pragma once
/// Coroutine handlers under way. Not for users.
///
/// Threads: all of it belongs to the run of the handler's actor.

#include <muster/detail/coroutine_frame.h>

#include <coroutine>
#include <exception>
#include <utility>

namespace muster::detail {

/// A coroutine handler under way. Owned by the actor; destroying it destroys what it waits for.
class HandlerRun {
 public:
  struct promise_type : HandlerFrame {
    promise_type() : HandlerFrame(nullptr) {}
    /// Takes the parameters of the coroutine, of which the first is the message.
    template <class M, class... Rest>
    explicit promise_type(M& message, Rest&...) : HandlerFrame(&message) {}
    HandlerRun get_return_object() noexcept {
      return HandlerRun(std::coroutine_handle<promise_type>::from_promise(*this));
    }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_always final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() noexcept { failure = std::current_exception(); }
    std::exception_ptr failure;
  };

  HandlerRun() = default;
  explicit HandlerRun(std::coroutine_handle<promise_type> handle) noexcept : handle_(handle) {}
  HandlerRun(HandlerRun&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  HandlerRun& operator=(HandlerRun&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~HandlerRun() {
    if (handle_) handle_.destroy();
  }
  CoroutineFrame* frame() const noexcept { return handle_ ? &handle_.promise() : nullptr; }
  bool suspended() const noexcept { return handle_ && !handle_.done(); }
  /// What escaped the handler: only CheckFailure does.
  std::exception_ptr failure() const noexcept {
    return handle_ ? handle_.promise().failure : nullptr;
  }

 private:
  std::coroutine_handle<promise_type> handle_ = nullptr;
};

}  // namespace muster::detail
