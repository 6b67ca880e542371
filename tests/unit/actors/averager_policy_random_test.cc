// Random sequences of events against a model that only knows the rules: what an averager may do
// next, and what each contribution must be answered with.

#include "actors/policy/averager_policy.h"

#include <muster/random.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <set>

namespace muster::training {
namespace {

using testing::HasSubstr;

constexpr std::uint64_t kSequences = 10000;
constexpr int kEvents = 80;

std::uint64_t test_seed() {
  const char* text = std::getenv("MUSTER_TEST_SEED");
  return text ? std::strtoull(text, nullptr, 10) : 1;
}

/// How often something happened, over all sequences: that the test saw it at all.
using Tally = std::map<std::string, std::uint64_t>;

/// One run of the policy under random events. `ok()` is false after the first broken rule.
class Walk {
 public:
  Walk(std::uint64_t seed, Tally& tally)
      : random_(seed), options_(draw_options()), policy_(options_), tally_(tally) {
    if (options_.probe) next_round_ = 0;
  }

  bool ok() const { return !::testing::Test::HasFatalFailure(); }

  void play() {
    feed(event::Start{});
    for (int i = 0; i < kEvents && ok(); ++i) {
      now_ += Duration(random_.below(Duration(100ms).count()));
      feed(draw_event());
    }
  }

  /// Nothing but deadlines from here: they alone must end the run.
  void let_time_pass() {
    for (int i = 0; i < 4 && !ended_ && ok(); ++i) {
      if (!begun_) feed(event::JoinDeadline{});
      if (open_) feed(event::RoundDeadline{*open_});
      for (const std::uint64_t round : std::set(evaluating_))
        feed(event::EvaluationDeadline{round});
    }
    ASSERT_TRUE(ended_) << "the run waits for something that has no deadline";
    ASSERT_TRUE(policy_.ended());
  }

  void check_losses() {
    std::vector<std::uint64_t> told;
    for (const LostWorker& lost : policy_.lost()) {
      told.push_back(lost.worker);
      ASSERT_FALSE(lost.cause.empty());
      if (failure_.starts_with("no worker is left")) {
        ASSERT_THAT(failure_, HasSubstr(lost.cause));
      }
    }
    ASSERT_EQ(told, lost_);
    if (!lost_.empty()) ++tally_["lost"];
  }

 private:
  AveragerPolicy::Options draw_options() {
    AveragerPolicy::Options options;
    options.workers = 1 + random_.below(5);
    options.dim = 3;
    options.probe = random_.below(2) == 0;
    options.rounds = random_.below(8);
    options.evaluate_every = 1 + random_.below(3);
    if (random_.below(3) == 0) options.target_accuracy = 0.9;
    options.await_target = random_.below(2) == 0;
    if (random_.below(4) == 0) options.time_limit = 2s;
    return options;
  }

  std::uint64_t any_worker() { return random_.below(options_.workers + 1); }
  /// The open round mostly, else one beside it.
  std::uint64_t any_round() {
    const std::uint64_t round = open_.value_or(next_round_);
    const std::uint64_t draw = random_.below(12);
    return draw == 0 ? round + 1 : draw == 1 && round > 0 ? round - 1 : round;
  }

  AveragerEvent draw_event() {
    const std::uint64_t draw = random_.below(1000);
    if (draw < 3) return event::StopRequested{};
    if (draw < 5) return event::Failed{any_worker(), random_.below(3), "nan"};
    if (draw < 6) return event::Aborted{Error{ErrorCode::kUnavailable, "aborted", {}}};
    if (draw < 10) return event::JoinDeadline{};
    if (draw < 11) return event::EvaluationDeadline{any_round()};
    if (draw < 40)
      return event::Lost{any_worker(), fmt::format("loss {}", draw), random_.below(20) == 0};
    if (draw < 60) return event::RoundDeadline{any_round()};
    if (!begun_) {
      if (random_.below(2) == 0) return event::Join{"somewhere"};
      return event::Ready{any_worker(), random_.below(200) == 0 ? 4U : 3U, 10};
    }
    if (!evaluating_.empty() && random_.below(3) == 0)
      return event::Evaluated{*evaluating_.begin(), random_.uniform()};
    if (draw < 70) return event::Join{"late"};
    if (draw < 80) return event::Evaluated{any_round(), random_.uniform()};
    return event::Contributed{any_worker(), any_round(), random_.below(50) != 0};
  }

  void feed(const AveragerEvent& event) {
    const bool was_ended = ended_;
    const auto* contributed = std::get_if<event::Contributed>(&event);
    const AveragerReason expected = contributed ? verdict(*contributed) : AveragerReason::kAccepted;
    if (const auto* evaluated = std::get_if<event::Evaluated>(&event))
      evaluating_.erase(evaluated->round);
    if (contributed && expected == AveragerReason::kAccepted && !ended_) {
      ASSERT_TRUE(counted_.insert(contributed->worker).second) << "counted twice";
    }
    const AveragerPolicy::Step step = policy_.handle(event, now_);
    if (was_ended) {
      ASSERT_EQ(step.reason, AveragerReason::kEnded);
      ASSERT_TRUE(step.actions.empty()) << "something followed the end";
      return;
    }
    if (contributed) {
      ASSERT_EQ(step.reason, expected) << to_string(step.reason) << ", not " << to_string(expected);
      ++tally_[std::string(to_string(expected))];
    }
    before_actions(event, step.reason);
    for (const AveragerAction& action : step.actions) {
      ASSERT_FALSE(ended_) << "an action followed the end";
      std::visit([this](const auto& a) { did(a); }, action);
      if (!ok()) return;
    }
    ASSERT_EQ(policy_.ended(), ended_);
  }

