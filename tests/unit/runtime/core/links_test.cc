#include "unit/runtime/core/phoenix.h"

namespace muster::test {
namespace {

using ::testing::HasSubstr;

/// `a` lives with the caller, `b` at home.
class LinkTest : public WorldTest {
 protected:
  Handle<Phoenix> spawn_a(SpawnOptions options = {}) {
    options.name = "a";
    return caller.spawn<Phoenix>(options, "a", log);
  }
  Handle<Phoenix> spawn_b(SpawnOptions options = {}) {
    options.name = "b";
    kept = home->spawn<Phoenix>(options, "b", log);
    return home == &caller ? kept : value_or_throw(caller.find<Phoenix>("b", 5s));
  }
  void link(const Handle<Phoenix>& from, const Handle<Phoenix>& to) {
    from.call<&Phoenix::link>(to).get(1s);
    world.run_for(10ms);  // so that the other's node has heard of it
  }

  std::shared_ptr<Log> log = std::make_shared<Log>();
  Handle<Phoenix> kept;
};
INSTANTIATE_TEST_SUITE_P(Places, LinkTest, ::testing::Values(Place::kLocal, Place::kRemote),
                         place_name);

// contract 10.9
TEST_P(LinkTest, WhoeverOfTheTwoCrashesTakesTheOtherAlong) {
  for (const bool first : {true, false}) {
    const auto a = spawn_a();
    const auto b = spawn_b();
    link(a, b);
    auto a_down = caller.monitor(a);
    auto b_down = caller.monitor(b);
    world.run_for(10ms);
    (first ? a : b).send<&Phoenix::crash>("now");
    const Down a_end = a_down.get(1s);
    const Down b_end = b_down.get(1s);
    EXPECT_EQ(a_end.reason, first ? DownReason::kCrashed : DownReason::kLinked);
    EXPECT_EQ(b_end.reason, first ? DownReason::kLinked : DownReason::kCrashed);
    EXPECT_THAT((first ? b_end : a_end).cause.message,
                HasSubstr("failed with an actor that it is linked with: Phoenix '"));
    EXPECT_THAT((first ? b_end : a_end).cause.message, HasSubstr("crashed: now"));
  }
}

// contract 10.9
TEST_P(LinkTest, AnEndInOrderHarmsNobodyAndEndsTheLink) {
  const auto a = spawn_a();
  auto b = spawn_b();
  link(a, b);
  link(a, b);
  link(b, a);
  link(a, a);
  b.stop();
  kept = {};
  world.run_for(1s);
  EXPECT_EQ(a.call<&Phoenix::life>().get(1s), 1U);
  b = spawn_b();
  auto down = caller.monitor(b);
  link(a, b);
  kept = b = {};
  EXPECT_EQ(down.get(1s).reason, DownReason::kReleased);
  EXPECT_EQ(a.call<&Phoenix::life>().get(1s), 1U);
  const auto next = spawn_b();
  link(a, next);
  EXPECT_EQ(code_of(next.call<&Phoenix::quit>("done")), ErrorCode::kUnavailable);
  world.run_for(1s);
  EXPECT_EQ(a.call<&Phoenix::life>().get(1s), 1U);
}

// contract 10.9
TEST_P(LinkTest, KilledCountsAndGoesOnFromLinkToLink) {
  const auto a = spawn_a();
  const auto b = spawn_b();
  const auto c = caller.spawn<Phoenix>({.name = "c"}, "c", log);
  link(a, b);
  link(c, b);
  auto c_down = caller.monitor(c);
  a.kill();
  const Down c_end = c_down.get(1s);
  EXPECT_EQ(c_end.reason, DownReason::kLinked);
  EXPECT_THAT(c_end.cause.message, HasSubstr("Phoenix 'a'"));
  EXPECT_THAT(c_end.cause.message, HasSubstr("was killed"));
  EXPECT_EQ(caller.stats().actors + home->stats().actors, 0U);
}

// contract 10.9, 10.2
TEST_P(LinkTest, AnActorThatIsRestartedFailsWithItsLinkAndIsNoDeathToItself) {
  const auto a = spawn_a({.max_restarts = 3});
  const auto b = spawn_b({.max_restarts = 1});
  link(a, b);
  auto nap = a.call<&Phoenix::nap>(1h);
  EXPECT_EQ(code_of(b.call<&Phoenix::crash>("first")), ErrorCode::kUnavailable);
  world.run_for(1s);
  EXPECT_FALSE(nap.ready());  // b was restarted: it has not ended
  EXPECT_EQ(code_of(b.call<&Phoenix::crash>("second")), ErrorCode::kUnavailable);
  EXPECT_THAT(error_of(std::move(nap)), HasSubstr("linked with: Phoenix 'b'"));
  EXPECT_EQ(a.call<&Phoenix::life>().get(1s), 2U);
  auto down = caller.monitor(a);
  a.kill();
  EXPECT_EQ(down.get(1s).reason, DownReason::kKilled);
}

// contract 10.9
TEST_P(LinkTest, LinkedWithOneThatHasCrashedItFailsAtOnce) {
  const auto a = spawn_a();
  const auto b = spawn_b();
  auto down = caller.monitor(b);
  b.send<&Phoenix::crash>("long ago");
  static_cast<void>(down.get(1s));
  auto a_down = caller.monitor(a);
  a.send<&Phoenix::link>(b);
  EXPECT_THAT(a_down.get(1s).cause.message, HasSubstr("crashed: long ago"));
}

// contract 10.9, 5.3
TEST(LinkedNodesTest, AnActorThatIsLostWithItsNodeTakesItsLinkAlong) {
  muster::testing::SimWorld world(test_seed());
  auto& here = world.start("here", {.listen = "here:1"});
  auto& there = world.start("there");
  value_or_throw(there.join("here:1", 5s));
  const auto log = std::make_shared<Log>();
  const auto b = there.spawn<Phoenix>({.name = "b"}, "b", log);
  const auto a = here.spawn<Phoenix>({}, "a", log);
  a.call<&Phoenix::link>(value_or_throw(here.find<Phoenix>("b", 5s))).get(1s);
  world.run_for(1s);
  auto down = here.monitor(a);
  world.crash("there");
  const Down end = down.get(60s);
  EXPECT_EQ(end.reason, DownReason::kLinked);
  EXPECT_THAT(end.cause.message, HasSubstr("linked with"));
}

// contract 10.9
TEST(LinkedNodesTest, LinkingAgainAndAgainLeavesNothing) {
  muster::testing::SimWorld world(test_seed());
  auto& here = world.start("here", {.listen = "here:1"});
  auto& there = world.start("there");
  value_or_throw(there.join("here:1", 5s));
  const auto log = std::make_shared<Log>();
  const auto kept = there.spawn<Phoenix>({.name = "b"}, "b", log);
  const auto a = here.spawn<Phoenix>({}, "a", log);
  const auto b = value_or_throw(here.find<Phoenix>("b", 5s));
  // What is held of the two runtimes, for one thing by each watch of an actor.
  const auto uses_after = [&](int links) {
    for (int i = 0; i < links; ++i) a.call<&Phoenix::link>(b).get(1s);
    world.run_for(100ms);
    return std::pair(a.ref().get()->domain()->use_count(), kept.ref().get()->domain()->use_count());
  };
  const auto before = uses_after(1);
  const auto after = uses_after(100);
  EXPECT_LE(after.first, before.first + 10);
  EXPECT_LE(after.second, before.second + 10);
}

// contract 10.9
TEST(LinkedNodesTest, AnActorWhoseNodeIsShutDownInOrderHarmsNobody) {
  muster::testing::SimWorld world(test_seed());
  auto& here = world.start("here", {.listen = "here:1"});
  auto& there = world.start("there");
  value_or_throw(there.join("here:1", 5s));
  const auto log = std::make_shared<Log>();
  const auto kept = there.spawn<Phoenix>({.name = "b"}, "b", log);
  const auto a = here.spawn<Phoenix>({}, "a", log);
  const auto b = value_or_throw(here.find<Phoenix>("b", 5s));
  a.call<&Phoenix::link>(b).get(1s);
  world.run_for(1s);
  auto down = here.monitor(b);
  world.run_for(1s);
  there.shutdown();
  EXPECT_EQ(down.get(60s).reason, DownReason::kShutdown);
  world.run_for(60s);
  EXPECT_EQ(a.call<&Phoenix::life>().get(1s), 1U);
}

/// Passes a handle on.
class Courier {
 public:
  void take(Handle<Phoenix> handle) { handle_ = std::move(handle); }
  Handle<Phoenix> give() { return std::move(handle_); }

