#include "runtime/core/supervision_policy.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <map>
#include <set>

namespace muster::detail {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Policy = SupervisionPolicy;
using Event = Policy::EventKind;
using Action = Policy::ActionKind;
using Reason = Policy::Reason;

/// A supervisor whose children do at once, and in order, what they are told.
class PolicyTest : public ::testing::Test {
 protected:
  void make(SupervisorOptions options, int children, bool top = true) {
    policy.emplace(options, top, 7);
    for (int i = 1; i <= children; ++i) {
      policy->decide(now, {Event::kAdded, ChildId(i)});
      policy->decide(now, {Event::kStarted, ChildId(i)});
    }
  }
  Policy::Decision decide(Event kind, ChildId child = 0) {
    Policy::Decision first = policy->decide(now, {kind, child});
    note(first);
    return first;
  }
  /// Lets children obey and the clock run until nothing is left to happen.
  std::vector<std::string> obey() {
    std::vector<std::string> done;
    for (;;) {
      if (commands.empty()) {
        if (!wake) return done;
        now = std::max(now, *wake);
        note(policy->decide(now, {Event::kTick}));
        continue;
      }
      const Policy::Action action = commands.front();
      commands.erase(commands.begin());
      static constexpr const char* kNames[] = {"halt ", "start ", "stop ", "kill "};
      done.push_back(kNames[int(action.kind)] + std::to_string(action.child));
      const Event answer = action.kind == Action::kHalt    ? Event::kHalted
                           : action.kind == Action::kStart ? Event::kStarted
                                                           : Event::kGone;
      note(policy->decide(now, {answer, action.child}));
    }
  }
  void note(const Policy::Decision& decision) {
    commands.insert(commands.end(), decision.actions.begin(), decision.actions.end());
    wake = decision.wake;
    if (decision.report) reports.push_back(*decision.report);
  }

  TimePoint now{1h};
  std::optional<Policy> policy;
  std::vector<Policy::Action> commands;
  std::optional<TimePoint> wake;
  std::vector<Event> reports;
};

constexpr RestartOptions kExact = {
    .window = 10s, .backoff_min = 10ms, .backoff_max = 1s, .jitter = 0};

TEST_F(PolicyTest, OneForOneRestartsTheOneThatFailed) {
  make({.strategy = RestartStrategy::kOneForOne, .restart = kExact}, 3);
  const auto decision = decide(Event::kFailed, 2);
  EXPECT_EQ(decision.reason, Reason::kRestart);
  EXPECT_EQ(decision.wake, now + 10ms);
  EXPECT_THAT(obey(), ElementsAre("start 2"));
}

TEST_F(PolicyTest, OneForAllHaltsTheOthersLatestFirstAndStartsAllInOrder) {
  make({.strategy = RestartStrategy::kOneForAll, .restart = kExact}, 3);
  decide(Event::kFailed, 2);
  EXPECT_THAT(obey(), ElementsAre("halt 3", "halt 1", "start 1", "start 2", "start 3"));
}

TEST_F(PolicyTest, RestForOneLeavesTheEarlierOnesAlone) {
  make({.strategy = RestartStrategy::kRestForOne, .restart = kExact}, 4);
  decide(Event::kFailed, 2);
  EXPECT_THAT(obey(), ElementsAre("halt 4", "halt 3", "start 2", "start 3", "start 4"));
}

TEST_F(PolicyTest, PausesDoubleUpToTheLongestAndBeginAgainAfterTheWindow) {
  make({.max_restarts = 100,
        .restart = {.window = 10s, .backoff_min = 300ms, .backoff_max = 1s, .jitter = 0}},
       1);
  std::vector<Duration> delays;
  for (int i = 0; i < 4; ++i) {
    delays.push_back(decide(Event::kFailed, 1).delay);
    obey();
  }
  now += 10s;
  delays.push_back(decide(Event::kFailed, 1).delay);
  EXPECT_THAT(delays, ElementsAre(300ms, 600ms, 1s, 1s, 300ms));
}

TEST_F(PolicyTest, JitterOnlyAddsAndIsDrawnFromTheSeed) {
  const SupervisorOptions options = {
      .max_restarts = 50, .restart = {.backoff_min = 1s, .backoff_max = 1s, .jitter = 0.5}};
  std::set<Duration> seen;
  for (int round = 0; round < 2; ++round) {
    make(options, 1);
    for (int i = 0; i < 50; ++i) {
      const Duration delay = decide(Event::kFailed, 1).delay;
      EXPECT_GE(delay, 1s);
      EXPECT_LE(delay, 1500ms);
      seen.insert(delay);
      obey();
    }
  }
  EXPECT_EQ(seen.size(), 50U);  // the second round drew the same
}

TEST_F(PolicyTest, OneFailureTooManyWithinTheWindowEndsAllAtTheTop) {
  make({.max_restarts = 2, .restart = kExact}, 2);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(decide(Event::kFailed, 1).reason, Reason::kRestart);
    obey();
  }
  EXPECT_EQ(decide(Event::kFailed, 2).reason, Reason::kGaveUp);
  EXPECT_THAT(obey(), ElementsAre("kill 2", "kill 1"));
  EXPECT_THAT(reports, ElementsAre(Event::kGone));
  EXPECT_EQ(decide(Event::kAdded, 3).reason, Reason::kRefused);
}

