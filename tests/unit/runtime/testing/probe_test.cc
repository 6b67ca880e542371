// Probes: actors that the test plays.

#include "unit/runtime/testing/kit_fixture.h"

#include <muster/net.h>

namespace muster::testing {
namespace {

class ProbeTest : public KitTest {
 protected:
  ProbeTest() : probe(world, home), own(probe.stand_in<Store>({.name = "store"})) {
    cache = other->spawn<Cache>({.name = "cache"}, seen<Store>("store"));
  }
  Probe probe;
  Handle<Store> own;
  Handle<Cache> cache;
};
INSTANTIATE_TEST_SUITE_P(Places, ProbeTest, ::testing::Values(Place::kLocal, Place::kRemote),
                         [](const auto& test) {
                           return test.param == Place::kLocal ? "Local" : "Remote";
                         });

TEST_P(ProbeTest, SeesACallAndAnswersIt) {
  auto value = cache.call<&Cache::get>(3);
  auto asked = value_or_throw(probe.expect<&Store::read>());
  EXPECT_EQ(asked.argument(), 3);
  EXPECT_FALSE(asked.one_way());
  EXPECT_FALSE(value.ready());
  asked.reply("three");
  EXPECT_EQ(value.get(1s), "three");
  EXPECT_EQ(cache.call<&Cache::get>(3).get(1s), "three");  // it does not ask again
  EXPECT_TRUE(probe.expect_nothing());
}

TEST_P(ProbeTest, FailsACallAsAHandlerThatThrows) {
  auto value = cache.call<&Cache::get>(3);
  value_or_throw(probe.expect<&Store::read>()).fail({ErrorCode::kFailed, "no such key", "Missing"});
  EXPECT_EQ(value.result(1s).error(), (Error{ErrorCode::kFailed, "no such key", "Missing"}));
}

TEST_P(ProbeTest, UnansweredCallEndsWhenTheTestLetsItGo) {
  auto value = cache.call<&Cache::get>(3);
  ASSERT_TRUE(probe.expect<&Store::read>());
  EXPECT_EQ(value.result(1s).error().describe(),
            "unavailable: Store.read: the test did not answer");
}

TEST_P(ProbeTest, SeesASend) {
  cache.send<&Cache::forget>();
  EXPECT_TRUE(value_or_throw(probe.expect<&Store::clear>()).one_way());
}

TEST_P(ProbeTest, OtherMessageThanExpectedIsNamedAndStays) {
  cache.send<&Cache::forget>();
  const auto wrong = probe.expect<&Store::read>();
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().describe(), "invalid: expected Store.read; found Store.clear");
  EXPECT_EQ(value_or_throw(probe.peek()), "Store.clear");
  EXPECT_EQ(probe.expect_nothing().error().describe(),
            "invalid: expected nothing; found Store.clear");
  EXPECT_TRUE(probe.expect<&Store::clear>());
}

TEST_P(ProbeTest, WaitsInVirtualTime) {
  const TimePoint start = world.now();
  const auto nothing = probe.expect<&Store::read>(2s);
  ASSERT_FALSE(nothing);
  EXPECT_EQ(nothing.error().describe(),
            "timeout: expected Store.read; no message came within 2000 ms");
  EXPECT_EQ(world.now() - start, 2s);
  world.timers().schedule_in(500ms, [this] { cache.send<&Cache::forget>(); });
  EXPECT_TRUE(probe.expect<&Store::clear>());
  EXPECT_LT(world.now() - start, 2600ms);
}

TEST_P(ProbeTest, MessagesOfSeveralStandInsKeepTheirOrder) {
  const auto second = probe.stand_in<Cache>();
  own.send<&Store::clear>();
  second.send<&Cache::forget>();
  own.send<&Store::put>(1, "one");
  EXPECT_EQ(probe.waiting(), 3U);
  EXPECT_TRUE(probe.expect<&Store::clear>());
  EXPECT_TRUE(probe.expect<&Cache::forget>());
  const auto put = value_or_throw(probe.expect<&Store::put>());
  EXPECT_EQ(put.arguments(), std::make_tuple(1, std::string("one")));
  own.send<&Store::clear>();
  probe.discard();
  EXPECT_EQ(probe.waiting(), 0U);
}

TEST_P(ProbeTest, StandInLivesAndEndsAsItsHandlesSay) {
  auto down = home.monitor(own);
  own = {};
  cache.send<&Cache::forget>();
  world.run_for(100ms);
  EXPECT_FALSE(down.ready());  // the cache has a handle
  cache.send<&Cache::let_go>();
  EXPECT_EQ(down.get(1s).reason, DownReason::kReleased);
  EXPECT_TRUE(probe.expect<&Store::clear>());  // what it was sent stays
}

TEST_P(ProbeTest, DeadStandInTakesNothingMore) {
  own.kill();
  world.run_for(10ms);
  EXPECT_EQ(code_of(cache.call<&Cache::get>(3), 1s), ErrorCode::kUnavailable);
  EXPECT_TRUE(probe.expect_nothing());
}

TEST_P(ProbeTest, StandInCrashes) {
  auto down = other->monitor(seen<Store>("store"));
  world.run_for(10ms);
  crash(own, "told by the test");
  EXPECT_EQ(down.get(1s).reason, DownReason::kCrashed);
}

TEST_P(ProbeTest, RulesComeFirst) {
  world.messages().on<&Store::clear>().times(1).lose();
  world.messages().on<&Store::read>().times(1).delay(1s);
  cache.send<&Cache::forget>();
  auto value = cache.call<&Cache::get>(3);
  cache.send<&Cache::forget>();
  const TimePoint start = world.now();
  auto asked = probe.expect<&Store::read>(2s);
  ASSERT_TRUE(asked) << asked.error().describe();
  EXPECT_GE(world.now() - start, 1s);
  asked->reply("three");
  EXPECT_TRUE(probe.expect<&Store::clear>());
  EXPECT_TRUE(probe.expect_nothing());
}

TEST(ProbeTest, ProbeThatGoesEndsItsStandInsAndTheirCalls) {
  SimWorld world(1);
  Runtime& node = world.start("node");
  std::optional<Probe> probe(std::in_place, world, node);
  const auto store = probe->stand_in<Store>({.name = "store", .detached = true});
  auto down = node.monitor(store);
  auto call = store.call<&Store::read>(1);
  probe.reset();
  EXPECT_EQ(call.result(1s).error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(down.get(1s).reason, DownReason::kKilled);
  EXPECT_EQ(node.stats().actors, 0U);
}

TEST(ProbeTest, WorksOnRealThreads) {
  std::shared_ptr<Transport> transport = make_tcp_transport();
  const auto messages = std::make_shared<Messages>(transport->timers());
  Runtime runtime({.threads = 2}, {.transport = transport, .interceptor = messages});
  Probe probe(*messages, runtime);
  const auto cache = runtime.spawn<Cache>({}, probe.stand_in<Store>());
  for (int key = 0; key < 50; ++key) {
    auto value = cache.call<&Cache::get>(key);
    auto asked = value_or_throw(probe.expect<&Store::read>(30s));
    asked.reply(std::to_string(asked.argument()));
    EXPECT_EQ(value.get(30s), std::to_string(key));
  }
}

}  // namespace
}  // namespace muster::testing
