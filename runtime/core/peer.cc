#include "runtime/core/peer.h"

#include "runtime/core/references.h"
#include "runtime/net/address.h"

namespace muster::detail {

namespace {

/// Results up to this size are never refused for want of room on the connection.
constexpr std::size_t kSmallResultBytes = 4096;

Error unavailable(std::string text) {
  return Error{ErrorCode::kUnavailable, std::move(text), {}};
}

}  // namespace

DeadLetterReason why_unsent(const Error& error) noexcept {
  if (error.code == ErrorCode::kOverloaded) return DeadLetterReason::kConnectionFull;
  if (error.code == ErrorCode::kInvalid) return DeadLetterReason::kRefused;
  return DeadLetterReason::kUnreachable;
}

// --- opening and closing -------------------------------------------------------------------------

std::shared_ptr<Peer> Peer::start(boost::intrusive_ptr<RuntimeCore> core,
                                  std::unique_ptr<ByteStream> stream, net::Role role,
                                  Duration handshake_timeout, Joined joined,
                                  std::optional<std::uint64_t> joined_after,
                                  std::optional<NodeId> expected) {
  const RuntimeOptions& options = core->options();
  net::SessionOptions session;
  session.node = core->node_id();
  session.listen_address = core->listen_address();
  session.role = role;
  if (!options.token.empty()) session.token = options.token;
  session.handshake_timeout = handshake_timeout;
  session.peer_timeout = options.peer_timeout;
  session.heartbeat_interval = std::min<Duration>(1s, options.peer_timeout / 4);
  session.max_outstanding_bytes = options.outstanding_bytes_max;
  session.limits.message_bytes_max = options.message_bytes_max;
  session.on_unsent = [core, address = stream->peer_address()](std::size_t one_way) {
    core->dead_letter({DeadLetterReason::kUnreachable,
                       one_way,
                       {},
                       {},
                       {},
                       ActorId{core->node_id(), 0},
                       {},
                       "the connection with " + address + " ended before it was written"});
  };
  session.held_messages_max = options.waiting_capacity;
  std::shared_ptr<Peer> peer(new Peer(core, joined_after, expected));
  peer->joined_ = std::move(joined);
  const std::scoped_lock lock(peer->start_mutex_);
  peer->session_ = net::Session::start(std::move(stream), core->timers(), std::move(session), peer);
  core->peer_started(peer);
  return peer;
}

void Peer::on_ready(const net::PeerInfo& info) {
  { const std::scoped_lock started(start_mutex_); }
  Joined joined;
  {
    const std::scoped_lock lock(mutex_);
    node_ = from_ = info.node;
    listen_address_ = info.listen_address;
    ready_ = !expected || info.node == *expected;
    joined.swap(joined_);
  }
  if (expected && info.node != *expected) {
    const std::string text = "at " + address() + " there is another node now, " +
                             to_string(info.node) + " instead of " + to_string(*expected);
    close({ErrorCode::kCancelled, text, {}});
    if (joined) joined(fail(ErrorCode::kNotFound, text));
    return;
  }
  core_->peer_ready(shared_from_this());
  if (joined) joined(info.node);
}

void Peer::on_closed(const Error& cause) {
  { const std::scoped_lock started(start_mutex_); }
  Joined joined;
  std::vector<boost::intrusive_ptr<PendingReply>> pending;
  std::unordered_map<std::uint64_t, Watch> watches;
  std::unordered_map<std::uint64_t, Export> exports;
  bool was_ready = false;
  {
    const std::scoped_lock lock(mutex_);
    cause_ = cause;
    was_ready = std::exchange(ready_, false);
    joined.swap(joined_);
    for (Slot& slot : slots_) {
      if (slot.pending) pending.push_back(std::move(slot.pending));
    }
    watches.swap(watches_);
    exports.swap(exports_);
    imports_.clear();
  }
  core_->peer_closed(shared_from_this());
  std::string who = "node " + to_string(node());
  if (cause.message.find(address()) == std::string::npos) who += " at " + address();
  if (joined) joined(fail(cause));
  const std::string text = "the connection with " + who + " ended: " + cause.message;
  if (was_ready && !session_->peer_left() && !core_->stopping()) core_->report(text);
  const Error lost = unavailable(text);
  for (const auto& reply : pending) reply->on_error(lost);
  for (const auto& [id, watch] : watches) {
    watch.state->complete(Down{watch.actor, {}, DownReason::kNodeLost, lost});
  }
  last_target_.reset();
}

NodeId Peer::node() const {
  const std::scoped_lock lock(mutex_);
  return node_;
}
bool Peer::ready() const {
  const std::scoped_lock lock(mutex_);
  return ready_;
}

// --- to the peer ---------------------------------------------------------------------------------

std::uint64_t Peer::add_pending(boost::intrusive_ptr<PendingReply> pending) {
  const std::scoped_lock lock(mutex_);
  if (free_slot_ == 0) {
    slots_.emplace_back();
    free_slot_ = static_cast<std::uint32_t>(slots_.size());
  }
  const std::uint32_t index = free_slot_ - 1;
  Slot& slot = slots_[index];
  free_slot_ = std::exchange(slot.next_free, 0);
  slot.pending = std::move(pending);
  slot.generation = (slot.generation + 1) & 0x7FFFFFFF;  // the bit above is of kept calls
  const std::uint64_t call_id = (std::uint64_t{slot.generation} << 32) | (index + 1);
  slot.pending->sent_as(call_id);
  return call_id;
}

boost::intrusive_ptr<PendingReply> Peer::take_pending(std::uint64_t call_id,
                                                      const FutureStateBase* only) {
  const auto position = static_cast<std::uint32_t>(call_id);
  const std::scoped_lock lock(mutex_);
  if (position == 0 || position > slots_.size()) return nullptr;
  Slot& slot = slots_[position - 1];
  if (slot.generation != call_id >> 32 || !slot.pending) return nullptr;
  if (only != nullptr && !slot.pending->answers(*only)) return nullptr;
  slot.next_free = std::exchange(free_slot_, position);
  return std::move(slot.pending);
}

void Peer::call(std::uint64_t actor, const OutgoingCall& call,
                FunctionRef<void(Encoder&)> arguments, boost::intrusive_ptr<PendingReply> pending) {
  wire::CallHeader header;
  header.actor = actor;
  header.method = call.method;
  header.timeout = call.timeout == kForever ? Duration::zero() : call.timeout;
  header.urgent = call.delivery.urgent;
  header.group = call.delivery.group;
  header.when_full = call.delivery.when_full;
  header.offer = call.delivery.offer;
  header.references = call.references;
  if (pending) header.call_id = add_pending(pending);
  Error error;
  ExportScope exported;
  try {
    auto message = wire::encode_call(header, call.argument_count, this, arguments);
    auto sent = header.when_full == WhenFull::kWait
                    ? session_->send_patiently(std::move(message),
                                               patience(actor, call, exported.actors, !pending))
                    : session_->send(std::move(message));
    if (sent) return;
    error = std::move(sent.error());
  } catch (const Exception& e) {
    error = e.error();
  } catch (...) {  // of a codec of the user's: the caller's to see
    take_back(exported.actors);
    if (pending) take_pending(header.call_id);
    throw;
  }
  take_back(exported.actors);
  // What ended the connection is in the text; the code says what it means for this call.
  if (error.code != ErrorCode::kOverloaded && error.code != ErrorCode::kInvalid) {
    error.code = ErrorCode::kUnavailable;
  }
  error.message =
      std::string(call.method_name) + " was not sent to " + address() + ": " + error.message;
  const bool dropped = header.when_full == WhenFull::kDrop && error.code == ErrorCode::kOverloaded;
  if (!pending || dropped) {
    not_sent(actor, call.method_name, error);
  } else {
    core_->meters().count_rejected(why_unsent(error));
  }
  if (!pending) return;
  if (const auto taken = take_pending(header.call_id)) taken->on_error(std::move(error));
}

net::Patience Peer::patience(std::uint64_t actor, const OutgoingCall& call,
                             std::vector<std::uint64_t> exported, bool one_way) {
  const TimePoint now = core_->clock().now();
  const bool limited = call.timeout < TimePoint::max() - now;
  return {limited ? now + call.timeout : TimePoint::max(),
          [self = shared_from_this(), to = ActorId{node(), actor}, method = call.method_name,
           exported = std::move(exported), one_way, from = core_->sender()] {
            for (const std::uint64_t number : exported) self->release_export(number, 1);
            if (!one_way) return;  // its caller has heard of the deadline
            self->core_->dead_letter({DeadLetterReason::kConnectionFull,
                                      1,
                                      to,
                                      {},
                                      std::string(method),
                                      from,
                                      {},
                                      std::string(method) + " was not sent to " + self->address() +
                                          ": the connection had no room in time"});
          }};
}

void Peer::not_sent(std::uint64_t actor, std::string_view method, const Error& error) {
  core_->dead_letter({why_unsent(error),
                      1,
                      ActorId{node(), actor},
                      {},
                      std::string(method),
                      core_->sender(),
                      {},
                      error.message});
}

void Peer::reply_result(std::uint64_t call_id, FunctionRef<void(Encoder&)> value) {
  ExportScope exported;
  try {
    send_result(call_id, wire::encode_result(call_id, this, value), exported.actors);
  } catch (const Exception& e) {
    take_back(exported.actors);
    result_not_sent(call_id, e.error());
  } catch (...) {
    take_back(exported.actors);
    throw;
  }
}

void Peer::send_result(std::uint64_t call_id, wire::OutgoingMessage&& message,
                       const std::vector<std::uint64_t>& exported) {
  const bool small = message.size() <= kSmallResultBytes;
  const auto sent = session_->send(
      std::move(message), small ? net::Session::Bound::kExempt : net::Session::Bound::kKept);
  if (sent) return;
  take_back(exported);
  result_not_sent(call_id, sent.error());
}

void Peer::result_not_sent(std::uint64_t call_id, const Error& cause) {
  // Not kOverloaded, which promises that the handler did not run.
  reply_error(call_id, unavailable("the handler ran, but its result could not be sent back: " +
                                   cause.message));
}

void Peer::take_back(const std::vector<std::uint64_t>& exported) {
  for (const std::uint64_t number : exported) release_export(number, 1);
}

Result<void> Peer::cancel_call(std::uint64_t call_id, std::uint64_t actor, bool cancelled) {
  return session_->send(wire::encode_cancel({call_id, actor, !cancelled}));
}

std::string Peer::rejoin_address() const {
  if (joined_after) return address();
  const std::scoped_lock lock(mutex_);
  return net::return_address(listen_address_, address(), !core_->options().token.empty());
}

void Peer::reply_error(std::uint64_t call_id, const Error& error) {
  auto message = wire::encode_error(call_id, error);
  message.set_route(wire::Lane::kControl, 0);  // small, and what tells of overload must pass it
  send(std::move(message));
}

void Peer::send(wire::OutgoingMessage&& message) {
  // Exempt from the bound, it fails only when the connection ends: on_closed tells all concerned.
  static_cast<void>(session_->send(std::move(message), net::Session::Bound::kExempt));
}

void Peer::retire(Error cause) {
  {
    const std::scoped_lock lock(mutex_);
    ready_ = false;
  }
  close(std::move(cause));
}

void Peer::stop(std::uint64_t actor, bool kill) {
  send(wire::encode_stop({actor, kill}));
}

void Peer::find(std::uint64_t id, const std::string& name, std::uint64_t type_hash, Duration wait) {
  send(wire::encode_find({id, name, type_hash, wait}));
}

void Peer::monitor(const ActorId& actor, boost::intrusive_ptr<FutureState<Down>> state,
                   std::uint64_t link) {
  std::uint64_t id = 0;
  std::optional<Error> cause;
  {
    const std::scoped_lock lock(mutex_);
    cause = cause_;
    if (!cause) {
      id = ++last_request_;
      watches_.emplace(id, Watch{state, actor});
    }
  }
  if (cause) {
    state->complete(Down{actor, {}, DownReason::kNodeLost, *cause});
  } else {
    send(wire::encode_monitor({id, actor.number, link}));
  }
}

// --- references ----------------------------------------------------------------------------------

WireActor Peer::export_actor(const ActorRefPtr& ref) {
  const auto& handle = *static_cast<const HandleRef*>(ref.get());
  const ActorId id = handle.get()->id();
  WireActor actor{id.node.high, id.node.low, id.number, 0, {}};
  if (handle.get()->is_local()) {
    actor.address = core_->listen_address();
    const std::scoped_lock lock(mutex_);
    if (cause_) return actor;
    Export& entry = exports_[id.number];
    if (entry.count++ == 0) entry.handle = handle;
    if (ExportScope::current()) ExportScope::current()->actors.push_back(id.number);
  }
  return actor;
}

ActorRefPtr Peer::import_actor(const WireActor& actor) {
  const ActorId id{NodeId{actor.node_hi, actor.node_lo}, actor.actor};
  if (id.node == core_->node_id()) {
    boost::intrusive_ptr<ActorRef> ref = core_->cell(id.number);
    if (!ref) ref = boost::intrusive_ptr<ActorRef>(new RemoteActor(id, nullptr, core_));
    return std::make_shared<HandleRef>(std::move(ref));
  }
  const auto self = id.node == node() ? shared_from_this() : core_->peer(id.node);
  if (!self) {
    return std::make_shared<HandleRef>(
        boost::intrusive_ptr<ActorRef>(new RemoteActor(id, nullptr, core_)));
  }
  const std::scoped_lock lock(self->mutex_);
  auto& proxy = self->imports_[id.number];
  if (!proxy) proxy = new RemoteActor(id, self, core_);
  if (self.get() == this) ++proxy->received;  // a third node's reference is not counted there
  return std::make_shared<HandleRef>(boost::intrusive_ptr<ActorRef>(proxy));
}

void Peer::release(RemoteActor& actor) {
  boost::intrusive_ptr<RemoteActor> keep;
  std::uint64_t count = 0;
  {
    const std::scoped_lock lock(mutex_);
    if (actor.handle_count() != 0) return;
    const auto found = imports_.find(actor.id().number);
    if (found == imports_.end() || found->second.get() != &actor) return;
    keep = std::move(found->second);
    imports_.erase(found);
    count = std::exchange(actor.received, 0);
  }
  if (count == 0) return;
  auto message = wire::encode_release({actor.id().number, count});
  message.set_route(wire::Lane::kCalls, actor.id().number);  // after the calls already made
  send(std::move(message));
}

}  // namespace muster::detail
