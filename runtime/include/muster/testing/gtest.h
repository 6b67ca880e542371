#pragma once
/// Random and exhaustive tests with GoogleTest: many seeds, all schedules, and the one line that
/// repeats a failure. Header only: whoever includes it links GoogleTest.
///
/// Threads: the test's.

#include <muster/testing/schedules.h>

#include <errno.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <type_traits>
#include <utility>

namespace muster::testing {

namespace detail_ {

inline int failed_parts() {
  const auto& result = *::testing::UnitTest::GetInstance()->current_test_info()->result();
  int failed = 0;
  for (int i = 0; i < result.total_part_count(); ++i) {
    failed += result.GetTestPartResult(i).failed() ? 1 : 0;
  }
  return failed;
}

inline std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

}  // namespace detail_

/// The shell command that runs the current test again with `setting`, as in "MUSTER_TEST_SEED=7".
inline std::string replay_line(const std::string& setting) {
  const auto& test = *::testing::UnitTest::GetInstance()->current_test_info();
  return setting + " " + program_invocation_name + " --gtest_filter=" + test.test_suite_name() +
         "." + test.name();
}

/// MUSTER_TEST_SEED, or `otherwise`: for a test that runs one seed.
inline std::uint64_t test_seed(std::uint64_t otherwise = 1) {
  return detail_::number_from("MUSTER_TEST_SEED", otherwise);
}

/// Runs `body(seed)` for the seeds 1 to `count`, until one fails: by an assertion or by throwing.
/// Every failure shows the line that repeats it. MUSTER_TEST_SEED=n is the first seed instead, and
/// the only one unless MUSTER_TEST_SEEDS=n says how many.
template <class Body>
void for_each_seed(std::uint64_t count, Body body) {
  const bool chosen = std::getenv("MUSTER_TEST_SEED") != nullptr;
  count = detail_::number_from("MUSTER_TEST_SEEDS", chosen ? 1 : count);
  const std::uint64_t first = test_seed();
  const int before = detail_::failed_parts();
  for (std::uint64_t seed = first; seed - first < count; ++seed) {
    const ::testing::ScopedTrace trace(
        __FILE__, __LINE__, "replay: " + replay_line("MUSTER_TEST_SEED=" + std::to_string(seed)));
    try {
      body(seed);
    } catch (...) {
      ADD_FAILURE() << error_from_current_exception().describe();
    }
    if (detail_::failed_parts() != before) return;
  }
}

/// As for_each_schedule() of <muster/testing/schedules.h>, for a scenario that asserts instead of
/// returning. After a failure it prints the line that repeats it; MUSTER_TEST_SCHEDULE=s runs
/// schedule s alone.
template <class Scenario>
requires std::is_void_v<std::invoke_result_t<Scenario&, SimWorld&>> Exploration
for_each_schedule(Scenario scenario, ScheduleBounds bounds = {}) {
  const std::function<bool(SimWorld&)> checked = [&](SimWorld& world) {
    const int before = detail_::failed_parts();
    scenario(world);
    return detail_::failed_parts() == before;
  };
  Exploration explored;
  if (const char* chosen = std::getenv("MUSTER_TEST_SCHEDULE")) {
    explored.schedules = 1;
    explored.failure = run_schedule(checked, chosen, bounds);
  } else {
    explored = for_each_schedule(checked, bounds);
  }
  if (explored.failure) {
    ADD_FAILURE() << "in schedule " << explored.failure->schedule << ": " << explored.failure->what
                  << "\nreplay: "
                  << replay_line("MUSTER_TEST_SCHEDULE=" + explored.failure->schedule);
  }
  return explored;
}

/// For Messages::on_disallowed.
inline void fail_test(const std::string& line) {
  ADD_FAILURE() << line;
}

}  // namespace muster::testing
