// The part of ActorCell that takes messages in, or refuses them.

#include <algorithm>

#include "runtime/core/cell_extras.h"
#include "runtime/core/runtime_core.h"

namespace muster::detail {

/// Brings an urgent message past those that wait. When the actor ends first, it is rejected.
class ActorCell::UrgentMessage final : public Continuation {
 public:
  explicit UrgentMessage(ActorCell& cell) : cell_(cell) { for_any_incarnation = true; }
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

void ActorCell::deliver(std::unique_ptr<Message> message, const ActorType& expected) {
  ActorCell::deliver_from(std::move(message), expected, nullptr);
}

void ActorCell::deliver_as(const Delivery& delivery, std::unique_ptr<Message> message,
                           const ActorType& expected, Taken taken) {
  deliver_as_from(delivery, std::move(message), expected, nullptr, std::move(taken));
}

void ActorCell::deliver_from(std::unique_ptr<Message> message, const ActorType& expected,
                             const NodeId* from) {
  Room room{};
  std::size_t held = 0;
  const bool same_class = type_.is(expected);
  if (same_class) {
    bool wake = false;
    {
      const std::scoped_lock lock(mutex_);
      room = room_for(*message, held);
      if (room == Room::kEnough) {
        count_accepted(*message);
        wake = accept(std::move(message));
      }
    }
    if (wake) schedule();
    if (!message) return;
  }
  refuse(*message, same_class ? refusal(room, held) : other_class(expected), sender(from),
         message->one_way());
}

ActorCell::Refusal ActorCell::other_class(const ActorType& expected) const {
  return {DeadLetterReason::kRefused,
          Error{ErrorCode::kInvalid,
                describe() + " is " + unlike(type_.name, expected.name) +
                    ": the handle it was called by is of another class",
                {}}};
}

ActorId ActorCell::sender(const NodeId* from) const {
  return from != nullptr ? ActorId{*from, 0} : core_->sender();
}

ActorCell::Room ActorCell::room_for(const Message& message, std::size_t& held) const noexcept {
  if (dead_) return Room::kDead;
  const bool many = accepted_ - handled_.load(std::memory_order_relaxed) >= capacity_;
  if (many || crowded_) return Room::kNone;
  if (message.wire_bytes == 0) return Room::kEnough;
  held = held_bytes();
  return fits(message.wire_bytes, held) ? Room::kEnough : Room::kNoBytes;
}

std::size_t ActorCell::held_bytes() const noexcept {
  return accepted_bytes_ - handled_bytes_.load(std::memory_order_relaxed);
}

bool ActorCell::fits(std::size_t bytes, std::size_t held) const noexcept {
  const std::size_t allowed = core_->options().mailbox_bytes_max;
  return bytes == 0 || held == 0 || bytes <= allowed - std::min(held, allowed);
}

void ActorCell::count_accepted(const Message& message) noexcept {
  ++accepted_;
  accepted_bytes_ += message.wire_bytes;
  if (watch_) watch_->delivered(accepted_);
}

bool ActorCell::accept(std::unique_ptr<Message> message) noexcept {
  inbox_.push(std::move(message));
  const bool wake = !scheduled_ && open_;
  scheduled_ |= wake;
  return wake;
}

ActorCell::Refusal ActorCell::refusal(Room room, std::size_t held_bytes,
                                      std::size_t waiting) const {
  if (room == Room::kDead) return {DeadLetterReason::kActorEnded, down_->cause};
  std::string with = room == Room::kNone
                         ? std::to_string(capacity_) + " messages"
                         : std::to_string(held_bytes) + " bytes from other nodes, " +
                               std::to_string(core_->options().mailbox_bytes_max) + " are allowed";
  if (waiting > 0) with += ", and " + std::to_string(waiting) + " wait for room";
  return {DeadLetterReason::kMailboxFull,
          Error{ErrorCode::kOverloaded, describe() + ": its mailbox is full (" + with + ")", {}}};
}

void ActorCell::refuse(Message& message, const Refusal& refusal, const ActorId& sender,
                       bool dead_letter) {
  if (dead_letter) {
    core_->dead_letter({refusal.reason,
                        1,
                        id(),
                        std::string(type_.name),
                        std::string(message.method()),
                        sender,
                        {},
                        refusal.cause.message});
  } else {
    core_->meters().count_rejected(refusal.reason);
  }
  message.reject(refusal.cause);
}

void ActorCell::reject(Message& message) {
  drop(message, down_->cause);
}

void ActorCell::drop(Message& message, const Error& cause) {
  // Who sent what has waited is not known any more, but whether it was this node.
  const ActorId sender{message.wire_bytes == 0 ? id().node : NodeId{}, 0};
  refuse(message, {DeadLetterReason::kActorEnded, cause}, sender, message.one_way());
}

boost::intrusive_ptr<Continuation> ActorCell::make_urgent() {
  return boost::intrusive_ptr<Continuation>(new UrgentMessage(*this));
}

bool ActorCell::let_in(std::unique_ptr<Message> message,
                       boost::intrusive_ptr<Continuation> urgent) {
  count_accepted(*message);
  if (!urgent) return accept(std::move(message));
  static_cast<UrgentMessage&>(*urgent).message = std::move(message);
  return push_urgent(std::move(urgent));
}

std::optional<ActorCell::Refusal> ActorCell::join_group(Message& message, std::uint32_t name) {
  const HandlerGroups* groups = nullptr;  // constant, where there are any
  {
    const std::scoped_lock lock(mutex_);
    groups = this->groups();
  }
  message.group = groups != nullptr ? groups->number_of(name) : 0;
  if (message.group != 0) return std::nullopt;
  return Refusal{
      DeadLetterReason::kRefused,
      Error{ErrorCode::kInvalid,
            describe() + " has no concurrency group of the name that the call gives; it has " +
                (groups != nullptr ? groups->names() : "none"),
            {}}};
}

}  // namespace muster::detail