TEST_F(PolicyTest, FailuresFurtherApartThanTheWindowAreForgiven) {
  make({.max_restarts = 1, .restart = kExact}, 1);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(decide(Event::kFailed, 1).reason, Reason::kRestart) << i;
    obey();
    now += 10s;
  }
  EXPECT_EQ(decide(Event::kFailed, 1).reason, Reason::kRestart);
  obey();
  now += 9s;
  EXPECT_EQ(decide(Event::kFailed, 1).reason, Reason::kGaveUp);
}

TEST_F(PolicyTest, WithAParentOneFailureTooManyBringsAllDownAndTellsIt) {
  make({.max_restarts = 0, .restart = kExact}, 3, false);
  EXPECT_EQ(decide(Event::kFailed, 2).reason, Reason::kEscalated);
  EXPECT_THAT(reports, IsEmpty());
  EXPECT_THAT(obey(), ElementsAre("halt 3", "halt 1"));
  EXPECT_THAT(reports, ElementsAre(Event::kFailed));
  decide(Event::kStart);
  EXPECT_THAT(obey(), ElementsAre("start 1", "start 2", "start 3"));
  EXPECT_THAT(reports, ElementsAre(Event::kFailed, Event::kStarted));
}

TEST_F(PolicyTest, AFailureCrossedByTheHaltCountsOnce) {
  make({.strategy = RestartStrategy::kOneForAll, .max_restarts = 1, .restart = kExact}, 3);
  decide(Event::kFailed, 1);                                       // asks 3 to halt
  EXPECT_EQ(decide(Event::kFailed, 3).reason, Reason::kExpected);  // it failed first
  EXPECT_EQ(decide(Event::kFailed, 2).reason, Reason::kExpected);  // its turn had not come
  commands.clear();
  EXPECT_THAT(obey(), ElementsAre("start 1", "start 2", "start 3"));
}

TEST_F(PolicyTest, AConstructorThatThrowsIsOneMoreFailure) {
  make({.max_restarts = 2, .restart = kExact}, 1);
  decide(Event::kFailed, 1);
  now += 10ms;
  EXPECT_THAT(decide(Event::kTick).actions, ElementsAre(Policy::Action{Action::kStart, 1}));
  const auto second = decide(Event::kFailed, 1);
  EXPECT_EQ(second.reason, Reason::kRestart);
  EXPECT_EQ(second.delay, 20ms);
  now += 20ms;
  decide(Event::kTick);
  EXPECT_EQ(decide(Event::kFailed, 1).reason, Reason::kGaveUp);
}

