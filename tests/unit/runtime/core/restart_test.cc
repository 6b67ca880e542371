#include "unit/runtime/core/phoenix.h"

namespace muster::test {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;

class RestartTest : public WorldTest {
 protected:
  /// One at `home`, and a handle to it at `caller`.
  Handle<Phoenix> spawn_phoenix(SpawnOptions options = {}) {
    options.name = "phoenix";
    if (options.max_restarts == 0) options.max_restarts = 3;
    if (exact) options.restart = kExact;
    const auto made = home->spawn<Phoenix>(options, "p", log);
    return home == &caller ? made : value_or_throw(caller.find<Phoenix>("phoenix", 5s));
  }

  static constexpr RestartOptions kExact = {
      .window = 10s, .backoff_min = 10ms, .backoff_max = 1s, .jitter = 0};
  bool exact = true;
  std::shared_ptr<Log> log = std::make_shared<Log>();
};
INSTANTIATE_TEST_SUITE_P(Places, RestartTest, ::testing::Values(Place::kLocal, Place::kRemote),
                         place_name);

// contract 10.1, 10.2
TEST_P(RestartTest, FailedActorLivesOnBehindTheSameHandleWithAFreshState) {
  const auto phoenix = spawn_phoenix();
  EXPECT_EQ(phoenix.call<&Phoenix::add>(5).get(1s), 5);
  EXPECT_THAT(error_of(phoenix.call<&Phoenix::check>(3)),
              AllOf(HasSubstr("unavailable: Phoenix 'phoenix'"), HasSubstr("crashed: "),
                    HasSubstr("value_ < limit (5, 3)"), EndsWith(" (it may be restarted)")));
  EXPECT_EQ(phoenix.call<&Phoenix::add>(1).get(1s), 1);
  EXPECT_EQ(phoenix.call<&Phoenix::life>().get(1s), 2U);
  EXPECT_EQ(code_of(phoenix.call<&Phoenix::crash>("enough")), ErrorCode::kUnavailable);
  EXPECT_EQ(phoenix.call<&Phoenix::life>().get(1s), 3U);
  EXPECT_EQ(value_or_throw(caller.find<Phoenix>("phoenix", 1s)), phoenix);
  EXPECT_THAT(log->lines, ElementsAre("p made 1", "p gone 1", "p made 2", "p gone 2", "p made 3"));
  EXPECT_EQ(home->stats().restarts, 2U);
  EXPECT_EQ(home->stats().actors, 1U);
}

// contract 10.1, 2.4
TEST_P(RestartTest, WhatAHandlerThrowsIsNoFailure) {
  const auto phoenix = spawn_phoenix();
  EXPECT_EQ(code_of(phoenix.call<&Phoenix::throw_up>()), ErrorCode::kFailed);
  EXPECT_EQ(phoenix.call<&Phoenix::life>().get(1s), 1U);
}

// contract 10.2
TEST_P(RestartTest, MessagesThatWaitedAreHandledInOrderByTheNextIncarnation) {
  const auto phoenix = spawn_phoenix();
  auto crashed = phoenix.call<&Phoenix::crash>("now");
  std::vector<Future<int>> sums;
  for (int i = 1; i <= 4; ++i) sums.push_back(phoenix.call<&Phoenix::add>(i));
  EXPECT_EQ(code_of(std::move(crashed)), ErrorCode::kUnavailable);
  EXPECT_EQ(sums[0].get(1s), 1);
  EXPECT_EQ(sums[1].get(1s), 3);
  EXPECT_EQ(sums[2].get(1s), 6);
  EXPECT_EQ(sums[3].get(1s), 10);
  EXPECT_EQ(phoenix.call<&Phoenix::life>().get(1s), 2U);
}

// contract 10.2, 3.1
TEST_P(RestartTest, TheMailboxKeepsItsBoundWhileTheActorIsDown) {
  const auto phoenix = spawn_phoenix({.mailbox_capacity = 3});
  EXPECT_EQ(code_of(phoenix.call<&Phoenix::crash>("now")), ErrorCode::kUnavailable);
  std::vector<Future<int>> sums;
  for (int i = 0; i < 4; ++i) sums.push_back(phoenix.call<&Phoenix::add>(1));
  EXPECT_EQ(code_of(std::move(sums[3])), ErrorCode::kOverloaded);
  EXPECT_EQ(sums[2].get(1s), 3);
}

// contract 10.2, 3.4
TEST_P(RestartTest, WhoWaitsForRoomWaitsForTheRestartToo) {
  const auto phoenix = spawn_phoenix({.mailbox_capacity = 1});
  EXPECT_EQ(code_of(phoenix.call<&Phoenix::crash>("now")), ErrorCode::kUnavailable);
  const auto patient = phoenix.with({.when_full = WhenFull::kWait});
  std::vector<Future<int>> sums;
  for (int i = 0; i < 4; ++i) sums.push_back(patient.call<&Phoenix::add>(1));
  EXPECT_EQ(sums[3].get(1s), 4);
  EXPECT_EQ(phoenix.call<&Phoenix::life>().get(1s), 2U);
}

// contract 10.2
TEST_P(RestartTest, EveryIncarnationIsMadeFromTheOriginalArguments) {
  const auto made = home->spawn<Hoarder>({.name = "hoarder", .max_restarts = 2},
                                         std::vector<int>{1, 2, 3}, std::string_view("abc"));
  const auto hoarder = value_or_throw(caller.find<Hoarder>("hoarder", 1s));
  for (int life = 1; life <= 3; ++life) {
    EXPECT_EQ(hoarder.call<&Hoarder::take>().get(1s), "abc3") << life;
    if (life == 3) break;
    EXPECT_EQ(code_of(hoarder.call<&Hoarder::fall>()), ErrorCode::kUnavailable);
  }
}

// contract 10.2, 4.5
TEST_P(RestartTest, MonitorsHearOfTheLastDeathOnlyAndWhichLifeItWas) {
  const auto phoenix = spawn_phoenix();
  auto down = caller.monitor(phoenix);
  EXPECT_EQ(code_of(phoenix.call<&Phoenix::crash>("now")), ErrorCode::kUnavailable);
  EXPECT_EQ(phoenix.call<&Phoenix::life>().get(1s), 2U);
  EXPECT_FALSE(down.ready());
  phoenix.stop();
  const Down end = down.get(1s);
  EXPECT_EQ(end.reason, DownReason::kStopped);
  EXPECT_EQ(end.incarnation, 2U);
}

// contract 10.3
TEST_P(RestartTest, AFailureAfterASuspensionEndsTheCall) {
  const auto phoenix = spawn_phoenix();
  auto napping = phoenix.call<&Phoenix::nap_and_crash>(5ms);
  auto next = phoenix.call<&Phoenix::add>(2);
  EXPECT_THAT(error_of(std::move(napping)), HasSubstr("crashed: after a nap"));
  EXPECT_EQ(next.get(1s), 2);
}

// contract 10.3
TEST_P(RestartTest, WhatAnIncarnationWaitedForDoesNotRunInTheNext) {
  const auto phoenix = spawn_phoenix();
  phoenix.call<&Phoenix::then_later>(50ms).get(1s);
  EXPECT_EQ(code_of(phoenix.call<&Phoenix::crash>("now")), ErrorCode::kUnavailable);
  world.run_for(1s);
  EXPECT_THAT(log->lines, ElementsAre("p made 1", "p gone 1", "p made 2"));
}

// contract 10.3
TEST_P(RestartTest, WhatAnIncarnationSentToItselfGoesWithIt) {
  const auto phoenix = spawn_phoenix();
  phoenix.call<&Phoenix::note_later>("late", 50ms).get(1s);
  auto crashed = phoenix.call<&Phoenix::note_and_crash>("soon");
  EXPECT_EQ(code_of(std::move(crashed)), ErrorCode::kUnavailable);
  world.run_for(1s);
  EXPECT_THAT(log->lines, ElementsAre("p made 1", "p gone 1", "p made 2"));
  phoenix.call<&Phoenix::note_later>("kept", 50ms).get(1s);
  world.run_for(1s);
  EXPECT_EQ(log->lines.back(), "p: kept");
}

// contract 10.2, 8.2, 8.5
TEST_P(RestartTest, CallsThatWaitForARestartAreCancelledAndRunOutOfTimeAsEver) {
  exact = false;
  const auto phoenix = spawn_phoenix({.restart = {.backoff_min = 1s, .jitter = 0}});
  EXPECT_EQ(code_of(phoenix.call<&Phoenix::crash>("now")), ErrorCode::kUnavailable);
  auto cancelled = phoenix.call<&Phoenix::add>(1);
  auto late = phoenix.with({.timeout = 100ms}).call<&Phoenix::add>(10);
  auto kept = phoenix.call<&Phoenix::add>(100);
  world.run_for(10ms);
  cancelled.cancel();
  EXPECT_EQ(code_of(std::move(cancelled)), ErrorCode::kCancelled);
  EXPECT_EQ(code_of(std::move(late)), ErrorCode::kTimeout);
  world.run_for(50ms);  // so that the actor's node has heard of it
  ASSERT_EQ(home->actors().size(), 1U);
  EXPECT_EQ(home->actors()[0].state, ActorState::kRestarting);
  EXPECT_EQ(home->actors()[0].incarnation, 1U);
  EXPECT_EQ(kept.get(2s), 100);
  EXPECT_EQ(home->actors()[0].state, ActorState::kIdle);
  EXPECT_EQ(home->actors()[0].incarnation, 2U);
}

// contract 10.2, 8.1
TEST_P(RestartTest, UrgentMessagesThatCameMeanwhileGoFirst) {
  const auto phoenix = spawn_phoenix();
  EXPECT_EQ(code_of(phoenix.call<&Phoenix::crash>("now")), ErrorCode::kUnavailable);
  phoenix.send<&Phoenix::note>("second");
  phoenix.with({.urgent = true}).send<&Phoenix::note>("first");
  world.run_for(1s);
  EXPECT_THAT(log->lines, ElementsAre("p made 1", "p gone 1", "p made 2", "p: first", "p: second"));
  EXPECT_EQ(code_of(phoenix.call<&Phoenix::crash>("again")), ErrorCode::kUnavailable);
  auto lost = phoenix.with({.urgent = true}).call<&Phoenix::life>();
  world.run_for(1ms);
  phoenix.kill();
  EXPECT_THAT(error_of(std::move(lost)), HasSubstr("was killed"));
}

// contract 10.3, 8.6
TEST_P(RestartTest, AllHandlersOfAReentrantActorGoWithTheIncarnation) {
  const auto phoenix = spawn_phoenix({.reentrant = true});
  auto a = phoenix.call<&Phoenix::nap>(1h);
  auto b = phoenix.call<&Phoenix::nap_and_crash>(10ms);
  auto c = phoenix.call<&Phoenix::nap>(1h);
  EXPECT_THAT(error_of(std::move(b)), HasSubstr("crashed: after a nap"));
  EXPECT_THAT(error_of(std::move(a)), HasSubstr("crashed: after a nap"));
  EXPECT_THAT(error_of(std::move(c)), HasSubstr("crashed: after a nap"));
  EXPECT_EQ(phoenix.call<&Phoenix::nap>(1ms).get(1s), 0);
  EXPECT_EQ(phoenix.call<&Phoenix::life>().get(1s), 2U);
  phoenix.send<&Phoenix::note_and_crash>("never");
  world.run_for(1s);
  EXPECT_THAT(log->lines, ElementsAre("p made 1", "p gone 1", "p made 2", "p gone 2", "p made 3"));
}

// contract 10.3, 8.7
TEST_P(RestartTest, EveryGroupIsFreeAgainInTheNextIncarnation) {
  const auto phoenix = spawn_phoenix(
      {.groups = {{.name = "naps", .limit = 1, .methods = methods<&Phoenix::nap>()}}});
  auto nap = phoenix.call<&Phoenix::nap>(1h);
  auto next = phoenix.call<&Phoenix::nap>(1ms);
  auto crashed = phoenix.call<&Phoenix::crash>("now");
  EXPECT_EQ(code_of(std::move(nap)), ErrorCode::kUnavailable);
  EXPECT_EQ(code_of(std::move(crashed)), ErrorCode::kUnavailable);
  EXPECT_EQ(next.get(1s), 0);
}

// contract 10.3, 8.4
TEST_P(RestartTest, StopTokensOfAnIncarnationAreAskedToStopAndThoseOfTheNextAreNot) {
  const auto phoenix = spawn_phoenix({.reentrant = true});
  phoenix.send<&Phoenix::nap_with_stop>(1h);
  EXPECT_EQ(code_of(phoenix.call<&Phoenix::crash>("now")), ErrorCode::kUnavailable);
  EXPECT_THAT(log->lines, ElementsAre("p made 1", "p gone 1", "p told to stop"));
  phoenix.send<&Phoenix::nap_with_stop>(1h);
  world.run_for(1s);
  EXPECT_EQ(log->lines.back(), "p made 2");
  phoenix.kill();
  world.run_for(1s);
  EXPECT_THAT(log->lines, Contains("p told to stop").Times(2));
  log->stop.reset();
}

// contract 10.3, 2.6
TEST_P(RestartTest, WhatItSentToItselfIsADeadLetterAndLeavesItsRoom) {
  const auto phoenix = spawn_phoenix({.mailbox_capacity = 1});
  EXPECT_EQ(code_of(phoenix.call<&Phoenix::note_and_crash>("lost")), ErrorCode::kUnavailable);
  const auto letters = home->dead_letters();
  ASSERT_EQ(letters.latest.size(), 1U);
  EXPECT_EQ(letters.latest[0].method, "note");
  EXPECT_THAT(letters.latest[0].cause, HasSubstr("that sent it has ended"));
  EXPECT_EQ(phoenix.call<&Phoenix::life>().get(1s), 2U);
}

// contract 10.4
TEST_P(RestartTest, PausesDouble) {
  const auto phoenix = spawn_phoenix({.max_restarts = 4});
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(code_of(phoenix.call<&Phoenix::crash>("again")), ErrorCode::kUnavailable);
    world.run_for(500ms);
  }
  EXPECT_THAT(log->pauses, ElementsAre(10ms, 20ms, 40ms, 80ms));
}

