#pragma once
/// What can be seen of a running Runtime (docs/observing.md): messages that nobody handled, the
/// actors that live, counters and histograms, events.
///
/// Threads: everything here is a value, but for what a Subscription refers to.

#include <muster/clock.h>
#include <muster/error.h>
#include <muster/ids.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

/// Why a one-way message was not handled.
enum class DeadLetterReason : std::uint8_t {
  kMailboxFull = 1,     ///< no room in the mailbox
  kConnectionFull = 2,  ///< too many bytes waited to be written to the actor's node
  kActorEnded = 3,      ///< the actor had ended, or did before the message's turn came
  kUnreachable = 4,     ///< the node is not joined, or was lost before the message was written
  kRefused = 5,         ///< not for this actor: another class, no such method, arguments that do
                        ///< not decode, a size that its node does not accept
  kPoison = 6,          ///< it brought its actor down too often; see SpawnOptions::poison_after
};
inline constexpr std::size_t kDeadLetterReasons = 6;
/// "mailbox_full", ... ; "unknown" for a number that no reason has.
std::string_view to_string(DeadLetterReason reason) noexcept;

/// A one-way message that was not handled, or one of any kind that was poison, as the runtime that
/// gave it up knows it.
struct DeadLetter {
  DeadLetterReason reason = DeadLetterReason::kActorEnded;
  /// How many alike: above one for those left unwritten when a connection ended, of which only the
  /// number is known.
  std::uint64_t count = 1;
  ActorId actor = {};           ///< whom it was for; number 0: not known
  std::string class_name = {};  ///< of that actor; empty: not known here
  std::string method = {};      ///< empty: not known here
  /// The actor that sent it; number 0: a thread, or an actor of that node that is not known; all
  /// zero: not known.
  ActorId from = {};
  TimePoint when = {};
  std::string cause = {};  ///< what a call would have heard
  friend bool operator==(const DeadLetter&, const DeadLetter&) = default;
};

/// The dead letters of one runtime.
struct DeadLetters {
  std::array<std::uint64_t, kDeadLetterReasons> counts = {};
  std::vector<DeadLetter> latest = {};  ///< oldest first; at most RuntimeOptions::dead_letters_kept

  std::uint64_t count(DeadLetterReason reason) const {
    return counts.at(static_cast<std::size_t>(reason) - 1);
  }
  std::uint64_t total() const;
};

/// Keeps a callback registered while it lives. Movable; empty after reset().
/// When reset() or the destructor has returned, the callback does not run and never will, unless
/// they were called by the callback itself.
class [[nodiscard]] Subscription {
 public:
  /// Private door of this library: `entry` is unregistered, and waited for, by its deleter.
  explicit Subscription(std::shared_ptr<void> entry) : entry_(std::move(entry)) {}
  Subscription() = default;
  Subscription(Subscription&&) noexcept = default;
  Subscription& operator=(Subscription&& other) noexcept {
    reset();
    entry_ = std::move(other.entry_);
    return *this;
  }
  ~Subscription() { reset(); }
  void reset() { entry_.reset(); }
  /// False once it was reset or moved from; what it subscribes to may have ended.
  bool active() const noexcept { return entry_ != nullptr; }

 private:
  std::shared_ptr<void> entry_;
};

/// What an actor is doing.
enum class ActorState : std::uint8_t {
  kStarting = 1,    ///< its constructor has not returned
  kIdle = 2,        ///< it has nothing to do
  kReady = 3,       ///< it waits for a thread
  kRunning = 4,     ///< a thread runs it
  kSuspended = 5,   ///< its handler waits at co_await, and with it the next message
  kRestarting = 6,  ///< it failed and waits for its next incarnation, and its messages with it
};
/// "starting", ... ; "unknown" for a number that no state has.
std::string_view to_string(ActorState state) noexcept;

/// One actor as it was for an instant. An aggregate of types that travel: an actor may return it.
struct ActorInfo {
  ActorId id = {};
  std::string name = {};  ///< as given at spawn; empty: none
  std::string class_name = {};
  ActorState state = ActorState::kStarting;
  bool ending = false;            ///< it has been told to stop and is working its mailbox off
  std::uint64_t incarnation = 1;  ///< its how manyeth life this is
  std::size_t handles = 0;        ///< in this process, of which one for each node that has any
  std::size_t mailbox_depth = 0;  ///< messages that have not begun
  std::size_t mailbox_bytes = 0;  ///< of those among them that came from other nodes
  std::size_t waiting = 0;        ///< messages that wait for room (WhenFull::kWait)
  std::uint64_t processed = 0;    ///< messages that have begun
  /// Of the handler under way, if suspended of the one that is for longest, or that waits for its
  /// arguments; empty when there is none, or when it is not known: of one that runs it is known
  /// with RuntimeOptions::timings, stall_budget or message_events.
  std::string method = {};
  // With RuntimeOptions::timings; else zero:
  Duration busy{0};       ///< for how long it has kept threads
  Duration under_way{0};  ///< since `method` began; zero when several handlers may be under way
  friend bool operator==(const ActorInfo&, const ActorInfo&) = default;
};

enum class EventKind : std::uint8_t {
  kSpawned = 1,       ///< its constructor has returned
  kEnded = 2,         ///< its object is gone
  kRestarted = 3,     ///< a new incarnation of it begins
  kMessageBegun = 4,  ///< a handler begins
  kMessageEnded = 5,  ///< it has returned or failed, or was destroyed while suspended
  kStalled = 6,       ///< a handler has run past RuntimeOptions::stall_budget and goes on
};
/// "spawned", ... ; "unknown" for a number that no kind has.
std::string_view to_string(EventKind kind) noexcept;

/// Something that happened to an actor, see RuntimeOptions::on_event. Its texts live as long as the
/// call that tells it; those of `class_name`, `method` and `reason` as long as the program.
struct Event {
  EventKind kind = EventKind::kSpawned;
  TimePoint when = {};
  ActorId actor = {};
  std::string_view class_name = {};
  std::string_view name = {};    ///< as given at spawn
  std::string_view method = {};  ///< of the handler; empty: see docs/contract.md, 7.4
  /// The same at a message's begin and end, and no other's meanwhile.
  std::uint64_t message = 0;
  std::string_view reason = {};  ///< why it ended: to_string(DownReason)
  Duration time{0};              ///< for how long the handler has run, when it is told as stalled
};

}  // namespace muster
