#include "actors/policy/averager_policy.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace muster::training {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

template <class Range>
std::string joined(const Range& values) {
  std::string out;
  for (const auto& v : values) out += (out.empty() ? "" : ",") + std::to_string(v);
  return out;
}

/// What an action says, in one line.
struct Describe {
  std::string operator()(const action::Prepare& a) const {
    return fmt::format("prepare {}", a.worker);
  }
  std::string operator()(const action::ArmJoinDeadline&) const { return "arm join deadline"; }
  std::string operator()(const action::Begin&) const { return "begin"; }
  std::string operator()(const action::Open& a) const {
    return fmt::format("open {} for {}", a.round, joined(a.workers));
  }
  std::string operator()(const action::Close& a) const {
    return fmt::format("close {} with {}", a.round, joined(a.workers));
  }
  std::string operator()(const action::Evaluate& a) const {
    return fmt::format("evaluate {}", a.round);
  }
  std::string operator()(const action::Drop& a) const {
    return fmt::format("drop {} ({}): {}", a.lost.worker, to_string(a.lost.reason), a.lost.cause);
  }
  std::string operator()(const action::Finish& a) const {
    return fmt::format("finish: {}", to_string(a.reason));
  }
  std::string operator()(const action::Fail& a) const { return "fail: " + a.error.message; }
};

class AveragerPolicyTest : public testing::Test {
 protected:
  AveragerPolicyTest() {
    options.workers = 3;
    options.dim = 5;
    options.rounds = 2;
    options.evaluate_every = 100;
  }

  std::vector<std::string> handle(const AveragerEvent& event) {
    if (!policy) policy.emplace(options);
    const auto step = policy->handle(event, now);
    reason = step.reason;
    std::vector<std::string> out;
    for (const auto& action : step.actions) out.push_back(std::visit(Describe{}, action));
    return out;
  }
  std::vector<std::string> contribute(std::uint64_t worker, std::uint64_t round) {
    return handle(event::Contributed{worker, round, true});
  }
  /// All workers join and are ready; gives the actions of the last.
  std::vector<std::string> gather() {
    handle(event::Start{});
    std::vector<std::string> last;
    for (std::uint64_t w = 0; w < options.workers; ++w) handle(event::Join{fmt::format("p{}", w)});
    for (std::uint64_t w = 0; w < options.workers; ++w) last = handle(event::Ready{w, 5, 10});
    return last;
  }

  AveragerPolicy::Options options;
  std::optional<AveragerPolicy> policy;
  AveragerReason reason{};
  TimePoint now{};
};

TEST_F(AveragerPolicyTest, StartsWhenTheLastWorkerIsReady) {
  EXPECT_THAT(handle(event::Start{}), ElementsAre("arm join deadline"));
  EXPECT_THAT(handle(event::Join{"a"}), ElementsAre("prepare 0"));
  EXPECT_THAT(handle(event::Join{"b"}), ElementsAre("prepare 1"));
  EXPECT_THAT(handle(event::Ready{1, 5, 10}), IsEmpty());
  EXPECT_THAT(handle(event::Join{"c"}), ElementsAre("prepare 2"));
  EXPECT_THAT(handle(event::Ready{0, 5, 10}), IsEmpty());
  EXPECT_THAT(handle(event::Ready{0, 5, 10}), IsEmpty());
  EXPECT_EQ(reason, AveragerReason::kDuplicate);
  EXPECT_THAT(handle(event::Ready{2, 5, 10}), ElementsAre("begin", "open 1 for 0,1,2"));
}

TEST_F(AveragerPolicyTest, RunWithoutFaultsEndsAfterItsRounds) {
  gather();
  EXPECT_THAT(contribute(2, 1), IsEmpty());
  EXPECT_THAT(contribute(0, 1), IsEmpty());
  EXPECT_THAT(contribute(1, 1), ElementsAre("close 1 with 0,1,2", "open 2 for 0,1,2"));
  contribute(0, 2);
  contribute(1, 2);
  EXPECT_THAT(contribute(2, 2), ElementsAre("close 2 with 0,1,2", "evaluate 2"));
  EXPECT_THAT(handle(event::Evaluated{2, 0.5}), ElementsAre("finish: rounds"));
  EXPECT_TRUE(policy->ended());
}