  /// What a contribution must be answered with.
  AveragerReason verdict(const event::Contributed& e) const {
    if (!ready_.contains(e.worker)) return AveragerReason::kNotLive;
    const std::uint64_t newest = open_ ? *open_ : begun_ ? next_round_ - 1 : 0;
    if (e.round > newest) return AveragerReason::kEarly;
    if (!open_ || e.round < newest) return AveragerReason::kStale;
    if (counted_.contains(e.worker)) return AveragerReason::kDuplicate;
    return e.fits ? AveragerReason::kAccepted : AveragerReason::kWrongSize;
  }

  /// Places change by these events; everything else shows in the actions.
  void before_actions(const AveragerEvent& event, AveragerReason reason) {
    if (reason != AveragerReason::kAccepted) return;
    if (const auto* ready = std::get_if<event::Ready>(&event)) {
      ASSERT_TRUE(joined_.contains(ready->worker));
      ASSERT_TRUE(ready_.insert(ready->worker).second);
    }
    const auto* lost = std::get_if<event::Lost>(&event);
    if (lost != nullptr && !begun_) {
      ASSERT_EQ(joined_.erase(lost->worker), 1U);
      ready_.erase(lost->worker);
    }
  }

  void did(const action::Prepare& a) {
    ASSERT_FALSE(begun_);
    ASSERT_LT(a.worker, options_.workers);
    ASSERT_TRUE(joined_.insert(a.worker).second) << "one place given twice";
  }
  void did(const action::ArmJoinDeadline&) { ASSERT_FALSE(begun_); }
  void did(const action::Begin&) {
    ASSERT_FALSE(std::exchange(begun_, true)) << "begun twice";
    ASSERT_EQ(ready_.size(), options_.workers);
    ++tally_["begun"];
  }
  void did(const action::Open& a) {
    ASSERT_TRUE(begun_);
    ASSERT_FALSE(open_) << "two rounds are open";
    ASSERT_EQ(a.round, next_round_);
    ASSERT_EQ(a.workers, live());
    ASSERT_FALSE(a.workers.empty());
    open_ = a.round;
    counted_.clear();
  }
  void did(const action::Close& a) {
    ASSERT_EQ(open_, a.round);
    ASSERT_EQ(a.workers, live()) << "not all live workers, or not in their order";
    for (const std::uint64_t worker : a.workers) ASSERT_TRUE(counted_.contains(worker));
    open_.reset();
    next_round_ = a.round + 1;
    ++tally_["rounds"];
  }
  void did(const action::Evaluate& a) {
    ASSERT_FALSE(open_);
    ASSERT_EQ(a.round + 1, next_round_) << "evaluates what is not the newest commit";
    ASSERT_TRUE(evaluated_.insert(a.round).second) << "one round evaluated twice";
    evaluating_.insert(a.round);
    ASSERT_LE(evaluating_.size(), 3U);
  }
  void did(const action::Drop& a) {
    ASSERT_TRUE(begun_);
    ASSERT_EQ(ready_.erase(a.lost.worker), 1U) << "dropped, but was not live";
    counted_.erase(a.lost.worker);
    lost_.push_back(a.lost.worker);
  }
  void did(const action::Finish& a) {
    ended_ = true;
    ASSERT_FALSE(open_) << "finished within a round";
    ASSERT_TRUE(evaluating_.empty()) << "finished before the last evaluation was in";
    ++tally_["finished: " + std::string(to_string(a.reason))];
  }
  void did(const action::Fail& a) {
    ended_ = true;
    failure_ = a.error.message;
    ASSERT_FALSE(failure_.empty());
    ++tally_[failure_.starts_with("no worker is left") ? "none left" : "failed"];
  }

  std::vector<std::uint64_t> live() const { return {ready_.begin(), ready_.end()}; }

  Random random_;
  AveragerPolicy::Options options_;
  AveragerPolicy policy_;
  Tally& tally_;
  TimePoint now_{};

  // The model: what the actions so far add up to.
  bool begun_ = false;
  bool ended_ = false;
  std::set<std::uint64_t> joined_;
  std::set<std::uint64_t> ready_;  // once begun: live
  std::optional<std::uint64_t> open_;
  std::uint64_t next_round_ = 1;
  std::set<std::uint64_t> counted_;  // in the open round
  std::set<std::uint64_t> evaluated_;
  std::set<std::uint64_t> evaluating_;
  std::vector<std::uint64_t> lost_;
  std::string failure_;
};

TEST(AveragerPolicyRandomTest, EverySequenceOfEventsKeepsTheRulesAndEndsByItsDeadlines) {
  Tally tally;
  const std::uint64_t first = test_seed();
  for (std::uint64_t seed = first; seed < first + kSequences; ++seed) {
    SCOPED_TRACE(
        fmt::format("replay: MUSTER_TEST_SEED={} build/dev/bin/actors_test "
                    "--gtest_filter='AveragerPolicyRandomTest.*'",
                    seed));
    Walk walk(seed, tally);
    walk.play();
    if (walk.ok()) walk.let_time_pass();
    if (walk.ok()) walk.check_losses();
    ASSERT_TRUE(walk.ok());
  }
  // What the sequences must have met for the rules above to have been tried.
  for (const char* what :
       {"accepted", "duplicate", "stale", "early", "not live", "wrong size", "begun", "rounds",
        "lost", "none left", "failed", "finished: rounds", "finished: target accuracy",
        "finished: time limit", "finished: interrupted"})
    EXPECT_GE(tally[what], 20U) << what;
}

}  // namespace
}  // namespace muster::training
