#include <muster/detail/coroutine_frame.h>
#include <muster/detail/future_state.h>

#include <mutex>
#include <utility>

namespace muster::detail {

HandlerFrame::~HandlerFrame() {
  if (current_frame() == this) current_frame() = nullptr;
  // A Task that the actor itself keeps outlives the handler that awaited it.
  if (wait_ != nullptr) wait_->frame = nullptr;
}

void HandlerFrame::begin_wait(FutureWait& wait) {
  wait_ = &wait;
  if (cancel_next_ && wait.state->cancel()) cancel_next_ = false;
}

void HandlerFrame::cancel() {
  cancel_next_ = wait_ == nullptr || !wait_->state->cancel();
}

void TaskFrame::begin_wait(FutureWait& wait) {
  {
    const std::scoped_lock lock(mutex_);
    if (!cancel_next_) {
      wait_ = &wait;
      return;
    }
  }
  // Not yet to be found by cancel(), which has come already.
  const bool cancelled = wait.state->cancel();
  const std::scoped_lock lock(mutex_);
  wait_ = &wait;
  if (cancelled) cancel_next_ = false;
}

void TaskFrame::end_wait() noexcept {
  const std::scoped_lock lock(mutex_);
  wait_ = nullptr;
}

void TaskFrame::cancel() {
  boost::intrusive_ptr<FutureStateBase> state;
  for (;;) {
    {
      const std::scoped_lock lock(mutex_);
      if (wait_ == nullptr || wait_->state == state.get()) {
        cancel_next_ = true;  // that one has ended by itself
        return;
      }
      state = wait_->state;
    }
    if (state->cancel()) return;
  }
}

}  // namespace muster::detail