TEST_F(AveragerPolicyTest, ProbeRoundComesFirstWhereItIsNeeded) {
  options.probe = true;
  EXPECT_THAT(gather(), ElementsAre("begin", "open 0 for 0,1,2"));
  contribute(0, 0);
  contribute(1, 0);
  EXPECT_THAT(contribute(2, 0), ElementsAre("close 0 with 0,1,2", "open 1 for 0,1,2"));
}

TEST_F(AveragerPolicyTest, JoinPastTheLastPlaceIsRefused) {
  handle(event::Start{});
  for (int i = 0; i < 3; ++i) handle(event::Join{"p"});
  EXPECT_THAT(handle(event::Join{"p"}), IsEmpty());
  EXPECT_EQ(reason, AveragerReason::kFull);
}

TEST_F(AveragerPolicyTest, JoinAfterTheStartIsRefused) {
  gather();
  EXPECT_THAT(handle(event::Join{"late"}), IsEmpty());
  EXPECT_EQ(reason, AveragerReason::kStarted);
}

TEST_F(AveragerPolicyTest, PlaceOfAWorkerThatDiesBeforeTheStartIsFree) {
  handle(event::Start{});
  for (int i = 0; i < 3; ++i) handle(event::Join{"p"});
  EXPECT_THAT(handle(event::Lost{1, "killed"}), IsEmpty());
  EXPECT_THAT(handle(event::Join{"q"}), ElementsAre("prepare 1"));
}

TEST_F(AveragerPolicyTest, WorkerThatCrashesBeforeTheStartFailsTheRunAtOnce) {
  handle(event::Start{});
  handle(event::Join{"p0"});
  EXPECT_THAT(handle(event::Lost{0, "a check failed", true}),
              ElementsAre("fail: worker 0 (p0) crashed before the first round: a check failed"));
  EXPECT_TRUE(policy->ended());
}

TEST_F(AveragerPolicyTest, DuplicateContributionIsRefused) {
  gather();
  contribute(0, 1);
  EXPECT_THAT(contribute(0, 1), IsEmpty());
  EXPECT_EQ(reason, AveragerReason::kDuplicate);
}

TEST_F(AveragerPolicyTest, StaleAndEarlyContributionsAreRefused) {
  gather();
  for (std::uint64_t w = 0; w < 3; ++w) contribute(w, 1);
  EXPECT_THAT(contribute(0, 1), IsEmpty());
  EXPECT_EQ(reason, AveragerReason::kStale);
  EXPECT_THAT(contribute(0, 3), IsEmpty());
  EXPECT_EQ(reason, AveragerReason::kEarly);
}

TEST_F(AveragerPolicyTest, ContributionOfAnUnknownWorkerIsRefused) {
  gather();
  EXPECT_THAT(contribute(3, 1), IsEmpty());
  EXPECT_EQ(reason, AveragerReason::kNotLive);
}

TEST_F(AveragerPolicyTest, ContributionOfTheWrongSizeDropsTheWorker) {
  gather();
  EXPECT_THAT(
      handle(event::Contributed{0, 1, false}),
      ElementsAre("drop 0 (died): its contribution to round 1 has arrays of the wrong size"));
  EXPECT_EQ(reason, AveragerReason::kWrongSize);
}

TEST_F(AveragerPolicyTest, RoundClosesAtExactlyTheLastContribution) {
  for (std::uint64_t workers : {1U, 2U, 5U}) {
    options.workers = workers;
    policy.reset();
    gather();
    for (std::uint64_t w = 0; w + 1 < workers; ++w) EXPECT_THAT(contribute(w, 1), IsEmpty());
    EXPECT_EQ(contribute(workers - 1, 1).size(), 2U);  // N: close and open the next
    EXPECT_THAT(contribute(0, 1), IsEmpty());          // N + 1: too late
    EXPECT_EQ(reason, AveragerReason::kStale);
  }
}

