#pragma once
/// Virtual time: a clock that moves only when the test says so, and the timers on it. With the
/// simulated network (<muster/testing/sim_network.h>) a whole cluster runs on it in one thread.
///
/// Threads: any thread may read the clock and schedule; one thread at a time drives.

#include <muster/clock.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>

namespace muster {
class TimerQueue;
}

namespace muster::testing {

class VirtualClock final : public Clock {
 public:
  /// Starts one hour after the epoch, so that subtracting from now() stays positive.
  VirtualClock() = default;
  TimePoint now() const override { return TimePoint(Duration(now_.load())); }

 private:
  friend class VirtualTimers;
  std::atomic<Duration::rep> now_{Duration(1h).count()};
};

class VirtualTimers final : public Timers {
 public:
  VirtualTimers();
  ~VirtualTimers() override;

  const VirtualClock& clock() const override { return clock_; }
  TimerId schedule(TimePoint when, std::function<void()> callback) override;
  TimerId schedule_in(Duration delay, std::function<void()> callback) {
    return schedule(clock_.now() + delay, std::move(callback));
  }
  bool cancel(TimerId id) override;

  /// The time of the next callback, if any waits.
  std::optional<TimePoint> next() const;
  /// Moves the clock to the next callback's time and runs everything due there. False when none
  /// waits.
  bool run_next();
  /// Runs what is due until now + `by`, each at its own time, then leaves the clock there.
  /// Returns how many callbacks ran.
  std::size_t advance(Duration by);
  /// Runs what is due now, without moving the clock.
  std::size_t run_due();
  /// Runs callbacks until `done()` holds or `limit` of virtual time has passed; returns done().
  template <class Predicate>
  bool run_until(Predicate done, Duration limit = 60s) {
    const TimePoint end = clock_.now() + limit;
    while (!done()) {
      const auto when = next();
      if (!when || *when > end) return done();
      run_next();
    }
    return true;
  }
  std::size_t pending() const;

 private:
  VirtualClock clock_;
  std::unique_ptr<TimerQueue> queue_;
};

}  // namespace muster::testing
