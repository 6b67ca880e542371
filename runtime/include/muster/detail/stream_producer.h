#pragma once
/// The producer's end of a stream: the coroutine of a handler that returns Stream<T>. Not for
/// users; included by <muster/stream.h>.
///
/// Threads: everything runs in the handler's actor. The coroutine hands over to the one that
/// awaits run_into() when its buffer is full, and goes no further unless that resumes it.

#include <muster/detail/stream_buffer.h>

#include <coroutine>
#include <exception>
#include <utility>

namespace muster {

template <class T>
class Stream;

namespace detail {

template <class T>
class StreamPromise {
 public:
  /// Resumes whoever awaits run_into().
  struct HandOver {
    bool ready = false;
    bool await_ready() const noexcept { return ready; }
    std::coroutine_handle<> await_suspend(
        std::coroutine_handle<StreamPromise> handle) const noexcept {
      return handle.promise().driver_;
    }
    void await_resume() const noexcept {}
  };
  Stream<T> get_return_object() noexcept;
  std::suspend_always initial_suspend() const noexcept { return {}; }
  HandOver final_suspend() const noexcept { return {}; }
  template <class U>
  requires std::convertible_to<U&&, T> HandOver yield_value(U&& value) {
    return {buffer_->push(T(std::forward<U>(value))) && --left_ > 0};
  }
  void return_void() const noexcept {}
  void unhandled_exception() noexcept { exception_ = std::current_exception(); }

 private:
  template <class>
  friend class StreamProducer;
  StreamBuffer<T>* buffer_ = nullptr;
  std::size_t left_ = 0;  // items that it may make before it hands over
  std::coroutine_handle<> driver_;
  std::exception_ptr exception_;
};

/// Owns the coroutine.
template <class T>
class StreamProducer {
 public:
  using Handle = std::coroutine_handle<StreamPromise<T>>;

  StreamProducer() = default;
  explicit StreamProducer(Handle handle) noexcept : handle_(handle) {}
  StreamProducer(StreamProducer&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  StreamProducer& operator=(StreamProducer&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~StreamProducer() {
    if (handle_) handle_.destroy();
  }
  bool valid() const noexcept { return handle_ != nullptr; }

  /// `co_await run_into(buffer)`: lets the coroutine make items until it has ended, which gives
  /// false or throws what it threw, or until the buffer has no room for another or was dropped, at
  /// the latest after a window of items: others want a turn too.
  auto run_into(StreamBuffer<T>& buffer) noexcept {
    struct Awaiter {
      Handle handle;
      StreamBuffer<T>& buffer;
      bool await_ready() const noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<> driver) const noexcept {
        handle.promise().buffer_ = &buffer;
        handle.promise().left_ = buffer.window();
        handle.promise().driver_ = driver;
        return handle;
      }
      bool await_resume() const {
        if (!handle.done()) return true;
        if (handle.promise().exception_) std::rethrow_exception(handle.promise().exception_);
        return false;
      }
    };
    return Awaiter{handle_, buffer};
  }

 private:
  Handle handle_;
};

template <class T>
Stream<T> StreamPromise<T>::get_return_object() noexcept {
  return Stream<T>(StreamProducer<T>(StreamProducer<T>::Handle::from_promise(*this)));
}

}  // namespace detail
}  // namespace muster
