#include "runtime/core/peer.h"

#include "runtime/core/references.h"

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

 private:
  std::shared_ptr<Peer> peer_;
  const std::uint64_t call_id_;
};

/// Results up to this size are never refused for want of room on the connection.
constexpr std::size_t kSmallResultBytes = 4096;

Error unavailable(std::string text) {
  return Error{ErrorCode::kUnavailable, std::move(text), {}};
}

}  // namespace

// --- opening and closing -------------------------------------------------------------------------

std::shared_ptr<Peer> Peer::start(boost::intrusive_ptr<RuntimeCore> core,
                                  std::unique_ptr<ByteStream> stream, net::Role role,
                                  Duration handshake_timeout, Joined joined,
                                  std::optional<std::uint64_t> joined_after) {
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
  session.on_unsent = [core](std::size_t one_way) { core->count_dead_letter(one_way); };
  std::shared_ptr<Peer> peer(new Peer(core, joined_after));
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
    node_ = info.node;
    listen_address_ = info.listen_address;
    ready_ = true;
    joined.swap(joined_);
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
  ++slot.generation;
  return (std::uint64_t{slot.generation} << 32) | (index + 1);
}

boost::intrusive_ptr<PendingReply> Peer::take_pending(std::uint64_t call_id) {
  const auto position = static_cast<std::uint32_t>(call_id);
  const std::scoped_lock lock(mutex_);
  if (position == 0 || position > slots_.size()) return nullptr;
  Slot& slot = slots_[position - 1];
  if (slot.generation != call_id >> 32 || !slot.pending) return nullptr;
  slot.next_free = std::exchange(free_slot_, position);
  return std::move(slot.pending);
}

void Peer::call(std::uint64_t actor, std::uint64_t method, std::string_view method_name,
                Duration timeout, std::size_t count, FunctionRef<void(Encoder&)> arguments,
                boost::intrusive_ptr<PendingReply> pending) {
  wire::CallHeader header;
  header.actor = actor;
  header.method = method;
  header.timeout = timeout == kForever ? Duration::zero() : timeout;
  if (pending) header.call_id = add_pending(pending);
  Result<void> sent;
  ExportScope exported;
  const auto take_back = [&] {
    for (const std::uint64_t number : exported.actors) release_export(number, 1);
  };
  try {
    sent = session_->send(wire::encode_call(header, count, this, arguments));
  } catch (const Exception& e) {
    sent = fail(e.error());
  } catch (...) {  // of a codec of the user's: the caller's to see
    take_back();
    if (pending) take_pending(header.call_id);
    throw;
  }
  if (sent) return;
  take_back();
  Error error = sent.error();
  // What ended the connection is in the text; the code says what it means for this call.
  if (error.code != ErrorCode::kOverloaded && error.code != ErrorCode::kInvalid) {
    error.code = ErrorCode::kUnavailable;
  }
  error.message = std::string(method_name) + " was not sent to " + address() + ": " + error.message;
  if (!pending) {
    core_->count_dead_letter();
  } else if (const auto taken = take_pending(header.call_id)) {
    taken->on_error(std::move(error));
  }
}

