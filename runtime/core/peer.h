#pragma once
// A joined node: calls to and from it, and the references that cross the connection.
//
// Threads: SessionEvents as in session_options.h; everything else from any thread.
//
// Invariants:
//  1. Every pending call ends once: by its reply, or with the cause when the connection ends.
//  2. exports_ counts the references to each local actor that the peer was sent and has not
//     released; while it is not zero the actor has a handle here. The connection's end releases
//     all.
//  3. imports_ has one proxy for each of the peer's actors to which a handle exists here.

#include <mutex>
#include <unordered_map>
#include <vector>

#include "runtime/core/runtime_core.h"
#include "runtime/net/session.h"
#include "runtime/wire/messages.h"

namespace muster::detail {

class RemoteActor;

DeadLetterReason why_unsent(const Error& error) noexcept;

class Peer final : public net::SessionEvents,
                   public ActorExchange,
                   public std::enable_shared_from_this<Peer> {
 public:
  using Joined = std::function<void(Result<NodeId>)>;

  /// `joined`, if any, is called once: when the connection is open or has failed. `joined_after` is
  /// set when this node asked for the connection: the ready_number of the latest peer by then.
  /// `expected`: any other node is not joined, and `joined` gets kNotFound.
  static std::shared_ptr<Peer> start(boost::intrusive_ptr<RuntimeCore> core,
                                     std::unique_ptr<ByteStream> stream, net::Role role,
                                     Duration handshake_timeout, Joined joined,
                                     std::optional<std::uint64_t> joined_after = {},
                                     std::optional<NodeId> expected = {});

  NodeId node() const;
  bool ready() const;
  std::string address() const { return session_->peer_address(); }
  net::SessionStats stats() const { return session_->stats(); }
  std::size_t bytes_waiting() const { return session_->outstanding_bytes(); }
  void close(Error cause) { session_->close(std::move(cause)); }
  /// Closes a connection that was not needed, and does not report its end.
  void retire(Error cause);
  /// After the transport has stopped: whatever waits for the connection ends now.
  void end_now() { session_->end_now({ErrorCode::kCancelled, "the runtime shut down", {}}); }

  void call(std::uint64_t actor, const OutgoingCall& call, FunctionRef<void(Encoder&)> arguments,
            boost::intrusive_ptr<PendingReply> pending);
  void stop(std::uint64_t actor, bool kill);
  /// Gives the call's place up and tells the actor; false when it is not a call to this peer.
  bool abandon(std::uint64_t call_id, const FutureStateBase& state, std::uint64_t actor,
               bool cancelled);
  /// `link`: the number of this node's actor that is linked with it; 0: none.
  void monitor(const ActorId& actor, boost::intrusive_ptr<FutureState<Down>> state,
               std::uint64_t link);
  void find(std::uint64_t id, const std::string& name, std::uint64_t type_hash, Duration wait);
  /// No handle to the proxy is left: tells the peer, unless one was made meanwhile.
  void release(RemoteActor& actor);
  void reply_result(std::uint64_t call_id, FunctionRef<void(Encoder&)> value);
  void reply_error(std::uint64_t call_id, const Error& error);

  // Of calls that outlive the connection (resender.h, call_log.h):
  /// Where the node may be connected to again; empty when it does not listen.
  std::string rejoin_address() const;
  Result<void> send_call(wire::OutgoingMessage&& message) {
    return session_->send(std::move(message));
  }
  Result<void> cancel_call(std::uint64_t call_id, std::uint64_t actor, bool cancelled);
  void send_result(std::uint64_t call_id, wire::OutgoingMessage&& message,
                   const std::vector<std::uint64_t>& exported);
  /// These exports were not sent.
  void take_back(const std::vector<std::uint64_t>& exported);

  const std::optional<std::uint64_t> joined_after;
  const std::optional<NodeId> expected;
  std::uint64_t ready_number = 0;  ///< from 1, guarded by the core's lock

  WireActor export_actor(const ActorRefPtr& ref) override;
  ActorRefPtr import_actor(const WireActor& actor) override;

  void on_ready(const net::PeerInfo& info) override;
  std::size_t on_message(const wire::IncomingMessage& message) override;
  void on_batch_end() override;
  void on_closed(const Error& cause) override;

 private:
  struct Slot {
    boost::intrusive_ptr<PendingReply> pending;
    std::uint32_t generation = 0;
    std::uint32_t next_free = 0;
  };
  struct Export {
    HandleRef handle;
    std::uint64_t count = 0;
  };

  Peer(boost::intrusive_ptr<RuntimeCore> core, std::optional<std::uint64_t> after,
       std::optional<NodeId> only)
      : joined_after(after), expected(only), core_(std::move(core)) {}

  std::uint64_t add_pending(boost::intrusive_ptr<PendingReply> pending);
  /// Null when it was taken, or does not answer `only`.
  boost::intrusive_ptr<PendingReply> take_pending(std::uint64_t call_id,
                                                  const FutureStateBase* only = nullptr);
  void send(wire::OutgoingMessage&& message);
  void result_not_sent(std::uint64_t call_id, const Error& cause);
  void release_export(std::uint64_t actor, std::uint64_t count);
  /// Of a call that may wait for room on the connection: until its deadline.
  net::Patience patience(std::uint64_t actor, const OutgoingCall& call,
                         std::vector<std::uint64_t> exported, bool one_way);
  /// A message was not sent, and is a dead letter.
  void not_sent(std::uint64_t actor, std::string_view method, const Error& error);
  /// `calls`: 1, to which is added what follows the first in the frame of a call.
  Result<void> dispatch(const wire::IncomingMessage& message, std::size_t& calls);
  Result<void> on_call(const wire::IncomingMessage& message, std::size_t& calls);
  struct IncomingCall;
  void on_kept_call(IncomingCall& call);
  void handle_call(IncomingCall& in, std::unique_ptr<RemoteReply> reply);  // nothing of it is read
  Result<void> on_reply(const wire::IncomingMessage& message);
  Result<void> on_find(const wire::IncomingMessage& message);
  Result<void> on_found(const wire::IncomingMessage& message);
  Result<void> on_monitor(const wire::IncomingMessage& message);
  // Of an actor of this node that lives no more. How it ended is known while the other node has
  // handles to it.
  Down end_of(std::uint64_t number) const;
  Result<void> on_down(const wire::IncomingMessage& message);
  Result<void> on_release(const wire::IncomingMessage& message);
  Result<void> on_stop(const wire::IncomingMessage& message);
  Result<void> on_cancel(const wire::IncomingMessage& message);
  /// Or null; kept by last_target_ until the next call.
  ActorCell* target(std::uint64_t number);

  // Constant after start():
  const boost::intrusive_ptr<RuntimeCore> core_;
  std::shared_ptr<net::Session> session_;

  // Serialised by the session:
  NodeId from_;                                  // node_, for what comes in
  boost::intrusive_ptr<ActorCell> last_target_;  // most calls go where the last one went

  std::mutex start_mutex_;  // held while session_ is being set: events may come before
  mutable std::mutex mutex_;
  // Guarded by mutex_:
  NodeId node_;
  std::string listen_address_;
  bool ready_ = false;
  std::optional<Error> cause_;
  Joined joined_;
  std::vector<Slot> slots_;
  std::uint32_t free_slot_ = 0;  // index + 1; 0: none
  std::unordered_map<std::uint64_t, Export> exports_;
  std::unordered_map<std::uint64_t, boost::intrusive_ptr<RemoteActor>> imports_;
  struct Watch {
    boost::intrusive_ptr<FutureState<Down>> state;
    ActorId actor;
  };
  std::unordered_map<std::uint64_t, Watch> watches_;
  std::uint64_t last_request_ = 0;
};

/// The proxy of an actor on a peer.
class RemoteActor final : public ActorRef {
 public:
  RemoteActor(ActorId id, std::shared_ptr<Peer> peer, boost::intrusive_ptr<RuntimeCore> core)
      : ActorRef(id, false), peer_(std::move(peer)), core_(std::move(core)) {
    if (core_->options().timings) time_calls();
  }
  const std::shared_ptr<Peer>& peer() const noexcept { return peer_; }

  boost::intrusive_ptr<Domain> domain() const override;
  std::string describe() const override;
  Duration default_timeout() const override { return core_->options().call_timeout; }
  void deliver(std::unique_ptr<Message> message, const ActorType& expected) override;
  void deliver_as(const Delivery&, std::unique_ptr<Message> message, const ActorType& expected,
                  Taken) override {
    deliver(std::move(message), expected);
  }
  void send_remote(const OutgoingCall& call, FunctionRef<void(Encoder&)> arguments,
                   boost::intrusive_ptr<PendingReply> pending) override;
  void stop(bool kill) override;

  std::uint64_t received = 0;  // guarded by the peer's mutex: references the peer sent

 private:
  void last_handle_gone() override;

  const std::shared_ptr<Peer> peer_;  // null: its node is not joined
  const boost::intrusive_ptr<RuntimeCore> core_;
};

}  // namespace muster::detail
