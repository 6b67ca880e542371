#pragma once
// Calls that outlive their connection (CallOptions::retry), at the caller: kept until they are
// answered, and sent again over the next connection with the same node.
//
// Threads: all members from any thread. No lock is held while a message is sent, a callback or a
// completion runs, or the core is asked.
//
// Invariants:
//  1. What is sent over one connection is sent in the order of the calls, once each, and over a new
//     one what went over an earlier one goes first.
//  2. A call ends once: answered, abandoned by its caller, or given up here with a cause.
//  3. At most kKeptCallsMax calls are kept for one node, those answered counted while an older one
//     is not; and outstanding_bytes_max bytes of those that are not.

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "runtime/core/runtime_core.h"
#include "runtime/wire/messages.h"

namespace muster::detail {

inline constexpr std::size_t kKeptCallsMax = 1024;
/// After the last connection with a caller its calls are remembered for so long. The caller, whose
/// clock may differ and who may learn of the end later, sends none again after half of it.
inline constexpr Duration kCallerForgottenAfter = 10min;

/// How long to wait before the next attempt to connect: `attempt` have failed, `draw` is from
/// [0, 1).
Duration reconnect_pause(unsigned attempt, Duration least, Duration most, double draw);

class Resender final : public std::enable_shared_from_this<Resender> {
 public:
  /// `last`: the last known connection with the node, which may have ended; or null.
  Resender(boost::intrusive_ptr<RuntimeCore> core, const NodeId& node, const Peer* last);

  void call(std::uint64_t actor, const OutgoingCall& call, FunctionRef<void(Encoder&)> arguments,
            boost::intrusive_ptr<PendingReply> pending);
  /// Of the call, which has been answered; null when it has ended.
  boost::intrusive_ptr<PendingReply> take(std::uint64_t call_id);
  /// Nobody waits for the call any more, unless it is not that of `state`.
  void abandon(std::uint64_t call_id, const FutureStateBase& state, bool cancelled);

  void connected(const std::shared_ptr<Peer>& peer);
  void lost(const Peer& peer);
  /// Ends all calls, and those that are made later.
  void end(const Error& cause);
  /// Where to connect to, if that is not known.
  void learn(const Peer& last);
  /// Why there is no connection, as far as that is known; empty when there is one.
  std::string trouble();
  /// Nothing is kept or under way, and there is no connection.
  bool idle();

 private:
  struct Call {
    std::vector<std::byte> frame;
    boost::intrusive_ptr<PendingReply> pending;  // null: it has ended
    wire::Lane lane;
    std::uint64_t flow;
    std::size_t align_offset;
    TimePoint deadline;
    bool one_way;
    std::uint64_t actor;
    bool sent = false;  // over some connection
  };
  struct Cancel {
    std::uint64_t call_id;
    std::uint64_t actor;
    bool cancelled;  // else its deadline has passed
  };
  using Calls = std::map<std::uint64_t, Call>;
  using Ended = std::vector<std::pair<boost::intrusive_ptr<PendingReply>, Error>>;

  // These require the lock:
  Call* next_to_send();
  boost::intrusive_ptr<PendingReply> end_call(Calls::iterator call);
  /// Ends it for want of a connection, but says nothing of a one-way message that was sent.
  void give_up(Call& call, Error cause, Ended& ended);
  void cancel_later(const Cancel& cancel);
  void expire(Ended& ended);
  void tell(Ended& ended);  // not this one
  void wait_for_room();
  void schedule(Duration pause, void (Resender::*then)());

  void pump();
  void resume();
  void reconnect();
  void schedule_reconnect();
  void reconnected(const Result<NodeId>& joined);
  void give_up_all(const Error& cause, bool unless_connected);

  const boost::intrusive_ptr<RuntimeCore> core_;
  const NodeId node_;

  std::mutex mutex_;
  // Guarded by mutex_:
  Calls calls_;  // by call id; the first has not ended
  std::size_t bytes_ = 0;
  std::deque<Cancel> cancels_;  // to be sent, of calls that were
  std::shared_ptr<Peer> connection_;
  std::string address_;  // to connect to; empty: wait until the node does
  std::string trouble_ = "there is no connection";
  std::uint64_t sent_upto_ = 0;                    // the last call sent over connection_
  TimePoint remembered_until_ = TimePoint::max();  // without connection: of what was sent
  bool pumping_ = false;
  bool full_ = false;  // the connection had no room
  bool connecting_ = false;
  unsigned attempts_ = 0;  // that failed since the last connection
  TimerId timer_ = 0;
  std::optional<Error> ended_;
};

/// Those of one runtime, by node.
class Resenders {
 public:
  /// Null when there is none.
  std::shared_ptr<Resender> find(const NodeId& node) const;
  /// Made when there is none; null after end().
  std::shared_ptr<Resender> get(RuntimeCore& core, const NodeId& node, const Peer* last);
  void end(const Error& cause);
  std::uint64_t next_call_id() noexcept {
    return wire::kKeptCall | (last_.fetch_add(1, std::memory_order_relaxed) + 1);
  }

 private:
  mutable std::mutex mutex_;
  std::map<NodeId, std::shared_ptr<Resender>> by_node_;  // guarded by mutex_
  bool ended_ = false;                                   // guarded by mutex_
  std::atomic<std::uint64_t> last_{0};
};

}  // namespace muster::detail