// contract 10.4
TEST_P(RestartTest, JitterIsDrawnFromTheSeedOfTheWorld) {
  exact = false;
  const auto phoenix = spawn_phoenix({.restart = {.backoff_min = 1s, .jitter = 1}});
  EXPECT_EQ(code_of(phoenix.call<&Phoenix::crash>("once")), ErrorCode::kUnavailable);
  world.run_for(5s);
  ASSERT_EQ(log->pauses.size(), 1U);
  EXPECT_GT(log->pauses[0], 1s);
  EXPECT_LT(log->pauses[0], 2s);
}

// contract 10.5
TEST_P(RestartTest, OneFailureTooManyEndsTheActorWithItsCause) {
  const auto phoenix = spawn_phoenix({.max_restarts = 2});
  auto down = caller.monitor(phoenix);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(code_of(phoenix.call<&Phoenix::crash>("number " + std::to_string(i))),
              ErrorCode::kUnavailable);
  }
  const Down end = down.get(1s);
  EXPECT_EQ(end.reason, DownReason::kCrashed);
  EXPECT_EQ(end.incarnation, 3U);
  EXPECT_THAT(end.cause.message, HasSubstr("crashed: number 2 (after 2 restarts within 10 s)"));
  EXPECT_EQ(home->stats().actors, 0U);
  EXPECT_TRUE(home->try_spawn<Phoenix>({.name = "phoenix"}, "q", log));
}

