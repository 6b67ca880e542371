// What becomes of a message that does not just fail when the mailbox is full, and the part of
// ActorCell that keeps those that wait for room.

#include "runtime/core/waiting_room.h"

#include "runtime/core/runtime_core.h"

namespace muster::detail {

WaitingMessage::WaitingMessage(boost::intrusive_ptr<ActorCell> to, std::unique_ptr<Message> what,
                               Taken asks, ActorId from, boost::intrusive_ptr<Continuation> brings)
    : FutureState<void>(to->domain()),
      cell(std::move(to)),
      taken(std::move(asks)),
      sender(from),
      message(std::move(what)),
      urgent(std::move(brings)) {}

WaitingMessage::~WaitingMessage() = default;

void WaitingMessage::on_deadline() {
  cell->give_up(*this);
}

void WaitingMessage::end(const Result<void>& outcome) {
  complete(outcome);
  if (taken) taken->complete(outcome);
}

void WaitingRoom::enter(WaitingMessage& waiting) {
  intrusive_ptr_add_ref(&waiting);
  waiting.in_room = true;
  bytes_ += waiting.message->wire_bytes;
  (waiting.urgent ? urgent_ : plain_).push_back(waiting);
}

boost::intrusive_ptr<WaitingMessage> WaitingRoom::leave(WaitingMessage& waiting) {
  List& list = waiting.urgent ? urgent_ : plain_;
  list.erase(list.iterator_to(waiting));
  bytes_ -= waiting.message->wire_bytes;
  waiting.in_room = false;
  return {&waiting, false};
}

WaitingMessage* WaitingRoom::find(const CallKey& key) noexcept {
  for (List* list : {&urgent_, &plain_}) {
    for (WaitingMessage& waiting : *list) {
      const FutureStateBase* taken = waiting.taken.get();
      if (waiting.message->key() == key || (taken && taken == key.caller)) return &waiting;
    }
  }
  return nullptr;
}

boost::intrusive_ptr<WaitingMessage> WaitingRoom::pop() {
  if (empty()) return nullptr;
  return leave((urgent_.empty() ? plain_ : urgent_).front());
}

void WaitingRoom::swap(WaitingRoom& other) noexcept {
  urgent_.swap(other.urgent_);
  plain_.swap(other.plain_);
  std::swap(bytes_, other.bytes_);
}

void ActorCell::deliver_as_from(const Delivery& delivery, std::unique_ptr<Message> message,
                                const ActorType& expected, const NodeId* from, Taken taken) {
  const auto settle = [&](const Refusal& refusal) {
    const bool dropped =
        delivery.when_full == WhenFull::kDrop && refusal.reason == DeadLetterReason::kMailboxFull;
    refuse(*message, refusal, sender(from), dropped || (message->one_way() && !taken));
    if (taken) taken->complete(fail(refusal.cause));
  };
  if (!type_.is(expected)) return settle(other_class(expected));
  if (delivery.group != 0) {
    if (const auto refusal = join_group(*message, delivery.group)) return settle(*refusal);
  }
  auto urgent = delivery.urgent ? make_urgent() : nullptr;
  bool wake = false;
  Room room{};
  std::size_t held = 0;
  {
    const std::scoped_lock lock(mutex_);
    room = room_for(*message, held);
    if (room == Room::kEnough) wake = let_in(std::move(message), urgent);
  }
  if (wake) schedule();
  if (!message) {
    if (taken) taken->complete(Result<void>());
  } else if (room != Room::kDead && delivery.when_full == WhenFull::kWait) {
    wait_for_room(boost::intrusive_ptr(new WaitingMessage(
                      this, std::move(message), std::move(taken), sender(from), std::move(urgent))),
                  delivery.patience);
  } else {
    settle(refusal(room, held));
  }
}

void ActorCell::wait_for_room(boost::intrusive_ptr<WaitingMessage> waiting, Duration patience) {
  auto fresh = std::make_unique<WaitingRoom>();
  // Before it can leave the room: leaving disarms it.
  waiting->arm_deadline(patience, waiting->message->method());
  bool waits = false;
  bool wake = false;
  Room room{};
  std::size_t held = 0;
  std::size_t others = 0;
  {
    const std::scoped_lock lock(mutex_);
    room = room_for(*waiting->message, held);
    if (room == Room::kEnough) {  // there is by now
      wake = let_in(std::move(waiting->message), std::move(waiting->urgent));
    } else if (room != Room::kDead) {
      if (!room_) room_ = std::move(fresh);
      others = room_->size();
      waits = others < core_->options().waiting_capacity &&
              fits(waiting->message->wire_bytes, room_->bytes());
      if (waits) {
        room_->enter(*waiting);
        crowded_ = true;
        attention_.store(true, std::memory_order_relaxed);
      }
    }
  }
  if (wake) schedule();
  if (room == Room::kEnough) {
    waiting->end({});
  } else if (!waits) {
    turn_away(*waiting, refusal(room, held, others));
  }
}

void ActorCell::turn_away(WaitingMessage& waiting, const Refusal& refusal) {
  const auto message = std::move(waiting.message);
  refuse(*message, refusal, waiting.sender, message->one_way() && !waiting.taken);
  waiting.end(fail(refusal.cause));
}

void ActorCell::give_up(WaitingMessage& waiting) {
  boost::intrusive_ptr<WaitingMessage> gone;
  {
    const std::scoped_lock lock(mutex_);
    if (dead_ || !waiting.in_room) return;  // its fate is decided
    gone = room_->leave(waiting);
    crowded_ = !room_->empty();
  }
  turn_away(*gone, {DeadLetterReason::kMailboxFull,
                    Error{ErrorCode::kTimeout,
                          describe() + ": its mailbox had no room in time for " +
                              std::string(gone->message->method()),
                          {}}});
}

bool ActorCell::abandon_in_room(const CallKey& key) {
  boost::intrusive_ptr<WaitingMessage> gone;
  {
    const std::scoped_lock lock(mutex_);
    WaitingMessage* found = crowded_ ? room_->find(key) : nullptr;
    if (found == nullptr) return false;
    gone = room_->leave(*found);
    crowded_ = !room_->empty();
  }
  turn_away(*gone, {DeadLetterReason::kMailboxFull, not_awaited()});
  return true;
}

void ActorCell::admit_waiting() {
  // One at a time: ending it may run what waits for that.
  for (;;) {
    boost::intrusive_ptr<WaitingMessage> first;
    {
      const std::scoped_lock lock(mutex_);
      if (!crowded_ || !first_has_room()) return;
      first = room_->pop();
      let_in(std::move(first->message), std::move(first->urgent));
      crowded_ = !room_->empty();
    }
    first->end({});
  }
}

bool ActorCell::first_has_room() const noexcept {
  const WaitingMessage& first = room_->first();
  return first.exempt || (accepted_ - handled_.load(std::memory_order_relaxed) < capacity_ &&
                          fits(first.message->wire_bytes, held_bytes()));
}

void ActorCell::stop_after_waiting(std::unique_ptr<Message> stop) {
  const boost::intrusive_ptr<WaitingMessage> waiting(
      new WaitingMessage(this, std::move(stop), nullptr, {}, nullptr));
  waiting->exempt = true;
  bool wake = false;
  {
    const std::scoped_lock lock(mutex_);
    if (dead_) return;
    if (crowded_) {
      room_->enter(*waiting);
    } else {
      wake = let_in(std::move(waiting->message), nullptr);
    }
  }
  if (wake) schedule();
}

}  // namespace muster::detail
