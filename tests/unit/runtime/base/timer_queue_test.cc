#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "runtime/time/timer_queue.h"

namespace muster {
namespace {

TimePoint at(int ms) {
  return TimePoint(std::chrono::milliseconds(ms));
}

class TimerQueueTest : public testing::Test {
 protected:
  std::function<void()> log(const std::string& name) {
    return [this, name] { ran.push_back(name); };
  }
  TimerQueue queue;
  std::vector<std::string> ran;
};

TEST_F(TimerQueueTest, RunsByTimeThenByOrderOfScheduling) {
  queue.schedule(at(20), log("c"));
  queue.schedule(at(10), log("a"));
  queue.schedule(at(10), log("b"));
  EXPECT_EQ(queue.next(), at(10));
  EXPECT_EQ(queue.run_due(at(9)), 0U);
  EXPECT_EQ(queue.run_due(at(20)), 3U);
  EXPECT_THAT(ran, testing::ElementsAre("a", "b", "c"));
}

TEST_F(TimerQueueTest, CancelledCallbackNeverRunsAndIsDestroyed) {
  auto token = std::make_shared<int>(0);
  const TimerId id = queue.schedule(at(1), [token] {});
  EXPECT_EQ(token.use_count(), 2);
  EXPECT_TRUE(queue.cancel(id));
  EXPECT_EQ(token.use_count(), 1);
  EXPECT_FALSE(queue.cancel(id));
  EXPECT_EQ(queue.run_due(at(5)), 0U);
}

TEST_F(TimerQueueTest, CallbackMayScheduleAndCancelOthers) {
  const TimerId doomed = queue.schedule(at(2), log("doomed"));
  queue.schedule(at(1), [&] {
    EXPECT_TRUE(queue.cancel(doomed));
    queue.schedule(at(1), log("added"));
  });
  queue.run_due(at(3));
  EXPECT_THAT(ran, testing::ElementsAre("added"));
}

TEST_F(TimerQueueTest, CancelWhileRunningIsRefused) {
  TimerId self = 0;
  bool cancelled = true;
  self = queue.schedule(at(1), [&] { cancelled = queue.cancel(self); });
  queue.run_due(at(1));
  EXPECT_FALSE(cancelled);
}

TEST_F(TimerQueueTest, TellsWhenATimerBecameTheEarliest) {
  bool earliest = false;
  queue.schedule(at(5), log("a"), &earliest);
  EXPECT_TRUE(earliest);
  queue.schedule(at(6), log("b"), &earliest);
  EXPECT_FALSE(earliest);
  queue.schedule(at(4), log("c"), &earliest);
  EXPECT_TRUE(earliest);
}

}  // namespace
}  // namespace muster