void Peer::reply_result(std::uint64_t call_id, FunctionRef<void(Encoder&)> value) {
  Result<void> sent;
  ExportScope exported;
  const auto take_back = [&] {
    for (const std::uint64_t number : exported.actors) release_export(number, 1);
  };
  try {
    auto message = wire::encode_result(call_id, this, value);
    const bool small = message.size() <= kSmallResultBytes;
    sent = session_->send(std::move(message),
                          small ? net::Session::Bound::kExempt : net::Session::Bound::kKept);
  } catch (const Exception& e) {
    sent = fail(e.error());
  } catch (...) {
    take_back();
    throw;
  }
  if (sent) return;
  take_back();
  // Not kOverloaded, which promises that the handler did not run.
  reply_error(call_id, unavailable("the handler ran, but its result could not be sent back: " +
                                   sent.error().message));
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

void Peer::stop(std::uint64_t actor, bool kill) {
  auto message = wire::encode_stop({actor, kill});
  if (!kill) message.set_route(wire::Lane::kCalls, actor);  // after the calls already made
  send(std::move(message));
}

void Peer::find(std::uint64_t id, const std::string& name, std::uint64_t type_hash, Duration wait) {
  send(wire::encode_find({id, name, type_hash, wait}));
}

void Peer::monitor(const RemoteActor& actor, boost::intrusive_ptr<FutureState<Down>> state) {
  std::uint64_t id = 0;
  std::optional<Error> cause;
  {
    const std::scoped_lock lock(mutex_);
    cause = cause_;
    if (!cause) {
      id = ++last_request_;
      watches_.emplace(id, Watch{state, actor.id()});
    }
  }
  if (cause) {
    state->complete(Down{actor.id(), {}, DownReason::kNodeLost, *cause});
  } else {
    send(wire::encode_monitor({id, actor.id().number}));
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

// --- from the peer -------------------------------------------------------------------------------

void Peer::on_message(const wire::IncomingMessage& message) {
  core_->executor().hold();
  if (auto done = dispatch(message); !done) session_->close(done.error());
}

void Peer::on_batch_end() {
  while (core_->executor().run_held()) {
  }
}

Result<void> Peer::dispatch(const wire::IncomingMessage& message) {
  switch (message.kind()) {
    case wire::FrameKind::kCall:
      return on_call(message);
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
    default:
      return {};  // of a newer protocol
  }
}

boost::intrusive_ptr<ActorCell> Peer::target(std::uint64_t number) {
  if (!last_target_ || last_target_->id().number != number) last_target_ = core_->cell(number);
  return last_target_;
}

Result<void> Peer::on_call(const wire::IncomingMessage& message) {
  const auto header = wire::parse_call(message);
  if (!header) return fail(header.error());
  std::unique_ptr<RemoteReply> reply;
  if (header->call_id != 0) {
    reply = std::make_unique<ConnectionReply>(shared_from_this(), header->call_id);
  }
  CountingImports imports(*this);
  const auto refuse = [&](Error error) -> Result<void> {
    // The references among the arguments were counted by the caller: take and drop them.
    CountingImports rest(*this, imports.taken());
    Decoder references = wire::arguments(message, &rest);
    drop_references(references);
    if (reply) {
      reply->error(error);
    } else {
      core_->count_dead_letter();
    }
    return {};
  };
  const auto cell = target(header->actor);
  if (!cell) {
    return refuse(
        unavailable("actor " + to_string(ActorId{core_->node_id(), header->actor}) + " has ended"));
  }
  const MethodEntry* method = cell->type().find(header->method);
  if (method == nullptr) {
    return refuse(Error{ErrorCode::kNotFound,
                        cell->describe() + " has no method of that name: the two nodes were built "
                                           "from different versions of the class",
                        {}});
  }
  Decoder arguments = wire::arguments(message, &imports);
  auto call = method->decode(arguments, reply);
  if (!call) {
    Error error = call.error();
    error.message =
        std::string(cell->type().name) + "." + std::string(method->name) + ": " + error.message;
    return refuse(std::move(error));
  }
  (*call)->wire_bytes = message.bytes().size();
  cell->deliver(std::move(*call), cell->type());
  return {};
}

Result<void> Peer::on_reply(const wire::IncomingMessage& message) {
  auto header = wire::parse_reply(message);
  if (!header) return fail(header.error());
  const auto pending = take_pending(header->call_id);
  if (!pending) return {};  // the caller gave up at its deadline
  if (header->is_error) {
    pending->on_error(std::move(header->error));
  } else {
    Decoder result = wire::result(message, this);
    pending->on_result(result);
  }
  return {};
}

Result<void> Peer::on_find(const wire::IncomingMessage& message) {
  auto find = wire::parse_find(message);
  if (!find) return fail(find.error());
  const std::uint64_t id = find->request_id;
  core_->find(find->name, {find->type_hash, "type the other node asked for", nullptr}, find->wait,
              false, [weak = weak_from_this(), id](Result<HandleRef> found) {
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
    self->send(
        wire::encode_down({id, static_cast<std::uint16_t>(down.reason), down.cause, down.name}));
  };
  if (const auto cell = core_->cell(monitor->actor)) {
    cell->monitor(tell);
  } else {
    const ActorId id{core_->node_id(), monitor->actor};
    tell(Down{id, {}, DownReason::kStopped, unavailable("actor " + to_string(id) + " has ended")});
  }
  return {};
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
                             static_cast<DownReason>(frame->reason), std::move(frame->error)});
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
