#pragma once
// The book of a random run: senders write what they send, actors what they handle and when they
// live, callers how their calls end. It says at once, and again at the end, what cannot be.
//
// Threads: one. Invariants: an entry's facts only grow; what was told twice is a fault.

#include <muster/runtime.h>

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace muster::sim {

class Member;

/// Travels in every message of a run and names its entry.
struct Stamp {
  std::uint64_t message = 0;
  std::uint32_t order = 0;  // of this sender to this actor, from 1
  friend bool operator==(const Stamp&, const Stamp&) = default;
};

/// Of an actor, or of whoever else sends: a node's own code, a task.
using Number = std::uint32_t;

class Ledger {
 public:
  struct Message {
    Number sender = 0;
    Number target = 0;
    std::uint32_t order = 0;
    bool call = false;               // else one way
    bool local = false;              // both ends on one node
    bool refused = false;            // it was never in the mailbox
    bool begun = false;              // its handler ran, or runs
    bool finished = false;           // its handler returned
    bool threw = false;              // its handler threw, as it was told to
    bool abandoned = false;          // nobody waits for its end any more
    bool ended = false;              // its caller was told
    std::optional<ErrorCode> error;  // what, if it was not a value
    TimePoint sent_at{};
    TimePoint deadline{};
    std::optional<TimePoint> done_at;  // its handler returned or threw
    std::string what;
  };
  struct Actor {
    ActorId id;
    std::string node;
    std::string name;
    bool detached = false;
    bool restarts = false;   // when it fails; its object may be away for a while
    bool doomed = false;     // told to end, through a handle that may be remote: it may be dead
    bool must_end = false;   // told to end on its own node: it must be dead when all is quiet
    bool travelled = false;  // a handle to it was on another node
    std::size_t capacity = 0;
    const Member* object = nullptr;  // while it lives, and is not between two incarnations
    bool lived = false;
    std::size_t waiting = 0;  // calls of its own node in its mailbox
    std::optional<Down> down;
    TimePoint died_at{};
    std::map<std::string, int> monitors;  // by node, that have not heard yet
  };

  /// `travel`: how long a message and its answer may be on their way; unset: for ever.
  Ledger(const Clock& clock, std::optional<Duration> travel) : clock_(clock), travel_(travel) {}

  // Who sends and who is sent to
  Number add_sender(const std::string& node);
  /// Of messages with retry alone: they have an order over all connections.
  Number add_kept_sender(const std::string& node) {
    return *kept_senders_.insert(add_sender(node)).first;
  }
  Number add_actor(const std::string& node, const SpawnOptions& options);
  /// The id is known once the actor was made.
  void made(Number actor, ActorId id);
  void not_made(Number actor) { actors_.erase(actor); }
  void born(Number actor, const Member& object);
  void died(Number actor);
  void doom(Number actor, bool on_its_node);
  std::optional<Number> find(ActorId id) const;
  /// There is, or was, a handle to it on the node.
  void seen(Number actor, const std::string& node);
  /// The node crashed: nothing is told there any more.
  void gone(const std::string& node) { gone_.insert(node); }
  /// There were two connections between these nodes: there is no order over both of them.
  void joined_twice(const std::string& a, const std::string& b) {
    twice_.emplace(std::min(a, b), std::max(a, b));
  }
  const std::map<Number, Actor>& actors() const noexcept { return actors_; }
  const std::string& node_of(Number sender) const { return nodes_.at(sender); }

  // Messages
  Stamp send(Number sender, Number target, std::string what);
  Stamp call(Number sender, Number target, Duration timeout, std::string what);
  /// The call was made; `ready`: its Future was at once, so it was refused.
  void placed(const Stamp& stamp, bool ready);
  void begun(const Stamp& stamp, Number actor);
  void finished(const Stamp& stamp);
  void threw(const Stamp& stamp);
  void abandoned(const Stamp& stamp) { entry(stamp).abandoned = true; }
  /// `answer`: what the caller got, for those who answer with the message's number.
  void ended(const Stamp& stamp, const Result<std::uint64_t>& answer);
  void monitors(Number actor, const std::string& node) { ++actors_.at(actor).monitors[node]; }
  /// One that monitors an actor heard of its end.
  void heard(Number actor, const std::string& node, const Result<Down>& down);

  // What must be true
  /// Every call has ended that was made by a node which lives, or, at the very end, by any.
  void check_calls_ended(bool by_any);
  /// With nothing under way: no message of a node to itself was lost, no monitor left without news.
  void check_quiet();
  /// Every call has ended that was made on this node.
  void check_calls_ended_of(const std::string& node);
  /// Every one-way message was handled, or is one of `dead_letters`.
  void check_one_way(std::uint64_t dead_letters);
  void fault(std::string text) {
    if (faults.size() < 20) faults.push_back(std::move(text));
  }
  std::string describe(const Stamp& stamp) { return describe(entry(stamp)); }

  /// What a run was made of, to see that it means something.
  struct Counts {
    std::uint64_t sent = 0;
    std::uint64_t handled = 0;
    std::uint64_t handled_remote = 0;           // of those, from another node
    std::uint64_t restarts = 0;                 // of actors
    std::map<std::string, std::uint64_t> ends;  // of calls: "value", or the code's name
    Counts& operator+=(const Counts& other);
    friend bool operator==(const Counts&, const Counts&) = default;
  };
  Counts counts() const;

  std::vector<std::string> faults;

 private:
  Message& entry(const Stamp& stamp);
  Stamp add(Message message);
  std::string describe(const Message& message) const;
  void check_answer(const Message& message, std::uint64_t number,
                    const Result<std::uint64_t>& answer);
  bool is_over(const Message& message) const;
  void check_timeout(const Message& message);
  void leave_mailbox(const Message& message);

  const Clock& clock_;
  const std::optional<Duration> travel_;
  std::deque<Message> messages_;
  std::map<Number, Actor> actors_;
  std::map<ActorId, Number> by_id_;
  std::map<Number, std::string> nodes_;  // of every sender
  std::map<std::pair<Number, Number>, std::uint32_t> sent_orders_;
  std::map<std::pair<Number, Number>, std::uint32_t> begun_orders_;
  std::set<std::string> gone_;
  std::set<Number> kept_senders_;
  std::set<std::pair<std::string, std::string>> twice_;
  std::uint64_t restarts_ = 0;
  Number last_ = 0;
};

}  // namespace muster::sim