// contract 10.5
TEST_P(RestartTest, FailuresFarApartDoNotAddUp) {
  const auto phoenix = spawn_phoenix({.max_restarts = 1});
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(code_of(phoenix.call<&Phoenix::crash>("now and then")), ErrorCode::kUnavailable);
    world.run_for(10s);
  }
  EXPECT_EQ(phoenix.call<&Phoenix::life>().get(1s), 6U);
}

// contract 10.1, 10.5
TEST_P(RestartTest, AConstructorThatThrowsAtARestartIsAFailure) {
  const auto phoenix = spawn_phoenix({.max_restarts = 3});
  auto down = caller.monitor(phoenix);
  log->constructors_to_fail = 2;
  EXPECT_EQ(code_of(phoenix.call<&Phoenix::crash>("first")), ErrorCode::kUnavailable);
  EXPECT_EQ(phoenix.call<&Phoenix::life>().get(1s), 4U);
  log->constructors_to_fail = 9;
  EXPECT_EQ(code_of(phoenix.call<&Phoenix::crash>("fourth")), ErrorCode::kUnavailable);
  EXPECT_THAT(down.get(1s).cause.message, HasSubstr("crashed: fourth"));
}

// contract 10.1, 10.5
TEST_P(RestartTest, AConstructorThatAlwaysThrowsEndsTheActorAndWhatWaited) {
  const auto phoenix = spawn_phoenix({.max_restarts = 3});
  log->constructors_to_fail = 9;
  EXPECT_EQ(code_of(phoenix.call<&Phoenix::crash>("first")), ErrorCode::kUnavailable);
  EXPECT_THAT(error_of(phoenix.call<&Phoenix::life>()),
              HasSubstr("its constructor threw at the restart: not today (after 3 restarts"));
}

