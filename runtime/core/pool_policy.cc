#include "runtime/core/pool_policy.h"

#include <algorithm>

namespace muster::detail {

std::string_view to_string(PoolReason reason) noexcept {
  switch (reason) {
    case PoolReason::kEnough:
      return "enough";
    case PoolReason::kTooFew:
      return "too_few";
    case PoolReason::kTooFewWait:
      return "too_few_wait";
    case PoolReason::kTooMany:
      return "too_many";
    case PoolReason::kMayShrink:
      return "may_shrink";
  }
  return "unknown";
}

std::size_t members_wanted(const PoolOptions& options, std::size_t calls) noexcept {
  const std::size_t each = options.calls_per_member;
  return std::clamp(calls / each + (calls % each != 0 ? 1 : 0), options.min, options.max);
}

PoolActions decide(const PoolOptions& options, const PoolState& state, TimePoint now) {
  const auto& members = state.members;
  const std::size_t wanted = members_wanted(options, state.calls);
  PoolActions actions;
  if (members.size() < wanted) {
    if (now < state.spawn_after) {
      actions.reason = PoolReason::kTooFewWait;
      actions.look_again = state.spawn_after;
    } else {
      actions.reason = PoolReason::kTooFew;
      actions.spawn = wanted - members.size();
      if (wanted > options.min) actions.look_again = now + options.idle_time;
    }
    return actions;
  }
  if (members.size() <= options.min) return actions;

  std::vector<std::size_t> idle;
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (members[i].load == 0) idle.push_back(i);
  }
  std::ranges::stable_sort(idle, {}, [&](std::size_t i) { return members[i].idle_since; });
  const std::size_t spare = members.size() - wanted;
  for (const std::size_t i : idle) {
    if (actions.retire.size() == spare || now - members[i].idle_since < options.idle_time) break;
    actions.retire.push_back(i);
  }
  actions.reason = actions.retire.empty() ? PoolReason::kMayShrink : PoolReason::kTooMany;
  if (members.size() - actions.retire.size() > options.min) {
    // Of those that are busy nobody says when they fall idle: it is looked for.
    const bool known = actions.retire.size() < spare && actions.retire.size() < idle.size();
    actions.look_again = known ? members[idle[actions.retire.size()]].idle_since + options.idle_time
                               : now + options.idle_time;
  }
  return actions;
}

void SpawnDelay::failed(TimePoint now) {
  if (!failed_ || now - last_ >= max_) {
    delay_ = Duration::zero();
  } else {
    delay_ = delay_ == Duration::zero() ? min_ : std::min(delay_ * 2, max_);
  }
  failed_ = true;
  last_ = now;
  not_before_ = now + delay_;
}

}  // namespace muster::detail
