#include "runtime/core/resender.h"

#include <muster/random.h>

#include <algorithm>
#include <cmath>

#include "runtime/core/peer.h"

namespace muster::detail {

namespace {

constexpr Duration kPauseLeast = 10ms;
constexpr Duration kPauseMost = 1s;
// Of two nodes that may both connect one tries later, so that there are not two connections.
constexpr Duration kPauseBehind = 50ms;
constexpr Duration kConnectTimeout = 2s;

Error unavailable(std::string text) {
  return Error{ErrorCode::kUnavailable, std::move(text), {}};
}

/// Refuses references: they are counted over one connection.
class NoReferences final : public ActorExchange {
 public:
  WireActor export_actor(const ActorRefPtr&) override {
    throw Exception(
        Error{ErrorCode::kInvalid,
              "handles, Refs, Futures and Streams cannot travel with CallOptions::retry: "
              "they belong to one connection",
              {}});
  }
  ActorRefPtr import_actor(const WireActor&) override { return nullptr; }
};

/// Of a message sent one way: what keeps it from being sent makes it a dead letter.
class SentOneWay final : public PendingReply {
 public:
  SentOneWay(boost::intrusive_ptr<RuntimeCore> core, const ActorId& to, std::string_view method)
      : core_(std::move(core)), to_(to), method_(method), from_(core_->sender()) {}
  void on_result(Decoder&) override {}
  void on_error(Error error) override {
    core_->dead_letter({why_unsent(error), 1, to_, {}, method_, from_, {}, error.message});
  }

