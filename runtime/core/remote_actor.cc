#include "runtime/core/peer.h"
#include "runtime/core/resender.h"

namespace muster::detail {

boost::intrusive_ptr<Domain> RemoteActor::domain() const {
  return core_;
}

std::string RemoteActor::describe() const {
  return "actor " + to_string(id()) +
         (peer_ ? " at " + peer_->address()
                : ": its node is not joined with this one, or it has ended");
}

void RemoteActor::deliver(std::unique_ptr<Message> message, const ActorType&) {
  message->reject(Error{ErrorCode::kInternal, "deliver on a remote actor", {}});
}

void RemoteActor::send_remote(const OutgoingCall& call, FunctionRef<void(Encoder&)> arguments,
                              boost::intrusive_ptr<PendingReply> pending) {
  if (call.delivery.retry && id().node != core_->node_id()) {
    if (const auto kept = core_->resenders().get(*core_, id().node, peer_.get())) {
      return kept->call(id().number, call, arguments, std::move(pending));
    }
  }
  if (peer_) {
    peer_->call(id().number, call, arguments, std::move(pending));
  } else if (pending) {
    core_->meters().count_rejected(DeadLetterReason::kUnreachable);
    pending->on_error(Error{ErrorCode::kUnavailable, describe(), {}});
  } else {
    core_->dead_letter({DeadLetterReason::kUnreachable,
                        1,
                        id(),
                        {},
                        std::string(call.method_name),
                        core_->sender(),
                        {},
                        describe()});
  }
}

void RemoteActor::stop(bool kill) {
  if (peer_) peer_->stop(id().number, kill);
}

void RemoteActor::last_handle_gone() {
  if (peer_) peer_->release(*this);
}

}  // namespace muster::detail