TEST_F(AveragerPolicyTest, DeathClosesTheRoundThatWaitedForIt) {
  gather();
  contribute(0, 1);
  contribute(2, 1);
  EXPECT_THAT(handle(event::Lost{1, "node lost"}),
              ElementsAre("drop 1 (died): node lost", "close 1 with 0,2", "open 2 for 0,2"));
  EXPECT_THAT(handle(event::Lost{1, "again"}), IsEmpty());
  EXPECT_EQ(reason, AveragerReason::kNotLive);
}

TEST_F(AveragerPolicyTest, DeathAfterContributingTakesTheContributionAlong) {
  gather();
  contribute(1, 1);
  handle(event::Lost{1, "node lost"});
  contribute(0, 1);
  EXPECT_THAT(contribute(2, 1), ElementsAre("close 1 with 0,2", "open 2 for 0,2"));
}

TEST_F(AveragerPolicyTest, DeadlineDropsTheSilent) {
  options.round_deadline = 1500ms;
  gather();
  now += 2s;
  contribute(1, 1);
  EXPECT_THAT(handle(event::RoundDeadline{1}),
              ElementsAre("drop 0 (silent): no contribution to round 1 within 1.5 s",
                          "drop 2 (silent): no contribution to round 1 within 1.5 s",
                          "close 1 with 1", "open 2 for 1"));
  ASSERT_EQ(policy->lost().size(), 2U);
  EXPECT_EQ(policy->lost()[0].seconds, 2.0);
  EXPECT_EQ(policy->lost()[0].place, "p0");
}

TEST_F(AveragerPolicyTest, DeadlineOfAClosedRoundIsIgnored) {
  gather();
  for (std::uint64_t w = 0; w < 3; ++w) contribute(w, 1);
  EXPECT_THAT(handle(event::RoundDeadline{1}), IsEmpty());
  EXPECT_EQ(reason, AveragerReason::kIgnored);
}

TEST_F(AveragerPolicyTest, DroppedWorkerIsNotHeardAgain) {
  gather();
  contribute(0, 1);
  contribute(1, 1);
  handle(event::RoundDeadline{1});
  EXPECT_THAT(contribute(2, 2), IsEmpty());
  EXPECT_EQ(reason, AveragerReason::kNotLive);
}

TEST_F(AveragerPolicyTest, NoWorkerLeftFailsWithTheCauses) {
  gather();
  handle(event::Lost{0, "node lost"});
  handle(event::Lost{2, "killed"});
  EXPECT_THAT(handle(event::RoundDeadline{1}),
              ElementsAre("drop 1 (silent): no contribution to round 1 within 10 s",
                          "fail: no worker is left in round 1: worker 0 (p0) died: node lost; "
                          "worker 2 (p2) died: killed; worker 1 (p1) silent: no contribution to "
                          "round 1 within 10 s"));
  EXPECT_TRUE(policy->ended());
}

TEST_F(AveragerPolicyTest, JoinDeadlineSaysHowManyOfHowMany) {
  options.join_deadline = 2s;
  handle(event::Start{});
  handle(event::Join{"a"});
  handle(event::Join{"b"});
  handle(event::Ready{0, 5, 1});
  EXPECT_THAT(handle(event::JoinDeadline{}),
              ElementsAre("fail: 2 of 3 workers joined within 2 s, and 1 of them had their data "
                          "ready"));
}

TEST_F(AveragerPolicyTest, JoinDeadlineSaysWhatBecameOfTheLastWorkerThatLeft) {
  options.join_deadline = 2s;
  handle(event::Start{});
  handle(event::Join{"a"});
  handle(event::Join{"b"});
  handle(event::Lost{0, "node lost"});
  handle(event::Ready{1, 5, 1});
  EXPECT_THAT(handle(event::JoinDeadline{}),
              ElementsAre("fail: 1 of 3 workers joined within 2 s; worker 0 (a) had joined and was "
                          "lost: node lost"));
}