 private:
  Handle<Phoenix> handle_;
};
MUSTER_ACTOR(Courier, take, give);

// contract 10.9
TEST(LinkedNodesTest, LinkedWithOneOfANodeThatIsNotJoinedItFailsAtOnce) {
  muster::testing::SimWorld world(test_seed());
  auto& middle = world.start("middle", {.listen = "middle:1"});
  auto& here = world.start("here");
  auto& there = world.start("there");
  value_or_throw(here.join("middle:1", 5s));
  value_or_throw(there.join("middle:1", 5s));
  const auto log = std::make_shared<Log>();
  const auto courier = middle.spawn<Courier>({.name = "courier"});
  const auto b = there.spawn<Phoenix>({}, "b", log);
  value_or_throw(there.find<Courier>("courier", 5s)).call<&Courier::take>(b).get(1s);
  const auto unjoined =
      value_or_throw(here.find<Courier>("courier", 5s)).call<&Courier::give>().get(1s);
  ASSERT_EQ(unjoined.id(), b.id());
  const auto a = here.spawn<Phoenix>({}, "a", log);
  auto down = here.monitor(a);
  a.send<&Phoenix::link>(unjoined);
  EXPECT_EQ(down.get(1s).reason, DownReason::kLinked);
}

// contract 4.9
TEST_P(LinkTest, ExitEndsItAtOnceAndInOrderWhateverWaits) {
  const auto b = spawn_b({.max_restarts = 3});
  auto down = caller.monitor(b);
  auto quit = b.call<&Phoenix::quit>("the work is done");
  auto waiting = b.call<&Phoenix::life>();
  EXPECT_THAT(error_of(std::move(quit)), HasSubstr("was stopped: the work is done"));
  EXPECT_THAT(error_of(std::move(waiting)), HasSubstr("was stopped: the work is done"));
  EXPECT_EQ(down.get(1s).reason, DownReason::kStopped);
  EXPECT_EQ(home->stats().restarts, 0U);

  const auto later = spawn_b();
  down = caller.monitor(later);
  later.call<&Phoenix::quit_later>(10ms).get(1s);
  auto nap = later.call<&Phoenix::nap>(1h);
  EXPECT_THAT(error_of(std::move(nap)), HasSubstr("was stopped: time is up"));
  EXPECT_EQ(down.get(1s).reason, DownReason::kStopped);
}

}  // namespace
}  // namespace muster::test
