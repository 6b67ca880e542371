// What a peer sends: its calls, answers and requests.

#include "runtime/core/call_log.h"
#include "runtime/core/peer.h"
#include "runtime/core/references.h"
#include "runtime/core/watchers.h"

namespace muster::detail {

namespace {

/// The callee's end of a call: answers over the connection, once.
class ConnectionReply final : public RemoteReply {
 public:
  ConnectionReply(std::shared_ptr<Peer> peer, std::uint64_t call_id)
      : peer_(std::move(peer)), call_id_(call_id) {}
  ~ConnectionReply() override {
    if (peer_) peer_->reply_error(call_id_, {ErrorCode::kInternal, "the call was dropped", {}});
  }
  void result(FunctionRef<void(Encoder&)> encode) override {
    if (!peer_) return;
    peer_->reply_result(call_id_, encode);  // when it throws, the caller is still to be answered
    peer_.reset();
  }
  void error(const Error& error) override {
    if (const auto peer = std::move(peer_)) peer->reply_error(call_id_, error);
  }
  CallKey key() const noexcept override { return {peer_.get(), call_id_}; }

 private:
  std::shared_ptr<Peer> peer_;
  const std::uint64_t call_id_;
};

/// Answers an offer when it is known what became of it.
class OfferReply final : public Waiter {
 public:
  OfferReply(FutureState<void>& taken, std::unique_ptr<RemoteReply> reply)
      : taken_(taken), reply_(std::move(reply)) {}
  void ready() override {
    if (const auto outcome = taken_.take(); !outcome) {
      reply_->error(outcome.error());
    } else {
      reply_->result([](Encoder& encoder) { encoder.none(); });
    }
  }

 private:
  FutureState<void>& taken_;  // which owns this
  const std::unique_ptr<RemoteReply> reply_;
};

Error unavailable(std::string text) {
  return Error{ErrorCode::kUnavailable, std::move(text), {}};
}

Result<void> out_of_place() {
  return fail(ErrorCode::kCorrupt, "a call with another behind it where none may be");
}

}  // namespace

std::size_t Peer::on_message(const wire::IncomingMessage& message) {
  core_->executor().hold();
  std::size_t calls = 1;
  if (auto done = dispatch(message, calls); !done) session_->close(done.error());
  return calls;
}

void Peer::on_batch_end() {
  while (core_->executor().run_held()) {
  }
}

Result<void> Peer::dispatch(const wire::IncomingMessage& message, std::size_t& calls) {
  switch (message.kind()) {
    case wire::FrameKind::kCall:
      return on_call(message, calls);
    case wire::FrameKind::kReply:
      return on_reply(message);
    case wire::FrameKind::kFind:
      return on_find(message);
    case wire::FrameKind::kFound:
      return on_found(message);
    case wire::FrameKind::kMonitor:
      return on_monitor(message);
    case wire::FrameKind::kDown:
      return on_down(message);
    case wire::FrameKind::kRelease:
      return on_release(message);
    case wire::FrameKind::kStop:
      return on_stop(message);
    case wire::FrameKind::kCancel:
      return on_cancel(message);
    default:
      return {};  // of a newer protocol
  }
}

ActorCell* Peer::target(std::uint64_t number) {
  if (!last_target_ || last_target_->id().number != number) last_target_ = core_->cell(number);
  return last_target_.get();
}

/// A call as it came, and those behind it in its frame.
struct Peer::IncomingCall {
  IncomingCall(Peer& from, const wire::IncomingMessage& message, const wire::CallHeader& terms)
      : peer(from),
        header(terms),
        cell(peer.target(header.actor)),
        method(cell != nullptr ? cell->type().find(header.method) : nullptr),
        imports(peer),
        arguments(wire::arguments(message, &imports)) {}

  /// Null: it was refused, and `reply` told. Else that is taken, unless it is an offer's.
  std::unique_ptr<Message> decode(std::unique_ptr<RemoteReply>& reply);
  void refuse(RemoteReply* reply, DeadLetterReason reason, const Error& error);

