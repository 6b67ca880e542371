// What the tool asks of the system's scheduler.

#include "tools/muster/time_slices.h"

#include <gtest/gtest.h>

#include <sched.h>

#include <thread>

namespace muster::tool {
namespace {

int policy_after(int before) {
  int policy = -1;
  std::thread([&] {
    const sched_param none{};
    ASSERT_EQ(::sched_setscheduler(0, before, &none), 0);
    ask_for_long_slices();
    std::thread([&] { policy = ::sched_getscheduler(0); }).join();
  }).join();
  return policy;
}

TEST(TimeSlicesTest, ThreadsStartedAfterwardsAreBatchWork) {
  const int here = ::sched_getscheduler(0);
  EXPECT_EQ(policy_after(SCHED_OTHER), SCHED_BATCH);
  EXPECT_EQ(::sched_getscheduler(0), here);
}

TEST(TimeSlicesTest, APolicyThatWasChosenStays) {
  EXPECT_EQ(policy_after(SCHED_IDLE), SCHED_IDLE);
}

}  // namespace
}  // namespace muster::tool
