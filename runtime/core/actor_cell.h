#pragma once
// An actor of this node: its object, its mailbox and the rules of its life.
//
// Threads: ActorRef's and Place's members from any thread; everything marked "owned by the run" is
// touched only by the thread that runs the cell, of which there is one at a time.
//
// Invariants:
//  1. scheduled_ is true from the moment the cell is posted until its run finds nothing to do; the
//     executor holds a reference while it is true.
//  2. Every message delivered is invoked or rejected, once, in the order of delivery; urgent
//     messages overtake the others, and continuations all messages.
//  3. After the cell died no handler runs; the reason and the cause never change.
//  4. While the cell is down (supervision.h) no handler runs either, and messages wait.

#include <muster/detail/spin_lock.h>
#include <muster/runtime.h>

#include <mutex>
#include <vector>

#include "runtime/core/message_list.h"

namespace muster::detail {

class CellWatch;
class HandlerGroups;
class RuntimeCore;
class Supervision;
class WaitingMessage;
class WaitingRoom;
class Watchers;
struct CellExtras;

class ActorCell : public ActorRef, public Place, private Runnable, private HandlerContext {
 public:
  ActorCell(boost::intrusive_ptr<RuntimeCore> core, ActorId id, const ActorType& type,
            const SpawnOptions& options);
  ~ActorCell() override;
  const ActorType& type() const noexcept { return type_; }
  const std::string& name() const noexcept { return name_; }
  RuntimeCore& core() const noexcept { return *core_; }

  /// Runs the constructor on this thread, as the actor, and opens the mailbox. When it throws the
  /// actor is dead and the exception passes on.
  void construct(FunctionRef<void*()> make);
  /// Calls `hear` with who died and why, once: now if it is dead, else on its death.
  void monitor(std::function<void(const Down&)> hear);
  std::optional<ActorInfo> inspect() const;  // nothing when it is dead
  std::uint64_t processed() const noexcept { return handled_.load(std::memory_order_relaxed); }
  void tell(Event event) const;  // to whoever hears of events, with when and who added
  /// As stop() of a handle, with the reason that monitors hear.
  void end(DownReason reason, bool kill, const std::string& detail = {});
  /// Has `function` run in the cell's run, before messages. Dropped when the actor is dead.
  void control(std::function<void()> function);
  Supervision* supervision() const noexcept;  // null: never restarted, or dead; in the run
  std::uint64_t incarnation() const noexcept override;  // living, or the last; in the run

  boost::intrusive_ptr<Domain> domain() const override;
  std::string describe() const override;
  Duration default_timeout() const override;
  void deliver(std::unique_ptr<Message> message, const ActorType& expected) override;
  void deliver_as(const Delivery& delivery, std::unique_ptr<Message> message,
                  const ActorType& expected, Taken taken) override;
  /// The same of a message that came from the node `from`; null: from this one.
  virtual void deliver_from(std::unique_ptr<Message> message, const ActorType& expected,
                            const NodeId* from);
  virtual void deliver_as_from(const Delivery& delivery, std::unique_ptr<Message> message,
                               const ActorType& expected, const NodeId* from, Taken taken);
  void give_up(WaitingMessage& waiting);  // it had to have room by now
  void send_remote(const OutgoingCall&, FunctionRef<void(Encoder&)>,
                   boost::intrusive_ptr<PendingReply>) override;
  void stop(bool kill) override { end(kill ? DownReason::kKilled : DownReason::kStopped, kill); }
  void resume(boost::intrusive_ptr<Continuation> continuation) override;
  void place_add_ref() noexcept override { intrusive_ptr_add_ref(static_cast<ActorRef*>(this)); }
  void place_release() noexcept override { intrusive_ptr_release(static_cast<ActorRef*>(this)); }

  /// Nobody waits for that call any more: it is not handled if it waits, and whoever has its stop
  /// token is asked to stop. `cancelled`: a coroutine that handles it is cancelled too.
  void abandon(const CallKey& key, bool cancelled);
  std::stop_token stop_token();  // requires: this thread runs the cell
  /// The cell whose handler or constructor this thread is running, or null.
  static ActorCell* current() noexcept;

 private:
  friend class SelfTimer;
  friend class Supervision;  // of what few actors need: see supervision.h
  friend class Watchers;
  class StopMessage;
  class UrgentMessage;
  class Abandoned;
  enum class Room : std::uint8_t { kDead, kNone, kNoBytes, kEnough };