TEST_F(PolicyTest, OneThatEndsForGoodIsNotRestartedWithTheOthers) {
  make({.strategy = RestartStrategy::kOneForAll, .restart = kExact}, 3);
  decide(Event::kFailed, 1);
  decide(Event::kGone, 3);
  commands.erase(commands.begin());  // the halt of 3, which it never heard
  EXPECT_THAT(obey(), ElementsAre("halt 2", "start 1", "start 2"));
}

TEST_F(PolicyTest, OneFlaggedWithOthersThatAreGoneIsRestartedAllTheSame) {
  make({.strategy = RestartStrategy::kOneForAll, .restart = kExact}, 3);
  decide(Event::kFailed, 1);
  decide(Event::kGone, 1);
  decide(Event::kGone, 3);
  commands.erase(commands.begin());  // the halt of 3
  EXPECT_THAT(obey(), ElementsAre("halt 2", "start 2"));
}

TEST_F(PolicyTest, TheParentsStartDoesNotWaitForAnEarlierPause) {
  make({.restart = kExact}, 1, false);
  decide(Event::kFailed, 1);
  decide(Event::kHalt);
  EXPECT_THAT(reports, ElementsAre(Event::kHalted));
  EXPECT_THAT(decide(Event::kStart).actions, ElementsAre(Policy::Action{Action::kStart, 1}));
}

TEST_F(PolicyTest, StopEndsLatestFirstAndKillOvertakesIt) {
  make({.restart = kExact}, 3);
  EXPECT_THAT(decide(Event::kStop).actions, ElementsAre(Policy::Action{Action::kStop, 3}));
  EXPECT_THAT(decide(Event::kKill).actions, ElementsAre(Policy::Action{Action::kKill, 3}));
  commands.erase(commands.begin());
  EXPECT_THAT(obey(), ElementsAre("kill 3", "kill 2", "kill 1"));
}

TEST_F(PolicyTest, StopDoesNotWaitForTheMessagesOfOneThatIsDown) {
  make({.restart = kExact}, 2);
  decide(Event::kFailed, 2);
  decide(Event::kStop);
  EXPECT_THAT(obey(), ElementsAre("kill 2", "stop 1"));
  make({.strategy = RestartStrategy::kOneForAll, .restart = kExact}, 3);
  decide(Event::kFailed, 1);  // asks 3 to halt
  EXPECT_THAT(decide(Event::kStop).actions, ElementsAre(Policy::Action{Action::kKill, 3}));
  make({.restart = kExact}, 1);
  decide(Event::kStop);
  EXPECT_THAT(decide(Event::kFailed, 1).actions, ElementsAre(Policy::Action{Action::kKill, 1}));
}

// --- by the thousand -----------------------------------------------------------------------------

/// Children that obey late, fail at the worst moment, end and appear as the seed says, and a record
/// of what the policy may and may not do.
class RandomTree {
 public:
  explicit RandomTree(std::uint64_t seed) : random_(seed) {
    options_.strategy = RestartStrategy(1 + random_.below(3));
    options_.max_restarts = unsigned(random_.below(4));
    options_.restart = {.window = random_.below(5) * 100ms + 50ms,
                        .backoff_min = random_.below(3) * 10ms,
                        .backoff_max = 40ms,
                        .jitter = 0.5};
    top_ = random_.below(2) == 0;
    policy_.emplace(options_, top_, seed);
  }

  void run() {
    for (int step = 0; step < 120 && !::testing::Test::HasFailure(); ++step) disturb();
    for (int step = 0; step < 1000 && calm_down(); ++step) {
    }
    EXPECT_TRUE(commands_.empty());
    EXPECT_TRUE(ending_ ? ended_ : down_ == halting_all_);
    for (const auto& [id, child] : children_) {
      EXPECT_EQ(child.up, !down_) << "child " << id;
      EXPECT_TRUE(down_ || !child.to_restart) << "child " << id;
    }
    if (ended_) {
      EXPECT_TRUE(children_.empty());
    }
  }

