// Nodes of a simulated cluster that end, in each way there is.

#include <muster/testing/sim_world.h>

#include <gtest/gtest.h>

namespace muster::testing {
namespace {

class Echo {
 public:
  int echo(int n) { return n; }
  Task<int> nap(std::chrono::milliseconds time) {
    co_await sleep_for(time);
    co_return 1;
  }
};
MUSTER_ACTOR(Echo, echo, nap);

class SimWorldTest : public ::testing::Test {
 protected:
  SimWorldTest() : head(world.start("head", {.listen = "head:1"})), node(world.start("node")) {
    value_or_throw(node.join("head:1", 1s));
    echo = head.spawn<Echo>({.name = "echo"});
    far = value_or_throw(node.find<Echo>("echo", 1s));
  }
  SimWorld world{1};
  Runtime& head;
  Runtime& node;
  Handle<Echo> echo;
  Handle<Echo> far;
};

TEST_F(SimWorldTest, WaitsOnACrashedNodeEndAtOnceInVain) {
  world.crash("node");
  const TimePoint start = world.now();
  const auto found = node.find<Echo>("nobody", 1h);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().describe(), "timeout: no result, and nothing left that could bring one");
  EXPECT_EQ(far.call<&Echo::echo>(1).result().error().code, ErrorCode::kTimeout);
  EXPECT_EQ(node.join("head:1", 1h).error().code, ErrorCode::kTimeout);
  EXPECT_EQ(world.now(), start);
}

TEST_F(SimWorldTest, NodeThatCrashesWhileItWaitsWaitsNoLonger) {
  const TimePoint start = world.now();
  world.timers().schedule_in(2s, [this] { world.crash("node"); });
  EXPECT_FALSE(node.find<Echo>("nobody", 1h));
  EXPECT_EQ(world.now() - start, 2s);
}

TEST_F(SimWorldTest, ExitOfANodeIsHeardAtOnceAndItsCrashByItsSilence) {
  auto exited = node.monitor(far);
  world.run_for(10ms);
  const TimePoint start = world.now();
  world.exit("head");
  EXPECT_EQ(exited.get(10s).reason, DownReason::kNodeLost);
  EXPECT_LT(world.now() - start, 10ms);

  Runtime& again = world.start("head", {.listen = "head:1"});
  const auto made = again.spawn<Echo>({.name = "again"});
  ASSERT_TRUE(node.join("head:1", 1s));
  auto crashed = node.monitor(value_or_throw(node.find<Echo>("again", 1s)));
  world.run_for(10ms);
  world.crash("head");
  world.run_for(2s);
  EXPECT_FALSE(crashed.ready());
  EXPECT_EQ(crashed.get(10s).reason, DownReason::kNodeLost);
}

TEST_F(SimWorldTest, NodeStartsAgainHoweverItEnded) {
  far = {};
  world.shutdown("node");
  for (int i = 0; i < 3; ++i) {
    Runtime& again = world.start("node");
    ASSERT_TRUE(again.join("head:1", 10s));
    EXPECT_EQ(value_or_throw(again.find<Echo>("echo", 1s)).call<&Echo::echo>(i).get(1s), i);
    if (i == 0) world.crash("node");
    if (i == 1) world.exit("node");
  }
}

TEST_F(SimWorldTest, ShutdownOfAllLeavesNothing) {
  auto napping = far.call<&Echo::nap>(1h);
  auto own = echo.call<&Echo::nap>(1h);
  world.run_for(10ms);
  world.crash("node");
  EXPECT_FALSE(napping.ready());
  world.shutdown();
  EXPECT_TRUE(napping.ready());
  EXPECT_TRUE(own.ready());
  EXPECT_EQ(world.scheduler().ready(), 0U);
  world.run_for(10s);  // what was on its way arrives, and timers of connections find them gone
  EXPECT_EQ(world.timers().pending(), 0U);
}

}  // namespace
}  // namespace muster::testing
