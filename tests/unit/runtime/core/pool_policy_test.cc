// What a pool does when: pure, without actors.

#include "runtime/core/pool_policy.h"

#include <gmock/gmock.h>

namespace muster::detail {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const TimePoint kNow{1h};

class PoolPolicyTest : public ::testing::Test {
 protected:
  /// A member with calls under way, or one that has been idle for so long.
  static PoolMember busy(std::size_t load) { return {load, kNow - 1h}; }
  static PoolMember idle(Duration since) { return {0, kNow - since}; }
  PoolActions decide(std::vector<PoolMember> members) {
    state.members = std::move(members);
    state.calls = 0;
    for (const auto& member : state.members) state.calls += member.load;
    return detail::decide(options, state, kNow);
  }
  PoolOptions options{.min = 2, .max = 5, .calls_per_member = 3, .idle_time = 10s};
  PoolState state;
};

TEST_F(PoolPolicyTest, WantsOneMemberForSoManyCallsWithinTheBounds) {
  const auto wanted = [&](std::size_t calls) { return members_wanted(options, calls); };
  EXPECT_EQ(wanted(0), 2U);
  EXPECT_EQ(wanted(6), 2U);
  EXPECT_EQ(wanted(7), 3U);
  EXPECT_EQ(wanted(9), 3U);
  EXPECT_EQ(wanted(10), 4U);
  EXPECT_EQ(wanted(15), 5U);
  EXPECT_EQ(wanted(16), 5U);
  EXPECT_EQ(wanted(SIZE_MAX), 5U);
}

TEST_F(PoolPolicyTest, FillsUpToTheMinimum) {
  EXPECT_EQ(decide({}).spawn, 2U);
  const auto one = decide({idle(1s)});
  EXPECT_EQ(one.spawn, 1U);
  EXPECT_EQ(one.reason, PoolReason::kTooFew);
}

TEST_F(PoolPolicyTest, AtTheMinimumItWaitsForNothing) {
  const auto actions = decide({busy(3), idle(1h)});
  EXPECT_EQ(actions.reason, PoolReason::kEnough);
  EXPECT_EQ(actions.spawn, 0U);
  EXPECT_THAT(actions.retire, IsEmpty());
  EXPECT_FALSE(actions.look_again);
}

TEST_F(PoolPolicyTest, GrowsAsFarAsTheCallsAsk) {
  EXPECT_EQ(decide({busy(3), busy(3)}).spawn, 0U);
  EXPECT_EQ(decide({busy(4), busy(3)}).spawn, 1U);
  EXPECT_EQ(decide({busy(9), busy(3)}).spawn, 2U);
  EXPECT_EQ(decide({busy(90), busy(3)}).spawn, 3U);
  EXPECT_EQ(decide({busy(90), busy(3), busy(3), busy(3), busy(3)}).spawn, 0U);
}

TEST_F(PoolPolicyTest, WhenItHasGrownItLooksAgainWhoIsIdle) {
  EXPECT_FALSE(decide({idle(1s)}).look_again);
  EXPECT_EQ(decide({busy(4), busy(3)}).look_again, kNow + 10s);
}

TEST_F(PoolPolicyTest, AfterFailuresItWaits) {
  state.spawn_after = kNow + 3s;
  const auto actions = decide({busy(1)});
  EXPECT_EQ(actions.reason, PoolReason::kTooFewWait);
  EXPECT_EQ(actions.spawn, 0U);
  EXPECT_EQ(actions.look_again, kNow + 3s);
  state.spawn_after = kNow;
  EXPECT_EQ(decide({busy(1)}).spawn, 1U);
}

TEST_F(PoolPolicyTest, LetsGoOfThoseIdleLongestDownToTheMinimum) {
  EXPECT_THAT(decide({idle(11s), idle(30s), idle(12s), idle(20s)}).retire, ElementsAre(1, 3));
  const auto actions = decide({idle(11s), idle(30s), idle(12s), idle(20s)});
  EXPECT_EQ(actions.reason, PoolReason::kTooMany);
  EXPECT_FALSE(actions.look_again);
}

TEST_F(PoolPolicyTest, LooksAgainWhenTheNextIsDue) {
  const auto actions = decide({idle(9s), idle(10s), idle(4s), idle(2s)});
  EXPECT_THAT(actions.retire, ElementsAre(1));
  EXPECT_EQ(actions.look_again, kNow + 1s);
  const auto later = decide({idle(4s), idle(9'999ms), busy(1)});
  EXPECT_EQ(later.reason, PoolReason::kMayShrink);
  EXPECT_THAT(later.retire, IsEmpty());
  EXPECT_EQ(later.look_again, kNow + 1ms);
}

TEST_F(PoolPolicyTest, BusyMembersStayAndAreLookedAtLater) {
  const auto actions = decide({busy(1), busy(1), busy(1)});
  EXPECT_THAT(actions.retire, IsEmpty());
  EXPECT_EQ(actions.look_again, kNow + 10s);
}

TEST_F(PoolPolicyTest, KeepsWhatTheCallsAskFor) {
  EXPECT_THAT(decide({busy(9), idle(1h), idle(1h), idle(1h)}).retire, ElementsAre(1));
  EXPECT_THAT(decide({busy(12), idle(1h), idle(1h), idle(1h)}).retire, IsEmpty());
}

class SpawnDelayTest : public ::testing::Test {
 protected:
  Duration after_failure_at(Duration when) {
    delay.failed(kNow + when);
    return delay.not_before() - (kNow + when);
  }
  SpawnDelay delay{1s, 10s};
};

TEST_F(SpawnDelayTest, GrowsFromNothingToTheMost) {
  EXPECT_LT(delay.not_before(), kNow);
  EXPECT_EQ(after_failure_at(0s), 0s);
  EXPECT_EQ(after_failure_at(1s), 1s);
  EXPECT_EQ(after_failure_at(2s), 2s);
  EXPECT_EQ(after_failure_at(4s), 4s);
  EXPECT_EQ(after_failure_at(8s), 8s);
  EXPECT_EQ(after_failure_at(16s), 10s);
  EXPECT_EQ(after_failure_at(25s), 10s);
}

TEST_F(SpawnDelayTest, StartsAfreshWhenNothingFailedForLong) {
  after_failure_at(0s);
  EXPECT_EQ(after_failure_at(1s), 1s);
  EXPECT_EQ(after_failure_at(10'999ms), 2s);
  EXPECT_EQ(after_failure_at(20'999ms), 0s);
}

}  // namespace
}  // namespace muster::detail
