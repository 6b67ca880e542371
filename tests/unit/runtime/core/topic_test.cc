// Publish and subscribe, on one node and across two.

#include <muster/topic.h>

#include <thread>

#include "unit/runtime/core/routing_fixture.h"

namespace muster::test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

struct Price {
  std::string what;
  int value = 0;
};

class Trader {
 public:
  void on_price(const Price& price) { seen_.push_back(price.value); }
  Task<void> on_price_slowly(Price price) {
    co_await sleep_for(100ms);
    seen_.push_back(price.value);
  }
  std::vector<int> seen() const { return seen_; }
  Task<void> nap(std::chrono::milliseconds time) { co_await sleep_for(time); }
  /// Subscribes itself, and keeps the Subscription.
  Task<void> join(Topic<Price> topic) {
    subscription_ = co_await topic.subscribe<&Trader::on_price>(this_actor::handle<Trader>());
  }
  void leave() { subscription_.reset(); }

 private:
  std::vector<int> seen_;
  Subscription subscription_;
};
MUSTER_ACTOR(Trader, on_price, on_price_slowly, seen, nap, join, leave);

/// The topic is on `home`; traders and their subscriptions on `caller`.
class TopicTest : public RoutingTest {
 protected:
  TopicTest() : there(*home, {.name = "prices"}) {
    prices = remote() ? value_or_throw(Topic<Price>::find(caller, "prices", 5s)) : there;
  }
  Handle<Trader> trader(SpawnOptions options = {}) { return caller.spawn<Trader>(options); }
  Subscription subscribe(const Handle<Trader>& who) {
    return prices.subscribe<&Trader::on_price>(who).get(1s);
  }
  void publish(int value) {
    const Price price{"tea", value};
    there.publish(price);
  }
  std::vector<int> seen_by(const Handle<Trader>& who) {
    world.run_for(100ms);
    return who.call<&Trader::seen>().get(10s);
  }
  std::uint64_t subscribers() { return prices.subscribers().get(1s); }
  bool left_with(std::uint64_t count) {
    world.run_for(100ms);
    return subscribers() == count;
  }
  std::uint64_t dead_letters() const {
    return caller.dead_letters().total() + (remote() ? home->dead_letters().total() : 0);
  }

  Topic<Price> there;
  Topic<Price> prices;
};
INSTANTIATE_TEST_SUITE_P(Places, TopicTest, ::testing::Values(Place::kLocal, Place::kRemote),
                         place_name);

// contract 11.9
TEST_P(TopicTest, EverySubscriberGetsWhatIsPublishedInItsOrder) {
  const auto a = trader();
  const auto b = trader();
  publish(0);
  const auto of_a = subscribe(a);
  publish(1);
  const auto of_b = subscribe(b);
  std::vector<int> expected;
  for (int i = 2; i < 50; ++i) {
    publish(i);
    expected.push_back(i);
  }
  EXPECT_EQ(seen_by(b), expected);
  expected.insert(expected.begin(), 1);
  EXPECT_EQ(seen_by(a), expected);
}

// contract 11.9
TEST_P(TopicTest, PublishersOnBothNodesReachAllSubscribers) {
  const auto here = trader();
  const auto of_here = subscribe(here);
  const auto far = home->spawn<Trader>({});
  const auto of_far = there.subscribe<&Trader::on_price>(far).get(1s);
  for (int i = 0; i < 20; ++i) {
    const Price price{"tea", i};
    prices.publish(price);
    const Price other{"tea", 100 + i};
    there.publish(other);
  }
  EXPECT_TRUE(prices.offer(Price{"tea", 20}).result(1s));
  world.run_for(1s);
  for (const auto& seen : {here.call<&Trader::seen>().get(1s), far.call<&Trader::seen>().get(1s)}) {
    ASSERT_THAT(seen, SizeIs(41));
    std::vector<int> from_prices;
    std::ranges::copy_if(seen, std::back_inserter(from_prices), [](int n) { return n < 100; });
    EXPECT_TRUE(std::ranges::is_sorted(from_prices));
    EXPECT_THAT(from_prices, SizeIs(21));
  }
}

