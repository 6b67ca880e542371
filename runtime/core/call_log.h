#pragma once
// Calls that outlive their connection (CallOptions::retry), at the actor's node: which it has had
// of a caller, and what it answered.
//
// Threads: all members from any thread. No lock is held while a message is encoded or sent.
//
// Invariants:
//  1. A call of one number is handled once, however often it comes.
//  2. Of one caller at most kKeptCallsMax calls are remembered and kKeptAnswerBytes bytes of
//  answers
//     are kept, the latest; of at most kCallersMax callers, each for kCallerForgottenAfter after
//     its last connection. That is longer than it sends anything again.

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "runtime/core/peer.h"
#include "runtime/core/resender.h"

namespace muster::detail {

inline constexpr std::size_t kKeptAnswerBytes = std::size_t{4} << 20;
inline constexpr std::size_t kCallersMax = 1024;
inline constexpr std::size_t kForgottenMax = 4096;

/// What is remembered of one caller.
class CallLog final : public std::enable_shared_from_this<CallLog> {
 public:
  /// Held from admit() until the call is in its mailbox.
  std::mutex& order() noexcept { return order_; }
  /// A reply when the call is to be handled now. Null when it was had before or nobody waits for
  /// it: its answer, if there is one, is sent again. An error when it is refused.
  Result<std::unique_ptr<RemoteReply>> admit(const wire::CallHeader& call,
                                             const std::shared_ptr<Peer>& peer);
  void answer(std::uint64_t call_id, FunctionRef<void(Encoder&)> encode);
  void answer(std::uint64_t call_id, const Error& error);
  /// The connection ended, and there is another: what it may have taken with it is sent again.
  void moved(const Peer& from, const std::shared_ptr<Peer>& to);
  bool connected() const;

 private:
  struct Entry {
    bool done = false;
    std::vector<std::byte> answer;  // empty of one that is done: not kept
  };
  class Reply;

  // These require the lock:
  void drop_before(std::uint64_t first_open);
  void use(const std::shared_ptr<Peer>& peer);
  /// False when nobody waits for it.
  bool record(std::uint64_t call_id, std::vector<std::byte> answer);

  static void send(Peer& peer, std::uint64_t call_id, const std::vector<std::byte>& answer);

  std::mutex order_;
  mutable std::mutex mutex_;
  // Guarded by mutex_:
  std::map<std::uint64_t, Entry> calls_;
  std::uint64_t first_open_ = 0;
  std::size_t answer_bytes_ = 0;
  std::weak_ptr<Peer> connection_;  // the latest that calls came by and that lasts
};

/// Those of one runtime, by caller.
class CallLogs {
 public:
  /// Of the caller, made when there is none.
  Result<std::shared_ptr<CallLog>> get(const NodeId& caller, const wire::CallHeader& call,
                                       TimePoint now);
  /// Null when nothing is remembered.
  std::shared_ptr<CallLog> find(const NodeId& caller) const;
  /// A connection with the caller ended; `other`: there is this one, or null.
  void lost(const NodeId& caller, const Peer& peer, const std::shared_ptr<Peer>& other,
            TimePoint now);
  void clear();

 private:
  struct Caller {
    std::shared_ptr<CallLog> log;
    std::optional<TimePoint> lost;  // when its last connection ended
  };
  void forget_old(TimePoint now);  // requires the lock

  mutable std::mutex mutex_;
  // Guarded by mutex_:
  std::map<NodeId, Caller> callers_;
  // The latest that were: a caller whose process stood still may not know how long it was away.
  std::set<NodeId> forgotten_;
  std::deque<NodeId> forgotten_order_;
};

}  // namespace muster::detail