TEST_F(AveragerPolicyTest, JoinDeadlineAfterTheStartIsIgnored) {
  gather();
  EXPECT_THAT(handle(event::JoinDeadline{}), IsEmpty());
}

TEST_F(AveragerPolicyTest, OtherDimensionFailsNamingBoth) {
  handle(event::Start{});
  handle(event::Join{"pid 7 on host"});
  EXPECT_THAT(handle(event::Ready{0, 6, 10}),
              ElementsAre("fail: worker 0 (pid 7 on host): its objective has 6 parameters, the "
                          "averager's has 5; all must train the same model on data of the same "
                          "shape"));
}

TEST_F(AveragerPolicyTest, FaultOfAStepFailsNamingWorkerAndRound) {
  gather();
  EXPECT_THAT(
      handle(event::Failed{1, 7, "local step 7: gradient element 3 is nan"}),
      ElementsAre("fail: worker 1 (p1) in round 1: local step 7: gradient element 3 is nan"));
}

TEST_F(AveragerPolicyTest, FaultOfThePreparationFailsNamingTheWorker) {
  handle(event::Start{});
  handle(event::Join{"p0"});
  EXPECT_THAT(handle(event::Failed{0, 0, "no data"}), ElementsAre("fail: worker 0 (p0): no data"));
}

TEST_F(AveragerPolicyTest, StopEndsAfterTheRoundInWork) {
  gather();
  contribute(0, 1);
  EXPECT_THAT(handle(event::StopRequested{}), IsEmpty());
  contribute(1, 1);
  EXPECT_THAT(contribute(2, 1), ElementsAre("close 1 with 0,1,2", "evaluate 1"));
  EXPECT_THAT(handle(event::Evaluated{1, 0.5}), ElementsAre("finish: interrupted"));
}

TEST_F(AveragerPolicyTest, StopBeforeTheStartEndsAtOnce) {
  handle(event::Start{});
  EXPECT_THAT(handle(event::StopRequested{}), ElementsAre("finish: interrupted"));
}

TEST_F(AveragerPolicyTest, TimeLimitEndsAfterTheRoundInWork) {
  options.rounds = 0;
  options.time_limit = 1s;
  gather();
  for (std::uint64_t w = 0; w < 3; ++w) contribute(w, 1);
  now += 1s;
  contribute(0, 2);
  contribute(1, 2);
  EXPECT_THAT(contribute(2, 2), ElementsAre("close 2 with 0,1,2", "evaluate 2"));
  EXPECT_THAT(handle(event::Evaluated{2, 0.5}), ElementsAre("finish: time limit"));
}

TEST_F(AveragerPolicyTest, TargetIsAwaitedSoThatTheLastRoundIsCertain) {
  options.target_accuracy = 0.9;
  options.evaluate_every = 1;
  options.rounds = 0;
  gather();
  contribute(0, 1);
  contribute(1, 1);
  EXPECT_THAT(contribute(2, 1), ElementsAre("close 1 with 0,1,2", "evaluate 1"));
  EXPECT_THAT(handle(event::Evaluated{1, 0.89}), ElementsAre("open 2 for 0,1,2"));
  for (std::uint64_t w = 0; w < 3; ++w) contribute(w, 2);
  EXPECT_THAT(handle(event::Evaluated{2, 0.9}), ElementsAre("finish: target accuracy"));
}

TEST_F(AveragerPolicyTest, EvaluationRunsBesideTheNextRoundButAtMostTwo) {
  options.evaluate_every = 1;
  options.rounds = 0;
  options.time_limit = 100s;
  gather();
  contribute(0, 1);
  contribute(1, 1);
  EXPECT_THAT(contribute(2, 1),
              ElementsAre("close 1 with 0,1,2", "evaluate 1", "open 2 for 0,1,2"));
  contribute(0, 2);
  contribute(1, 2);
  EXPECT_THAT(contribute(2, 2), ElementsAre("close 2 with 0,1,2", "evaluate 2"));
  EXPECT_THAT(handle(event::Evaluated{1, 0.5}), ElementsAre("open 3 for 0,1,2"));
}