  Peer& peer;
  const wire::CallHeader& header;
  ActorCell* const cell;            // null: it has ended
  const MethodEntry* const method;  // null: it has none of that name
  CountingImports imports;
  Decoder arguments;
};

Result<void> Peer::on_call(const wire::IncomingMessage& message, std::size_t& calls) {
  const wire::CallHeader header = wire::call_header(message);
  IncomingCall call(*this, message, header);
  const bool kept = header.first_open != 0;
  if (header.call_id != 0 || kept) {
    if (wire::is_followed(call.arguments)) return out_of_place();
    if (kept) [[unlikely]] {
      on_kept_call(call);
    } else {
      handle_call(call, std::make_unique<ConnectionReply>(shared_from_this(), header.call_id));
    }
    return {};
  }
  for (;; ++calls) {
    handle_call(call, nullptr);
    const wire::NextCall next = wire::next_call(call.arguments);
    if (next == wire::NextCall::kNone) return {};
    if (next == wire::NextCall::kCorrupt) return out_of_place();
    call.imports = CountingImports(*this);
  }
}

void Peer::on_kept_call(IncomingCall& call) {
  const wire::CallHeader& header = call.header;
  const auto log = core_->call_logs().get(from_, header, core_->clock().now());
  if (!log) return reply_error(header.call_id, log.error());
  // What comes over two connections is put into mailboxes in the order in which it is admitted.
  const std::scoped_lock in_order((*log)->order());
  auto admitted = (*log)->admit(header, shared_from_this());
  if (!admitted) return reply_error(header.call_id, admitted.error());
  if (*admitted == nullptr) return;
  if (!header.one_way) return handle_call(call, std::move(*admitted));
  handle_call(call, nullptr);
  (*admitted)->result([](Encoder& encoder) { encoder.none(); });
}

void Peer::handle_call(IncomingCall& in, std::unique_ptr<RemoteReply> reply) {
  auto message = in.decode(reply);
  if (message == nullptr) return;
  const wire::CallHeader& header = in.header;
  if (header.plain()) [[likely]] {
    in.cell->deliver_from(std::move(message), in.cell->type(), &from_);
    return;
  }
  Taken taken;
  if (header.offer && reply) {
    taken = new FutureState<void>(core_);
    taken->subscribe(boost::intrusive_ptr<Waiter>(new OfferReply(*taken, std::move(reply))));
  }
  const bool patient = header.timeout == Duration::zero();
  const Delivery as{.urgent = header.urgent,
                    .group = header.group,
                    .when_full = header.when_full,
                    .offer = header.offer,
                    .patience = patient ? kForever : header.timeout};
  in.cell->deliver_as_from(as, std::move(message), in.cell->type(), &from_, std::move(taken));
}

std::unique_ptr<Message> Peer::IncomingCall::decode(std::unique_ptr<RemoteReply>& reply) {
  if (cell == nullptr) {
    refuse(reply.get(), DeadLetterReason::kActorEnded, peer.end_of(header.actor).cause);
    return nullptr;
  }
  if (method == nullptr) {
    refuse(reply.get(), DeadLetterReason::kRefused,
           Error{ErrorCode::kNotFound,
                 cell->describe() + " has no method of that name: the two nodes were built from "
                                    "different versions of the class",
                 {}});
    return nullptr;
  }
  std::unique_ptr<RemoteReply> none;  // the result of an offered message is not wanted
  LateArguments late{header.references};
  const bool waits = header.references != 0;
  auto message = method->decode(arguments, header.offer ? none : reply, waits ? &late : nullptr);
  if (message) [[likely]] {
    message->wire_bytes = wire::call_bytes(arguments);
    return waits ? make_late(std::move(message), std::move(late)) : std::move(message);
  }
  Error error = arguments.error();
  error.message =
      std::string(cell->type().name) + "." + std::string(method->name) + ": " + error.message;
  refuse(reply.get(), DeadLetterReason::kRefused, error);
  return nullptr;
}

void Peer::IncomingCall::refuse(RemoteReply* reply, DeadLetterReason reason, const Error& error) {
  // The references among the arguments were counted by the caller: take and drop them.
  CountingImports rest(peer, imports.taken());
  Decoder references = wire::same_arguments(arguments, &rest);
  drop_references(references);
  if (reply != nullptr) {
    peer.core_->meters().count_rejected(reason);
    reply->error(error);
    return;
  }
  peer.core_->dead_letter({reason,
                           1,
                           ActorId{peer.core_->node_id(), header.actor},
                           std::string(cell != nullptr ? cell->type().name : ""),
                           std::string(method != nullptr ? method->name : ""),
                           ActorId{peer.from_, 0},
                           {},
                           error.message});
}

Result<void> Peer::on_reply(const wire::IncomingMessage& message) {
  auto header = wire::parse_reply(message);
  if (!header) return fail(header.error());
  const auto kept =
      (header->call_id & wire::kKeptCall) != 0 ? core_->resenders().find(from_) : nullptr;
  const auto pending = kept ? kept->take(header->call_id) : take_pending(header->call_id);
  if (header->is_error) {
    if (pending) pending->on_error(std::move(header->error));
    return {};
  }
  Decoder result = wire::result(message, this);
  if (pending) {
    pending->on_result(result);
  } else {  // the caller gave up; what the result refers to was counted all the same
    drop_references(result);
  }
  return {};
}

Result<void> Peer::on_find(const wire::IncomingMessage& message) {
  auto find = wire::parse_find(message);
  if (!find) return fail(find.error());
  const std::uint64_t id = find->request_id;
  core_->find(find->name, {find->type_hash, {}, nullptr}, find->wait, false,
              [weak = weak_from_this(), id](Result<HandleRef> found) {
                const auto self = weak.lock();
                if (!self) return;
                wire::FoundFrame frame{id, {}};
                if (found) {
                  frame.actor = self->export_actor(std::make_shared<HandleRef>(std::move(*found)));
                } else {
                  frame.actor = fail(found.error());
                }
                self->send(wire::encode_found(frame));
              });
  return {};
}

Result<void> Peer::on_found(const wire::IncomingMessage& message) {
  auto found = wire::parse_found(message);
  if (!found) return fail(found.error());
  if (!found->actor) {
    core_->peer_found(found->request_id, fail(found->actor.error()));
  } else {
    const auto ref = std::static_pointer_cast<HandleRef>(import_actor(*found->actor));
    core_->peer_found(found->request_id, HandleRef(*ref));
  }
  return {};
}

Result<void> Peer::on_monitor(const wire::IncomingMessage& message) {
  const auto monitor = wire::parse_monitor(message);
  if (!monitor) return fail(monitor.error());
  const auto tell = [weak = weak_from_this(), id = monitor->request_id](const Down& down) {
    const auto self = weak.lock();
    if (!self) return;
    self->send(wire::encode_down({id, static_cast<std::uint16_t>(down.reason), down.cause,
                                  down.name, static_cast<std::uint32_t>(down.incarnation)}));
  };
  if (const auto cell = core_->cell(monitor->actor)) {
    cell->monitor(tell);
    const ActorId other{from_, monitor->link};
    if (monitor->link != 0 && Watchers::link(*cell, other) == Watchers::Linking::kNew) {
      core_->watch_link(*this, other, *cell, false);
    }
  } else {
    tell(end_of(monitor->actor));
  }
  return {};
}

Down Peer::end_of(std::uint64_t number) const {
  boost::intrusive_ptr<ActorRef> exported;
  {
    const std::scoped_lock lock(mutex_);
    const auto found = exports_.find(number);
    if (found != exports_.end()) exported = found->second.handle.ref();
  }
  if (exported) {
    if (auto down = Watchers::end_of(static_cast<ActorCell&>(*exported))) return *std::move(down);
  }
  const ActorId id{core_->node_id(), number};
  return {id, {}, DownReason::kStopped, unavailable("actor " + to_string(id) + " has ended"), 0};
}

Result<void> Peer::on_down(const wire::IncomingMessage& message) {
  auto frame = wire::parse_down(message);
  if (!frame) return fail(frame.error());
  Watch watch;
  {
    const std::scoped_lock lock(mutex_);
    const auto found = watches_.find(frame->request_id);
    if (found == watches_.end()) return {};
    watch = std::move(found->second);
    watches_.erase(found);
  }
  watch.state->complete(Down{watch.actor, std::move(frame->name),
                             static_cast<DownReason>(frame->reason), std::move(frame->error),
                             frame->incarnation});
  return {};
}

Result<void> Peer::on_release(const wire::IncomingMessage& message) {
  const auto release = wire::parse_release(message);
  if (!release) return fail(release.error());
  release_export(release->actor, release->count);
  return {};
}

void Peer::release_export(std::uint64_t actor, std::uint64_t count) {
  HandleRef dropped;  // let go outside the lock
  const std::scoped_lock lock(mutex_);
  const auto found = exports_.find(actor);
  if (found == exports_.end()) return;
  if (found->second.count > count) {
    found->second.count -= count;
    return;
  }
  dropped = std::move(found->second.handle);
  exports_.erase(found);
}

Result<void> Peer::on_stop(const wire::IncomingMessage& message) {
  const auto stop = wire::parse_stop(message);
  if (!stop) return fail(stop.error());
  if (const auto cell = core_->cell(stop->actor)) cell->stop(stop->kill);
  return {};
}

}  // namespace muster::detail
