#include "unit/runtime/core/fixture.h"

namespace muster::test {
namespace {

using ::testing::HasSubstr;

class Guest {
 public:
  void leave(const std::string& why) { this_actor::stop(why); }
  int wave() { return ++waved_; }

 private:
  int waved_ = 0;
};
MUSTER_ACTOR(Guest, leave, wave);

class LifetimeTest : public WorldTest {};
INSTANTIATE_TEST_SUITE_P(Places, LifetimeTest, ::testing::Values(Place::kLocal, Place::kRemote),
                         place_name);

// contract 4.2
TEST_P(LifetimeTest, ActorEndsWhenItsLastHandleGoesAfterWhatItWasSent) {
  auto counter = spawn(1);
  auto down = caller.monitor(counter);
  world.run_for(10ms);
  EXPECT_EQ(home->stats().actors, 1U);
  auto last = counter.call<&Counter::add>(1);
  counter = {};
  EXPECT_EQ(last.get(1s), 2);
  const Down end = down.get(1s);
  EXPECT_EQ(end.reason, DownReason::kReleased);
  EXPECT_EQ(home->stats().actors, 0U);
}

// contract 4.2
TEST_P(LifetimeTest, DetachedActorLivesWithoutHandles) {
  auto counter = spawn(1, "kept", {.detached = true});
  counter = {};
  world.run_for(1s);
  EXPECT_EQ(value_or_throw(caller.find<Counter>("kept", 1s)).call<&Counter::value>().get(1s), 1);
}

// contract 4.3
TEST_P(LifetimeTest, StopDrainsAndKillDoesNot) {
  const auto stopped = spawn(0, "stopped");
  auto before = stopped.call<&Counter::add>(1);
  stopped.stop();
  auto after = stopped.call<&Counter::add>(1);
  EXPECT_EQ(before.get(1s), 1);
  EXPECT_THAT(error_of(std::move(after), 1s), HasSubstr("was stopped"));

  const auto killed = spawn(0, "killed");
  auto down = caller.monitor(killed);
  killed.kill();
  EXPECT_EQ(down.get(1s).reason, DownReason::kKilled);
  EXPECT_EQ(code_of(killed.call<&Counter::add>(1), 1s), ErrorCode::kUnavailable);
}

TEST_P(LifetimeTest, ActorStopsItself) {
  const auto counter = spawn(0);
  auto down = caller.monitor(counter);
  counter.call<&Counter::leave>().get(1s);
  EXPECT_EQ(down.get(1s).reason, DownReason::kStopped);
}

// contract 4.2, 4.3
TEST_P(LifetimeTest, StopAndTheLastHandlesEndComeAfterLargeMessages) {
  const auto bulk = [] { return std::vector<float>(1'000'000, 1.0F); };
  const auto stopped = spawn(0, "stopped");
  auto first = stopped.call<&Counter::sum>(bulk());
  stopped.stop();
  EXPECT_EQ(first.get(5s), 1'000'000);

  auto released = spawn(0, "released");
  auto second = released.call<&Counter::sum>(bulk());
  released = {};
  EXPECT_EQ(second.get(5s), 1'000'000);
}

// contract 4.9
TEST(LeavingTest, ActorThatStopsItselfHandlesWhatWasSentBeforeAndTellsWhy) {
  muster::testing::SimWorld world(test_seed());
  auto& node = world.start("node");
  const auto guest = node.spawn<Guest>();
  auto down = node.monitor(guest);
  auto left = guest.call<&Guest::leave>("it is late");
  auto waved = guest.call<&Guest::wave>();
  guest.send<&Guest::wave>();
  EXPECT_TRUE(left.result(1s));
  EXPECT_EQ(waved.get(1s), 1);
  const Down end = down.get(1s);
  EXPECT_EQ(end.reason, DownReason::kStopped);
  EXPECT_THAT(end.cause.message, HasSubstr("was stopped: it is late"));
  EXPECT_THAT(error_of(guest.call<&Guest::wave>()), HasSubstr("was stopped: it is late"));
  EXPECT_EQ(node.stats().dead_letters, 0U);
}

// contract 4.4, 4.5
TEST_P(LifetimeTest, FailedCheckEndsTheActorAndTellsCallersAndMonitors) {
  const auto counter = spawn(9);
  auto down = caller.monitor(counter);
  EXPECT_THAT(error_of(counter.call<&Counter::check>(5), 1s), HasSubstr("crashed: "));
  const Down end = down.get(1s);
  EXPECT_EQ(end.reason, DownReason::kCrashed);
  EXPECT_THAT(end.cause.message, HasSubstr("check failed: value_ < limit (9, 5)"));
}

// contract 4.5
TEST_P(LifetimeTest, DownTellsTheActorsName) {
  const auto counter = spawn(0, "named");
  auto down = caller.monitor(counter);
  counter.kill();
  EXPECT_EQ(down.get(1s).name, "named");
}

// contract 4.5
TEST_P(LifetimeTest, MonitorOfADeadActorHearsAtOnceHowItEnded) {
  const auto counter = spawn(9, "named");
  EXPECT_THAT(error_of(counter.call<&Counter::check>(5), 1s), HasSubstr("crashed: "));
  world.run_for(1s);
  const Down end = caller.monitor(counter).get(1s);
  EXPECT_EQ(end.actor, counter.id());
  EXPECT_EQ(end.reason, DownReason::kCrashed);
  EXPECT_EQ(end.name, "named");
  EXPECT_EQ(end.incarnation, 1U);
  EXPECT_THAT(end.cause.message, HasSubstr("check failed: value_ < limit (9, 5)"));
  EXPECT_THAT(error_of(counter.call<&Counter::value>(), 1s), HasSubstr("Counter 'named'"));
}

// contract 6.2, 6.3
TEST(ShutdownTest, EndsCallsUnderWayWithTheCause) {
  muster::testing::SimWorld world(test_seed());
  auto& node = world.start("node", {.drain_timeout = 100ms});
  const auto counter = node.spawn<Counter>({}, 1);
  auto napping = counter.call<&Counter::nap>(1h);
  world.run_for(1ms);
  world.shutdown("node");
  EXPECT_THAT(error_of(std::move(napping)), HasSubstr("its runtime shut down"));
}

// contract 6.2
TEST(ShutdownTest, DrainsMailboxesFirst) {
  muster::testing::SimWorld world(test_seed());
  auto& node = world.start("node");
  const auto counter = node.spawn<Counter>({}, 0);
  std::vector<Future<int>> sums;
  for (int i = 0; i < 50; ++i) sums.push_back(counter.call<&Counter::add>(1));
  world.shutdown("node");
  EXPECT_EQ(sums.back().get(), 50);
}

class Fragile {
 public:
  explicit Fragile(int n) {
    if (n < 0) throw std::invalid_argument("n is negative");
    this_actor::send<&Fragile::hello>();
  }
  void hello() { greeted_ = true; }
  bool greeted() const { return greeted_; }

 private:
  bool greeted_ = false;
};
MUSTER_ACTOR(Fragile, hello, greeted);

// contract 4.1
TEST(SpawnTest, ConstructorsExceptionReachesTheSpawnerAndFreesTheName) {
  muster::testing::SimWorld world(test_seed());
  auto& node = world.start("node");
  EXPECT_THROW(static_cast<void>(node.spawn<Fragile>({.name = "f"}, -1)), std::invalid_argument);
  const auto failed = node.try_spawn<Fragile>({.name = "f"}, -1);
  EXPECT_EQ(failed.error(), (Error{ErrorCode::kFailed, "n is negative", "std::invalid_argument"}));
  EXPECT_EQ(node.stats().actors, 0U);
  EXPECT_TRUE(node.try_spawn<Fragile>({.name = "f"}, 1));
}

// contract 4.1
TEST(SpawnTest, ConstructorMaySendToItself) {
  muster::testing::SimWorld world(test_seed());
  const auto fragile = world.start("node").spawn<Fragile>({}, 1);
  EXPECT_TRUE(fragile.call<&Fragile::greeted>().get(1s));
}

}  // namespace
}  // namespace muster::test
