// Actors on the simulator by random runs: whatever is done to them and to their nodes, what the
// contract promises holds.
// contract 1.1, 1.3, 2.1, 2.2, 2.3, 2.6, 3.1, 4.2, 4.3, 4.5, 4.6, 6.3, 6.4;
// contract 10.2, 10.3, 10.7
//
//     MUSTER_TEST_SEEDS=10000 build/dev/bin/actors_sim_test

#include <fmt/format.h>
#include <muster/testing/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "sim/actors/workload.h"

namespace muster::sim {
namespace {

TEST(ActorsSimTest, NothingIsLostTwiceOutOfOrderOrLeftBehind) {
  const TimePoint start = steady_clock().now();
  std::uint64_t count = 0;
  Ledger::Counts counts;
  std::array<std::uint64_t, 3> weathers{};
  testing::for_each_seed(300, [&](std::uint64_t seed) {
    Workload workload(seed);
    workload.run();
    ++count;
    counts += workload.ledger().counts();
    ++weathers[static_cast<std::size_t>(workload.weather())];
    if (workload.faults().empty()) return;
    for (const std::string& line : workload.log()) std::printf("    %s\n", line.c_str());
    for (const std::string& fault : workload.faults()) ADD_FAILURE() << fault;
  });
  if (HasFailure()) return;
  const double minutes =
      std::chrono::duration<double, std::ratio<60>>(steady_clock().now() - start).count();
  std::string line = fmt::format(
      "{} seeds, {:.0f} a minute; {} messages, {} handled, {} of them from other nodes; {} "
      "restarts",
      count, static_cast<double>(count) / minutes, counts.sent, counts.handled,
      counts.handled_remote, counts.restarts);
  for (const auto& [how, times] : counts.ends) line += fmt::format("; {} {}", times, how);
  std::printf("%s\n", line.c_str());
  if (count < 100) return;
  // The runs must do enough to mean something.
  EXPECT_GT(*std::ranges::min_element(weathers), count / 10);
  EXPECT_GT(counts.handled, counts.sent / 2);
  EXPECT_GT(counts.handled_remote, counts.handled / 12);
  EXPECT_GT(counts.restarts, count / 4);
  for (const char* how : {"value", "failed", "timeout", "overloaded", "unavailable", "cancelled"}) {
    EXPECT_GT(counts.ends[how], 0U) << how;
  }
}

TEST(ActorsSimTest, SameSeedGivesTheSameRun) {
  const std::uint64_t first = testing::test_seed();
  for (std::uint64_t seed = first; seed < first + 20; ++seed) {
    Workload once(seed), again(seed);
    once.run();
    again.run();
    ASSERT_EQ(once.log(), again.log()) << seed;
    ASSERT_EQ(once.ledger().counts(), again.ledger().counts()) << seed;
  }
}

}  // namespace
}  // namespace muster::sim