 private:
  const boost::intrusive_ptr<RuntimeCore> core_;
  const ActorId to_;
  const std::string method_;
  const ActorId from_;
};

}  // namespace

Duration reconnect_pause(unsigned attempt, Duration least, Duration most, double draw) {
  const double grown = static_cast<double>(least.count()) * std::exp2(std::min(attempt, 40U));
  const double pause = std::min(grown, static_cast<double>(most.count()));
  return Duration(static_cast<Duration::rep>(pause * (0.5 + draw / 2)));
}

Resender::Resender(boost::intrusive_ptr<RuntimeCore> core, const NodeId& node, const Peer* last)
    : core_(std::move(core)),
      node_(node),
      address_(last != nullptr ? last->rejoin_address() : std::string()) {}

// --- calls ---------------------------------------------------------------------------------------

void Resender::call(std::uint64_t actor, const OutgoingCall& call,
                    FunctionRef<void(Encoder&)> arguments,
                    boost::intrusive_ptr<PendingReply> pending) {
  const ActorId to{node_, actor};
  const bool one_way = pending == nullptr;
  if (one_way) pending = new SentOneWay(core_, to, call.method_name);
  const auto refuse = [&](Error error) {
    error.message = std::string(call.method_name) + " was not sent to node " + to_string(node_) +
                    ": " + error.message;
    const bool dropped =
        call.delivery.when_full == WhenFull::kDrop && error.code == ErrorCode::kOverloaded;
    if (dropped && !one_way) {
      SentOneWay(core_, to, call.method_name).on_error(error);
    } else if (!one_way) {
      core_->meters().count_rejected(why_unsent(error));
    }
    pending->on_error(std::move(error));
  };
  const TimePoint now = core_->clock().now();
  const bool limited = call.timeout < TimePoint::max() - now;
  const wire::CallHeader header{.call_id = wire::kKeptCall,
                                .actor = actor,
                                .method = call.method,
                                .urgent = call.delivery.urgent,
                                .group = call.delivery.group,
                                .when_full = call.delivery.when_full,
                                .offer = call.delivery.offer,
                                .references = call.references,
                                .first_open = wire::kKeptCall,
                                .one_way = one_way};
  Call kept{.frame = {},
            .pending = pending,
            .lane = wire::Lane::kCalls,
            .flow = 0,
            .align_offset = 0,
            .deadline = limited ? now + call.timeout : TimePoint::max(),
            .one_way = one_way,
            .actor = actor};
  try {
    NoReferences exchange;
    const auto message = wire::encode_call(header, call.argument_count, &exchange, arguments);
    kept.frame = message.to_bytes();
    kept.lane = message.lane();
    kept.flow = message.flow();
    kept.align_offset = message.align_offset();
  } catch (const Exception& e) {
    return refuse(e.error());
  }
  std::optional<Error> refused;
  {
    const std::scoped_lock lock(mutex_);
    const std::size_t size = kept.frame.size();
    const std::size_t limit = core_->options().outstanding_bytes_max;
    const bool full =
        calls_.size() >= kKeptCallsMax || (bytes_ > 0 && size > limit - std::min(bytes_, limit));
    if (ended_) {
      refused = ended_;
    } else if (full) {
      refused = Error{ErrorCode::kOverloaded,
                      std::to_string(calls_.size()) + " calls of " + std::to_string(bytes_) +
                          " bytes are kept for it until they are answered",
                      {}};
    } else {
      const std::uint64_t id = core_->resenders().next_call_id();
      bytes_ += size;
      pending->sent_as(id);
      calls_.emplace_hint(calls_.end(), id, std::move(kept));
    }
  }
  if (refused) return refuse(std::move(*refused));
  pump();
}

boost::intrusive_ptr<PendingReply> Resender::end_call(Calls::iterator call) {
  auto pending = std::move(call->second.pending);
  bytes_ -= std::exchange(call->second.frame, {}).size();
  while (!calls_.empty() && !calls_.begin()->second.pending) calls_.erase(calls_.begin());
  return pending;
}

boost::intrusive_ptr<PendingReply> Resender::take(std::uint64_t call_id) {
  const std::scoped_lock lock(mutex_);
  const auto found = calls_.find(call_id);
  if (found == calls_.end() || !found->second.pending) return nullptr;
  return end_call(found);
}

void Resender::abandon(std::uint64_t call_id, const FutureStateBase& state, bool cancelled) {
  boost::intrusive_ptr<PendingReply> pending;  // let go outside the lock
  {
    const std::scoped_lock lock(mutex_);
    const auto found = calls_.find(call_id);
    if (found == calls_.end() || !found->second.pending) return;
    Call& call = found->second;
    if (!call.pending->answers(state)) return;
    if (call.sent) cancel_later({call_id, call.actor, cancelled});
    pending = end_call(found);
  }
  pump();
}

void Resender::cancel_later(const Cancel& cancel) {
  if (cancels_.size() >= kKeptCallsMax) cancels_.pop_front();  // its handler runs in vain
  cancels_.push_back(cancel);
}

void Resender::give_up(Call& call, Error cause, Ended& ended) {
  bytes_ -= std::exchange(call.frame, {}).size();  // not end_call, which may erase others
  if (!call.sent && !call.one_way) core_->meters().count_rejected(why_unsent(cause));
  if (call.sent && call.one_way) {
    call.pending.reset();  // its node may have it: nobody knows
  } else {
    ended.emplace_back(std::move(call.pending), std::move(cause));
  }
}

void Resender::expire(Ended& ended) {
  const TimePoint now = core_->clock().now();
  const std::string apart = "no connection with node " + to_string(node_);
  const std::string unknown = ": whether it was handled is not known";
  for (auto& [id, call] : calls_) {
    if (!call.pending) continue;
    if (call.deadline <= now) {
      if (call.sent && !call.one_way) cancel_later({id, call.actor, false});
      if (connection_) {  // which is full
        const auto code = call.one_way ? ErrorCode::kOverloaded : ErrorCode::kTimeout;
        give_up(call, Error{code, "no room on the connection by the deadline", {}}, ended);
        continue;
      }
      const std::string what = call.sent ? unknown : ": it was not sent";
      give_up(call, Error{ErrorCode::kTimeout, apart + " by the deadline" + what, {}}, ended);
    } else if (call.sent && remembered_until_ <= now) {
      give_up(call,
              unavailable(apart + " for so long that it may have forgotten the call" + unknown),
              ended);
    }
  }
  while (!calls_.empty() && !calls_.begin()->second.pending) calls_.erase(calls_.begin());
}

void Resender::tell(Ended& ended) {
  for (auto& [pending, error] : ended) pending->on_error(std::move(error));
}

// --- sending -------------------------------------------------------------------------------------

Resender::Call* Resender::next_to_send() {
  if (!connection_ || full_) return nullptr;
  for (auto next = calls_.upper_bound(sent_upto_); next != calls_.end(); ++next) {
    sent_upto_ = next->first;
    if (next->second.pending) return &next->second;
  }
  return nullptr;
}

void Resender::pump() {
  std::unique_lock lock(mutex_);
  if (std::exchange(pumping_, true)) return;  // whoever does it sends these too
  Ended too_large;
  for (;;) {
    if (connection_ && !full_ && !cancels_.empty()) {
      const Cancel cancel = cancels_.front();
      cancels_.pop_front();
      const auto peer = connection_;
      lock.unlock();
      const auto sent = peer->cancel_call(cancel.call_id, cancel.actor, cancel.cancelled);
      lock.lock();
      if (sent) continue;
      cancels_.push_front(cancel);
      if (connection_ != peer) continue;
      if (sent.error().code == ErrorCode::kOverloaded) {
        wait_for_room();
      } else {  // it has ended
        connection_.reset();
      }
      continue;
    }
    Call* const next = next_to_send();
    if (next == nullptr) break;
    const std::uint64_t id = sent_upto_;
    const TimePoint now = core_->clock().now();
    const bool again = std::exchange(next->sent, true);
    wire::CallHeader header{.call_id = id, .first_open = calls_.begin()->first, .again = again};
    if (next->deadline != TimePoint::max()) {
      header.timeout = std::max<Duration>(next->deadline - now, 1us);
    }
    wire::renew_call(next->frame, header);
    auto message =
        wire::OutgoingMessage::of_bytes(next->frame, next->lane, next->flow, next->align_offset);
    const auto peer = connection_;
    lock.unlock();
    const auto sent = peer->send_call(std::move(message));
    lock.lock();
    if (sent) continue;
    const auto call = calls_.find(id);
    if (call != calls_.end()) call->second.sent = again;
    if (sent.error().code == ErrorCode::kOverloaded) {
      if (connection_ != peer) continue;
      sent_upto_ = id - 1;
      wait_for_room();
    } else if (sent.error().code == ErrorCode::kInvalid) {  // larger than the peer takes
      if (call == calls_.end() || !call->second.pending) continue;
      if (!call->second.one_way) core_->meters().count_rejected(DeadLetterReason::kRefused);
      too_large.emplace_back(end_call(call), sent.error());
    } else if (connection_ == peer) {
      connection_.reset();
    }
  }
  pumping_ = false;
  lock.unlock();
  tell(too_large);
  schedule_reconnect();
}

void Resender::wait_for_room() {
  full_ = true;
  schedule(kPauseLeast, &Resender::resume);
}

void Resender::resume() {
  Ended ended;
  {
    const std::scoped_lock lock(mutex_);
    timer_ = 0;
    full_ = false;
    expire(ended);
  }
  tell(ended);
  pump();
}

void Resender::schedule(Duration pause, void (Resender::*then)()) {
  if (timer_ != 0 || ended_) return;
  timer_ = core_->timers().schedule(core_->clock().now() + pause, [weak = weak_from_this(), then] {
    if (const auto self = weak.lock()) (self.get()->*then)();
  });
}

// --- connections ---------------------------------------------------------------------------------

void Resender::connected(const std::shared_ptr<Peer>& peer) {
  Ended ended;
  {
    const std::scoped_lock lock(mutex_);
    if (ended_ || (connection_ && connection_->ready())) return;
    // One that has ended meanwhile was told of already, and will not be again.
    if (!peer->ready()) return;
    if (!connection_) expire(ended);
    remembered_until_ = TimePoint::max();
    connection_ = peer;
    trouble_.clear();
    if (auto address = peer->rejoin_address(); !address.empty()) address_ = std::move(address);
    sent_upto_ = 0;
    full_ = false;
    attempts_ = 0;
  }
  tell(ended);
  pump();
}

void Resender::lost(const Peer& peer) {
  {
    const std::scoped_lock lock(mutex_);
    if (connection_.get() == &peer) connection_.reset();
    if (connection_) return;
    trouble_ = "the connection has ended";
    remembered_until_ =
        core_->clock().now() + kCallerForgottenAfter / 2 -
        std::min<Duration>(core_->options().peer_timeout, kCallerForgottenAfter / 2);
  }
  if (const auto other = core_->peer(node_)) connected(other);
  schedule_reconnect();
}

void Resender::schedule_reconnect() {
  const std::scoped_lock lock(mutex_);
  if (connection_ || connecting_ || calls_.empty()) return;
  const double draw = Random(core_->draw_seed()).uniform();
  Duration pause = reconnect_pause(attempts_, kPauseLeast, kPauseMost, draw);
  if (node_ < core_->node_id()) pause += kPauseBehind;
  schedule(pause, &Resender::reconnect);
}

void Resender::reconnect() {
  Ended ended;
  std::string address;
  bool tries = false;
  {
    const std::scoped_lock lock(mutex_);
    timer_ = 0;
    full_ = false;
    if (!connection_) expire(ended);
    tries = !connection_ && !connecting_ && !calls_.empty() && !ended_;
    if (tries) ++attempts_;
    if (tries && !address_.empty()) {
      connecting_ = true;
      address = address_;
    }
  }
  tell(ended);
  if (!tries) return pump();
  if (address.empty()) return schedule_reconnect();  // to look at the deadlines
  core_->connect(address, kConnectTimeout, node_, [weak = weak_from_this()](const auto& joined) {
    if (const auto self = weak.lock()) self->reconnected(joined);
  });
}

void Resender::reconnected(const Result<NodeId>& joined) {
  {
    const std::scoped_lock lock(mutex_);
    connecting_ = false;
    if (!joined) trouble_ = joined.error().message;
  }
  if (const auto peer = core_->peer(node_)) {
    connected(peer);
  } else if (!joined && joined.error().code == ErrorCode::kNotFound) {  // another is there
    give_up_all(joined.error(), true);
  }
  schedule_reconnect();
}

void Resender::give_up_all(const Error& cause, bool unless_connected) {
  Ended ended;
  {
    const std::scoped_lock lock(mutex_);
    if (unless_connected && connection_ && connection_->ready()) return;
    for (auto& [id, call] : calls_) {
      if (!call.pending) continue;
      const char* what =
          call.sent ? "whether the call was handled is not known: " : "the call was not sent: ";
      give_up(call, unavailable(what + cause.message), ended);
    }
    calls_.clear();
    cancels_.clear();
    attempts_ = 0;
  }
  tell(ended);
}

void Resender::end(const Error& cause) {
  TimerId timer = 0;
  {
    const std::scoped_lock lock(mutex_);
    ended_ = unavailable(cause.message);
    connection_.reset();
    timer = std::exchange(timer_, 0);
  }
  if (timer != 0) core_->timers().cancel(timer);
  give_up_all(cause, false);
}

void Resender::learn(const Peer& last) {
  const std::scoped_lock lock(mutex_);
  if (address_.empty()) address_ = last.rejoin_address();
}

std::string Resender::trouble() {
  const std::scoped_lock lock(mutex_);
  return connection_ ? std::string() : trouble_;
}

bool Resender::idle() {
  const std::scoped_lock lock(mutex_);
  const bool cancels = !cancels_.empty() && core_->clock().now() < remembered_until_;
  const bool connected = connection_ && connection_->ready();
  return calls_.empty() && !cancels && !connecting_ && !pumping_ && timer_ == 0 && !connected;
}

// --- all nodes -----------------------------------------------------------------------------------

std::shared_ptr<Resender> Resenders::find(const NodeId& node) const {
  const std::scoped_lock lock(mutex_);
  const auto found = by_node_.find(node);
  return found == by_node_.end() ? nullptr : found->second;
}

std::shared_ptr<Resender> Resenders::get(RuntimeCore& core, const NodeId& node, const Peer* last) {
  std::shared_ptr<Resender> made;
  std::vector<std::map<NodeId, std::shared_ptr<Resender>>::node_type> idle;
  {
    std::unique_lock lock(mutex_);
    if (ended_) return nullptr;
    if (const auto found = by_node_.find(node); found != by_node_.end()) {
      made = found->second;
      lock.unlock();
      if (last != nullptr) made->learn(*last);
      return made;
    }
    // Every life of a node has another identity: those of the dead would pile up. One that somebody
    // has just asked for stays; more cannot ask meanwhile.
    for (auto one = by_node_.begin(); one != by_node_.end();) {
      const auto next = std::next(one);
      if (one->second.use_count() == 1 && one->second->idle())
        idle.push_back(by_node_.extract(one));
      one = next;
    }
    made = by_node_[node] =
        std::make_shared<Resender>(boost::intrusive_ptr<RuntimeCore>(&core), node, last);
  }
  if (const auto peer = core.peer(node)) made->connected(peer);
  return made;
}

void Resenders::end(const Error& cause) {
  std::map<NodeId, std::shared_ptr<Resender>> all;
  {
    const std::scoped_lock lock(mutex_);
    ended_ = true;
    all.swap(by_node_);
  }
  for (const auto& [node, one] : all) one->end(cause);
}

}  // namespace muster::detail
