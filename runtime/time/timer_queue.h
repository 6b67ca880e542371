#pragma once
// Timers in order of their time, then of their scheduling. The queue has no thread: whoever owns
// it asks next() and calls run_due().
//
// Threads: all members from any thread. Callbacks run inside run_due, outside the lock.
//
// Invariants:
//  1. A callback runs at most once, and never after cancel() returned true for it.
//  2. entries_ and when_ hold the same ids.

#include <muster/clock.h>

#include <map>
#include <mutex>
#include <optional>
#include <unordered_map>

namespace muster {

class TimerQueue {
 public:
  /// As Timers::schedule. `earliest`, when given, is set to whether this became the next timer.
  TimerId schedule(TimePoint when, std::function<void()> callback, bool* earliest = nullptr);
  /// As Timers::cancel.
  bool cancel(TimerId id);
  /// The time of the next callback, if there is one.
  std::optional<TimePoint> next() const;
  /// Runs what is due at `now`, including what the callbacks themselves add; returns how many ran.
  std::size_t run_due(TimePoint now);
  std::size_t size() const;
  /// Destroys every waiting callback without running it.
  void clear();

 private:
  using Key = std::pair<TimePoint, TimerId>;
  mutable std::mutex mutex_;
  // Guarded by mutex_:
  std::map<Key, std::function<void()>> entries_;
  std::unordered_map<TimerId, TimePoint> when_;
  TimerId last_id_ = 0;
};

}  // namespace muster
