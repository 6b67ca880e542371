#include "actors/policy/worker_policy.h"

#include <algorithm>

namespace muster::training {

std::string_view to_string(WorkerPolicy::Reason reason) noexcept {
  switch (reason) {
    case WorkerPolicy::Reason::kAccepted:
      return "accepted";
    case WorkerPolicy::Reason::kStale:
      return "stale";
    case WorkerPolicy::Reason::kReplaced:
      return "replaced";
    case WorkerPolicy::Reason::kStopped:
      return "stopped";
  }
  return "unknown";
}

WorkerPolicy::Step WorkerPolicy::order(std::uint64_t round, std::uint64_t steps, bool probe) {
  if (stopped_) return {Do::kNothing, 0, Reason::kStopped};
  if (begun_ && round <= round_) return {Do::kNothing, 0, Reason::kStale};
  begun_ = true;
  working_ = true;
  probe_ = probe;
  round_ = round;
  steps_ = steps;
  done_ = 0;
  return next();
}

WorkerPolicy::Step WorkerPolicy::slice_due(std::uint64_t round) {
  if (stopped_) return {Do::kNothing, 0, Reason::kStopped};
  if (!working_ || round != round_) return {Do::kNothing, 0, Reason::kReplaced};
  return next();
}

WorkerPolicy::Step WorkerPolicy::stepped(std::uint64_t steps, Duration elapsed) {
  done_ += steps;
  // A slice twice as long as wanted is halved, one half as long doubled: no oscillation between.
  if (elapsed > slice_ * 2)
    slice_steps_ = std::max<std::uint64_t>(1, slice_steps_ / 2);
  else if (elapsed * 2 < slice_ && steps == slice_steps_)
    slice_steps_ = std::min<std::uint64_t>(slice_steps_ * 2, 1 << 20);
  if (done_ >= steps_) {
    working_ = false;
    return {Do::kContribute, 0, Reason::kAccepted};
  }
  return next();
}

WorkerPolicy::Step WorkerPolicy::probed() {
  working_ = false;
  return {Do::kContribute, 0, Reason::kAccepted};
}

WorkerPolicy::Step WorkerPolicy::next() const {
  if (probe_) return {Do::kProbe, 0, Reason::kAccepted};
  return {Do::kStep, std::min(slice_steps_, steps_ - done_), Reason::kAccepted};
}

}  // namespace muster::training
