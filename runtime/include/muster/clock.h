#pragma once
/// Time: the clock seam. No code above this layer reads a clock in any other way, so a test can put
/// a whole cluster on a virtual clock (<muster/testing/virtual_time.h>).
///
/// Threads: now() may be called from any thread. Timers: see each member.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

namespace muster {

using Duration = std::chrono::nanoseconds;
/// A point on a Clock's own time line; points of different clocks do not compare.
struct ClockTag {
  using rep = Duration::rep;
  using period = Duration::period;
  using duration = Duration;
  using time_point = std::chrono::time_point<ClockTag, Duration>;
  static constexpr bool is_steady = true;
};
using TimePoint = ClockTag::time_point;

using namespace std::chrono_literals;  // NOLINT: 1s, 5ms in options and calls

/// Monotone time.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual TimePoint now() const = 0;
};

/// The machine's monotone clock. Lives for the whole program.
const Clock& steady_clock();

/// Seconds since the Unix epoch by the machine's calendar clock: for names and logs only.
double wall_clock_seconds();

/// Names one scheduled callback; 0 names none.
using TimerId = std::uint64_t;

/// Runs callbacks at points of time. All members may be called from any thread, callbacks included.
class Timers {
 public:
  virtual ~Timers() = default;
  /// The clock whose points schedule() takes.
  virtual const Clock& clock() const = 0;
  /// Runs `callback` once, not before `when`, on the thread that drives the timers. Callbacks with
  /// equal times run in the order of their scheduling. It must be short and must not throw.
  virtual TimerId schedule(TimePoint when, std::function<void()> callback) = 0;
  /// True when the callback was still waiting: it never runs and is destroyed now. False when it
  /// has run, is running or was never scheduled.
  virtual bool cancel(TimerId id) = 0;
};

}  // namespace muster
