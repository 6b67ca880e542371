// Senders that wait for room on a connection.

#include "unit/runtime/core/fixture.h"

namespace muster::test {

/// Remembers the order of what it was given.
class Store {
 public:
  int put(int number, std::vector<float> bulk) {
    numbers_.push_back(number);
    return static_cast<int>(bulk.size());
  }
  std::vector<int> numbers() const { return numbers_; }
  void keep(Handle<Store> other, const std::vector<float>&) { kept_ = std::move(other); }

 private:
  std::vector<int> numbers_;
  Handle<Store> kept_;
};
MUSTER_ACTOR(Store, put, numbers, keep);

namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::size_t kKiB = 1024;

class ConnectionWaitingTest : public ::testing::Test {
 protected:
  ConnectionWaitingTest()
      : world(test_seed()),
        head(world.start(
            "head",
            {.listen = "head:1", .waiting_capacity = 3, .outstanding_bytes_max = 64 * kKiB})),
        node(world.start("node")) {
    value_or_throw(node.join("head:1", 5s));
    made = node.spawn<Store>({.name = "store"});
    store = value_or_throw(head.find<Store>("store", 5s));
    waiting = store.with({.timeout = 100s, .when_full = WhenFull::kWait});
    world.run_for(10ms);
  }
  /// What is written from here on does not leave the writer's queue, but for a few bytes.
  void block() {
    testing::LinkOptions narrow;
    narrow.window_bytes = 1;
    world.network().set_link("head", "node", narrow);
    world.network().partition("head", "node");
    for (int i = 0; i < 4; ++i) filling.push_back(store.call<&Store::put>(-1, bulk()));
  }
  void unblock() {
    world.network().set_link("head", "node", {});
    world.network().heal("head", "node");
    EXPECT_TRUE(wait_all(filling, 10s));
  }
  static std::vector<float> bulk() { return std::vector<float>(15 * kKiB / sizeof(float), 1.0F); }
  /// What the store was given beside the filling.
  std::vector<int> stored() {
    auto numbers = made.call<&Store::numbers>().get(5s);
    std::erase(numbers, -1);
    return numbers;
  }

