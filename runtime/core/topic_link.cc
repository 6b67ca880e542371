// A subscriber's tie to its topic, for as long as both live.

#include <muster/topic.h>

#include "runtime/core/runtime_core.h"

namespace muster::detail {

void TopicLink::open(Leave leave) {
  const std::scoped_lock lock(mutex_);
  leave_ = std::move(leave);
}

void TopicLink::watch(const HandleRef& subscriber, const HandleRef& topic) {
  const auto close_at_end = [weak = weak_from_this()](const Down&) {
    if (const auto self = weak.lock()) self->close();
  };
  auto& runtime = static_cast<RuntimeCore&>(*topic.get()->domain());
  DeathWatch of_subscriber(runtime, subscriber, close_at_end);
  DeathWatch of_topic(runtime, topic, close_at_end);
  const std::scoped_lock lock(mutex_);
  if (!is_open()) return;
  subscriber_ = std::move(of_subscriber);
  topic_ = std::move(of_topic);
}

void TopicLink::close() {
  if (!open_.exchange(false, std::memory_order_acq_rel)) return;
  {
    DeathWatch subscriber;
    DeathWatch topic;
    const std::scoped_lock lock(mutex_);
    std::swap(subscriber, subscriber_);
    std::swap(topic, topic_);
  }
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