// contract 11.9
TEST_P(TopicTest, WhoSubscribesThenPublishesGetsItWithoutWaiting) {
  const auto a = trader();
  auto joining = prices.subscribe<&Trader::on_price>(a);
  const Price price{"tea", 1};
  prices.publish(price);
  EXPECT_THAT(seen_by(a), ElementsAre(1));
  EXPECT_TRUE(joining.get(1s).active());
}

// contract 11.9
TEST_P(TopicTest, WhatIsPublishedAfterASubscriptionIsDroppedDoesNotArrive) {
  const auto a = trader();
  const auto b = trader();
  auto of_a = subscribe(a);
  const auto of_b = subscribe(b);
  publish(1);
  ASSERT_THAT(seen_by(a), ElementsAre(1));
  of_a.reset();
  publish(2);
  EXPECT_THAT(seen_by(a), ElementsAre(1));
  EXPECT_THAT(seen_by(b), ElementsAre(1, 2));
  EXPECT_TRUE(left_with(1));
  EXPECT_EQ(dead_letters(), 0U);
  // Nothing is left of it: neither a port, nor a handle to the topic.
  const auto actors = caller.actors();
  EXPECT_EQ(std::ranges::count(actors, std::string("TopicPort"), &ActorInfo::class_name), 1);
}

// contract 11.9
TEST_P(TopicTest, ASubscriptionEndsWithItsSubscriber) {
  auto a = trader();
  const auto of_a = subscribe(a);
  EXPECT_EQ(subscribers(), 1U);
  a.kill();
  ASSERT_TRUE(left_with(0));
  publish(1);
  world.run_for(100ms);
  EXPECT_EQ(dead_letters(), 0U);
}

// contract 11.10
TEST_P(TopicTest, ASubscriptionDoesNotKeepItsSubscriberAlive) {
  auto a = trader();
  a.call<&Trader::join>(prices).get(1s);
  publish(1);
  ASSERT_THAT(seen_by(a), ElementsAre(1));
  auto down = caller.monitor(a);
  a = {};
  EXPECT_EQ(down.get(1s).reason, DownReason::kReleased);
  EXPECT_TRUE(left_with(0));
  EXPECT_EQ(dead_letters(), 0U);
}

// contract 11.10
TEST_P(TopicTest, ATopicLivesWhileSomebodySubscribes) {
  const auto a = trader();
  auto of_a = subscribe(a);
  auto down = home->monitor(there.actor());
  there = {};
  prices = {};
  world.run_for(1s);
  EXPECT_FALSE(down.ready());
  {
    const auto again = value_or_throw(Topic<Price>::find(*home, "prices", 1s));
    const Price price{"tea", 3};
    again.publish(price);
    EXPECT_THAT(seen_by(a), ElementsAre(3));
  }
  of_a.reset();
  EXPECT_EQ(down.get(1s).reason, DownReason::kReleased);
}

// contract 11.10
TEST_P(TopicTest, ASubscriptionWhoseSubscriberHasEndedKeepsNoTopic) {
  auto a = trader();
  const auto of_a = subscribe(a);
  auto down = home->monitor(there.actor());
  there = {};
  prices = {};
  a.kill();
  EXPECT_EQ(down.get(1s).reason, DownReason::kReleased);
}

// contract 11.10
TEST_P(TopicTest, AFullMailboxConcernsThatSubscriberAlone) {
  const auto slow = trader({.mailbox_capacity = 3});
  const auto quick = trader();
  const auto of_slow = subscribe(slow);
  const auto of_quick = subscribe(quick);
  auto nap = slow.call<&Trader::nap>(1s);
  world.run_for(10ms);
  for (int i = 0; i < 10; ++i) publish(i);
  EXPECT_THAT(seen_by(quick), SizeIs(10));
  EXPECT_EQ(caller.dead_letters().count(DeadLetterReason::kMailboxFull), 7U);
  world.run_for(1s);
  EXPECT_THAT(seen_by(slow), ElementsAre(0, 1, 2));
}

