#pragma once
/// Runtime::run: tasks outside actors. Included by <muster/runtime.h>.

#include <muster/runtime.h>

namespace muster {
namespace detail {

/// Frees itself when it has run to its end.
struct DetachedRun {
  struct promise_type {
    DetachedRun get_return_object() const noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }
  };
};

template <class T>
class TaskState final : public FutureState<T> {
 public:
  using FutureState<T>::FutureState;
  CoroutineFrame& frame() noexcept { return frame_; }

 private:
  void on_abandoned(bool cancelled) override {
    if (cancelled) frame_.cancel();
  }
  TaskFrame frame_;
};

template <class T>
DetachedRun run_task(Task<T> task, boost::intrusive_ptr<TaskState<T>> state) {
  if (state->claimed()) co_return;  // cancelled before it began
  current_frame() = &state->frame();
  try {
    if constexpr (std::is_void_v<T>) {
      co_await std::move(task);
      state->complete(Result<void>());
    } else {
      state->complete(Result<T>(co_await std::move(task)));
    }
  } catch (...) {
    state->complete_error(error_from_current_exception());
  }
}

void post_to(Place& place, std::function<void()> work);

}  // namespace detail

template <class T>
Future<T> Runtime::run(Task<T> task) {
  auto state = boost::intrusive_ptr(new detail::TaskState<T>(domain()));
  auto shared = std::make_shared<Task<T>>(std::move(task));
  detail::post_to(domain()->place(),
                  [shared, state] { detail::run_task(std::move(*shared), state); });
  return Future<T>(state);
}

}  // namespace muster
