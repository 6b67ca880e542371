#include <muster/testing/sim_world.h>

#include <gtest/gtest.h>

namespace muster::testing {
namespace {

TEST(ManualSchedulerTest, WaitInVainTakesItsTime) {
  VirtualTimers timers;
  ManualScheduler scheduler(timers);
  const TimePoint start = timers.clock().now();
  EXPECT_FALSE(scheduler.run_until([] { return false; }, 3s));
  EXPECT_EQ(timers.clock().now() - start, 3s);
  std::binary_semaphore never{0};
  EXPECT_FALSE(scheduler.make_executor()->wait(never, 5s));
  EXPECT_EQ(timers.clock().now() - start, 8s);
}

TEST(ManualSchedulerTest, WaitEndsWhenItIsOver) {
  VirtualTimers timers;
  ManualScheduler scheduler(timers);
  const TimePoint start = timers.clock().now();
  bool done = false;
  timers.schedule_in(2s, [&] { done = true; });
  EXPECT_TRUE(scheduler.run_until([&] { return done; }, 3s));
  EXPECT_EQ(timers.clock().now() - start, 2s);
}

}  // namespace
}  // namespace muster::testing
