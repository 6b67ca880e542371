// Dead letters as a program sees them: why, whose, how many, and who is told.

#include <atomic>
#include <latch>
#include <thread>

#include "unit/runtime/core/fixture.h"

namespace muster::test {

namespace old_build {
class Till {
 public:
  int take(int amount) { return amount; }
};
MUSTER_ACTOR(Till, take);
}  // namespace old_build

namespace new_build {
class Till {
 public:
  int take(const std::string& amount) { return static_cast<int>(amount.size()); }
  void close() {}
};
MUSTER_ACTOR(Till, take, close);
}  // namespace new_build

namespace {

using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Sender {
 public:
  void add_to(Handle<Counter> counter, int n) { counter.send<&Counter::add>(n); }
};
MUSTER_ACTOR(Sender, add_to);

class DeadLettersTest : public WorldTest {
 protected:
  /// An actor whose mailbox is full with one message.
  Handle<Counter> full_actor(const std::string& name = "counter") {
    const auto counter = spawn(0, name, {.mailbox_capacity = 1});
    naps.push_back(counter.call<&Counter::nap>(1h));
    world.run_for(10ms);
    counter.send<&Counter::add>(0);
    world.run_for(10ms);
    return counter;
  }
  DeadLetter latest() {
    const DeadLetters all = home->dead_letters();
    return all.latest.empty() ? DeadLetter{} : all.latest.back();
  }
  std::vector<Future<int>> naps;
};
INSTANTIATE_TEST_SUITE_P(Places, DeadLettersTest, ::testing::Values(Place::kLocal, Place::kRemote),
                         place_name);

// contract 7.1
TEST_P(DeadLettersTest, MessageToAFullMailboxSaysWhoseItWasAndWhoSentIt) {
  const auto counter = full_actor();
  EXPECT_EQ(home->dead_letters().total(), 0U);
  counter.send<&Counter::add>(1);
  world.run_for(10ms);
  ASSERT_EQ(home->dead_letters().total(), 1U);
  EXPECT_EQ(home->dead_letters().count(DeadLetterReason::kMailboxFull), 1U);
  DeadLetter letter = latest();
  EXPECT_THAT(letter.cause, HasSubstr("its mailbox is full (1 messages)"));
  EXPECT_LE(letter.when, world.now());
  EXPECT_GE(letter.when, world.now() - 10ms);
  letter.cause.clear();
  letter.when = {};
  EXPECT_EQ(letter, (DeadLetter{.reason = DeadLetterReason::kMailboxFull,
                                .actor = counter.id(),
                                .class_name = "Counter",
                                .method = "add",
                                .from = {caller.node_id(), 0}}));
}

// contract 7.1
TEST_P(DeadLettersTest, MessageOfAnActorNamesItsNodeAndOnItsOwnNodeTheActor) {
  const auto counter = full_actor();
  const auto sender = caller.spawn<Sender>();
  sender.call<&Sender::add_to>(counter, 1).get(1s);
  world.run_for(10ms);
  const ActorId known = remote() ? ActorId{caller.node_id(), 0} : sender.id();
  EXPECT_EQ(latest().from, known);
}

// contract 7.1
TEST_P(DeadLettersTest, MessagesToADeadActorAndThoseThatWaitedInItsMailbox) {
  const auto counter = full_actor();
  auto down = caller.monitor(counter);
  counter.kill();
  down.get(1s);
  EXPECT_EQ(home->dead_letters().count(DeadLetterReason::kActorEnded), 1U);  // it had waited
  EXPECT_EQ(latest().from, (remote() ? ActorId{} : ActorId{home->node_id(), 0}));
  counter.send<&Counter::add>(1);
  world.run_for(10ms);
  EXPECT_EQ(home->dead_letters().count(DeadLetterReason::kActorEnded), 2U);
  EXPECT_EQ(latest().actor, counter.id());
  EXPECT_EQ(latest().from, (ActorId{caller.node_id(), 0}));
  EXPECT_THAT(latest().cause, AnyOf(HasSubstr("has ended"), HasSubstr("was killed")));
  EXPECT_EQ(home->stats().dead_letters, 2U);
}

// contract 7.1
TEST_P(DeadLettersTest, SubscriberHearsOfEachUntilItsSubscriptionGoes) {
  const auto counter = full_actor();
  std::vector<DeadLetter> heard, others;
  auto subscription =
      home->on_dead_letter([&](const DeadLetter& letter) { heard.push_back(letter); });
  const auto other =
      home->on_dead_letter([&](const DeadLetter& letter) { others.push_back(letter); });
  counter.send<&Counter::add>(1);
  counter.send<&Counter::value>();
  world.run_for(10ms);
  ASSERT_EQ(heard.size(), 2U);
  EXPECT_EQ(heard, home->dead_letters().latest);
  EXPECT_EQ(heard[1].method, "value");
  auto moved = std::move(subscription);
  EXPECT_FALSE(subscription.active());  // NOLINT(bugprone-use-after-move): what is tested
  counter.send<&Counter::add>(1);
  world.run_for(10ms);
  EXPECT_EQ(heard.size(), 3U);
  moved.reset();
  counter.send<&Counter::add>(1);
  world.run_for(10ms);
  EXPECT_EQ(heard.size(), 3U);
  EXPECT_EQ(others.size(), 4U);
}

// contract 7.1
TEST_P(DeadLettersTest, SubscriberMayEndItsOwnSubscriptionAndIsNotToldOfWhatItLosesItself) {
  const auto counter = full_actor();
  int heard = 0;
  Subscription subscription = home->on_dead_letter([&](const DeadLetter&) {
    home->dead_letters();  // no lock is held
    const auto nobody = home->spawn<Counter>({}, 0);
    nobody.kill();
    nobody.send<&Counter::add>(1);
    if (++heard == 2) subscription.reset();
  });
  for (int i = 0; i < 3; ++i) {
    counter.send<&Counter::add>(1);
    world.run_for(10ms);
  }
  EXPECT_EQ(heard, 2);
  EXPECT_EQ(home->dead_letters().count(DeadLetterReason::kMailboxFull), 3U);
  EXPECT_EQ(home->dead_letters().count(DeadLetterReason::kActorEnded), 2U);
}

// contract 7.1
TEST(DeadLettersRingTest, KeepsTheLatestAndCountsAll) {
  for (const std::size_t kept : {0U, 1U, 3U}) {
    for (std::size_t sent = 0; sent <= kept + 1; ++sent) {
      muster::testing::SimWorld world(test_seed());
      auto& rt = world.start("node", {.dead_letters_kept = kept});
      const auto counter = rt.spawn<Counter>({}, 0);
      counter.kill();
      world.run_for(1ms);
      for (std::size_t i = 0; i < sent; ++i) {
        counter.send<&Counter::add>(1);
        world.run_for(1ms);
      }
      const DeadLetters all = rt.dead_letters();
      EXPECT_EQ(all.total(), sent);
      ASSERT_EQ(all.latest.size(), std::min(kept, sent));
      for (std::size_t i = 0; i < all.latest.size(); ++i) {
        EXPECT_EQ(all.latest[i].when, world.now() - 1ms * (all.latest.size() - i));
      }
    }
  }
}

class DeadLettersBetweenNodesTest : public ::testing::Test {
 protected:
  DeadLettersBetweenNodesTest()
      : world(test_seed()),
        head(world.start("head", {.listen = "head:1", .outstanding_bytes_max = 64 * 1024})),
        node(world.start("node", {.message_bytes_max = 1024 * 1024})) {
    value_or_throw(node.join("head:1", 5s));
  }
  DeadLetter latest() { return head.dead_letters().latest.back(); }

