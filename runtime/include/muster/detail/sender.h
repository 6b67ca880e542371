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
  Sender(HandleRef ref, const CallOptions& options) : ref_(std::move(ref)), options_(options) {
    if (options_.max_pending > 0) limit_ = new PendingLimit(options_.max_pending);
  }

  const HandleRef& ref() const noexcept { return ref_; }
  const CallOptions& options() const noexcept { return options_; }
  /// Requires: it names one. Asked once for a message, before its arguments are made: they may be
  /// moved from the very handle that this is in.
  ActorRef& actor(std::string_view method = {}) const {
    if (ref_.get() == nullptr) empty(method);
    return *ref_.get();
  }

  /// How long a call of `actor`, or an offer, may take.
  Duration timeout(const ActorRef& actor) const {
    return options_.timeout ? *options_.timeout : actor.default_timeout();
  }
  /// How long a send to it may wait, for room or for a connection.
  Duration patience(const ActorRef& actor) const {
    return options_.when_full == WhenFull::kWait || options_.retry ? timeout(actor) : kForever;
  }
  /// As options() say.
  Delivery delivery(Duration patience) const noexcept {
    return {.urgent = options_.urgent,
            .group = options_.group.hash(),
            .when_full = options_.when_full,
            .retry = options_.retry,
            .patience = patience};
  }

  /// Before a call leaves: counts it in the limit and times it. False: it has ended, for want of
  /// room.
  bool enter(const ActorRef& actor, FutureStateBase& call, std::string_view method) const;

 private:
  [[noreturn]] static void empty(std::string_view method);

  HandleRef ref_;
  CallOptions options_;
  boost::intrusive_ptr<PendingLimit> limit_;  // shared with the copies; null: none
};

/// To an actor of this node.
inline void deliver(ActorRef& actor, const Delivery& delivery, std::unique_ptr<Message> message,
                    const ActorType& expected) {
  if (delivery.plain()) {
    actor.deliver(std::move(message), expected);
  } else {
    actor.deliver_as(delivery, std::move(message), expected);
  }
}

/// The caller's end of a call that goes to another node.
template <class R>
boost::intrusive_ptr<PendingReply> remote_end(const boost::intrusive_ptr<CallState<R>>& state) {
  return boost::intrusive_ptr<PendingReply>(new RemoteCall<R>(state));
}

}  // namespace muster::detail
