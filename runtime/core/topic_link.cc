// A subscriber's tie to its topic.

#include <muster/topic.h>

#include "runtime/core/runtime_core.h"

namespace muster::detail {

void TopicLink::open(Leave leave) {
  const std::scoped_lock lock(mutex_);
  leave_ = std::move(leave);
}

void TopicLink::watch(Domain& domain, const HandleRef& subscriber) {
  subscriber_ = DeathWatch(static_cast<RuntimeCore&>(domain), subscriber,
                           [weak = weak_from_this()](const Down&) {
                             if (const auto self = weak.lock()) self->close();
                           });
}

void TopicLink::close() {
  open_.store(false, std::memory_order_release);
  leave();
}

void TopicLink::leave() {
  Leave leave;
  {
    const std::scoped_lock lock(mutex_);
    leave = leave_;
  }
  if (!leave) return;
  // A call, not a send: when the topic is gone there is no dead letter.
  const Future<void> asked = leave();
  when_ready(*asked.state(), [weak = weak_from_this()](const FutureStateBase& state) {
    const Error* error = state.failure();
    const bool again = error != nullptr && (error->code == ErrorCode::kOverloaded ||
                                            error->code == ErrorCode::kTimeout);
    if (const auto self = weak.lock(); self && !again) self->left();
  });
}

void TopicLink::left() {
  Leave leave;  // its handle to the topic goes without the lock
  const std::scoped_lock lock(mutex_);
  leave.swap(leave_);
}

}  // namespace muster::detail
