#pragma once
/// Every order in which a small scenario can run.
///
///     const auto explored = for_each_schedule([](SimWorld& world) {
///       Runtime& node = world.start("node");
///       ...
///       return balance == 100;   // false fails, and so does throwing
///     });
///     if (explored.failure) std::puts(explored.failure->schedule.c_str());
///
/// With GoogleTest, <muster/testing/gtest.h> takes a scenario that asserts, and prints the line
/// that repeats a failure.
///
/// A schedule says, at each point where more than one piece of work is ready, which runs next: one
/// message of one actor, one resumption, one task. Timers and the network keep the order that the
/// seed gives them. The schedule "3:1,7:2" takes, at its third such point, the work that has been
/// ready second longest, at its seventh the third, and everywhere else the oldest; "-" always the
/// oldest. Schedules with few such deviations run first, so a failure comes with as few as it
/// needs.
///
/// Threads: one.

#include <muster/testing/sim_world.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace muster::testing {

/// How far to look.
struct ScheduleBounds {
  /// How many schedules run at most.
  std::size_t schedules = 10'000;
  /// Leaves out schedules with more deviations than this.
  std::optional<std::size_t> deviations = {};
  /// Of every world; latencies come from it.
  std::uint64_t seed = 1;
  LinkOptions link = {};
};

struct FailedSchedule {
  std::string schedule;
  std::string what;  ///< what was thrown, or that the scenario was false
};

/// What for_each_schedule saw.
struct Exploration {
  std::size_t schedules = 0;  ///< that ran
  /// Every schedule there is ran: no bound left one out, and none failed.
  bool complete = false;
  std::optional<FailedSchedule> failure = {};
};

/// Runs `scenario` in a new world for every schedule within `bounds`, until one fails. Fails also
/// when the scenario is not the same each time: all that it does must follow from the world.
Exploration for_each_schedule(const std::function<bool(SimWorld&)>& scenario,
                              ScheduleBounds bounds = {});

/// Runs `scenario` by this one schedule; how it failed, if it did. Throws Exception (kInvalid) for
/// a schedule that does not parse.
std::optional<FailedSchedule> run_schedule(const std::function<bool(SimWorld&)>& scenario,
                                           std::string_view schedule, ScheduleBounds bounds = {});

}  // namespace muster::testing