// contract 10.7, 4.3
TEST_P(RestartTest, KillWhileDownEndsItAtOnceAndStopAfterWhatWaits) {
  exact = false;
  const RestartOptions slow = {.backoff_min = 1s, .jitter = 0};
  auto killed = spawn_phoenix({.restart = slow});
  auto down = caller.monitor(killed);
  EXPECT_EQ(code_of(killed.call<&Phoenix::crash>("now")), ErrorCode::kUnavailable);
  auto waiting = killed.call<&Phoenix::life>();
  killed.kill();
  EXPECT_EQ(down.get(100ms).reason, DownReason::kKilled);
  EXPECT_THAT(error_of(std::move(waiting), 0s), HasSubstr("was killed"));

  const auto stopped = spawn_phoenix({.restart = slow});
  down = caller.monitor(stopped);
  EXPECT_EQ(code_of(stopped.call<&Phoenix::crash>("now")), ErrorCode::kUnavailable);
  auto before = stopped.call<&Phoenix::life>();
  stopped.stop();
  EXPECT_EQ(before.get(2s), 2U);
  EXPECT_EQ(down.get(1s).reason, DownReason::kStopped);
}

// contract 10.7, 4.2
TEST_P(RestartTest, ReleasedWhileDownItEndsAfterWhatWaits) {
  auto phoenix = spawn_phoenix();
  auto down = caller.monitor(phoenix);
  EXPECT_EQ(code_of(phoenix.call<&Phoenix::crash>("now")), ErrorCode::kUnavailable);
  auto before = phoenix.call<&Phoenix::life>();
  phoenix = {};
  EXPECT_EQ(before.get(1s), 2U);
  EXPECT_EQ(down.get(1s).reason, DownReason::kReleased);
  EXPECT_EQ(home->stats().actors, 0U);
}

