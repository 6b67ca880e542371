#pragma once
// What a cell has beyond others when its actor is restarted: how to make the object again, and who
// decides whether and when.
//
// Threads: construct(), join() and constructed() on the thread that spawns, before the cell's
// first run; the rest, where nothing else is said, in the run of the cell. incarnation() also by
// whoever holds the cell's lock.
//
// A cell is down from the end of one incarnation to the start of the next: it has no object and its
// messages wait. Invariant: while it is down its supervisor knows, and has yet to start or end it.

#include "runtime/core/actor_cell.h"
#include "runtime/core/checkpoints.h"
#include "runtime/core/poison.h"
#include "runtime/core/supervisor_node.h"

namespace muster::detail {

/// Ends the actor in order, from inside.
class ActorExit final : public CheckFailure {
 public:
  using CheckFailure::CheckFailure;
};

class Supervision {
 public:
  using EventKind = SupervisionPolicy::EventKind;
  using Factory = std::function<void*()>;

  /// Requires: check_options() accepts them.
  Supervision(ActorCell& cell, const SpawnOptions& options, Factory make);

  /// Of a cell whose SpawnOptions say that it is restarted: makes its Supervision, then as
  /// construct().
  static void construct(ActorCell& cell, const SpawnOptions& options, Factory make);
  /// The cell has died.
  static void end(ActorCell& cell);
  /// Delivers what the actor sends to itself. In the run of the cell.
  static void deliver_own(ActorCell& cell, std::unique_ptr<Message> message);
  /// The same of what its incarnation of that number sent with a delay. Any thread.
  static void deliver_late(ActorCell& cell, std::uint64_t incarnation,
                           std::unique_ptr<Message> message);

  /// Takes the actor in; its supervisor may refuse (Exception, kUnavailable).
  void join();
  void constructed() { node_->tell(child_, EventKind::kStarted); }

  /// Instead of death: ends the incarnation and asks the supervisor. `culprit` was being handled,
  /// or is null; it is handled again, or ends in `cause`.
  void failed(DownReason reason, const Error& cause, const std::string& why,
              std::unique_ptr<Message> culprit);
  /// The message's handler has ended.
  void handled(const Message& message);
  /// The message will not be handled.
  void given_up(const Message& message) { suspects_.acquit(message); }
  /// Saves the state of the object. Throws what its save() does.
  void checkpoint();
  void checkpoint_is_due();
  /// What the supervisor decided: kHalt, kStart or kKill.
  void obey(EventKind command, const Error& cause);
  std::uint64_t incarnation() const noexcept { return incarnation_; }

 private:
  class LateMessage;
  struct Failure {
    DownReason reason;
    Error cause;
  };

  void go_down(const Error& cause);
  void end_in_poison(Message& message, const Error& cause);
  void put_back(std::unique_ptr<Message> message);  // it goes next
  void set_down(bool down);
  // Destroys the object and what it was doing; calls under way end in `cause`.
  void end_incarnation(const Error& cause);
  Error sender_ended() const;  // of what an incarnation sent to itself
  void start();
  void not_started(const std::string& what);
  void end(const Error& cause);

  ActorCell& cell_;
  const Factory make_;
  const unsigned max_restarts_;
  const RestartOptions restart_;
  std::shared_ptr<SupervisorNode> node_;  // its own, under that of the options, when it has a limit
  ChildId child_ = 0;                     // 0: has not joined
  std::uint64_t incarnation_ = 1;         // written with the cell's lock
  std::optional<Failure> failure_;        // of its own, why it is down
  Suspects suspects_;
  Checkpoints checkpoints_;
};

/// Throws Exception (kInvalid) for options that make no sense.
void check_options(const ActorType& type, const SpawnOptions& options);

/// Has the cell obey in its run; kStop ends it after its messages. Any thread.
void command_child(ActorCell& cell, SupervisionPolicy::EventKind command, const Error& cause);

}  // namespace muster::detail