// contract 11.10
TEST_P(TopicTest, AValueWaitsForRoomWhereTheSubscriptionSaysSo) {
  const auto slow = trader({.mailbox_capacity = 3});
  const auto of_slow =
      prices.subscribe<&Trader::on_price>(slow, {.when_full = WhenFull::kWait}).get(1s);
  auto nap = slow.call<&Trader::nap>(1s);
  world.run_for(10ms);
  std::vector<int> expected;
  for (int i = 0; i < 10; ++i) {
    publish(i);
    expected.push_back(i);
  }
  world.run_for(2s);
  EXPECT_EQ(seen_by(slow), expected);
  EXPECT_EQ(dead_letters(), 0U);
}

// contract 11.9
TEST_P(TopicTest, WhatTheTopicHasNotPassedOnWhenItIsDroppedDoesNotArrive) {
  const auto a = trader();
  auto of_a = prices.subscribe<&Trader::on_price_slowly>(a).get(1s);
  for (int i = 0; i < 3; ++i) publish(i);
  world.run_for(50ms);  // all are in the mailbox of `a`
  of_a.reset();
  for (int i = 3; i < 6; ++i) publish(i);
  world.run_for(1s);
  EXPECT_THAT(seen_by(a), ElementsAre(0, 1, 2));
}

TEST_P(TopicTest, ADroppedFutureOfASubscriptionSubscribesNobody) {
  const auto a = trader();
  { const auto dropped = prices.subscribe<&Trader::on_price>(a); }
  world.run_for(1s);
  publish(1);
  EXPECT_THAT(seen_by(a), IsEmpty());
  EXPECT_TRUE(left_with(0));
}

TEST_P(TopicTest, OfATopicThatEndsTheSubscriptionsAreDead) {
  const auto a = trader();
  auto of_a = subscribe(a);
  there.actor().kill();
  world.run_for(1s);
  EXPECT_EQ(code_of(prices.subscribe<&Trader::on_price>(a)), ErrorCode::kUnavailable);
  EXPECT_EQ(code_of(prices.offer(Price{"tea", 1})), ErrorCode::kUnavailable);
  const auto actors = caller.actors();
  of_a.reset();
  world.run_for(1s);
  for (const auto& info : caller.actors()) EXPECT_NE(info.class_name, "TopicPort");
  EXPECT_EQ(dead_letters(), 0U);
}

TEST_P(TopicTest, SubscribingAgainAndAgainLeavesNothingAlive) {
  const auto a = trader();
  for (int i = 0; i < 50; ++i) {
    const auto once = subscribe(a);
    publish(i);
    world.run_for(10ms);
  }
  EXPECT_THAT(seen_by(a), SizeIs(50));
  EXPECT_TRUE(left_with(0));
  EXPECT_EQ(caller.stats().actors, remote() ? 1U : 2U);
}