// contract 10.7, 6.2
TEST(RestartAtShutdownTest, AnActorThatIsDownEndsAtOnceAndNoneIsRestarted) {
  muster::testing::SimWorld world(test_seed());
  auto& node = world.start("node");
  const auto log = std::make_shared<Log>();
  const RestartOptions slow = {.backoff_min = 1s, .jitter = 0};
  const auto down = node.spawn<Phoenix>({.max_restarts = 3, .restart = slow}, "down", log);
  const auto late = node.spawn<Phoenix>({.max_restarts = 3, .restart = slow}, "late", log);
  EXPECT_EQ(code_of(down.call<&Phoenix::crash>("now")), ErrorCode::kUnavailable);
  auto waiting = down.call<&Phoenix::life>();
  auto end = node.monitor(late);
  late.send<&Phoenix::crash>("late");
  const TimePoint start = world.now();
  world.shutdown("node");
  EXPECT_LT(world.now() - start, 1s);
  EXPECT_THAT(error_of(std::move(waiting)), HasSubstr("its runtime shut down"));
  EXPECT_EQ(end.get().reason, DownReason::kCrashed);
  EXPECT_THAT(log->lines, ElementsAre("down made 1", "late made 1", "down gone 1", "late gone 1"));
}

// contract 10.1
TEST(CrashTest, TheTestKitCrashesAnActorThatIsRestarted) {
  muster::testing::SimWorld world(test_seed());
  auto& node = world.start("node");
  const auto phoenix = node.spawn<Phoenix>({.max_restarts = 1}, "p", std::make_shared<Log>());
  auto before = phoenix.call<&Phoenix::life>();
  muster::testing::crash(phoenix, "by order");
  auto after = phoenix.call<&Phoenix::life>();
  EXPECT_EQ(before.get(1s), 1U);
  EXPECT_EQ(after.get(1s), 2U);
}