 private:
  struct Child {
    bool up = false;
    bool spawning = true;
    bool starting = true;  // by spawn or by command
    bool to_restart = false;
    TimePoint not_before{};
  };

  bool chance(std::uint64_t percent) { return random_.below(100) < percent; }

  void disturb() {
    const auto what = random_.below(100);
    if (what < 12 && children_.size() < 6) {
      spawn();
    } else if (what < 55) {
      obey_one();
    } else if (what < 75) {
      fail_one();
    } else if (what < 80 && !children_.empty()) {
      end(pick());
    } else if (what < 90) {
      pass(random_.below(60) * 1ms);
    } else if (what < 94) {
      if (down_ && !ending_) decide(Event::kStart);
    } else if (what < 97) {
      if (top_ || down_ || ending_) return;
      halting_all_ = true;
      decide(Event::kHalt);
    } else if (what == 99) {
      decide(chance(50) ? Event::kStop : Event::kKill);
    }
  }

  bool calm_down() {
    if (obey_one() || finish_spawns()) return true;
    if (!wake_) return false;
    pass(std::max<Duration>(*wake_ - now_, 0ns));
    return true;
  }

  ChildId pick() {
    return std::next(children_.begin(), long(random_.below(children_.size())))->first;
  }

  void spawn() {
    const ChildId id = ++last_;
    const bool refused = policy_->decide(now_, {Event::kAdded, id}).reason == Reason::kRefused;
    EXPECT_EQ(refused, ending_);
    if (!refused) children_[id] = {};
  }
  bool finish_spawns() {
    for (auto& [id, child] : children_) {
      if (!child.spawning || child.up) continue;
      child.spawning = child.starting = false;
      child.up = true;
      decide(Event::kStarted, id);
      return true;
    }
    return false;
  }

  bool obey_one() {
    if (commands_.empty()) return finish_spawns();
    const ChildId whose = commands_[random_.below(commands_.size())].child;
    const auto at = std::ranges::find(commands_, whose, &Policy::Action::child);
    const Policy::Action action = *at;
    const auto found = children_.find(whose);
    if (found != children_.end() && found->second.spawning) return finish_spawns();
    commands_.erase(at);
    if (found == children_.end()) return true;
    Child& child = found->second;
    if (action.kind == Action::kHalt) {
      if (std::exchange(child.up, false)) decide(Event::kHalted, action.child);
    } else if (action.kind == Action::kStart) {
      child.up = chance(80);
      child.starting = false;
      decide(child.up ? Event::kStarted : Event::kFailed, action.child);
    } else {
      end(action.child);
    }
    return true;
  }

  void fail_one() {
    if (children_.empty()) return;
    const ChildId id = pick();
    Child& child = children_[id];
    if (!child.up) return;
    child.up = false;
    decide(Event::kFailed, id);
  }

  void end(ChildId id) {
    children_.erase(id);
    decide(Event::kGone, id);
  }

  void pass(Duration by) {
    const TimePoint end = now_ + by;
    while (wake_ && *wake_ <= end) {
      now_ = std::max(now_, *std::exchange(wake_, {}));
      decide(Event::kTick);
    }
    now_ = std::max(now_, end);
  }

  void decide(Event kind, ChildId child = 0) {
    if (kind == Event::kStart) {
      down_ = halting_all_ = false;
      starting_all_ = true;
      restarts_.clear();
    }
    if (kind == Event::kStop || kind == Event::kKill) ending_ = true;
    const auto decision = policy_->decide(now_, {kind, child});
    wake_ = decision.wake;
    check_limit(decision, kind);
    if (decision.reason == Reason::kRestart) mark(child, now_ + decision.delay);
    for (const auto& action : decision.actions) check(action);
    if (!decision.report) return;
    if (*decision.report == Event::kGone) {
      EXPECT_TRUE(children_.empty());
      EXPECT_FALSE(std::exchange(ended_, true));
    } else if (*decision.report == Event::kStarted) {
      EXPECT_TRUE(std::exchange(starting_all_, false));
      for (const auto& [id, each] : children_) EXPECT_TRUE(each.up) << id;
    } else {
      for (const auto& [id, each] : children_) EXPECT_FALSE(each.up) << id;
      EXPECT_FALSE(std::exchange(down_, true));
    }
  }

