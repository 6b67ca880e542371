// The part of ActorCell that decides which message goes next, where that is not the oldest.

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
  void run() override { cell_.extras().urgent.push(std::move(message)); }

  std::unique_ptr<Message> message;

 private:
  ActorCell& cell_;
};

CellExtras& ActorCell::extras() {
  if (!extras_) {
    auto made = std::make_unique<CellExtras>();
    const std::scoped_lock lock(mutex_);
    extras_ = std::move(made);
  }
  return *extras_;
}

void ActorCell::deliver_as_from(const Delivery&, std::unique_ptr<Message> message,
                                const ActorType& expected, const NodeId* from) {
  if (!fits(*message, expected, from)) return;
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