TEST_P(TopicTest, FindTellsClassesApart) {
  const auto worker = this->worker(1);
  EXPECT_EQ(Topic<Price>::find(caller, "worker 1", 1s).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(Topic<Price>::find(caller, "nothing", 1s).error().code, ErrorCode::kTimeout);
  if (!remote()) {
    EXPECT_EQ(Topic<int>::find(caller, "prices", 1s).error().code, ErrorCode::kInvalid);
  }
}

TEST_P(TopicTest, AfterShutdownSubscribingFails) {
  const auto a = trader();
  auto of_a = subscribe(a);
  world.shutdown();
  EXPECT_FALSE(prices.subscribe<&Trader::on_price>(a).result(1s));
  of_a.reset();
}

// The node of a subscriber is lost: the topic goes on without it.
TEST(TopicWorldTest, ALostNodeDoesNotSubscribeAnyMore) {
  muster::testing::SimWorld world(test_seed());
  Runtime& head = world.start("head", {.listen = "head:1"});
  Runtime& node = world.start("node");
  value_or_throw(node.join("head:1", 5s));
  const Topic<Price> prices(head, {.name = "prices"});
  const auto seen = value_or_throw(Topic<Price>::find(node, "prices", 5s));
  const auto far = node.spawn<Trader>({});
  const auto near = head.spawn<Trader>({});
  auto of_far = seen.subscribe<&Trader::on_price>(far).get(5s);
  const auto of_near = prices.subscribe<&Trader::on_price>(near).get(5s);
  world.network().drop_connections("head", "node");
  ASSERT_TRUE(
      world.run_until([&] { return prices.subscribers().result(1s).value_or(9) == 1; }, 20s));
  prices.publish(Price{"tea", 1});
  world.run_for(1s);
  EXPECT_THAT(near.call<&Trader::seen>().get(1s), ElementsAre(1));
  EXPECT_THAT(far.call<&Trader::seen>().get(1s), IsEmpty());
  of_far.reset();
  world.run_for(1s);
  for (const auto& info : node.actors()) EXPECT_NE(info.class_name, "TopicPort");
}

// What waited for the end of a subscriber, or of anybody on this node, and does not any more, is
// forgotten.
TEST(TopicWorldTest, SubscribingAgainAndAgainLeavesNothingAtTheSubscriber) {
  muster::testing::SimWorld world(test_seed());
  Runtime& node = world.start("node");
  const Topic<Price> prices(node, {});
  const auto trader = node.spawn<Trader>({});
  auto kept = node.monitor(trader);
  const auto uses_after = [&](int times) {
    for (int i = 0; i < times; ++i) {
      const auto once = prices.subscribe<&Trader::on_price>(trader).get(1s);
      static_cast<void>(node.monitor(trader));
    }
    world.run_for(100ms);
    return trader.ref().get()->domain()->use_count();
  };
  const auto before = uses_after(100);
  EXPECT_LE(uses_after(1000), before + 50);
  trader.kill();
  EXPECT_EQ(kept.get(1s).reason, DownReason::kKilled);
}

// contract 11.9
TEST(TopicWorldTest, ATopicThatHadNoRoomForItHearsOfTheEndOfASubscriptionLater) {
  muster::testing::SimWorld world(test_seed());
  Runtime& node = world.start("node");
  const Topic<Price> prices(node, {.mailbox_capacity = 1});
  const auto a = node.spawn<Trader>({});
  auto of_a = prices.subscribe<&Trader::on_price>(a).get(1s);
  const Price price{"tea", 1};
  prices.publish(price);
  of_a.reset();  // the mailbox is full
  world.run_for(1s);
  EXPECT_EQ(prices.subscribers().get(1s), 0U);
  EXPECT_THAT(a.call<&Trader::seen>().get(1s), IsEmpty());
}

// On threads and TCP: publishers on both nodes, traders that come and go.
TEST(TopicThreadsTest, OrderOfEachPublisherHoldsOverTcp) {
  Runtime head({.threads = 2, .listen = "127.0.0.1:0"});
  Runtime node({.threads = 2});
  value_or_throw(node.join(head.listen_address(), 10s));
  const Topic<Price> prices(head, {.name = "prices"});
  const auto seen = value_or_throw(Topic<Price>::find(node, "prices", 10s));
  const auto near = head.spawn<Trader>({});
  const auto far = node.spawn<Trader>({});
  const auto of_near = prices.subscribe<&Trader::on_price>(near).get(10s);
  const auto of_far = seen.subscribe<&Trader::on_price>(far).get(10s);
  constexpr int kEach = 500;
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        const Price price{"tea", t * kEach + i};
        (t == 0 ? prices : seen).publish(price);
      }
    });
  }
  threads.emplace_back([&] {
    for (int i = 0; i < 50; ++i) {
      const auto passing = node.spawn<Trader>({});
      auto once = seen.subscribe<&Trader::on_price>(passing).get(10s);
      if (i % 2 == 0) passing.kill();
    }
  });
  for (auto& thread : threads) thread.join();
  for (const auto& trader : {near, far}) {
    std::vector<int> values;
    for (int tries = 0; tries < 100'000 && values.size() < 2 * kEach; ++tries) {
      values = trader.call<&Trader::seen>().get(30s);
    }
    for (int t = 0; t < 2; ++t) {
      std::vector<int> mine;
      std::ranges::copy_if(values, std::back_inserter(mine), [t](int n) { return n / kEach == t; });
      EXPECT_THAT(mine, SizeIs(kEach));
      EXPECT_TRUE(std::ranges::is_sorted(mine));
    }
  }
}

}  // namespace
}  // namespace muster::test
