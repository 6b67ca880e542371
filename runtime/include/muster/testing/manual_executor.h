#pragma once
/// An executor for tests: work runs on the test's own thread, when it says so, in the order of
/// posting, in an order drawn from a seed, or in one that the test chooses. An actor handles one
/// message at a time and then waits its turn, so that no order of messages is out of reach.
///
/// Threads: post from any thread; one thread at a time drives. Lifetime: the scheduler outlives its
/// executors' work; the timers outlive the scheduler.

#include <muster/executor.h>
#include <muster/random.h>
#include <muster/testing/virtual_time.h>

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace muster::testing {

/// What the executors of one test share: the order in which everything runs.
class ManualScheduler {
 public:
  /// Says which of `ready` pieces of work, counted from the oldest, runs next. Called when there is
  /// more than one. It must not post.
  using Choice = std::function<std::size_t(std::size_t ready)>;

  /// With a seed, the next work is drawn from all that is ready; without, it is the oldest.
  explicit ManualScheduler(VirtualTimers& timers, std::optional<std::uint64_t> seed = {});
  ManualScheduler(VirtualTimers& timers, Choice choice);
  ~ManualScheduler();
  ManualScheduler(const ManualScheduler&) = delete;
  ManualScheduler& operator=(const ManualScheduler&) = delete;

  /// An executor for one Runtime. Its wait() drives the scheduler and the timers, so Future::get
  /// and Runtime::find work in a single-threaded test.
  std::shared_ptr<Executor> make_executor();
  /// Work posted to `executor` stays where it is until thaw() or the executor's stop(): its
  /// process hangs.
  void freeze(const Executor& executor);
  void thaw(const Executor& executor);
  /// As freeze(), and for good: its process is dead. Waits through it end at once, in vain.
  void crash(const Executor& executor);

  /// How much work could run now; that of frozen executors could not.
  std::size_t ready() const;
  /// Runs one ready piece of work; false when there is none.
  bool run_one();
  /// Runs until nothing is ready; the clock stands still. Returns how many ran.
  std::size_t run_until_idle();
  /// Runs work, and timers when no work is ready, until no work has been ready for `calm` of
  /// virtual time, or nothing is left at all: true. False when `limit` of virtual time has passed
  /// before.
  bool run_until_quiet(Duration calm = 1s, Duration limit = 10min);
  /// Runs work, and timers when no work is ready, until `done()` or until `limit` of virtual time
  /// has passed; returns done().
  template <class Predicate>
  bool run_until(Predicate done, Duration limit = 60s) {
    const TimePoint end = timers_.clock().now() + limit;
    while (!done()) {
      if (advance_until(end)) continue;
      pass_until(end);
      return done();
    }
    return true;
  }
  /// Runs everything that happens within `duration` of virtual time.
  void run_for(Duration duration);

 private:
  class ManualExecutor;
  friend class ManualExecutor;
  struct Entry {
    Runnable* work;
    ManualExecutor* executor;
  };
  static ManualExecutor& own(const Executor& executor);
  /// One step; false when nothing is left to happen before `end`.
  bool advance_until(TimePoint end);
  /// Moves the clock to `end`, where nothing more happens before it.
  void pass_until(TimePoint end);

  VirtualTimers& timers_;
  const Choice choice_;  // empty: the oldest
  mutable std::mutex mutex_;
  std::vector<Entry> ready_;  // guarded by mutex_
};

}  // namespace muster::testing
