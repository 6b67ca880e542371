#include <muster/detail/sender.h>

namespace muster::detail {

Sender::Sender(HandleRef ref, const CallOptions& options)
    : ref_(std::move(ref)), options_(options) {
  if (options_.max_pending > 0) limit_ = new PendingLimit(options_.max_pending);
}

ActorRef& Sender::actor() const {
  MUSTER_CHECK(ref_.get() != nullptr, "the Handle is empty");
  return *ref_.get();
}

Duration Sender::timeout() const {
  return options_.timeout ? *options_.timeout : actor().default_timeout();
}

Duration Sender::patience() const {
  return options_.when_full == WhenFull::kWait || options_.retry ? timeout() : kForever;
}

Delivery Sender::delivery() const noexcept {
  return {.urgent = options_.urgent,
          .group = options_.group.hash(),
          .when_full = options_.when_full,
          .retry = options_.retry};
}

bool Sender::enter(FutureStateBase& call, std::string_view method) const {
  if (limit_ && !limit_->enter(call, method)) return false;
  if (actor().timed()) time_call(call);
  return true;
}

bool Sender::begin(FutureStateBase& call, Duration timeout, std::string_view method) const {
  if (!enter(call, method)) return false;
  call.arm_deadline(timeout, method);
  return true;
}

void Sender::deliver(std::unique_ptr<Message> message, Duration patience,
                     const ActorType& expected) const {
  if (auto as = delivery(); as.plain()) {
    actor().deliver(std::move(message), expected);
  } else {
    as.patience = patience;
    actor().deliver_as(as, std::move(message), expected);
  }
}

OutgoingCall Sender::outgoing(std::uint64_t method, std::string_view name, Duration timeout) const {
  return {method, name, timeout, delivery()};
}

}  // namespace muster::detail
