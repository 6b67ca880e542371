#pragma once
// What a supervisor does when a child fails or ends. A value: decide() is a function of (now,
// state, event) and reads no clock, holds no lock and touches no actor; SupervisorNode carries its
// decisions out.
//
// A child is up, or down: its incarnation is gone and its messages wait. kHalt brings it down and
// kStart up; it tells of the change by kHalted or kStarted, or by kFailed when it went down, or
// stayed there, by itself. One that was down already when kHalt came tells nothing. kGone is the
// last word of a child, at any time.
//
// Invariants:
//  1. At most max_restarts failures within any window are answered by restarts. The next escalates.
//  2. Children are halted and ended one at a time, the latest first.
//  3. Children are started one at a time, the earliest first, and only when none is left to halt;
//     but those of one-for-one, which do not know of each other, each at its own time.
//  4. Up to the parent, as a child, this tells of each change once.

#include <muster/random.h>
#include <muster/supervision.h>

#include <deque>
#include <optional>
#include <vector>

namespace muster::detail {

/// Of one supervisor, growing; never used again.
using ChildId = std::uint64_t;

class SupervisionPolicy {
 public:
  enum class EventKind : std::uint8_t {
    kAdded,    // a child that is being started is now the latest
    kStarted,  // of a child
    kFailed,
    kHalted,
    kGone,
    kTick,   // Decision::wake has come
    kHalt,   // the parent's word: bring all children down
    kStart,  // and up again, with no failure held against them
    kStop,   // end all children for good, each after its messages
    kKill,   // or at once
  };
  struct Event {
    EventKind kind = EventKind::kTick;
    ChildId child = 0;  // of the first five
  };

  enum class ActionKind : std::uint8_t { kHalt, kStart, kStop, kKill };
  struct Action {
    ActionKind kind;
    ChildId child;
    friend bool operator==(const Action&, const Action&) = default;
  };

  enum class Reason : std::uint8_t {
    kNoted,      // the event changes nothing but what is known of the child
    kRefused,    // kAdded, and it has ended
    kRestart,    // the failure is answered by a restart
    kExpected,   // a failure of one that was to be ended anyway: not counted
    kEscalated,  // one failure too many: the parent is told when all are down
    kGaveUp,     // one failure too many, and no parent: all end
    kCommanded,  // by the parent or the user
  };

  struct Decision {
    Reason reason = Reason::kNoted;
    std::vector<Action> actions;        // in this order
    std::optional<EventKind> report;    // kStarted, kFailed, kHalted or kGone, to the parent
    std::optional<TimePoint> wake;      // send kTick then; replaces any earlier wish
    Duration delay = Duration::zero();  // of kRestart
    friend bool operator==(const Decision&, const Decision&) = default;
  };

  /// `top`: it has no parent.
  SupervisionPolicy(const SupervisorOptions& options, bool top, std::uint64_t seed);

  Decision decide(TimePoint now, Event event);

  bool ended() const noexcept { return goal_ == Goal::kEnd; }
  std::size_t children() const noexcept { return children_.size(); }
  /// Restarts within the window, as of the last decision.
  std::size_t recent_restarts() const noexcept { return restarts_.size(); }

 private:
  enum class Stage : std::uint8_t { kStarting, kUp, kHalting, kDown, kEnding };
  enum class Goal : std::uint8_t { kUp, kDown, kEnd };
  struct Child {
    ChildId id;
    Stage stage;
    bool to_halt = false;  // before it may be started again
    TimePoint due{};       // when it may be started
  };

  void note(const Event& event, Decision& decision, TimePoint now);
  void fail(Child& child, Decision& decision, TimePoint now);
  void restart(std::size_t first, std::size_t last, TimePoint due);
  bool over_limit(TimePoint now);
  Duration pause();
  // What is to be done in this state, one step at a time; appends to the decision.
  void settle(Decision& decision, TimePoint now);
  void settle_end(Decision& decision);
  bool settle_halts(Decision& decision);  // true when none is left
  void settle_starts(Decision& decision, TimePoint now);
  Child* find(ChildId id);
  void forget(Child& child);
  void set(Child& child, Stage stage);
  void want_halt(Child& child, bool wanted);
  bool all(Stage stage) const;

  SupervisorOptions options_;
  bool top_;
  Random random_;
  std::vector<Child> children_;  // in the order of their start, which is that of their numbers
  std::size_t up_ = 0;           // of them are up
  std::size_t halts_ = 0;        // of them are to be halted
  std::deque<TimePoint> restarts_;
  Goal goal_ = Goal::kUp;
  bool kill_ = false;        // goal kEnd: without waiting for messages
  bool escalating_ = false;  // goal kDown: because of the limit
  bool told_down_ = false;   // the parent knows that all are down
  bool told_gone_ = false;
  bool starting_all_ = false;  // the parent waits to hear that all are up
};

}  // namespace muster::detail
