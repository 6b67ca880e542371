#include "unit/runtime/core/clerk.h"
#include "unit/runtime/core/fixture.h"

namespace muster::test {
namespace {

using ::testing::HasSubstr;

class RemoteTest : public ::testing::Test {
 protected:
  using Handles = std::vector<std::vector<Handle<Counter>>>;
  RemoteTest()
      : world(test_seed()),
        head(world.start("head", {.listen = "head:1"})),
        node(world.start("node")) {
    value_or_throw(node.join("head:1", 5s));
    local = node.spawn<Counter>({.name = "far", .detached = true}, 1);
    far = value_or_throw(head.find<Counter>("far", 5s));
  }
  muster::testing::SimWorld world;
  Runtime& head;
  Runtime& node;
  Handle<Counter> local;
  Handle<Counter> far;
};

// contract 2.3, 4.5
TEST_F(RemoteTest, LostConnectionFailsCallsAndMonitorsAtOnceWithOneCause) {
  auto napping = far.call<&Counter::nap>(10s);
  auto down = head.monitor(far);
  world.run_for(10ms);
  const TimePoint start = world.now();
  world.network().drop_connections("head", "node");
  EXPECT_THAT(error_of(std::move(napping)), HasSubstr("unavailable: the connection with node"));
  EXPECT_EQ(down.get().reason, DownReason::kNodeLost);
  EXPECT_LT(world.now() - start, 100ms);
  EXPECT_EQ(code_of(far.call<&Counter::value>()), ErrorCode::kUnavailable);
  EXPECT_TRUE(head.peers().empty());
}

// contract 4.5
TEST_F(RemoteTest, MonitorOverAnEndedConnectionHearsOfTheLossAtOnce) {
  world.network().drop_connections("head", "node");
  world.run_for(10ms);
  auto down = head.monitor(far);
  ASSERT_TRUE(down.ready());
  const Down end = down.get();
  EXPECT_EQ(end.reason, DownReason::kNodeLost);
  EXPECT_EQ(end.actor, far.id());
}

// contract 1.4
TEST_F(RemoteTest, KillAndMonitorRequestsOvertakeMessagesThatWaitToBeWritten) {
  muster::testing::LinkOptions slow;
  slow.bytes_per_second = 1e6;
  world.network().set_link("head", "node", slow);
  auto summing = far.call<&Counter::sum>(std::vector<float>(1'000'000, 1.0F));  // four seconds
  auto monitored = head.monitor(far);
  far.kill();
  world.run_for(2s);
  EXPECT_TRUE(monitored.ready());
  EXPECT_EQ(monitored.get(10s).reason, DownReason::kKilled);
}

// contract 5.3
TEST_F(RemoteTest, SilentNodeIsFoundByItsHeartbeats) {
  auto down = head.monitor(far);
  world.run_for(10ms);
  const TimePoint start = world.now();
  world.crash("node");
  const Down end = down.get(30s);
  EXPECT_EQ(end.reason, DownReason::kNodeLost);
  EXPECT_THAT(end.cause.message, HasSubstr("no heartbeat from"));
  EXPECT_LT(world.now() - start, 5s);
}

TEST_F(RemoteTest, PartitionShorterThanThePeerTimeoutIsSurvived) {
  auto call = far.call<&Counter::add>(1);
  world.network().partition("head", "node");
  world.run_for(2s);
  world.network().heal("head", "node");
  EXPECT_EQ(call.get(5s), 2);
}

TEST_F(RemoteTest, NodeThatShutsDownIsToldApartFromOneThatIsLost) {
  auto down = head.monitor(far);
  world.run_for(10ms);
  world.shutdown("node");
  EXPECT_EQ(down.get(5s).reason, DownReason::kShutdown);
}

// contract 4.2
TEST_F(RemoteTest, LostNodeReleasesTheHandlesItHeld) {
  auto mine = head.spawn<Counter>({.name = "held"}, 1);
  auto down = head.monitor(mine);
  {
    const auto held = value_or_throw(node.find<Counter>("held", 1s));
    mine = {};
    world.run_for(1s);
    EXPECT_FALSE(down.ready());
    world.crash("node");
    EXPECT_EQ(down.get(30s).reason, DownReason::kReleased);
  }
}

// What a node gives back counts, not what is on the way to it meanwhile. contract 4.2
TEST_F(RemoteTest, HandleOnItsWayCountsWhenThoseBeforeItAreGivenBack) {
  auto mine = head.spawn<Counter>({}, 5);
  auto down = head.monitor(mine);
  far.call<&Counter::keep>(Handles{{mine}}).get(1s);
  local.call<&Counter::keep>(Handles{}).get(1s);
  far.send<&Counter::keep>(Handles{{mine}});
  mine = {};
  world.run_for(1s);
  EXPECT_FALSE(down.ready());
  local.call<&Counter::keep>(Handles{}).get(1s);
  EXPECT_EQ(down.get(1s).reason, DownReason::kReleased);
}

/// A third node, joined with the head only.
class ThirdNodeTest : public RemoteTest {
 protected:
  ThirdNodeTest() {
    value_or_throw(third.join("head:1", 5s));
    passing = third.spawn<Clerk>({.name = "passing"});
  }
  Runtime& third = world.start("third", {.listen = "third:1"});
  Handle<Clerk> passing;
};

// contract 2.6
TEST_F(ThirdNodeTest, OneWayMessageToANodeThatIsNotJoinedIsADeadLetter) {
  auto keeper = head.spawn<Clerk>({.name = "keeper"});
  value_or_throw(third.find<Clerk>("keeper", 1s)).call<&Clerk::keep>(passing).get(1s);
  const auto unjoined = value_or_throw(node.find<Clerk>("keeper", 1s)).call<&Clerk::give>().get(1s);
  ASSERT_EQ(unjoined.id(), passing.id());
  EXPECT_EQ(code_of(unjoined.call<&Clerk::file>(1)), ErrorCode::kUnavailable);
  EXPECT_EQ(node.stats().dead_letters, 0U);
  unjoined.send<&Clerk::file>(1);
  ASSERT_EQ(node.stats().dead_letters, 1U);
  EXPECT_EQ(node.dead_letters().latest[0].reason, DeadLetterReason::kUnreachable);
}

// contract 4.5
TEST_F(ThirdNodeTest, MonitorOfAnActorOfANodeThatIsNotJoinedHearsAtOnce) {
  auto keeper = head.spawn<Clerk>({.name = "keeper"});
  value_or_throw(third.find<Clerk>("keeper", 1s)).call<&Clerk::keep>(passing).get(1s);
  auto down =
      node.monitor(value_or_throw(node.find<Clerk>("keeper", 1s)).call<&Clerk::give>().get(1s));
  ASSERT_TRUE(down.ready());
  EXPECT_EQ(down.get().reason, DownReason::kNodeLost);
}

// contract 4.2
TEST_F(ThirdNodeTest, HandleThatWasPassedOnKeepsNoActorAlive) {
  value_or_throw(node.join("third:1", 5s));
  auto mine = head.spawn<Counter>({.name = "mine"}, 5);
  auto down = head.monitor(mine);
  auto passed = value_or_throw(third.find<Counter>("mine", 1s));
  value_or_throw(third.find<Counter>("far", 1s)).call<&Counter::keep>(Handles{{passed}}).get(1s);
  mine = {};
  world.run_for(1s);
  EXPECT_FALSE(down.ready());
  passed = {};
  EXPECT_EQ(down.get(1s).reason, DownReason::kReleased);
}

// contract 4.2
TEST_F(ThirdNodeTest, HandleThatWasPassedOnIsNotGivenBackToTheActorsNode) {
  value_or_throw(node.join("third:1", 5s));
  const auto second = node.spawn<Counter>({.name = "second"}, 1);
  auto mine = head.spawn<Counter>({.name = "mine"}, 5);
  auto down = head.monitor(mine);
  far.call<&Counter::keep>(Handles{{mine}}).get(1s);
  value_or_throw(third.find<Counter>("second", 1s))
      .call<&Counter::keep>(Handles{{value_or_throw(third.find<Counter>("mine", 1s))}})
      .get(1s);
  world.run_for(1s);
  second.call<&Counter::keep>(Handles{}).get(1s);
  local.call<&Counter::keep>(Handles{}).get(1s);
  far.send<&Counter::keep>(Handles{{mine}});  // on its way while the others are given back
  mine = {};
  world.run_for(1s);
  EXPECT_FALSE(down.ready());
  local.call<&Counter::keep>(Handles{}).get(1s);
  EXPECT_EQ(down.get(1s).reason, DownReason::kReleased);
}

// contract 4.6
TEST_F(ThirdNodeTest, NodeThatShutsDownEndsNoSearchOnTheOthers) {
  auto found = head.find_async<Counter>("late", 10s);
  world.run_for(10ms);
  world.shutdown("node");
  world.run_for(10ms);
  EXPECT_FALSE(found.ready());
  const auto late = third.spawn<Counter>({.name = "late"}, 3);
  EXPECT_EQ(found.get(1s).call<&Counter::value>().get(1s), 3);
}

TEST_F(RemoteTest, JoinFailsWithTheCause) {
  EXPECT_THAT(node.join("nowhere:1", 1s).error().describe(), HasSubstr("unavailable"));
  EXPECT_EQ(head.join("head:1", 1s).error().message,
            "head:1 refused the connection: you are connected to yourself");
}

// contract 5.5
TEST_F(RemoteTest, JoiningANodeAgainGivesTheSameNode) {
  EXPECT_EQ(value_or_throw(node.join("head:1", 5s)), head.node_id());
  EXPECT_EQ(node.peers().size(), 1U);
  world.run_for(1s);
  EXPECT_EQ(node.peers().size(), 1U);
  EXPECT_EQ(head.peers().size(), 1U);
  EXPECT_EQ(far.call<&Counter::value>().get(1s), 1);
}

// contract 5.5
TEST_F(RemoteTest, JoiningANodeThatJoinedThisOneGivesTheSameNode) {
  auto& third = world.start("third", {.listen = "third:1"});
  ASSERT_TRUE(third.join("head:1", 5s));
  EXPECT_EQ(value_or_throw(head.join("third:1", 5s)), third.node_id());
  world.run_for(1s);
  EXPECT_EQ(head.peers().size(), 2U);
  EXPECT_EQ(third.peers().size(), 1U);
}

// contract 5.4
TEST_F(RemoteTest, EndedConnectionIsNotMadeAgain) {
  const auto connects = [this] {
    return std::ranges::count_if(world.network().trace(), [](const auto& event) {
      return event.what.starts_with("connect ");
    });
  };
  ASSERT_EQ(connects(), 1);
  world.network().drop_connections("head", "node");
  world.run_for(10ms);
  EXPECT_EQ(code_of(far.call<&Counter::value>()), ErrorCode::kUnavailable);
  world.run_for(10min);
  EXPECT_TRUE(head.peers().empty());
  EXPECT_TRUE(node.peers().empty());
  EXPECT_EQ(connects(), 1);
  ASSERT_TRUE(node.join("head:1", 5s));  // when asked, it is
}

// contract 2.6
TEST_F(RemoteTest, OneWayMessagesThatWaitWhenTheConnectionEndsAreDeadLetters) {
  muster::testing::LinkOptions narrow;
  narrow.window_bytes = 16;
  world.network().set_link("head", "node", narrow);
  world.network().partition("head", "node");
  for (int i = 0; i < 5; ++i) far.send<&Counter::add>(1);
  far.send<&Counter::sum>(std::vector<float>(100'000, 1.0F));
  far.send<&Counter::sum>(std::vector<float>(1'000'000, 1.0F));
  auto call = far.call<&Counter::add>(1);
  world.run_for(100ms);
  EXPECT_EQ(head.stats().dead_letters, 0U);
  world.network().drop_connections("head", "node");
  world.run_for(10ms);
  EXPECT_EQ(code_of(std::move(call)), ErrorCode::kUnavailable);
  EXPECT_EQ(head.stats().dead_letters, 7U);
  EXPECT_EQ(local.call<&Counter::value>().get(1s), 1);
}

// contract 2.6
TEST_F(RemoteTest, LargeOneWayMessageWhoseEndIsBeingWrittenIsADeadLetterWhenTheConnectionEnds) {
  muster::testing::LinkOptions slow;
  slow.bytes_per_second = 1e6;
  slow.window_bytes = 16 * 1024;
  world.network().set_link("head", "node", slow);
  far.send<&Counter::sum>(std::vector<float>(150 * 1024, 1.0F));  // one chunk of 512 KiB and a bit
  world.run_for(570ms);
  world.network().drop_connections("head", "node");
  world.run_for(10ms);
  EXPECT_EQ(head.stats().dead_letters, 1U);
}

// contract 5.1
TEST_F(RemoteTest, WrongTokenIsDenied) {
  auto& stranger = world.start("stranger", {.token = "guess"});
  const auto joined = stranger.join("head:1", 1s);
  EXPECT_EQ(joined.error().code, ErrorCode::kDenied) << joined.error().describe();
}

// contract 5.2
TEST_F(RemoteTest, AddressBeyondLoopbackNeedsAToken) {
  EXPECT_THROW(Runtime({.listen = "0.0.0.0:0"}), Exception);
}

// The same run by many seeds of the order of work and of the network: whatever connection is lost
// and whenever, each call ends once, adds are seen in order without gaps up to the loss, and the
// actor's sum is never less than what its callers were told. contract 2.1, 2.3, 1.3
TEST(RemoteSimTest, EveryCallEndsOnceWhateverTheNetworkDoes) {
  const std::uint64_t first = test_seed();
  for (std::uint64_t seed = first; seed < first + 200; ++seed) {
    SCOPED_TRACE("MUSTER_TEST_SEED=" + std::to_string(seed));
    muster::testing::SimWorld world(seed, {.latency_max = 5ms, .loss_probability = 0.01});
    Random random(mix_seed(seed, 9));
    auto& head = world.start("head", {.listen = "head:1", .call_timeout = 10s});
    auto& node = world.start("node");
    const auto local = node.spawn<Counter>({.name = "far", .detached = true}, 0);
    if (!node.join("head:1", 1s)) continue;  // the loss hit the handshake
    const auto far = head.find<Counter>("far", 1s);
    if (!far) continue;
    std::vector<Future<int>> calls;
    for (int i = 0; i < 40; ++i) {
      calls.push_back(far->call<&Counter::add>(1));
      if (random.below(4) == 0) world.run_for(std::chrono::microseconds(random.below(3000)));
    }
    const std::uint64_t fault = random.below(4);
    if (fault == 0) world.network().drop_connections("head", "node");
    if (fault == 1) world.network().partition("head", "node");
    ASSERT_TRUE(wait_all(calls, 20s));
    int told = 0;
    bool lost = false;
    for (auto& call : calls) {
      const auto result = call.result();
      if (result) {
        ASSERT_FALSE(lost) << "a later call succeeded over a connection that was lost";
        ASSERT_EQ(*result, ++told);
      } else {
        lost = true;
        ASSERT_EQ(result.error().code, ErrorCode::kUnavailable) << result.error().describe();
      }
    }
    ASSERT_GE(local.call<&Counter::value>().get(1s), told);
  }
}

}  // namespace
}  // namespace muster::test