// contract 4.4
TEST(CrashTest, WithoutRestartsItEndsTheActor) {
  muster::testing::SimWorld world(test_seed());
  auto& node = world.start("node");
  const auto log = std::make_shared<Log>();
  const auto phoenix = node.spawn<Phoenix>({}, "p", log);
  auto down = node.monitor(phoenix);
  EXPECT_THAT(error_of(phoenix.call<&Phoenix::crash>("the disk is gone")),
              HasSubstr("crashed: the disk is gone"));
  const Down end = down.get(1s);
  EXPECT_EQ(end.reason, DownReason::kCrashed);
  EXPECT_EQ(end.incarnation, 1U);
  EXPECT_THAT(end.cause.message, HasSubstr("crashed: the disk is gone"));
}

// contract 4.3
TEST(CrashTest, StopFromInsideSaysWhy) {
  muster::testing::SimWorld world(test_seed());
  auto& node = world.start("node");
  const auto phoenix = node.spawn<Phoenix>({}, "p", std::make_shared<Log>());
  auto down = node.monitor(phoenix);
  phoenix.call<&Phoenix::leave>("the work is done").get(1s);
  const Down end = down.get(1s);
  EXPECT_EQ(end.reason, DownReason::kStopped);
  EXPECT_THAT(end.cause.message, HasSubstr("was stopped: the work is done"));
}

TEST(RestartOptionsTest, WhatMakesNoSenseIsRefused) {
  muster::testing::SimWorld world(test_seed());
  auto& node = world.start("node");
  const auto refused = [&](const SpawnOptions& options) {
    const auto made = node.try_spawn<Counter>(options, 1);
    return made ? "accepted" : made.error().describe();
  };
  EXPECT_EQ(refused({.max_restarts = 1, .restart = {.window = 0s}}),
            "invalid: RestartOptions: window is not positive");
  EXPECT_EQ(refused({.max_restarts = 1, .restart = {.backoff_min = -1s}}),
            "invalid: RestartOptions: backoff_min is negative");
  EXPECT_EQ(refused({.max_restarts = 1, .restart = {.backoff_min = 2s, .backoff_max = 1s}}),
            "invalid: RestartOptions: backoff_max is less than backoff_min");
  EXPECT_EQ(refused({.max_restarts = 1, .restart = {.jitter = 1.5}}),
            "invalid: RestartOptions: jitter is 1.500000, not between 0 and 1");
  EXPECT_EQ(refused({.max_restarts = 1}), "accepted");
  const auto moved = node.try_spawn<Owner>({.max_restarts = 1}, std::make_unique<int>(1));
  EXPECT_THAT(moved.error().describe(),
              HasSubstr("invalid: cannot spawn a Owner that is restarted: an argument of its "
                        "constructor cannot be copied"));
  EXPECT_TRUE(node.try_spawn<Owner>({}, std::make_unique<int>(1)));
  static_assert(!detail::kRepeatable<Owner, std::unique_ptr<int>>);
  static_assert(detail::kRepeatable<Counter, int&>);
  world.run_for(1ms);
  EXPECT_EQ(node.stats().actors, 0U);  // nor is any left of those that were refused
}

}  // namespace
}  // namespace muster::test
