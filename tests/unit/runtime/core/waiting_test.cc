// What a sender chooses for a full mailbox: to fail, to wait or to drop; and how much one caller
// may have under way.

#include <atomic>
#include <thread>

#include "unit/runtime/core/fixture.h"

namespace muster::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::size_t kWaitingCapacity = 3;

class WaitingTest : public ::testing::TestWithParam<Place> {
 protected:
  WaitingTest()
      : world(test_seed()),
        caller(world.start("caller", {.listen = "caller:1",
                                      .mailbox_bytes_max = 100'000,
                                      .waiting_capacity = kWaitingCapacity})) {
    if (GetParam() == Place::kRemote) {
      home = &world.start("home",
                          {.mailbox_bytes_max = 100'000, .waiting_capacity = kWaitingCapacity});
      value_or_throw(home->join("caller:1", 5s));
    }
  }
  /// `counter`, whose handler sleeps until `wake` and which has room for one message.
  void spawn_sleeping(Duration sleep, SpawnOptions options = {}) {
    options.name = "counter";
    if (options.mailbox_capacity == 0) options.mailbox_capacity = 1;
    const auto made = home->spawn<Counter>(options, 0);
    counter = remote() ? value_or_throw(caller.find<Counter>("counter", 5s)) : made;
    waiting = counter.with({.timeout = 10s, .when_full = WhenFull::kWait});
    nap = counter.call<&Counter::nap>(std::chrono::duration_cast<std::chrono::milliseconds>(sleep));
    settle();
  }
  void settle() { world.run_for(5ms); }
  bool remote() const { return GetParam() == Place::kRemote; }
  ActorInfo info() {
    const auto actors = home->actors();
    return actors.empty() ? ActorInfo{} : actors.front();
  }

  muster::testing::SimWorld world;
  Runtime& caller;
  Runtime* home = &caller;
  Handle<Counter> counter, waiting;
  Future<int> nap;
};
INSTANTIATE_TEST_SUITE_P(Places, WaitingTest, ::testing::Values(Place::kLocal, Place::kRemote),
                         place_name);

/// Bytes are counted of messages from other nodes alone.
class WaitingBytesTest : public WaitingTest {};
INSTANTIATE_TEST_SUITE_P(Places, WaitingBytesTest, ::testing::Values(Place::kRemote), place_name);

// contract 3.4
TEST_P(WaitingTest, CallsWaitForRoomAndAreHandledInTheOrderOfTheirComing) {
  spawn_sleeping(1s);
  std::vector<Future<int>> calls;
  for (int i = 1; i <= 4; ++i) calls.push_back(waiting.call<&Counter::add>(i));
  settle();
  for (const auto& call : calls) EXPECT_FALSE(call.ready());
  EXPECT_EQ(info().mailbox_depth, 1U);
  EXPECT_EQ(info().waiting, 3U);
  EXPECT_TRUE(wait_all(calls, 5s));
  EXPECT_THAT(counter.call<&Counter::seen>().get(1s), ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(info().waiting, 0U);
}

// contract 3.5
TEST_P(WaitingTest, OfferEndsWhenItsMessageIsInTheMailboxNotWhenItIsHandled) {
  spawn_sleeping(1s);
  auto first = waiting.offer<&Counter::add>(1);
  auto second = waiting.offer<&Counter::add>(2);
  settle();
  EXPECT_TRUE(first.ready());
  EXPECT_FALSE(second.ready());
  EXPECT_THAT(second.result(1ms).error().message, HasSubstr("add: no result yet after 0.001 s"));
  EXPECT_TRUE(second.result(5s));
  EXPECT_TRUE(nap.ready());
  EXPECT_THAT(counter.call<&Counter::seen>().get(1s), ElementsAre(1, 2));
}

// contract 3.5
TEST_P(WaitingTest, OfferThatFailsOrIsDroppedIsOverloadedAtOnce) {
  spawn_sleeping(1s);
  EXPECT_TRUE(counter.offer<&Counter::add>(1).result(100ms));
  EXPECT_THAT(error_of(counter.offer<&Counter::add>(2), 100ms),
              HasSubstr("overloaded: Counter 'counter'"));
  EXPECT_EQ(home->dead_letters().total(), 0U);  // its sender knows
  const auto dropping = counter.with({.when_full = WhenFull::kDrop});
  EXPECT_EQ(code_of(dropping.offer<&Counter::add>(3), 100ms), ErrorCode::kOverloaded);
  EXPECT_EQ(home->dead_letters().count(DeadLetterReason::kMailboxFull), 1U);
}

// contract 3.4
TEST_P(WaitingTest, DroppedCallIsOverloadedAndADeadLetter) {
  spawn_sleeping(1s);
  const auto dropping = counter.with({.when_full = WhenFull::kDrop});
  auto first = dropping.call<&Counter::add>(1);
  EXPECT_EQ(code_of(dropping.call<&Counter::add>(2), 100ms), ErrorCode::kOverloaded);
  ASSERT_EQ(home->dead_letters().total(), 1U);
  EXPECT_EQ(home->dead_letters().latest[0].reason, DeadLetterReason::kMailboxFull);
  EXPECT_EQ(home->dead_letters().latest[0].method, "add");
  EXPECT_EQ(first.get(5s), 1);
}

// contract 3.4
TEST_P(WaitingTest, WhoeverDoesNotWaitIsRejectedWhileOthersDo) {
  spawn_sleeping(1s);
  for (int i = 1; i <= 3; ++i) waiting.send<&Counter::add>(i);
  settle();
  EXPECT_THAT(error_of(counter.call<&Counter::add>(9), 100ms), HasSubstr("overloaded"));
  counter.send<&Counter::add>(9);
  EXPECT_EQ(nap.get(5s), 0);
  settle();
  EXPECT_THAT(counter.call<&Counter::seen>().get(1s), ElementsAre(1, 2, 3));
  EXPECT_EQ(home->dead_letters().count(DeadLetterReason::kMailboxFull), 1U);
}

// contract 3.4, 8.1
TEST_P(WaitingTest, UrgentMessagesThatWaitGoFirst) {
  spawn_sleeping(1s);
  const auto urgent = counter.with({.timeout = 10s, .urgent = true, .when_full = WhenFull::kWait});
  std::vector<Future<int>> calls;
  for (int i = 1; i <= 3; ++i) {
    calls.push_back((i == 3 ? urgent : waiting).call<&Counter::add>(i));
    settle();
  }
  EXPECT_EQ(info().waiting, 2U);
  EXPECT_TRUE(wait_all(calls, 5s));
  EXPECT_THAT(counter.call<&Counter::seen>().get(1s), ElementsAre(1, 3, 2));
}

// contract 3.4
TEST_P(WaitingTest, DeadlineEndsTheWaitAndTheMessageIsNeverHandled) {
  spawn_sleeping(10s);
  const auto brief = counter.with({.timeout = 100ms, .when_full = WhenFull::kWait});
  ASSERT_TRUE(brief.offer<&Counter::add>(1).result(50ms));
  auto call = brief.call<&Counter::add>(2);
  auto offer = brief.offer<&Counter::add>(3);
  brief.send<&Counter::add>(4);
  settle();
  EXPECT_EQ(info().waiting, 3U);
  EXPECT_EQ(home->dead_letters().total(), 0U);
  world.run_for(200ms);
  EXPECT_EQ(info().waiting, 0U);
  ASSERT_TRUE(call.ready() && offer.ready());
  EXPECT_EQ(code_of(std::move(call)), ErrorCode::kTimeout);
  EXPECT_EQ(code_of(std::move(offer)), ErrorCode::kTimeout);
  ASSERT_EQ(home->dead_letters().total(), 1U);  // the sends': nobody else was told
  EXPECT_THAT(home->dead_letters().latest[0].cause, HasSubstr("had no room in time for add"));
  EXPECT_EQ(nap.get(20s), 0);
  settle();
  EXPECT_THAT(counter.call<&Counter::seen>().get(1s), ElementsAre(1));
}

// contract 3.4, 8.2
TEST_P(WaitingTest, CancelledCallWaitsNoMore) {
  spawn_sleeping(1s);
  std::vector<Future<int>> calls;
  for (int i = 1; i <= 3; ++i) calls.push_back(waiting.call<&Counter::add>(i));
  settle();
  EXPECT_EQ(info().waiting, 2U);
  calls[1].cancel();
  settle();
  EXPECT_EQ(info().waiting, 1U);
  auto offer = waiting.offer<&Counter::add>(4);
  if (!remote()) {
    offer.cancel();
    settle();
    EXPECT_EQ(info().waiting, 1U);
  }
  EXPECT_EQ(calls[0].get(5s), 1);
  EXPECT_EQ(code_of(std::move(calls[1])), ErrorCode::kCancelled);
  EXPECT_EQ(calls[2].get(5s), 4);
  EXPECT_EQ(home->dead_letters().total(), 0U);
}

// contract 3.4
TEST_P(WaitingTest, WaitersAreBounded) {
  for (std::size_t waiters = kWaitingCapacity - 1; waiters <= kWaitingCapacity + 1; ++waiters) {
    spawn_sleeping(1s);
    std::vector<Future<void>> offers;
    for (std::size_t i = 0; i <= waiters; ++i) {
      offers.push_back(waiting.offer<&Counter::add>(1));
      settle();
    }
    EXPECT_EQ(offers.back().ready(), waiters > kWaitingCapacity) << waiters;
    if (waiters > kWaitingCapacity) {
      EXPECT_THAT(error_of(std::move(offers.back())), HasSubstr("and 3 wait for room"));
      offers.pop_back();
    }
    EXPECT_TRUE(wait_all(offers, 5s));
    for (auto& offer : offers) EXPECT_TRUE(offer.result());
    counter.kill();
    settle();
  }
}

// contract 3.4, 4.2, 4.3
TEST_P(WaitingTest, StopAndTheLastHandlesEndComeAfterWhatWaits) {
  for (const bool stop : {true, false}) {
    spawn_sleeping(1s);
    auto down =
        home->monitor(remote() ? value_or_throw(home->find<Counter>("counter", 1s)) : counter);
    settle();
    std::vector<Future<int>> calls;
    for (int i = 1; i <= 2; ++i) calls.push_back(waiting.call<&Counter::add>(i));
    if (stop) counter.stop();
    auto late = stop ? waiting.call<&Counter::add>(4) : Future<int>();
    counter = waiting = {};
    settle();
    EXPECT_FALSE(down.ready());
    EXPECT_EQ(calls[0].get(5s), 1);
    EXPECT_EQ(calls[1].get(5s), 3);
    EXPECT_EQ(down.get(5s).reason, stop ? DownReason::kStopped : DownReason::kReleased);
    if (stop) {
      EXPECT_EQ(code_of(std::move(late)), ErrorCode::kUnavailable);
    }
  }
}

// contract 3.4, 4.3
TEST_P(WaitingTest, KillEndsWhatWaits) {
  spawn_sleeping(1h);
  waiting.send<&Counter::add>(1);
  auto call = waiting.call<&Counter::add>(2);
  auto offer = waiting.offer<&Counter::add>(3);
  waiting.send<&Counter::add>(4);
  settle();
  counter.kill();
  settle();
  ASSERT_TRUE(call.ready() && offer.ready());
  EXPECT_THAT(error_of(std::move(call)), HasSubstr("was killed"));
  EXPECT_THAT(error_of(std::move(offer)), HasSubstr("was killed"));
  EXPECT_EQ(home->dead_letters().count(DeadLetterReason::kActorEnded), 2U);
  EXPECT_EQ(code_of(waiting.offer<&Counter::add>(5), 1s), ErrorCode::kUnavailable);
}

// contract 3.6
TEST_P(WaitingTest, CallsOfOneCallerToOneActorAreBounded) {
  spawn_sleeping(1s, {.mailbox_capacity = 100});
  for (const std::uint32_t limit : {1U, 2U, 3U}) {
    const auto limited = counter.with({.timeout = 10s, .max_pending = limit});
    const auto copy = limited;
    std::vector<Future<int>> calls;
    for (std::uint32_t i = 0; i < limit; ++i) {
      calls.push_back((i % 2 == 0 ? limited : copy).call<&Counter::add>(1));
    }
    auto beyond = copy.call<&Counter::add>(1);
    auto offer = limited.offer<&Counter::add>(1);
    ASSERT_TRUE(beyond.ready() && offer.ready());
    EXPECT_EQ(error_of(std::move(beyond)),
              "overloaded: add: " + std::to_string(limit) +
                  " calls of this handle are under way, as many as are allowed");
    EXPECT_EQ(code_of(std::move(offer)), ErrorCode::kOverloaded);
    auto other = counter.with({.max_pending = limit}).call<&Counter::add>(1);
    EXPECT_FALSE(other.ready());     // another caller
    limited.send<&Counter::add>(1);  // not counted: nobody waits for it
    EXPECT_TRUE(wait_all(calls, 5s));
    EXPECT_TRUE(limited.call<&Counter::add>(1).result(5s));
  }
  EXPECT_EQ(counter.call<&Counter::value>().get(1s), 1 + 2 + 3 + 3 * 3);
}

// contract 3.6
TEST_P(WaitingTest, CallThatTimedOutIsNotUnderWay) {
  spawn_sleeping(10s, {.mailbox_capacity = 10});
  const auto limited = counter.with({.timeout = 100ms, .max_pending = 1});
  EXPECT_EQ(code_of(limited.call<&Counter::add>(1)), ErrorCode::kTimeout);
  EXPECT_EQ(code_of(limited.call<&Counter::add>(1)), ErrorCode::kTimeout);  // it was sent
  EXPECT_EQ(nap.get(20s), 0);
  settle();
  EXPECT_EQ(limited.call<&Counter::add>(1).get(), 1);
}

// contract 3.4
TEST_P(WaitingBytesTest, BytesOfOtherNodesWaitTooAndAreBounded) {
  spawn_sleeping(1s, {.mailbox_capacity = 100});
  const auto big = [] { return std::vector<float>(10'000, 1.0F); };  // 40 kB: two fit
  std::vector<Future<double>> calls;
  for (int i = 0; i < 4; ++i) calls.push_back(waiting.call<&Counter::sum>(big()));
  settle();
  EXPECT_EQ(info().mailbox_depth, 2U);
  EXPECT_EQ(info().waiting, 2U);
  EXPECT_EQ(code_of(waiting.call<&Counter::sum>(big()), 100ms), ErrorCode::kOverloaded);
  EXPECT_TRUE(wait_all(calls, 5s));
  for (auto& call : calls) EXPECT_EQ(call.get(), 10'000);
}

// contract 3.4
TEST_P(WaitingBytesTest, WhoeverWouldFitBesideThoseWhoWaitIsRejectedToo) {
  spawn_sleeping(1s, {.mailbox_capacity = 100});
  std::vector<Future<double>> calls;
  for (int i = 0; i < 3; ++i) {
    calls.push_back(waiting.call<&Counter::sum>(std::vector<float>(10'000, 1.0F)));
  }
  settle();
  EXPECT_EQ(info().waiting, 1U);
  const auto near = value_or_throw(home->find<Counter>("counter", 1s));
  EXPECT_EQ(code_of(counter.call<&Counter::add>(1), 100ms), ErrorCode::kOverloaded);
  EXPECT_EQ(code_of(near.call<&Counter::add>(1), 100ms), ErrorCode::kOverloaded);
  EXPECT_TRUE(wait_all(calls, 5s));
  EXPECT_EQ(counter.call<&Counter::add>(1).get(1s), 1);
}

// contract 3.4
TEST_P(WaitingBytesTest, ThoseWhoseBytesDoNotFitAreNotLetInWithTheNextMessage) {
  spawn_sleeping(100ms, {.mailbox_capacity = 100});
  auto again = counter.call<&Counter::nap>(1s);
  std::vector<Future<double>> calls;
  for (int i = 0; i < 4; ++i) {
    calls.push_back(waiting.call<&Counter::sum>(std::vector<float>(10'000, 1.0F)));
  }
  EXPECT_EQ(nap.get(1s), 0);
  settle();
  EXPECT_FALSE(again.ready());
  EXPECT_EQ(info().mailbox_depth, 2U);
  EXPECT_EQ(info().waiting, 2U);
  EXPECT_TRUE(wait_all(calls, 5s));
}

// contract 3.4
TEST_P(WaitingBytesTest, BytesThatWaitNoMoreMakeRoomForOthers) {
  spawn_sleeping(1s, {.mailbox_capacity = 100});
  for (int round = 0; round < 3; ++round) {
    std::vector<Future<double>> calls;
    for (int i = 0; i < 4; ++i) {
      calls.push_back(waiting.call<&Counter::sum>(std::vector<float>(10'000, 1.0F)));
    }
    settle();
    EXPECT_EQ(info().waiting, 2U) << "round " << round;
    EXPECT_TRUE(wait_all(calls, 5s));
    for (auto& call : calls) EXPECT_TRUE(call.result()) << "round " << round;
    nap = counter.call<&Counter::nap>(1s);
    settle();
  }
}

/// Awaits room before it sends the next: what a fast sender does for a slow actor.
Task<int> produce(Handle<Counter> to, int items) {
  for (int i = 0; i < items; ++i) co_await to.offer<&Counter::add>(1);
  co_return items;
}

// contract 3.4, 1.6
TEST_P(WaitingTest, CoroutinesKeepPaceWithASlowActor) {
  spawn_sleeping(1s, {.mailbox_capacity = 2});
  const auto patient = counter.with({.timeout = kForever, .when_full = WhenFull::kWait});
  std::vector<Future<int>> producers;
  for (int i = 0; i < 3; ++i) producers.push_back(caller.run(produce(patient, 200)));
  for (int i = 0; i < 100; ++i) {
    world.run_for(20ms);
    EXPECT_LE(info().mailbox_depth, 2U);
    EXPECT_LE(info().waiting, 3U);
  }
  EXPECT_TRUE(wait_all(producers, 60s));
  settle();
  EXPECT_EQ(counter.call<&Counter::value>().get(1s), 600);
  EXPECT_EQ(home->dead_letters().total(), 0U);
}

// contract 3.4, 1.3: whatever the order of work, nothing is lost, told wrongly or overtaken.
TEST(WaitingSimTest, EveryOfferIsHandledOnceInOrderOrItsSenderHearsThatItIsNot) {
  const std::uint64_t first = test_seed();
  for (std::uint64_t seed = first; seed < first + 200; ++seed) {
    SCOPED_TRACE("MUSTER_TEST_SEED=" + std::to_string(seed));
    muster::testing::SimWorld world(seed, {.latency_max = 5ms});
    Random random(mix_seed(seed, 9));
    auto& head = world.start("head", {.listen = "head:1", .waiting_capacity = 4});
    auto& node = world.start("node");
    const auto local = head.spawn<Counter>({.name = "near", .mailbox_capacity = 2}, 0);
    value_or_throw(node.join("head:1", 1s));
    const auto remote = value_or_throw(node.find<Counter>("near", 1s));
    std::vector<std::pair<int, Future<void>>> offers;
    std::vector<Future<int>> naps;
    for (int i = 0; i < 60; ++i) {
      const bool far = random.below(2) == 0;
      const Duration patience = std::chrono::milliseconds(random.below(200));
      const auto handle =
          (far ? remote : local)
              .with({.timeout = patience,
                     .when_full = random.below(4) == 0 ? WhenFull::kFail : WhenFull::kWait});
      if (random.below(5) == 0) {
        naps.push_back(handle.call<&Counter::nap>(std::chrono::milliseconds(random.below(50))));
      } else {
        const int number = (far ? 1000 : 0) + i;
        offers.emplace_back(number, handle.offer<&Counter::add>(number));
      }
      if (random.below(3) == 0) world.run_for(std::chrono::milliseconds(random.below(20)));
    }
    world.run_for(10s);
    const auto seen = local.call<&Counter::seen>().get(1s);
    std::vector<int> near_seen, far_seen, near_taken, far_taken;
    for (const int n : seen) (n < 1000 ? near_seen : far_seen).push_back(n);
    for (auto& [number, offer] : offers) {
      ASSERT_TRUE(offer.ready());
      const auto outcome = offer.result();
      if (outcome) {
        (number < 1000 ? near_taken : far_taken).push_back(number);
      } else if (number >= 1000 && outcome.error().code == ErrorCode::kTimeout) {
        // It may have been let in while its sender gave up.
        const auto late = std::ranges::find(far_seen, number);
        if (late != far_seen.end()) far_seen.erase(late);
      }
    }
    ASSERT_EQ(near_seen, near_taken);
    ASSERT_EQ(far_seen, far_taken);
    ASSERT_EQ(head.dead_letters().total(), 0U);
  }
}

class Slow {
 public:
  void take(int producer, int number) {
    MUSTER_CHECK(last_[static_cast<std::size_t>(producer)] < number, producer, number);
    last_[static_cast<std::size_t>(producer)] = number;
    ++taken_;
    if (taken_ % 64 == 0) std::this_thread::yield();
  }
  int taken() const { return taken_; }

 private:
  std::array<int, 4> last_ = {-1, -1, -1, -1};
  int taken_ = 0;
};
MUSTER_ACTOR(Slow, take, taken);

Task<int> produce_numbers(Handle<Slow> to, int producer, int items) {
  for (int i = 0; i < items; ++i) co_await to.offer<&Slow::take>(producer, i);
  co_return items;
}

// contract 3.4, 1.3
TEST(WaitingThreadsTest, ThreadsAndTasksThatWaitLoseNothingAndKeepTheirOrder) {
  constexpr int kItems = 5000;
  for (const unsigned threads : {1U, 2U}) {
    Runtime rt({.threads = threads});
    const auto slow = rt.spawn<Slow>({.mailbox_capacity = 4});
    const auto waiting = slow.with({.timeout = 60s, .when_full = WhenFull::kWait});
    std::vector<Future<int>> tasks;
    for (int p = 2; p < 4; ++p) tasks.push_back(rt.run(produce_numbers(waiting, p, kItems)));
    {
      std::vector<std::jthread> senders;
      for (int p = 0; p < 2; ++p) {
        senders.emplace_back([waiting, p] {
          for (int i = 0; i < kItems / 10; ++i) {
            EXPECT_TRUE(waiting.offer<&Slow::take>(p, i).result(60s));
          }
        });
      }
    }
    EXPECT_TRUE(wait_all(tasks, 60s));
    EXPECT_EQ(waiting.call<&Slow::taken>().get(60s), 2 * kItems + 2 * kItems / 10);
    EXPECT_EQ(rt.dead_letters().total(), 0U);
  }
}

}  // namespace
}  // namespace muster::test
