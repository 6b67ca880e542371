// Calls that nobody waits for any more: from the caller's future to the handler, here or on another
// node.

#include <muster/detail/call_state.h>

#include <algorithm>

#include "runtime/core/call_log.h"
#include "runtime/core/cell_extras.h"
#include "runtime/core/peer.h"

namespace muster {
namespace detail {

// --- at the caller -------------------------------------------------------------------------------

std::string describe_call(Domain& domain, const ActorId& actor, std::string_view method) {
  return static_cast<RuntimeCore&>(domain).describe(actor) + "." + std::string(method);
}

void abandon_call(FutureStateBase& state, const ActorId& actor, std::uint64_t call_id,
                  bool cancelled) {
  static_cast<RuntimeCore&>(*state.domain()).abandon(state, actor, call_id, cancelled);
}

std::string RuntimeCore::describe(const ActorId& actor) const {
  if (actor.node == node_) {
    if (const auto found = cell(actor.number)) return found->describe();
  } else if (const auto at = peer(actor.node)) {
    return "actor " + to_string(actor) + " at " + at->address();
  } else if (const auto kept = resenders_->find(actor.node)) {
    const std::string trouble = kept->trouble();
    if (!trouble.empty()) return "actor " + to_string(actor) + " (out of reach: " + trouble + ")";
  }
  return "actor " + to_string(actor);
}

void RuntimeCore::abandon(FutureStateBase& state, const ActorId& actor, std::uint64_t call_id,
                          bool cancelled) {
  if (actor.node == node_) {
    if (const auto found = cell(actor.number)) found->abandon({&state, 0}, cancelled);
    return;
  }
  if (call_id == 0) return;
  if ((call_id & wire::kKeptCall) != 0) {
    if (const auto kept = resenders_->find(actor.node)) {
      kept->abandon(call_id, state, cancelled);
    }
    return;
  }
  std::vector<std::shared_ptr<Peer>> peers;
  {
    const std::scoped_lock lock(mutex_);
    peers = peers_;
  }
  std::ranges::find_if(peers, [&](const auto& peer) {
    return peer->abandon(call_id, state, actor.number, cancelled);
  });
}

bool Peer::abandon(std::uint64_t call_id, const FutureStateBase& state, std::uint64_t actor,
                   bool cancelled) {
  if (!take_pending(call_id, &state)) return false;
  // Where there is no room for it the handler runs in vain.
  static_cast<void>(cancel_call(call_id, actor, cancelled));
  return true;
}

// --- at the actor --------------------------------------------------------------------------------

Result<void> Peer::on_cancel(const wire::IncomingMessage& message) {
  const auto cancel = wire::parse_cancel(message);
  if (!cancel) return fail(cancel.error());
  if (ActorCell* cell = target(cancel->actor)) {
    const bool kept = (cancel->call_id & wire::kKeptCall) != 0;
    const void* caller =
        kept ? static_cast<const void*>(core_->call_logs().find(from_).get()) : this;
    if (caller != nullptr) cell->abandon({caller, cancel->call_id}, !cancel->expired);
  }
  return {};
}

/// Looks for the call among the messages that wait and the handlers that are suspended.
class ActorCell::Abandoned final : public Continuation {
 public:
  Abandoned(ActorCell& cell, const CallKey& key, bool cancelled)
      : cell_(cell), key_(key), cancelled_(cancelled) {
    for_any_incarnation = true;
  }
  const CallKey& key() const noexcept { return key_; }
  void run() override {
    // Of a call from this node the message knows by itself.
    if (key_.id != 0 ? cell_.abandon_waiting(key_) : cell_.abandon_in_room(key_)) return;
    // At its deadline a handler that has begun goes on.
    if (!cancelled_ && !has_late()) return;
    CoroutineFrame* const frame = suspended();
    if (frame != nullptr && (cancelled_ || !frame->message()->begun())) frame->cancel();
  }

 private:
  /// Some message waits for its arguments.
  bool has_late() const {
    if (const HandlerGroups* groups = cell_.groups()) return groups->has_late();
    return cell_.current_ != nullptr && !cell_.current_->begun();
  }
  CoroutineFrame* suspended() const {
    if (const HandlerGroups* groups = cell_.groups()) return groups->suspended(key_);
    const bool found = cell_.current_ != nullptr && cell_.current_->key() == key_;
    return found ? cell_.running_.frame() : nullptr;
  }

