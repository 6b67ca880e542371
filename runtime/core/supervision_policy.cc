#include "runtime/core/supervision_policy.h"

#include <algorithm>
#include <utility>

namespace muster::detail {

SupervisionPolicy::SupervisionPolicy(const SupervisorOptions& options, bool top, std::uint64_t seed)
    : options_(options), top_(top), random_(seed) {}

SupervisionPolicy::Decision SupervisionPolicy::decide(TimePoint now, Event event) {
  Decision decision;
  note(event, decision, now);
  const bool quiet = goal_ == Goal::kUp && !starting_all_ &&
                     (event.kind == EventKind::kAdded || (up_ == children_.size() && halts_ == 0));
  if (!quiet && decision.reason != Reason::kRefused) settle(decision, now);
  return decision;
}

void SupervisionPolicy::note(const Event& event, Decision& decision, TimePoint now) {
  Child* child = find(event.child);
  switch (event.kind) {
    case EventKind::kAdded:
      if (goal_ == Goal::kEnd) {
        decision.reason = Reason::kRefused;
      } else {
        children_.push_back(Child{event.child, Stage::kStarting, false, now});
      }
      break;
    case EventKind::kStarted:
      if (child && child->stage == Stage::kStarting) set(*child, Stage::kUp);
      break;
    case EventKind::kFailed:
      if (child) fail(*child, decision, now);
      break;
    case EventKind::kHalted:
      if (child && child->stage == Stage::kHalting) set(*child, Stage::kDown);
      break;
    case EventKind::kGone:
      if (child) forget(*child);
      break;
    case EventKind::kTick:
      break;
    case EventKind::kHalt:
      decision.reason = Reason::kCommanded;
      if (goal_ == Goal::kUp) goal_ = Goal::kDown;
      break;
    case EventKind::kStart:
      decision.reason = Reason::kCommanded;
      if (goal_ != Goal::kDown) break;
      goal_ = Goal::kUp;
      escalating_ = told_down_ = false;
      starting_all_ = true;
      restarts_.clear();
      for (Child& each : children_) each.due = now;
      break;
    case EventKind::kStop:
    case EventKind::kKill:
      decision.reason = Reason::kCommanded;
      goal_ = Goal::kEnd;
      if (event.kind == EventKind::kKill && !std::exchange(kill_, true)) {
        for (const Child& each : children_) {
          if (each.stage != Stage::kEnding) continue;
          decision.actions.push_back({ActionKind::kKill, each.id});
        }
      }
      break;
  }
}

void SupervisionPolicy::fail(Child& child, Decision& decision, TimePoint now) {
  if (child.stage == Stage::kDown) return;
  if (child.stage == Stage::kEnding) {  // what it was to handle before its end waits in vain
    decision.reason = Reason::kExpected;
    decision.actions.push_back({ActionKind::kKill, child.id});
    return;
  }
  const bool expected = goal_ != Goal::kUp || child.to_halt || child.stage == Stage::kHalting;
  set(child, Stage::kDown);
  if (expected) {
    decision.reason = Reason::kExpected;
    return;
  }
  if (over_limit(now)) {
    if (top_) {
      decision.reason = Reason::kGaveUp;
      goal_ = Goal::kEnd;
      kill_ = true;
    } else {
      decision.reason = Reason::kEscalated;
      goal_ = Goal::kDown;
      escalating_ = true;
    }
    return;
  }
  restarts_.push_back(now);
  decision.reason = Reason::kRestart;
  decision.delay = pause();
  const auto at = static_cast<std::size_t>(&child - children_.data());
  switch (options_.strategy) {
    case RestartStrategy::kOneForOne:
      restart(at, at + 1, now + decision.delay);
      break;
    case RestartStrategy::kOneForAll:
      restart(0, children_.size(), now + decision.delay);
      break;
    case RestartStrategy::kRestForOne:
      restart(at, children_.size(), now + decision.delay);
      break;
  }
}

void SupervisionPolicy::restart(std::size_t first, std::size_t last, TimePoint due) {
  for (std::size_t i = first; i < last; ++i) {
    Child& child = children_[i];
    want_halt(child, child.stage == Stage::kUp || child.stage == Stage::kStarting);
    child.due = due;
  }
}

bool SupervisionPolicy::over_limit(TimePoint now) {
  while (!restarts_.empty() && now - restarts_.front() >= options_.restart.window) {
    restarts_.pop_front();
  }
  return restarts_.size() >= options_.max_restarts;
}

Duration SupervisionPolicy::pause() {
  const RestartOptions& restart = options_.restart;
  Duration base = std::min(restart.backoff_min, restart.backoff_max);
  for (std::size_t n = 1; n < restarts_.size() && base < restart.backoff_max; ++n) {
    base = base > restart.backoff_max / 2 ? restart.backoff_max : base * 2;
    if (base == Duration::zero()) break;
  }
  const double added = static_cast<double>(base.count()) * restart.jitter * random_.uniform();
  return base + Duration(static_cast<Duration::rep>(added));
}

void SupervisionPolicy::settle(Decision& decision, TimePoint now) {
  if (goal_ == Goal::kEnd) {
    settle_end(decision);
    return;
  }
  if (!settle_halts(decision)) return;
  if (goal_ == Goal::kDown) {
    if (!all(Stage::kDown) || std::exchange(told_down_, true)) return;
    decision.report = escalating_ ? EventKind::kFailed : EventKind::kHalted;
    return;
  }
  settle_starts(decision, now);
  if (starting_all_ && all(Stage::kUp)) {
    starting_all_ = false;
    decision.report = EventKind::kStarted;
  }
}

void SupervisionPolicy::settle_end(Decision& decision) {
  if (children_.empty()) {
    if (!std::exchange(told_gone_, true)) decision.report = EventKind::kGone;
    return;
  }
  if (std::ranges::any_of(children_, [](auto& c) { return c.stage == Stage::kEnding; })) return;
  Child& last = children_.back();
  // One that is down does not get to its messages any more.
  const bool down = last.stage == Stage::kDown || last.stage == Stage::kHalting;
  set(last, Stage::kEnding);
  decision.actions.push_back({kill_ || down ? ActionKind::kKill : ActionKind::kStop, last.id});
}

bool SupervisionPolicy::settle_halts(Decision& decision) {
  if (std::ranges::any_of(children_, [](auto& c) { return c.stage == Stage::kHalting; })) {
    return false;
  }
  for (auto child = children_.rbegin(); child != children_.rend(); ++child) {
    if (child->stage == Stage::kDown) want_halt(*child, false);
    if (child->stage == Stage::kDown || !(child->to_halt || goal_ == Goal::kDown)) continue;
    if (child->stage == Stage::kUp) {
      set(*child, Stage::kHalting);
      want_halt(*child, false);
      decision.actions.push_back({ActionKind::kHalt, child->id});
    }
    return false;  // its word comes first, also of one that is being started
  }
  return true;
}

void SupervisionPolicy::settle_starts(Decision& decision, TimePoint now) {
  const bool ordered = starting_all_ || options_.strategy != RestartStrategy::kOneForOne;
  for (Child& child : children_) {
    if (child.stage == Stage::kUp) continue;
    if (child.stage == Stage::kDown && child.due <= now) {
      set(child, Stage::kStarting);
      decision.actions.push_back({ActionKind::kStart, child.id});
    } else if (child.stage == Stage::kDown) {
      decision.wake = std::min(decision.wake.value_or(child.due), child.due);
    }
    if (ordered) return;
  }
}

SupervisionPolicy::Child* SupervisionPolicy::find(ChildId id) {
  const auto found = std::ranges::lower_bound(children_, id, {}, &Child::id);
  return found == children_.end() || found->id != id ? nullptr : &*found;
}

void SupervisionPolicy::forget(Child& child) {
  set(child, Stage::kDown);
  want_halt(child, false);
  children_.erase(children_.begin() + (&child - children_.data()));
}

void SupervisionPolicy::set(Child& child, Stage stage) {
  up_ -= child.stage == Stage::kUp ? 1 : 0;
  up_ += stage == Stage::kUp ? 1 : 0;
  child.stage = stage;
}

void SupervisionPolicy::want_halt(Child& child, bool wanted) {
  halts_ -= child.to_halt ? 1 : 0;
  halts_ += wanted ? 1 : 0;
  child.to_halt = wanted;
}

bool SupervisionPolicy::all(Stage stage) const {
  return std::ranges::all_of(children_, [stage](const Child& c) { return c.stage == stage; });
}

}  // namespace muster::detail
