#include <muster/testing/virtual_time.h>

#include "runtime/time/timer_queue.h"

namespace muster::testing {

VirtualTimers::VirtualTimers() : queue_(std::make_unique<TimerQueue>()) {}

VirtualTimers::~VirtualTimers() {
  // What waits may own objects that cancel or schedule as they go.
  queue_->clear();
}

TimerId VirtualTimers::schedule(TimePoint when, std::function<void()> callback) {
  return queue_->schedule(when, std::move(callback));
}

bool VirtualTimers::cancel(TimerId id) {
  return queue_->cancel(id);
}

std::optional<TimePoint> VirtualTimers::next() const {
  return queue_->next();
}

bool VirtualTimers::run_next() {
  const auto when = queue_->next();
  if (!when) return false;
  const Duration::rep at = when->time_since_epoch().count();
  if (at > clock_.now_) clock_.now_ = at;
  queue_->run_due(clock_.now());
  return true;
}

std::size_t VirtualTimers::advance(Duration by) {
  const TimePoint end = clock_.now() + by;
  std::size_t count = 0;
  for (auto when = queue_->next(); when && *when <= end; when = queue_->next()) {
    const Duration::rep at = when->time_since_epoch().count();
    if (at > clock_.now_) clock_.now_ = at;
    count += queue_->run_due(clock_.now());
  }
  clock_.now_ = end.time_since_epoch().count();
  return count;
}

std::size_t VirtualTimers::run_due() {
  return queue_->run_due(clock_.now());
}

std::size_t VirtualTimers::pending() const {
  return queue_->size();
}

}  // namespace muster::testing
