#pragma once
// Actors of a runtime whose messages are intercepted: a class of their own, so that others pay
// nothing.
//
// Threads: as ActorCell. Invariant: every message passes the Interceptor before it is accepted.

#include "runtime/core/runtime_core.h"

namespace muster::detail {

class InterceptedCell final : public ActorCell {
 public:
  using ActorCell::ActorCell;

  void deliver(std::unique_ptr<Message> message, const ActorType& expected) override {
    deliver_from(std::move(message), expected, nullptr);
  }
  void deliver_from(std::unique_ptr<Message> message, const ActorType& expected,
                    const NodeId* from) override {
    intercept({}, message, expected);
    if (message) ActorCell::deliver_from(std::move(message), expected, from);
  }
  void deliver_as(const Delivery& delivery, std::unique_ptr<Message> message,
                  const ActorType& expected, Taken taken) override {
    deliver_as_from(delivery, std::move(message), expected, nullptr, std::move(taken));
  }
  void deliver_as_from(const Delivery& delivery, std::unique_ptr<Message> message,
                       const ActorType& expected, const NodeId* from, Taken taken) override {
    intercept(delivery, message, expected);
    if (message) {
      ActorCell::deliver_as_from(delivery, std::move(message), expected, from, std::move(taken));
    } else if (taken) {
      taken->complete(Result<void>());  // taken by the Interceptor, as far as its sender hears
    }
  }

 private:
  void intercept(const Delivery& delivery, std::unique_ptr<Message>& message,
                 const ActorType& expected) {
    if (type().is(expected)) core().interceptor()->intercept(*this, type(), delivery, message);
  }
};

}  // namespace muster::detail
