// Actors on the simulator by random runs: whatever is done to them and to their nodes, what the
// contract promises holds. contract 1.1, 1.3, 2.1, 2.2, 2.3, 2.6, 3.1, 4.2, 4.3, 4.5, 4.6, 6.3, 6.4
//
//     MUSTER_TEST_SEEDS=10000 build/dev/bin/actors_sim_test      # how many
//     MUSTER_TEST_SEED=7 build/dev/bin/actors_sim_test           # from which on

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

#include "sim/actors/workload.h"

namespace muster::sim {
namespace {

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

TEST(ActorsSimTest, NothingIsLostTwiceOutOfOrderOrLeftBehind) {
  const std::uint64_t first = number_from("MUSTER_TEST_SEED", 1);
  const std::uint64_t count = number_from("MUSTER_TEST_SEEDS", 300);
  const TimePoint start = steady_clock().now();
  Ledger::Counts counts;
  std::array<std::uint64_t, 3> weathers{};
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    Workload workload(seed);
    workload.run();
    counts += workload.ledger().counts();
    ++weathers[static_cast<std::size_t>(workload.weather())];
    if (workload.faults().empty()) continue;
    for (const std::string& line : workload.log()) std::printf("    %s\n", line.c_str());
    for (const std::string& fault : workload.faults()) ADD_FAILURE() << fault;
    FAIL() << "replay: MUSTER_TEST_SEED=" << seed
           << " build/dev/bin/actors_sim_test --gtest_filter='*NothingIsLost*'";
  }
  const double minutes =
      std::chrono::duration<double, std::ratio<60>>(steady_clock().now() - start).count();
  std::string line = fmt::format(
      "{} seeds, {:.0f} a minute; {} messages, {} handled, {} of them from other nodes", count,
      static_cast<double>(count) / minutes, counts.sent, counts.handled, counts.handled_remote);
  for (const auto& [how, times] : counts.ends) line += fmt::format("; {} {}", times, how);
  std::printf("%s\n", line.c_str());
  if (count < 100) return;
  // The runs must do enough to mean something.
  EXPECT_GT(*std::ranges::min_element(weathers), count / 10);
  EXPECT_GT(counts.handled, counts.sent / 2);
  EXPECT_GT(counts.handled_remote, counts.handled / 12);
  for (const char* how : {"value", "failed", "timeout", "overloaded", "unavailable", "cancelled"}) {
    EXPECT_GT(counts.ends[how], 0U) << how;
  }
}

TEST(ActorsSimTest, SameSeedGivesTheSameRun) {
  const std::uint64_t first = number_from("MUSTER_TEST_SEED", 1);
  for (std::uint64_t seed = first; seed < first + 20; ++seed) {
    Workload once(seed), again(seed);
    once.run();
    again.run();
    ASSERT_EQ(once.log(), again.log()) << "MUSTER_TEST_SEED=" << seed;
    ASSERT_EQ(once.ledger().counts(), again.ledger().counts()) << "MUSTER_TEST_SEED=" << seed;
  }
}

}  // namespace
}  // namespace muster::sim
