#include "runtime/core/deadline_queue.h"

#include <vector>

namespace muster::detail {

bool DeadlineQueue::add(FutureStateBase& state, Duration timeout) {
  const std::scoped_lock lock(mutex_);
  if (stopped_) return false;  // and the timers may be gone
  const TimePoint now = timers_.clock().now();
  intrusive_ptr_add_ref(&state);
  state.deadline_ = timeout >= TimePoint::max() - now ? TimePoint::max() : now + timeout;
  set_.insert(set_.end(), state);
  arm(set_.begin()->deadline_);
  return true;
}

void DeadlineQueue::remove(FutureStateBase& state) {
  {
    const std::scoped_lock lock(mutex_);
    if (!state.deadline_hook_.is_linked()) return;
    set_.erase(set_.iterator_to(state));
  }
  intrusive_ptr_release(&state);
}

void DeadlineQueue::arm(TimePoint when) {
  // A timer that fires too early re-arms itself; that is cheaper than moving it with every call.
  if (when >= armed_for_ || stopped_) return;
  if (timer_ != 0) timers_.cancel(timer_);
  armed_for_ = when;
  timer_ = timers_.schedule(when, [this] { expire(); });
}

void DeadlineQueue::expire() {
  std::vector<boost::intrusive_ptr<FutureStateBase>> due;
  {
    const std::scoped_lock lock(mutex_);
    if (stopped_) return;
    const TimePoint now = timers_.clock().now();
    while (!set_.empty() && set_.begin()->deadline_ <= now) {
      due.emplace_back(&*set_.begin(), false);  // takes over the reference of the set
      set_.erase(set_.begin());
    }
    armed_for_ = TimePoint::max();
    timer_ = 0;
    if (!set_.empty()) arm(set_.begin()->deadline_);
  }
  for (const auto& state : due) state->on_deadline();
}

void DeadlineQueue::stop() {
  TimerId timer = 0;
  std::vector<boost::intrusive_ptr<FutureStateBase>> left;
  {
    const std::scoped_lock lock(mutex_);
    stopped_ = true;
    timer = std::exchange(timer_, 0);
    while (!set_.empty()) {
      left.emplace_back(&*set_.begin(), false);
      set_.erase(set_.begin());
    }
  }
  if (timer != 0) timers_.cancel(timer);
  for (const auto& state : left) {
    state->complete_error(
        Error{ErrorCode::kCancelled, std::string(state->what()) + ": the runtime shut down", {}});
  }
}

}  // namespace muster::detail