  muster::testing::SimWorld world;
  Runtime& head;
  Runtime& node;
};

// contract 7.1, 3.2
TEST_F(DeadLettersBetweenNodesTest, ConnectionThatIsFullOrGoneOrWillNotTakeTheMessage) {
  const auto actor = node.spawn<Counter>({.name = "far"}, 0);
  const auto far = value_or_throw(head.find<Counter>("far", 5s));
  far.send<&Counter::sum>(std::vector<float>(300'000, 1.0F));
  EXPECT_EQ(latest().reason, DeadLetterReason::kRefused);
  EXPECT_THAT(latest().cause, HasSubstr("accepts at most 1048576"));

  muster::testing::LinkOptions narrow;
  narrow.window_bytes = 16;
  world.network().set_link("head", "node", narrow);
  world.network().partition("head", "node");
  for (int i = 0; i < 3; ++i) far.send<&Counter::sum>(std::vector<float>(10'000, 1.0F));
  DeadLetter letter = latest();
  EXPECT_EQ(head.dead_letters().count(DeadLetterReason::kConnectionFull), 2U);
  EXPECT_THAT(letter.cause, HasSubstr("bytes wait to be sent, 65536 are allowed"));
  letter.cause.clear();
  EXPECT_EQ(letter, (DeadLetter{.reason = DeadLetterReason::kConnectionFull,
                                .actor = far.id(),
                                .method = "sum",
                                .from = {head.node_id(), 0},
                                .when = world.now()}));

  far.send<&Counter::add>(1);
  world.network().drop_connections("head", "node");
  world.run_for(10ms);
  EXPECT_EQ(head.dead_letters().count(DeadLetterReason::kUnreachable), 2U);
  EXPECT_EQ(latest().count, 2U);
  EXPECT_EQ(latest().actor, ActorId{});
  EXPECT_THAT(latest().cause, HasSubstr("node:"));
  far.send<&Counter::add>(1);
  EXPECT_EQ(head.dead_letters().count(DeadLetterReason::kUnreachable), 3U);
  EXPECT_EQ(latest().actor, far.id());
}

// contract 7.1, 4.7
TEST_F(DeadLettersBetweenNodesTest, ActorOfAnotherBuildRefusesWhatItDoesNotKnow) {
  const auto till = head.spawn<old_build::Till>({.name = "till"});
  const auto far = value_or_throw(node.find<new_build::Till>("till", 5s));
  far.send<&new_build::Till::close>();
  world.run_for(10ms);
  DeadLetter letter = latest();
  EXPECT_THAT(letter.cause, HasSubstr("has no method of that name"));
  letter.cause.clear();
  letter.when = {};
  EXPECT_EQ(letter, (DeadLetter{.reason = DeadLetterReason::kRefused,
                                .actor = till.id(),
                                .class_name = "Till",
                                .from = {node.node_id(), 0}}));
  far.send<&new_build::Till::take>(std::string("a lot"));
  world.run_for(10ms);
  EXPECT_EQ(latest().method, "take");
  EXPECT_THAT(latest().cause, HasSubstr("Till.take: argument 1: expected"));
  EXPECT_EQ(head.dead_letters().count(DeadLetterReason::kRefused), 2U);
}

TEST_F(DeadLettersBetweenNodesTest, SubscriptionMayOutliveItsRuntime) {
  Subscription subscription = head.on_dead_letter([](const DeadLetter&) {});
  world.shutdown("head");
  EXPECT_TRUE(subscription.active());
  subscription.reset();
}

// contract 7.1
TEST(DeadLettersThreadsTest, SubscriptionWaitsForItsCallbackAndIsSilentAfterwards) {
  Runtime rt({.threads = 2});
  const auto dead = rt.spawn<Counter>({}, 0);
  auto down = rt.monitor(dead);
  dead.kill();
  down.get(30s);
  for (int round = 0; round < 20; ++round) {
    std::atomic<bool> gone{false}, heard_late{false};
    std::atomic<int> heard{0};
    std::latch begun(1);
    Subscription subscription = rt.on_dead_letter([&](const DeadLetter&) {
      if (gone) heard_late = true;
      if (++heard == 1) begun.count_down();
      std::this_thread::yield();
      if (gone) heard_late = true;
    });
    std::jthread sender([&](const std::stop_token& stop) {
      while (!stop.stop_requested()) dead.send<&Counter::add>(1);
    });
    begun.wait();
    subscription.reset();
    gone = true;
    sender.request_stop();
    sender.join();
    EXPECT_FALSE(heard_late);
  }
}

TEST(DeadLetterReasonTest, HasAName) {
  std::vector<std::string_view> names;
  for (std::size_t i = 1; i <= kDeadLetterReasons + 1; ++i) {
    names.push_back(to_string(static_cast<DeadLetterReason>(i)));
  }
  EXPECT_THAT(names, ElementsAre("mailbox_full", "connection_full", "actor_ended", "unreachable",
                                 "refused", "poison", "unknown"));
}

}  // namespace
}  // namespace muster::test
