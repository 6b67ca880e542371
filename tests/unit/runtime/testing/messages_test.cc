// Rules on the messages between actors.

#include "unit/runtime/testing/kit_fixture.h"

#include <muster/net.h>

namespace muster::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class MessagesTest : public KitTest {
 protected:
  MessagesTest() : own(home.spawn<Store>({.name = "store"})), store(seen<Store>("store")) {}
  std::vector<int> order() { return own.call<&Store::order>().get(1s); }

  const Handle<Store> own;
  const Handle<Store> store;
};
INSTANTIATE_TEST_SUITE_P(Places, MessagesTest, ::testing::Values(Place::kLocal, Place::kRemote),
                         [](const auto& test) {
                           return test.param == Place::kLocal ? "Local" : "Remote";
                         });

TEST_P(MessagesTest, RuleCountsWhatMatchesAndLetsItPass) {
  const auto puts = world.messages().on<&Store::put>();
  const auto threes =
      world.messages().on<&Store::put>([](int key, const auto&) { return key == 3; });
  for (const int key : {1, 2, 3}) EXPECT_EQ(store.call<&Store::put>(key, "x").get(1s), key);
  EXPECT_EQ(threes.count(), 1U);
  EXPECT_EQ(puts.count(), 2U);  // the newer rule decided on the third
}

TEST_P(MessagesTest, LostCallEndsAtItsDeadlineAndLostSendIsGone) {
  const auto lost =
      world.messages().on<&Store::put>([](int key, const auto&) { return key != 3; }).lose();
  const TimePoint start = world.now();
  auto call = store.with({.timeout = 3s}).call<&Store::put>(1, "x");
  store.send<&Store::put>(2, "x");
  EXPECT_EQ(store.call<&Store::put>(3, "x").get(1s), 1);
  EXPECT_EQ(code_of(std::move(call)), ErrorCode::kTimeout);
  EXPECT_EQ(world.now() - start, 3s);
  EXPECT_EQ(lost.count(), 2U);
  EXPECT_THAT(order(), ElementsAre(3));
}

TEST_P(MessagesTest, RuleIsForTheNextFewAfterTheFirstFew) {
  world.messages().on<&Store::put>().after(1).times(2).refuse({ErrorCode::kOverloaded, "no", {}});
  std::vector<ErrorCode> codes;
  for (int key = 0; key < 5; ++key) codes.push_back(code_of(store.call<&Store::put>(key, "x")));
  EXPECT_THAT(codes, ElementsAre(ErrorCode{}, ErrorCode::kOverloaded, ErrorCode::kOverloaded,
                                 ErrorCode{}, ErrorCode{}));
  EXPECT_THAT(order(), ElementsAre(0, 3, 4));
}

TEST_P(MessagesTest, RuleIsForOneActorOnly) {
  const auto second = home.spawn<Store>({.name = "second"});
  const auto rule = world.messages().on<Store>().to(second).refuse({ErrorCode::kFailed, "no", {}});
  EXPECT_EQ(code_of(store.call<&Store::put>(1, "x")), ErrorCode{});
  EXPECT_EQ(code_of(seen<Store>("second").call<&Store::put>(1, "x")), ErrorCode::kFailed);
  EXPECT_EQ(rule.count(), 1U);
}

TEST_P(MessagesTest, DelayedMessageIsOvertaken) {
  world.messages().on<&Store::put>().times(1).delay(2s);
  const TimePoint start = world.now();
  auto late = store.call<&Store::put>(1, "late");
  EXPECT_EQ(store.call<&Store::put>(2, "x").get(1s), 1);
  EXPECT_EQ(late.get(5s), 2);
  EXPECT_GE(world.now() - start, 2s);
  EXPECT_LT(world.now() - start, 2100ms);
  EXPECT_THAT(order(), ElementsAre(2, 1));
}

TEST_P(MessagesTest, DuplicateIsHandledTwiceInARowAndAnsweredOnce) {
  world.messages().on<&Store::put>().times(1).duplicate();
  auto first = store.call<&Store::put>(1, "x");
  auto second = store.call<&Store::put>(2, "x");
  EXPECT_EQ(first.get(1s), 1);
  EXPECT_EQ(second.get(1s), 2);
  EXPECT_THAT(order(), ElementsAre(1, 1, 2));
}

TEST_P(MessagesTest, DisallowedMessageIsReportedAndRefused) {
  std::vector<std::string> lines;
  world.messages().on_disallowed([&](const std::string& line) { lines.push_back(line); });
  world.messages().on<Store>().disallow();
  world.messages().on<&Store::order>().allow();
  EXPECT_EQ(code_of(store.call<&Store::put>(1, "x")), ErrorCode::kInvalid);
  EXPECT_THAT(order(), ElementsAre());
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_THAT(lines[0], HasSubstr("disallows: put of Store 'store'"));
}

