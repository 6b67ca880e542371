// The part of ActorCell that takes messages in, or refuses them.

#include <algorithm>

#include "runtime/core/cell_extras.h"
#include "runtime/core/runtime_core.h"

namespace muster::detail {

/// Brings an urgent message past those that wait. When the actor ends first, it is rejected.
class ActorCell::UrgentMessage final : public Continuation {
 public:
  explicit UrgentMessage(ActorCell& cell) : cell_(cell) {}
  ~UrgentMessage() override {
    if (message) cell_.reject(*message);
  }
  void run() override {
    if (HandlerGroups* groups = cell_.groups()) {
      groups->add_urgent(std::move(message));
    } else {
      cell_.extras().urgent.push(std::move(message));
    }
  }

  std::unique_ptr<Message> message;

 private:
  ActorCell& cell_;
};

void ActorCell::deliver_from(std::unique_ptr<Message> message, const ActorType& expected,
                             const NodeId* from) {
  if (!fits(*message, expected, from)) return;
  bool wake = false;
  Room room{};
  std::size_t held = 0;
  {
    const std::scoped_lock lock(mutex_);
    room = room_for(*message, held);
    if (room == Room::kEnough) {
      count_accepted(*message);
      wake = accept(std::move(message));
    }
  }
  if (wake) schedule();
  if (message) refuse_for(room, *message, held, from);
}

bool ActorCell::fits(Message& message, const ActorType& expected, const NodeId* from) {
  if (type_.is(expected)) return true;
  refuse(message, DeadLetterReason::kRefused,
         Error{ErrorCode::kInvalid,
               describe() + " is " + unlike(type_.name, expected.name) +
                   ": the handle it was called by is of another class",
               {}},
         sender(from));
  return false;
}

ActorId ActorCell::sender(const NodeId* from) const {
  return from != nullptr ? ActorId{*from, 0} : core_->sender();
}

ActorCell::Room ActorCell::room_for(const Message& message, std::size_t& held) const noexcept {
  if (dead_) return Room::kDead;
  if (accepted_ - handled_.load(std::memory_order_relaxed) >= capacity_) return Room::kNone;
  const std::size_t bytes = message.wire_bytes;
  if (bytes == 0) return Room::kEnough;
  held = accepted_bytes_ - handled_bytes_.load(std::memory_order_relaxed);
  const std::size_t allowed = core_->options().mailbox_bytes_max;
  const bool enough = held == 0 || bytes <= allowed - std::min(held, allowed);
  return enough ? Room::kEnough : Room::kNoBytes;
}

void ActorCell::count_accepted(const Message& message) noexcept {
  ++accepted_;
  accepted_bytes_ += message.wire_bytes;
}

bool ActorCell::accept(std::unique_ptr<Message> message) noexcept {
  inbox_.push(std::move(message));
  const bool wake = !scheduled_ && open_;
  scheduled_ |= wake;
  return wake;
}

void ActorCell::refuse_for(Room room, Message& message, std::size_t held_bytes,
                           const NodeId* from) {
  if (room == Room::kDead) {
    refuse(message, DeadLetterReason::kActorEnded, down_->cause, sender(from));
    return;
  }
  const std::string with =
      room == Room::kNone ? std::to_string(capacity_) + " messages"
                          : std::to_string(held_bytes) + " bytes from other nodes, " +
                                std::to_string(core_->options().mailbox_bytes_max) + " are allowed";
  refuse(message, DeadLetterReason::kMailboxFull,
         Error{ErrorCode::kOverloaded, describe() + ": its mailbox is full (" + with + ")", {}},
         sender(from));
}

void ActorCell::refuse(Message& message, DeadLetterReason reason, const Error& cause,
                       const ActorId& sender) {
  if (message.one_way()) {
    core_->dead_letter({reason,
                        1,
                        id(),
                        std::string(type_.name),
                        std::string(message.method()),
                        sender,
                        {},
                        cause.message});
  }
  message.reject(cause);
}

bool ActorCell::join_group(Message& message, std::uint32_t name, const NodeId* from) {
  const HandlerGroups* groups = nullptr;  // constant, where there are any
  {
    const std::scoped_lock lock(mutex_);
    groups = this->groups();
  }
  const std::uint8_t number = groups != nullptr ? groups->number_of(name) : 0;
  if (number != 0) {
    message.group = number;
    return true;
  }
  refuse(message, DeadLetterReason::kRefused,
         Error{ErrorCode::kInvalid,
               describe() + " has no concurrency group of the name that the call gives; it has " +
                   (groups != nullptr ? groups->names() : "none"),
               {}},
         sender(from));
  return false;
}

void ActorCell::deliver_as_from(const Delivery& delivery, std::unique_ptr<Message> message,
                                const ActorType& expected, const NodeId* from) {
  if (!fits(*message, expected, from)) return;
  if (delivery.group != 0 && !join_group(*message, delivery.group, from)) return;
  if (!delivery.urgent) return ActorCell::deliver_from(std::move(message), expected, from);
  const auto urgent = boost::intrusive_ptr(new UrgentMessage(*this));
  bool wake = false;
  Room room{};
  std::size_t held = 0;
  {
    const std::scoped_lock lock(mutex_);
    room = room_for(*message, held);
    if (room == Room::kEnough) {
      count_accepted(*message);
      urgent->message = std::move(message);
      wake = push_urgent(urgent);
    }
  }
  if (wake) schedule();
  if (message) refuse_for(room, *message, held, from);
}

}  // namespace muster::detail
