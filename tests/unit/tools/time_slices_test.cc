// What the tool asks of the system's scheduler.

#include "tools/muster/time_slices.h"

#include <gtest/gtest.h>

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <thread>

namespace muster::tool {
namespace {

constexpr std::uint64_t kMillisecond = 1'000'000;

/// As in sched_getattr(2).
struct Scheduling {
  std::uint32_t size = sizeof(Scheduling);
  std::uint32_t policy = 0;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t slice_ns = 0;  // before Linux 6.12 always 0
  std::uint64_t deadline_ns = 0;
  std::uint64_t period_ns = 0;
};

Scheduling of_this_thread() {
  Scheduling now;
  EXPECT_EQ(::syscall(SYS_sched_getattr, 0, &now, sizeof now, 0U), 0);
  return now;
}

/// On threads that end with it, so that no other test is concerned.
class TimeSlicesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    bool granted = false;
    std::thread([&] { granted = set({.policy = SCHED_BATCH, .slice_ns = kMillisecond}); }).join();
    if (!granted) GTEST_SKIP() << "this system lets nobody choose";
  }
  static bool set(const Scheduling& to) { return ::syscall(SYS_sched_setattr, 0, &to, 0U) == 0; }
  /// What a thread started after the wish has, which was made by one that had `before`.
  static Scheduling after_the_wish(const Scheduling& before) {
    Scheduling after;
    std::thread([&] {
      EXPECT_TRUE(set(before));
      ask_for_long_slices();
      std::thread([&] { after = of_this_thread(); }).join();
    }).join();
    return after;
  }
};

TEST_F(TimeSlicesTest, ThreadsStartedAfterwardsAreBatchWorkAsNiceAsBefore) {
  const int nice = ::getpriority(PRIO_PROCESS, 0) + 3;
  const Scheduling after = after_the_wish({.policy = SCHED_OTHER, .nice = nice});
  EXPECT_EQ(after.policy, SCHED_BATCH);
  EXPECT_EQ(after.nice, nice);
  EXPECT_TRUE(after.slice_ns == 50 * kMillisecond || after.slice_ns == 0) << after.slice_ns;
}

TEST_F(TimeSlicesTest, APolicyThatWasChosenStays) {
  const Scheduling after = after_the_wish({.policy = SCHED_BATCH, .slice_ns = 7 * kMillisecond});
  EXPECT_EQ(after.policy, SCHED_BATCH);
  EXPECT_TRUE(after.slice_ns == 7 * kMillisecond || after.slice_ns == 0) << after.slice_ns;
}

}  // namespace
}  // namespace muster::tool