  ActorCell& cell_;
  const CallKey key_;
  const bool cancelled_;
};

void ActorCell::abandon(const CallKey& key, bool cancelled) {
  std::stop_source stop(std::nostopstate);
  boost::intrusive_ptr<Continuation> search;
  // Of a deadline of this node a message that waits for its arguments hears by itself.
  if (cancelled || key.id != 0) search = new Abandoned(*this, key, cancelled);
  bool wake = false;
  {
    const std::scoped_lock lock(mutex_);
    if (dead_) return;
    if (extras_ != nullptr) {
      const auto found = std::ranges::find(extras_->stops, key, &CellExtras::Stop::key);
      if (found != extras_->stops.end()) stop = found->source;
    }
    if (search) wake = push_urgent(std::move(search));
  }
  if (wake) schedule();
  stop.request_stop();
}

Error ActorCell::not_awaited() {
  return Error{ErrorCode::kCancelled, "the caller does not wait any more", {}};
}

bool ActorCell::abandon_waiting(const CallKey& key) {
  {
    const std::scoped_lock lock(mutex_);
    pending_.append(std::move(inbox_));
  }
  if (extras_ != nullptr) sort_pending();
  auto message = groups() != nullptr ? groups()->take(key) : pending_.take(key);
  if (!message && extras_ != nullptr) message = extras_->urgent.take(key);
  if (!message) return abandon_in_room(key);
  count_handled(*message);
  if (supervision() != nullptr) supervision()->given_up(*message);
  message->reject(not_awaited());
  return true;
}

// --- stop tokens ---------------------------------------------------------------------------------

std::stop_token ActorCell::stop_token() {
  const CoroutineFrame* frame = current_frame();
  const Message* message = frame != nullptr ? frame->message() : handling_;
  CellExtras& all = extras();
  all.stoppable = true;
  std::list<CellExtras::Stop> fresh;
  fresh.push_back({message, message ? message->key() : CallKey{}, std::stop_source()});
  const CallKey key = fresh.front().key;
  std::stop_source source = fresh.front().source;
  // Says that a cancel is on its way, but has not been heard of in the run.
  const auto is_abandoned = [&](const boost::intrusive_ptr<Continuation>& work) {
    const auto* abandoned = dynamic_cast<const Abandoned*>(work.get());
    return abandoned != nullptr && key.caller != nullptr && abandoned->key() == key;
  };
  bool stopped = message != nullptr && std::ranges::any_of(urgent_, is_abandoned);
  {
    const std::scoped_lock lock(mutex_);
    const auto found = std::ranges::find(all.stops, message, &CellExtras::Stop::message);
    if (found != all.stops.end()) return found->source.get_token();
    all.stops.splice(all.stops.end(), fresh);
    stopped = stopped || stopping_ || std::ranges::any_of(urgent_inbox_, is_abandoned);
  }
  if (stopped || (message != nullptr && message->given_up())) source.request_stop();
  return source.get_token();
}

void ActorCell::handled(const Message& message) {
  if (supervision() != nullptr) supervision()->handled(message);
  if (!extras_->stoppable) return;
  std::list<CellExtras::Stop> over;
  const std::scoped_lock lock(mutex_);
  const auto found = std::ranges::find(extras_->stops, &message, &CellExtras::Stop::message);
  if (found != extras_->stops.end()) over.splice(over.end(), extras_->stops, found);
  extras_->stoppable = !extras_->stops.empty();
}

void ActorCell::request_stops(bool from_now_on) {
  std::list<CellExtras::Stop> stops;
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = stopping_ || from_now_on;
    if (extras_ != nullptr) stops.swap(extras_->stops);
  }
  for (auto& stop : stops) stop.source.request_stop();
}

}  // namespace detail

std::stop_token this_actor::stop_token() {
  detail::ActorCell* cell = detail::ActorCell::current();
  MUSTER_CHECK(cell != nullptr, "this_actor is used outside an actor's handlers");
  return cell->stop_token();
}

}  // namespace muster
