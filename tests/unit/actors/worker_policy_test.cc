#include "actors/policy/worker_policy.h"

#include <gtest/gtest.h>

namespace muster::training {
namespace {

using Do = WorkerPolicy::Do;
using Reason = WorkerPolicy::Reason;
using Step = WorkerPolicy::Step;

TEST(WorkerPolicyTest, OrderIsTrainedInSlicesThenContributed) {
  WorkerPolicy policy(10ms);
  EXPECT_EQ(policy.order(1, 3, false), (Step{Do::kStep, 1, Reason::kAccepted}));
  EXPECT_EQ(policy.stepped(1, 10ms), (Step{Do::kStep, 1, Reason::kAccepted}));
  EXPECT_EQ(policy.slice_due(1), (Step{Do::kStep, 1, Reason::kAccepted}));
  EXPECT_EQ(policy.stepped(1, 10ms).what, Do::kStep);
  EXPECT_EQ(policy.stepped(1, 10ms), (Step{Do::kContribute, 0, Reason::kAccepted}));
}

TEST(WorkerPolicyTest, ShortSlicesGrowAndLongOnesShrink) {
  WorkerPolicy policy(10ms);
  policy.order(1, 1000, false);
  EXPECT_EQ(policy.stepped(1, 1ms).steps, 2U);
  EXPECT_EQ(policy.stepped(2, 2ms).steps, 4U);
  EXPECT_EQ(policy.stepped(4, 10ms).steps, 4U);
  EXPECT_EQ(policy.stepped(4, 50ms).steps, 2U);
  EXPECT_EQ(policy.stepped(2, 50ms).steps, 1U);
  EXPECT_EQ(policy.stepped(1, 50ms).steps, 1U);
}

TEST(WorkerPolicyTest, SliceNeverPassesTheEndOfTheRound) {
  WorkerPolicy policy(10ms);
  policy.order(1, 5, false);
  policy.stepped(1, 0ms);
  policy.stepped(2, 0ms);
  EXPECT_EQ(policy.slice_due(1).steps, 2U);
}

TEST(WorkerPolicyTest, ProbeIsOneSlice) {
  WorkerPolicy policy;
  EXPECT_EQ(policy.order(0, 10, true).what, Do::kProbe);
  EXPECT_EQ(policy.probed().what, Do::kContribute);
  EXPECT_EQ(policy.order(1, 10, false).what, Do::kStep);
}

TEST(WorkerPolicyTest, DuplicateOrStaleOrderIsRefused) {
  WorkerPolicy policy;
  policy.order(2, 1, false);
  EXPECT_EQ(policy.order(2, 1, false), (Step{Do::kNothing, 0, Reason::kStale}));
  EXPECT_EQ(policy.order(1, 1, false), (Step{Do::kNothing, 0, Reason::kStale}));
}

TEST(WorkerPolicyTest, SliceOfAReplacedRoundDoesNothing) {
  WorkerPolicy policy;
  policy.order(1, 4, false);
  policy.stepped(1, 2ms);
  policy.order(2, 4, false);
  EXPECT_EQ(policy.slice_due(1), (Step{Do::kNothing, 0, Reason::kReplaced}));
  EXPECT_EQ(policy.slice_due(2).what, Do::kStep);
  EXPECT_EQ(policy.steps_done(), 0U);
}

TEST(WorkerPolicyTest, SliceAfterTheContributionDoesNothing) {
  WorkerPolicy policy;
  policy.order(1, 1, false);
  policy.stepped(1, 2ms);
  EXPECT_EQ(policy.slice_due(1).what, Do::kNothing);
}

TEST(WorkerPolicyTest, NothingIsDoneAfterAStop) {
  WorkerPolicy policy;
  policy.order(1, 4, false);
  policy.stop();
  EXPECT_EQ(policy.slice_due(1), (Step{Do::kNothing, 0, Reason::kStopped}));
  EXPECT_EQ(policy.order(2, 4, false), (Step{Do::kNothing, 0, Reason::kStopped}));
}

}  // namespace
}  // namespace muster::training