  void check_limit(const Policy::Decision& decision, Event kind) {
    std::erase_if(restarts_, [&](TimePoint t) { return now_ - t >= options_.restart.window; });
    if (decision.reason == Reason::kRestart) {
      EXPECT_LT(restarts_.size(), options_.max_restarts);
      restarts_.push_back(now_);
      EXPECT_GE(decision.delay, options_.restart.backoff_min);
      EXPECT_LE(decision.delay, options_.restart.backoff_max * 3 / 2);
    } else if (decision.reason == Reason::kEscalated || decision.reason == Reason::kGaveUp) {
      EXPECT_EQ(kind, Event::kFailed);
      EXPECT_EQ(restarts_.size(), options_.max_restarts);
      EXPECT_EQ(decision.reason == Reason::kGaveUp, top_);
      (top_ ? ending_ : halting_all_) = true;
      starting_all_ = false;
    } else if (kind == Event::kHalt) {
      starting_all_ = false;
    }
  }

  void mark(ChildId failed, TimePoint due) {
    for (auto& [id, child] : children_) {
      const bool one = options_.strategy == RestartStrategy::kOneForOne;
      if (one ? id != failed : options_.strategy == RestartStrategy::kRestForOne && id < failed) {
        continue;
      }
      child.to_restart = true;
      child.not_before = due;
    }
  }

  void check(const Policy::Action& action) {
    commands_.push_back(action);
    if (!children_.contains(action.child)) return;
    Child& child = children_[action.child];
    switch (action.kind) {
      case Action::kHalt:
        EXPECT_TRUE(child.to_restart || halting_all_) << action.child;
        EXPECT_TRUE(child.up);
        for (const auto& [id, each] : children_) {
          if (id <= action.child || !(each.to_restart || halting_all_)) continue;
          EXPECT_FALSE(each.up || each.starting)
              << id << " is up, and to be halted before " << action.child;
        }
        break;
      case Action::kStart:
        EXPECT_FALSE(child.up);
        EXPECT_FALSE(ending_ || halting_all_);
        EXPECT_TRUE(child.to_restart || starting_all_) << action.child;
        if (!starting_all_) {
          EXPECT_GE(now_, child.not_before);
        }
        if (starting_all_ || options_.strategy != RestartStrategy::kOneForOne) {
          for (const auto& [id, each] : children_) {
            EXPECT_TRUE(id >= action.child || each.up) << id << " comes before " << action.child;
          }
        }
        child.to_restart = false;
        child.starting = true;
        break;
      case Action::kStop:
      case Action::kKill:
        EXPECT_TRUE(ending_);
        break;
    }
  }

  Random random_;
  SupervisorOptions options_;
  bool top_ = true;
  std::optional<Policy> policy_;
  TimePoint now_{1h};
  std::optional<TimePoint> wake_;
  std::map<ChildId, Child> children_;
  ChildId last_ = 0;
  std::vector<Policy::Action> commands_;
  std::vector<TimePoint> restarts_;
  bool halting_all_ = false, down_ = false, starting_all_ = false, ending_ = false, ended_ = false;
};

TEST(RandomSupervisionTest, KeepsItsRulesWhateverChildrenDo) {
  const char* text = std::getenv("MUSTER_TEST_SEED");
  const std::uint64_t first = text ? std::strtoull(text, nullptr, 10) : 1;
  const std::uint64_t count = text ? 1 : 20000;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    RandomTree(seed).run();
    ASSERT_FALSE(HasFailure()) << "replay with MUSTER_TEST_SEED=" << seed;
  }
}

}  // namespace
}  // namespace muster::detail
