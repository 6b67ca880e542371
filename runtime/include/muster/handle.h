#pragma once
/// Handle<A>: how one talks to an actor, wherever it lives.
///
/// Threads: a Handle is a value; distinct copies may be used from any threads. Lifetime: while a
/// handle to a non-detached actor exists, the actor lives (docs/contract.md, clauses 4.x). A handle
/// may outlive its Runtime: calls then fail with kUnavailable.

#include <muster/concurrency.h>
#include <muster/detail/method.h>
#include <muster/future.h>

#include <optional>

namespace muster {

/// Choices for the calls and sends made through one handle; see Handle::with.
struct CallOptions {
  /// The call ends in kTimeout when its result has not come by then. A handler that has begun goes
  /// on; one that has not does not begin, once its node has heard of it.
  /// Unset: RuntimeOptions::call_timeout. kForever: no deadline.
  std::optional<Duration> timeout = {};
  /// For control messages: overtakes those that wait for the actor and are not urgent, on the way
  /// to it too. Urgent ones keep their order. A handler under way is not interrupted.
  bool urgent = false;
  /// Of the actor's concurrency groups (SpawnOptions::groups), the one to count the handler in;
  /// empty: its method's. kInvalid when the actor has no such group.
  GroupName group = {};
};

template <class A>
class Handle {
 public:
  using actor_type = A;

  /// An empty handle: only valid(), assignment and comparison are allowed.
  Handle() = default;
  explicit Handle(detail::HandleRef ref, CallOptions options = {})
      : ref_(std::move(ref)), options_(options) {}

  bool valid() const noexcept { return ref_.get() != nullptr; }
  ActorId id() const { return checked().id(); }
  /// True when the actor lives in this process's runtime.
  bool is_local() const { return checked().is_local(); }

  /// Calls the method; the Future ends in its result, what it threw (kFailed), kTimeout at the
  /// deadline, kOverloaded when the mailbox or connection is full (the handler does not run), or
  /// kUnavailable when the actor or its node is gone. Messages from one thread or actor through any
  /// of its handles to one actor are handled in the order they were sent. Never blocks.
  template <auto M, class... Args>
  Future<detail::ResultOf<M>> call(Args&&... args) const {
    using Method = detail::MethodOf<A, M>;
    using R = detail::ResultOf<M>;
    if constexpr (detail::kFaultless<detail::CallFault<A, M, Args...>>) {
      auto& ref = checked();
      auto state = boost::intrusive_ptr(new detail::CallState<R>(ref));
      const Duration timeout = options_.timeout.value_or(ref.default_timeout());
      state->arm_deadline(timeout, Method::kName);
      if (ref.is_local()) {
        deliver(ref,
                std::make_unique<detail::CallMessage<A, M>>(state, std::forward<Args>(args)...));
      } else {
        send_remote<M>(ref, timeout, boost::intrusive_ptr(new detail::RemoteCall<R>(state)),
                       std::forward<Args>(args)...);
      }
      return Future<R>(std::move(state));
    } else {
      detail::refuse_to_compile<detail::CallFault<A, M, Args...>>();
      return {};
    }
  }

  /// Sends without waiting for any result. What cannot be delivered is a dead letter (counted in
  /// RuntimeStats); what the handler throws is reported to RuntimeOptions::on_error there.
  template <auto M, class... Args>
  void send(Args&&... args) const {
    if constexpr (detail::kFaultless<detail::CallFault<A, M, Args...>>) {
      auto& ref = checked();
      if (ref.is_local()) {
        deliver(ref,
                std::make_unique<detail::CallMessage<A, M>>(nullptr, std::forward<Args>(args)...));
      } else {
        send_remote<M>(ref, kForever, nullptr, std::forward<Args>(args)...);
      }
    } else {
      detail::refuse_to_compile<detail::CallFault<A, M, Args...>>();
    }
  }

  /// The same actor with these options for calls and sends, and no others:
  /// `h.with({.timeout = 1s}).call<&A::m>()`.
  Handle with(CallOptions options) const { return Handle(ref_, options); }

  /// Ends the actor after what is in its mailbox now; later messages are rejected. Idempotent.
  void stop() const { checked().stop(false); }
  /// Ends the actor as soon as its running handler returns or suspends; what waits is rejected.
  void kill() const { checked().stop(true); }

  friend bool operator==(const Handle& a, const Handle& b) {
    if (a.ref_.get() == nullptr || b.ref_.get() == nullptr) return a.ref_.get() == b.ref_.get();
    return a.id() == b.id();
  }
  const detail::HandleRef& ref() const noexcept { return ref_; }

 private:
  detail::Delivery delivery() const noexcept {
    return {.urgent = options_.urgent, .group = options_.group.hash()};
  }
  void deliver(detail::ActorRef& ref, std::unique_ptr<detail::Message> message) const {
    if (const auto as = delivery(); as.plain()) {
      ref.deliver(std::move(message), detail::actor_type<A>());
    } else {
      ref.deliver_as(as, std::move(message), detail::actor_type<A>());
    }
  }
  template <auto M, class... Args>
  void send_remote(detail::ActorRef& ref, Duration timeout,
                   boost::intrusive_ptr<detail::PendingReply> pending, Args&&... args) const {
    using Method = detail::MethodOf<A, M>;
    using Signature = typename Method::Signature;
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      ref.send_remote(
          {Method::kHash, Method::kName, timeout, delivery(), Signature::kArity},
          [&](Encoder& encoder) {
            (encode_value(encoder,
                          detail::as_stored<std::tuple_element_t<I, typename Signature::Arguments>>(
                              std::forward<Args>(args))),
             ...);
          },
          std::move(pending));
    }
    (std::make_index_sequence<Signature::kArity>());
  }
  detail::ActorRef& checked() const {
    MUSTER_CHECK(ref_.get() != nullptr, "the Handle is empty");
    return *ref_.get();
  }

  detail::HandleRef ref_;
  CallOptions options_;
};

}  // namespace muster