TEST(MessagesDeathTest, DisallowedMessageEndsTheProgramUnlessSomeoneHears) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(
      {
        SimWorld world(1);
        world.messages().on_any().disallow();
        world.start("node").spawn<Store>().send<&Store::clear>();
      },
      "a message that the test disallows: clear of Store");
}

TEST_P(MessagesTest, ExpectWaitsForARuleToCount) {
  const auto puts = world.messages().on<&Store::put>();
  world.timers().schedule_in(500ms, [this] { store.send<&Store::put>(1, "x"); });
  const TimePoint start = world.now();
  EXPECT_TRUE(world.expect(puts, 1, 1s));
  EXPECT_GE(world.now() - start, 500ms);
  const auto more = world.expect(puts, 2, 300ms);
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().describe(), "timeout: expected 2 of Store.put within 300 ms, counted 1");
}

TEST_P(MessagesTest, RuleMayActWhenItDecides) {
  auto down = other->monitor(store);
  world.run_for(10ms);
  world.messages().on<&Store::put>().after(1).times(1).also([this] { own.kill(); });
  EXPECT_EQ(code_of(store.call<&Store::put>(1, "x")), ErrorCode{});
  EXPECT_EQ(code_of(store.call<&Store::put>(2, "x")), ErrorCode::kUnavailable);
  EXPECT_EQ(down.get(1s).reason, DownReason::kKilled);
}

TEST_P(MessagesTest, InjectedCallPassesAllRules) {
  world.messages().on<Store>().lose();
  EXPECT_EQ(world.messages().inject<&Store::put>(own, 7, "x").get(1s), 1);
  world.messages().clear();
  EXPECT_THAT(order(), ElementsAre(7));
}

TEST_P(MessagesTest, ClearForgetsRulesAndLetsGoOfWhatTheyHeld) {
  world.messages().on<&Store::put>([](int key, const auto&) { return key == 1; }).lose();
  world.messages().on<&Store::put>([](int key, const auto&) { return key == 2; }).delay(1h);
  auto lost = store.call<&Store::put>(1, "x");
  auto delayed = store.call<&Store::put>(2, "x");
  world.run_for(1s);
  EXPECT_FALSE(lost.ready() || delayed.ready());
  world.messages().clear();
  EXPECT_EQ(code_of(std::move(lost), 1s), ErrorCode::kCancelled);
  EXPECT_EQ(delayed.get(1s), 1);
  EXPECT_EQ(store.call<&Store::put>(1, "x").get(1s), 2);
}

TEST_P(MessagesTest, CrashedActorEndsInItsTurnAsByAFailedCheck) {
  auto down = other->monitor(store);
  world.run_for(10ms);
  auto before = own.call<&Store::put>(1, "x");
  crash(own, "told by the test");
  auto after = own.call<&Store::put>(2, "x");
  EXPECT_EQ(before.get(1s), 1);
  const auto failed = after.result(1s);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(failed.error().message, HasSubstr("crashed: told by the test"));
  EXPECT_EQ(down.get(1s).reason, DownReason::kCrashed);
}

TEST(MessagesTest, WorldThatEndsLetsGoOfWhatRulesHeld) {
  SimWorld world(1);
  Runtime& node = world.start("node", {.call_timeout = kForever});
  const auto store = node.spawn<Store>();
  world.messages().on<&Store::put>([](int key, const auto&) { return key == 1; }).lose();
  world.messages().on<&Store::put>([](int key, const auto&) { return key == 2; }).delay(1h);
  auto lost = store.call<&Store::put>(1, "x");
  auto delayed = store.call<&Store::put>(2, "x");
  world.shutdown();
  EXPECT_TRUE(lost.ready());
  EXPECT_TRUE(delayed.ready());
  EXPECT_EQ(world.timers().pending(), 0U);
}

TEST(MessagesTest, RulesWorkOnRealThreads) {
  std::shared_ptr<Transport> transport = make_tcp_transport();
  const auto messages = std::make_shared<Messages>(transport->timers());
  Runtime runtime({.threads = 2}, {.transport = transport, .interceptor = messages});
  const auto store = runtime.spawn<Store>();
  const auto puts = messages->on<&Store::put>();
  messages->on<&Store::put>([](int key, const auto&) { return key == 0; }).delay(1ms);
  std::vector<Future<int>> calls;
  for (int key = 0; key < 100; ++key) calls.push_back(store.call<&Store::put>(key, "x"));
  ASSERT_TRUE(wait_all(calls, 30s));
  EXPECT_EQ(puts.count(), 99U);
  EXPECT_EQ(store.call<&Store::order>().get(30s).size(), 100U);
}

}  // namespace
}  // namespace muster::testing