TEST_F(AveragerPolicyTest, EvaluationThatIsNotAwaitedIsIgnored) {
  options.target_accuracy = 0.9;
  options.evaluate_every = 1;
  gather();
  for (std::uint64_t w = 0; w < 3; ++w) contribute(w, 1);
  EXPECT_THAT(handle(event::Evaluated{2, 0.95}), IsEmpty());
  EXPECT_EQ(reason, AveragerReason::kIgnored);
  EXPECT_THAT(handle(event::Evaluated{1, 0.1}), ElementsAre("open 2 for 0,1,2"));
  EXPECT_THAT(handle(event::Evaluated{1, 0.95}), IsEmpty());
  EXPECT_EQ(reason, AveragerReason::kIgnored);
}

TEST_F(AveragerPolicyTest, EvaluationThatDoesNotEndFailsTheRunAtItsDeadline) {
  options.evaluate_every = 1;
  options.evaluation_deadline = 90s;
  gather();
  for (std::uint64_t w = 0; w < 3; ++w) contribute(w, 1);
  EXPECT_THAT(handle(event::EvaluationDeadline{1}),
              ElementsAre("fail: the evaluation of round 1 gave no result within 90 s"));
  EXPECT_TRUE(policy->ended());
}

TEST_F(AveragerPolicyTest, DeadlineOfAnEvaluationThatIsInIsIgnored) {
  options.evaluate_every = 1;
  gather();
  for (std::uint64_t w = 0; w < 3; ++w) contribute(w, 1);
  handle(event::Evaluated{1, 0.5});
  EXPECT_THAT(handle(event::EvaluationDeadline{1}), IsEmpty());
  EXPECT_EQ(reason, AveragerReason::kIgnored);
}

TEST_F(AveragerPolicyTest, DeathWhileAnEvaluationIsAwaitedLeavesTheRoundClosed) {
  options.target_accuracy = 0.9;
  options.evaluate_every = 1;
  gather();
  for (std::uint64_t w = 0; w < 3; ++w) contribute(w, 1);
  EXPECT_THAT(handle(event::Lost{0, "gone"}), ElementsAre("drop 0 (died): gone"));
  EXPECT_THAT(handle(event::Evaluated{1, 0.1}), ElementsAre("open 2 for 1,2"));
}

TEST_F(AveragerPolicyTest, AllDeadWhileAnEvaluationIsAwaitedFails) {
  options.target_accuracy = 0.9;
  options.evaluate_every = 1;
  options.workers = 1;
  gather();
  contribute(0, 1);
  handle(event::Lost{0, "gone"});
  EXPECT_THAT(handle(event::Evaluated{1, 0.1}),
              ElementsAre("fail: no worker is left in round 1: worker 0 (p0) died: gone"));
}

TEST_F(AveragerPolicyTest, NothingFollowsTheEnd) {
  gather();
  EXPECT_THAT(handle(event::Aborted{Error{ErrorCode::kUnavailable, "child died", {}}}),
              ElementsAre("fail: child died"));
  EXPECT_THAT(contribute(0, 1), IsEmpty());
  EXPECT_EQ(reason, AveragerReason::kEnded);
  EXPECT_THAT(handle(event::StopRequested{}), IsEmpty());
}

TEST_F(AveragerPolicyTest, OrderOfArrivalDoesNotChangeTheTrace) {
  std::vector<std::uint64_t> order{0, 1, 2};
  do {
    policy.reset();
    gather();
    contribute(order[0], 1);
    contribute(order[1], 1);
    EXPECT_THAT(contribute(order[2], 1), ElementsAre("close 1 with 0,1,2", "open 2 for 0,1,2"));
  } while (std::ranges::next_permutation(order).found);
}

}  // namespace
}  // namespace muster::training
