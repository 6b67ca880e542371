#pragma once
// What RuntimeOptions may ask to know of handlers while they run: their times (timings), which of
// them keep their thread for too long (stall_budget), and each message's begin and end
// (message_events). Where nothing is asked for there is no RunWatch, and a cell without a CellWatch
// spends a branch on it. A slice is what a handler does without a pause.
//
// Threads: CellWatch: what begins and ends is told by the run of its cell, delivered() under the
// cell's mutex, see() by anybody. RunWatch: any.
//
// Locks: the lock of a Shard, then that of a CellWatch, each held for a few instructions; mutex_ by
// itself.
//
// Invariants:
//  1. With a budget, a CellWatch is in the list of one Shard exactly while its cell is being run,
//     so whoever holds the Shard's lock may look at the cell.
//  2. While a cell is being run and there is a budget, the timer is armed.

#include <muster/detail/spin_lock.h>
#include <muster/executor.h>
#include <muster/options.h>

#include <boost/intrusive/list.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>

#include <array>
#include <atomic>
#include <mutex>
#include <string_view>
#include <vector>

#include "runtime/core/meters.h"

namespace muster::detail {

class ActorCell;
class Message;
class RunWatch;

class CellWatch {
 public:
  CellWatch(ActorCell& cell, RunWatch& runs) : cell_(cell), runs_(runs) {}
  /// To run the message is to run a handler: it is no stop, and no wait for arguments. Null is not.
  static bool concerns(const Message* message) noexcept;

  void run_begins();
  void run_ends() noexcept;
  /// The `number`th message to do so begins, and with it a slice.
  void message_begins(Message& message, std::uint64_t number);
  /// A handler that was suspended goes on; which: empty where that is not known.
  void slice_begins(std::string_view method);
  /// Idempotent. `of_handler`: not of something else that the actor did.
  void slice_ends(bool of_handler) noexcept;
  /// Idempotent; nothing for a message that has not begun.
  void message_ends(Message& message) const;
  /// A message was delivered, as the `number`th.
  void delivered(std::uint64_t number) noexcept;

  struct Seen {
    std::string_view method;  // of the slice under way; empty: none, or not known
    Duration busy{0};
    Duration under_way{0};  // since the latest message began
  };
  Seen see() const;

 private:
  friend class RunWatch;
  void tell(EventKind kind, const Message& message) const;
  void begin_slice(std::string_view method, TimePoint now, bool message) noexcept;

  ActorCell& cell_;
  RunWatch& runs_;
  std::size_t shard_ = 0;                      // while it is run
  boost::intrusive::list_member_hook<> hook_;  // guarded by the shard's lock

  mutable SpinLock mutex_;
  // Guarded by mutex_; times only where they are asked for:
  std::string_view method_;    // of the latest slice
  bool in_slice_ = false;      // it is under way
  std::uint64_t slices_ = 0;   // that have begun
  TimePoint slice_began_{};    // the latest
  TimePoint message_began_{};  // the same
  Duration busy_{0};           // in slices that have ended

  // One delivered message at a time is timed on its way to its handler:
  std::atomic<std::uint64_t> probe_{0};  // its number; 0: none
  std::atomic<Duration::rep> probe_at_{0};

  // Owned by the timer:
  std::uint64_t seen_slice_ = 0;
  TimePoint seen_at_{};
  bool told_ = false;
};

class RunWatch {
 public:
  /// Null when `options` ask for nothing. `options` and `timers` must outlive it.
  static std::unique_ptr<RunWatch> make(const RuntimeOptions& options, Timers& timers,
                                        Meters& meters);
  ~RunWatch() { stop(); }

  /// No handler is looked at any more, but for a look that is under way. Idempotent.
  void stop();

 private:
  friend class CellWatch;
  using List = boost::intrusive::list<
      CellWatch, boost::intrusive::member_hook<CellWatch, boost::intrusive::list_member_hook<>,
                                               &CellWatch::hook_>>;
  struct alignas(64) Shard {
    SpinLock mutex;
    List running;  // guarded by mutex
  };
  /// A slice that has lasted past the budget.
  struct Stall {
    boost::intrusive_ptr<ActorCell> cell;
    std::string_view method;
    Duration time;
  };

  RunWatch(const RuntimeOptions& options, Timers& timers, Meters& meters)
      : options_(options), timers_(timers), meters_(meters) {}
  TimePoint now() const { return timers_.clock().now(); }
  void add(CellWatch& watch);
  void remove(CellWatch& watch) noexcept;
  void arm();
  void tick();
  void look(TimePoint now, std::vector<Stall>& stalls);
  void tell(const Stall& stall);

  const RuntimeOptions& options_;
  Timers& timers_;
  Meters& meters_;
  std::array<Shard, 16> shards_;

  std::atomic<bool> armed_{false};
  std::mutex mutex_;
  // Guarded by mutex_:
  TimerId timer_ = 0;
  bool stopped_ = false;
};

}  // namespace muster::detail