  void last_handle_gone() override;
  void run() override;
  void one_way_failed(std::string_view method, const Error& error) override;
  ActorState state() const noexcept;  // requires mutex_
  bool step();                        // false: nothing to do
  /// Why a message is not let in, as its sender hears it.
  struct Refusal {
    DeadLetterReason reason;
    Error cause;
  };
  /// Requires: mutex_. Sets `held` to the bytes from other nodes that wait, where they matter.
  Room room_for(const Message& message, std::size_t& held) const noexcept;
  std::size_t held_bytes() const noexcept;  // requires mutex_
  /// `bytes` more are within the bound beside the `held` that wait.
  bool fits(std::size_t bytes, std::size_t held) const noexcept;
  void count_accepted(const Message& message) noexcept;  // requires mutex_
  /// Requires: mutex_. True when the cell must be scheduled.
  bool accept(std::unique_ptr<Message> message) noexcept;
  bool push_urgent(boost::intrusive_ptr<Continuation> continuation);  // the same
  /// The same, and counts it. `urgent` comes from make_urgent(), or is null.
  bool let_in(std::unique_ptr<Message> message, boost::intrusive_ptr<Continuation> urgent);
  boost::intrusive_ptr<Continuation> make_urgent();
  bool first_has_room() const noexcept;  // requires mutex_ and crowded_
  // waiting_room.cc; these require that mutex_ is not held:
  void wait_for_room(boost::intrusive_ptr<WaitingMessage> waiting, Duration patience);
  void admit_waiting();
  void stop_after_waiting(std::unique_ptr<Message> stop);
  void turn_away(WaitingMessage& waiting, const Refusal& refusal);
  Refusal refusal(Room room, std::size_t held_bytes, std::size_t waiting = 0) const;
  Refusal other_class(const ActorType& expected) const;
  ActorId sender(const NodeId* from) const;
  /// Why it cannot join that group of the actor, which then is its; nothing: it has joined.
  std::optional<Refusal> join_group(Message& message, std::uint32_t name);
  /// Ends the message's call in the refusal's cause.
  void refuse(Message& message, const Refusal& refusal, const ActorId& sender, bool dead_letter);
  CellExtras& extras();  // made now, by the run, if there are none
  HandlerGroups* groups() const noexcept;
  const Message* suspended() const noexcept;  // the oldest of a suspended handler, or null
  bool has_turn() const noexcept;             // a message may be handled now
  bool has_turn_among_extras() const noexcept;
  bool abandon_waiting(const CallKey& key);
  bool abandon_in_room(const CallKey& key);
  static Error not_awaited();
  void request_stops(bool from_now_on);  // of all handlers
  void handled(const Message& message);  // its handler has ended
  void count_handled(const Message& message) noexcept;
  bool refill();   // takes what came in; false when nothing did
  bool go_idle();  // false when something came in meanwhile
  void handle(std::unique_ptr<Message> message);
  void begin(std::unique_ptr<Message> message);
  void suspend(std::unique_ptr<Message> message, HandlerRun run);
  void after_slice(const CoroutineFrame* frame);  // looks at the handler that was resumed
  std::unique_ptr<Message> coroutine_ended(std::unique_ptr<Message> message, HandlerRun run);
  void take_turn();     // handles what is next, with extras_
  void sort_pending();  // the same: into the groups, if there are any
  MessageList take_waiting();
  void crash(std::exception_ptr failure, std::unique_ptr<Message> culprit);  // which may be null
  void fail_with(DownReason reason, const std::string& why, std::unique_ptr<Message> by = nullptr);
  bool is_down() const noexcept;  // in the run, or with mutex_
  MessageList destroy_object();   // and its runs; gives the messages that were being handled
  void die(DownReason reason, Error cause);
  void reject(Message& message);  // of a dead actor
  void drop(Message& message, const Error& cause);
  void schedule(bool held = false);  // held: with the reference that the executor holds
  Error cause_for(DownReason reason, const std::string& detail) const;

  // Constant after construction:
  const boost::intrusive_ptr<RuntimeCore> core_;
  const ActorType& type_;
  const std::string name_;
  const std::size_t capacity_;
  const bool detached_, restarts_, own_thread_;
  const std::unique_ptr<CellWatch> watch_;  // null: nothing is to be known of its handlers

  // Owned by the run:
  void* object_ = nullptr;
  MessageList pending_;
  std::vector<boost::intrusive_ptr<Continuation>> urgent_;
  std::size_t urgent_next_ = 0;
  std::unique_ptr<Message> current_;  // its coroutine handler is suspended; unused with groups()
  HandlerRun running_;
  Message* handling_ = nullptr;         // by a plain handler that runs now, while one does
  std::unique_ptr<CellExtras> extras_;  // what few actors need; made under mutex_

  std::atomic<std::size_t> handled_{0};        // messages begun; written by the run
  std::atomic<std::size_t> handled_bytes_{0};  // of those from other nodes; written by the run
  std::atomic<bool> attention_{false};         // urgent_inbox_ is not empty, or crowded_
  std::atomic<bool> on_thread_{false};         // run() is under way; written by the run

  mutable SpinLock mutex_;
  // Guarded by mutex_:
  std::size_t accepted_ = 0;        // messages delivered
  std::size_t accepted_bytes_ = 0;  // of those from other nodes
  MessageList inbox_;
  std::vector<boost::intrusive_ptr<Continuation>> urgent_inbox_;
  bool scheduled_ = true;  // until the constructor has run
  bool started_ = false;   // it has
  bool crowded_ = false;   // messages wait in room_
  bool open_ = true;       // false: a suspended handler keeps messages waiting
  bool ending_ = false;    // a stop is in the mailbox
  bool stopping_ = false;  // stop tokens are asked to stop from the start
  bool dead_ = false;
  std::unique_ptr<Down> down_;          // set with dead_
  std::unique_ptr<Watchers> watchers_;  // null: none so far
  std::unique_ptr<WaitingRoom> room_;   // since a message first had to wait
};

}  // namespace muster::detail
