#pragma once
/// A handle but for the class of its actor: whom it names, and how it sends. Not for users.
///
/// Threads and lifetime: as of Handle.

#include <muster/call_options.h>
#include <muster/detail/call_state.h>
#include <muster/detail/pending_limit.h>

namespace muster::detail {

class Sender {
 public:
  Sender() = default;
  Sender(HandleRef ref, const CallOptions& options);

  const HandleRef& ref() const noexcept { return ref_; }
  const CallOptions& options() const noexcept { return options_; }
  /// Requires: it names one.
  ActorRef& actor() const;

  /// How long a call, or an offer, may take.
  Duration timeout() const;
  /// How long a send may wait, for room or for a connection.
  Duration patience() const;
  /// As options() say; without limit to its patience.
  Delivery delivery() const noexcept;

  /// Before a call leaves: counts it in the limit and times it. False: it has ended, for want of
  /// room.
  bool enter(FutureStateBase& call, std::string_view method) const;

  template <class R>
  struct Started {
    boost::intrusive_ptr<CallState<R>> state;
    Duration timeout;
    bool open;  // else it has ended, and does not leave
  };
  /// A call that is about to leave, its deadline armed.
  template <class R>
  Started<R> start(std::string_view method) const {
    Started<R> call{boost::intrusive_ptr(new CallState<R>(actor())), timeout(), false};
    call.open = begin(*call.state, call.timeout, method);
    return call;
  }

  /// To an actor of this node.
  void deliver(std::unique_ptr<Message> message, Duration patience,
               const ActorType& expected) const;
  /// To one of another.
  OutgoingCall outgoing(std::uint64_t method, std::string_view name, Duration timeout) const;

 private:
  bool begin(FutureStateBase& call, Duration timeout, std::string_view method) const;

  HandleRef ref_;
  CallOptions options_;
  boost::intrusive_ptr<PendingLimit> limit_;  // shared with the copies; null: none
};

/// The caller's end of a call that goes to another node.
template <class R>
boost::intrusive_ptr<PendingReply> remote_end(const boost::intrusive_ptr<CallState<R>>& state) {
  return boost::intrusive_ptr<PendingReply>(new RemoteCall<R>(state));
}

}  // namespace muster::detail