  muster::testing::SimWorld world;
  Runtime& head;
  Runtime& node;
  Handle<Store> made, store, waiting;
  std::vector<Future<int>> filling;
};

// contract 3.4, 3.5
TEST_F(ConnectionWaitingTest, MessagesWaitForRoomAndNothingOvertakesThem) {
  block();
  auto call = waiting.call<&Store::put>(1, bulk());
  auto offer = waiting.offer<&Store::put>(2, bulk());
  waiting.send<&Store::put>(3, bulk());
  world.run_for(1s);
  EXPECT_FALSE(call.ready() || offer.ready());
  EXPECT_GT(head.peers()[0].bytes_waiting, 64 * kKiB);
  EXPECT_THAT(error_of(store.call<&Store::put>(9, std::vector<float>())),
              HasSubstr("and others wait for room"));
  unblock();
  EXPECT_EQ(call.get(5s), 15 * kKiB / sizeof(float));
  EXPECT_TRUE(offer.result(5s));
  world.run_for(1s);
  EXPECT_THAT(stored(), ElementsAre(1, 2, 3));
  EXPECT_EQ(head.peers()[0].bytes_waiting, 0U);
  EXPECT_EQ(head.dead_letters().total() + node.dead_letters().total(), 0U);
}

// contract 3.4
TEST_F(ConnectionWaitingTest, ThoseWhoWaitAreBounded) {
  block();
  for (int i = 1; i <= 3; ++i) waiting.send<&Store::put>(i, bulk());
  auto beyond = waiting.call<&Store::put>(4, bulk());
  ASSERT_TRUE(beyond.ready());
  EXPECT_THAT(error_of(std::move(beyond)), HasSubstr("overloaded: put was not sent to node:"));
  unblock();
  world.run_for(1s);
  EXPECT_THAT(stored(), ElementsAre(1, 2, 3));
}

// contract 3.4, 4.2, 4.3
TEST_F(ConnectionWaitingTest, StopAndTheLastHandlesEndComeAfterThem) {
  for (const bool stop : {true, false}) {
    auto down = node.monitor(made);
    made = {};
    block();
    waiting.send<&Store::put>(1, bulk());
    auto call = waiting.call<&Store::put>(2, bulk());
    if (stop) store.stop();
    store = waiting = {};
    world.run_for(1s);
    EXPECT_FALSE(down.ready());
    unblock();
    EXPECT_EQ(call.get(5s), 15 * kKiB / sizeof(float));
    EXPECT_EQ(down.get(5s).reason, stop ? DownReason::kStopped : DownReason::kReleased);
    EXPECT_EQ(node.dead_letters().total(), 0U);
    filling.clear();
    made = node.spawn<Store>({.name = "store"});
    store = value_or_throw(head.find<Store>("store", 5s));
    waiting = store.with({.timeout = 100s, .when_full = WhenFull::kWait});
  }
}

// contract 3.4
TEST_F(ConnectionWaitingTest, DroppedCallIsOverloadedAndADeadLetter) {
  block();
  const auto dropping = store.with({.when_full = WhenFull::kDrop});
  EXPECT_EQ(code_of(dropping.call<&Store::put>(1, bulk())), ErrorCode::kOverloaded);
  EXPECT_EQ(head.dead_letters().count(DeadLetterReason::kConnectionFull), 1U);
  unblock();
}

// contract 3.4
TEST_F(ConnectionWaitingTest, BytesOfThoseWhoWaitAreBounded) {
  block();
  const auto half = [] { return std::vector<float>(30 * kKiB / sizeof(float), 1.0F); };
  auto first = waiting.call<&Store::put>(1, half());
  auto second = waiting.call<&Store::put>(2, half());
  auto third = waiting.call<&Store::put>(3, half());
  ASSERT_TRUE(third.ready());
  EXPECT_EQ(code_of(std::move(third)), ErrorCode::kOverloaded);
  EXPECT_FALSE(first.ready() || second.ready());
  unblock();
  EXPECT_TRUE(first.result(5s) && second.result(5s));
}

// Wherever they are: held, let in, or on their way. contract 3.4, 4.3
TEST_F(ConnectionWaitingTest, StopComesAfterThemAlsoWhenSomeHaveBeenLetIn) {
  testing::LinkOptions slow;
  slow.bytes_per_second = 1e6;
  slow.window_bytes = kKiB;
  world.network().set_link("head", "node", slow);
  // What is left of the large one when its first chunk is written leaves room for one of them.
  const std::size_t count = 550 * kKiB / sizeof(float);
  for (Duration wait = 450ms; wait < 600ms; wait += 10ms) {
    auto large = store.call<&Store::put>(-1, std::vector<float>(count, 1.0F));
    std::vector<Future<int>> calls;
    for (int i = 1; i <= 3; ++i) calls.push_back(waiting.call<&Store::put>(i, bulk()));
    world.run_for(wait);
    store.stop();
    EXPECT_TRUE(wait_all(calls, 10s));
    for (auto& call : calls) EXPECT_TRUE(call.result()) << wait.count();
    made = node.spawn<Store>({.name = "store" + std::to_string(wait.count())});
    store = value_or_throw(head.find<Store>("store" + std::to_string(wait.count()), 5s));
    waiting = store.with({.timeout = 100s, .when_full = WhenFull::kWait});
  }
}

// contract 3.2, 3.4
TEST_F(ConnectionWaitingTest, NoMoreAreLetInThanThereIsRoomFor) {
  testing::LinkOptions slow;
  slow.bytes_per_second = 1e6;
  slow.window_bytes = kKiB;
  world.network().set_link("head", "node", slow);
  // What is left of it when its first chunk is written leaves room for one of those who wait.
  auto large = store.call<&Store::put>(-1, std::vector<float>(550 * kKiB / sizeof(float), 1.0F));
  std::vector<Future<int>> calls;
  for (int i = 1; i <= 3; ++i) calls.push_back(waiting.call<&Store::put>(i, bulk()));
  while (head.peers()[0].bytes_waiting > 100 * kKiB) world.run_for(1ms);
  calls.push_back(waiting.call<&Store::put>(4, bulk()));
  EXPECT_FALSE(calls.back().ready());
  EXPECT_EQ(code_of(waiting.call<&Store::put>(5, bulk())), ErrorCode::kOverloaded);
  EXPECT_TRUE(wait_all(calls, 10s));
  EXPECT_TRUE(large.result(5s));
  EXPECT_THAT(stored(), ElementsAre(1, 2, 3, 4));
}

// contract 3.4
TEST_F(ConnectionWaitingTest, DeadlineEndsTheWaitAndTheMessageIsNotSent) {
  block();
  const auto brief = store.with({.timeout = 100ms, .when_full = WhenFull::kWait});
  auto call = brief.call<&Store::put>(1, bulk());
  auto offer = brief.offer<&Store::put>(2, bulk());
  brief.send<&Store::put>(3, bulk());
  world.run_for(1s);
  ASSERT_TRUE(call.ready() && offer.ready());
  EXPECT_EQ(code_of(std::move(call)), ErrorCode::kTimeout);
  EXPECT_EQ(code_of(std::move(offer)), ErrorCode::kTimeout);
  unblock();
  world.run_for(1s);
  EXPECT_THAT(stored(), ElementsAre());
  ASSERT_EQ(head.dead_letters().total(), 1U);  // the send
  EXPECT_EQ(head.dead_letters().latest[0].reason, DeadLetterReason::kConnectionFull);
  EXPECT_THAT(head.dead_letters().latest[0].cause, HasSubstr("had no room in time"));
}

// contract 3.4, 4.2
TEST_F(ConnectionWaitingTest, HandlesInAMessageThatIsNotSentAreLetGo) {
  auto passed = head.spawn<Store>();
  auto down = head.monitor(passed);
  block();
  const auto brief = store.with({.timeout = 100ms, .when_full = WhenFull::kWait});
  auto call = brief.call<&Store::keep>(passed, bulk());
  brief.send<&Store::keep>(passed, bulk());
  passed = {};
  world.run_for(1s);
  EXPECT_EQ(code_of(std::move(call)), ErrorCode::kTimeout);
  EXPECT_FALSE(down.ready());
  unblock();
  EXPECT_EQ(down.get(5s).reason, DownReason::kReleased);
}

// contract 3.4, 8.1
TEST_F(ConnectionWaitingTest, UrgentMessagesKeepTheirOrderWhereTheyWait) {
  block();
  const auto urgent = store.with({.timeout = 100s, .urgent = true, .when_full = WhenFull::kWait});
  urgent.send<&Store::put>(1, bulk());
  urgent.send<&Store::put>(2, std::vector<float>());
  const auto impatient = store.with({.urgent = true});
  EXPECT_EQ(code_of(impatient.call<&Store::put>(3, std::vector<float>())), ErrorCode::kOverloaded);
  unblock();
  world.run_for(1s);
  EXPECT_THAT(stored(), ElementsAre(1, 2));
}

// contract 3.4, 2.3, 2.6
TEST_F(ConnectionWaitingTest, LostConnectionEndsThem) {
  block();
  auto call = waiting.call<&Store::put>(1, bulk());
  auto offer = waiting.offer<&Store::put>(2, bulk());
  waiting.send<&Store::put>(3, bulk());
  world.network().drop_connections("head", "node");
  world.run_for(10ms);
  ASSERT_TRUE(call.ready() && offer.ready());
  EXPECT_EQ(code_of(std::move(call)), ErrorCode::kUnavailable);
  EXPECT_EQ(code_of(std::move(offer)), ErrorCode::kUnavailable);
  EXPECT_EQ(head.dead_letters().count(DeadLetterReason::kUnreachable), 1U);
}

Task<int> produce(Handle<Store> to, int first, int items) {
  for (int i = 0; i < items; ++i) {
    auto bulk = std::vector<float>(30 * kKiB / sizeof(float), 1.0F);
    co_await to.offer<&Store::put>(first + i, std::move(bulk));
  }
  co_return items;
}

// contract 3.4, 1.3
TEST_F(ConnectionWaitingTest, SendersOverASlowLinkKeepPaceAndOrder) {
  testing::LinkOptions slow;
  slow.bytes_per_second = 1e6;
  slow.window_bytes = 4 * kKiB;
  world.network().set_link("head", "node", slow);
  std::vector<Future<int>> producers;
  for (int p = 0; p < 3; ++p) producers.push_back(head.run(produce(waiting, 1000 * p, 40)));
  std::size_t most = 0;
  while (!std::ranges::all_of(producers, [](const auto& one) { return one.ready(); })) {
    world.run_for(1ms);
    most = std::max(most, head.peers()[0].bytes_waiting);
  }
  EXPECT_GT(most, 64 * kKiB);
  EXPECT_LE(most, 2 * 64 * kKiB);
  for (auto& producer : producers) EXPECT_EQ(producer.get(1s), 40);
  const auto numbers = stored();
  EXPECT_EQ(numbers.size(), 3U * 40U);
  std::array<int, 3> last{-1, -1, -1};
  for (const int n : numbers) {
    EXPECT_LT(last.at(static_cast<std::size_t>(n / 1000)), n % 1000);
    last.at(static_cast<std::size_t>(n / 1000)) = n % 1000;
  }
}

}  // namespace
}  // namespace muster::test
