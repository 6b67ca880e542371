#pragma once
/// Handle<A>: how one talks to an actor, wherever it lives.
///
/// Threads: a Handle is a value; distinct copies may be used from any threads. Lifetime: while a
/// handle to a non-detached actor exists, the actor lives (docs/contract.md, clauses 4.x). A handle
/// may outlive its Runtime: calls then fail with kUnavailable.

#include <muster/call_options.h>
#include <muster/detail/method.h>
#include <muster/detail/sender.h>
#include <muster/future.h>

namespace muster {

template <class A>
class Handle {
 public:
  using actor_type = A;

  /// An empty handle: only valid(), assignment and comparison are allowed.
  Handle() = default;
  explicit Handle(detail::HandleRef ref, const CallOptions& options = {})
      : sender_(std::move(ref), options) {}

  bool valid() const noexcept { return ref().get() != nullptr; }
  ActorId id() const { return sender_.actor().id(); }
  /// True when the actor lives in this process's runtime.
  bool is_local() const { return sender_.actor().is_local(); }

  /// Calls the method; the Future (of a method that returns a Stream: that) ends in its result,
  /// what it threw (kFailed), kTimeout at the deadline, kOverloaded when the mailbox or connection
  /// is full (the handler does not run; see CallOptions::when_full), or kUnavailable when the actor
  /// or its node is gone. Messages from one thread or actor through any of its handles to one actor
  /// are handled in the order they were sent. Never blocks. In the place of a value an argument may
  /// be a Future, which is taken over, or a Ref: the handler runs when its value is there, and
  /// messages sent later after that. An error it ends in is the call's.
  template <auto M, class... Args>
  detail::CallResult<M> call(Args&&... args) const {
    using Method = detail::MethodOf<A, M>;
    using R = detail::ResultOf<M>;
    if constexpr (!detail::kFaultless<detail::CallFault<A, M, Args...>>) {
      detail::refuse_to_compile<detail::CallFault<A, M, Args...>>();
      return {};
    } else if constexpr (Method::Signature::kIsStream) {
      return stream<M>(std::forward<Args>(args)...);
    } else {
      auto& actor = sender_.actor(Method::kName);
      auto state = boost::intrusive_ptr(new detail::CallState<R>(actor));
      if (!sender_.enter(actor, *state, Method::kName)) return Future<R>(std::move(state));
      const auto as = sender_.delivery(sender_.timeout(actor));
      state->arm_deadline(as.patience, Method::kName);
      if (actor.is_local()) {
        detail::deliver(actor, as, detail::make_call<A, M>(state, std::forward<Args>(args)...),
                        detail::actor_type<A>());
      } else {
        detail::send_call<M>(actor, outgoing<M>(as), detail::remote_end(state),
                             std::forward<Args>(args)...);
      }
      return Future<R>(std::move(state));
    }
  }

  /// Sends without waiting for any result. What cannot be delivered is a dead letter (counted in
  /// RuntimeStats); what the handler throws is reported to RuntimeOptions::on_error there.
  template <auto M, class... Args>
  void send(Args&&... args) const {
    if constexpr (detail::kFaultless<detail::SendFault<A, M, Args...>>) {
      auto& actor = sender_.actor(detail::MethodOf<A, M>::kName);
      const auto as = sender_.delivery(sender_.patience(actor));
      if (actor.is_local()) {
        detail::deliver(actor, as, detail::make_call<A, M>(nullptr, std::forward<Args>(args)...),
                        detail::actor_type<A>());
      } else {
        detail::send_call<M>(actor, outgoing<M>(as), nullptr, std::forward<Args>(args)...);
      }
    } else {
      detail::refuse_to_compile<detail::SendFault<A, M, Args...>>();
    }
  }

  /// A send whose Future ends when the message is in the mailbox, or in why it is not; then it is
  /// no dead letter, since its sender knows. How a sender keeps pace with a slow actor:
  ///     co_await h.with({.when_full = WhenFull::kWait}).offer<&A::take>(item);
  /// and, outside handlers and tasks, `offer<&A::take>(item).get()`. Never blocks by itself.
  template <auto M, class... Args>
  Future<void> offer(Args&&... args) const {
    using Method = detail::MethodOf<A, M>;
    if constexpr (detail::kFaultless<detail::SendFault<A, M, Args...>>) {
      auto& actor = sender_.actor(Method::kName);
      auto taken = boost::intrusive_ptr(new detail::CallState<void>(actor));
      if (!sender_.enter(actor, *taken, Method::kName)) return Future<void>(std::move(taken));
      auto as = sender_.delivery(sender_.timeout(actor));
      as.offer = true;
      taken->arm_deadline(actor.is_local() ? kForever : as.patience, Method::kName);
      if (actor.is_local()) {
        actor.deliver_as(as, detail::make_call<A, M>(nullptr, std::forward<Args>(args)...),
                         detail::actor_type<A>(), taken);
      } else {
        detail::send_call<M>(actor, outgoing<M>(as), detail::remote_end(taken),
                             std::forward<Args>(args)...);
      }
      return Future<void>(std::move(taken));
    } else {
      detail::refuse_to_compile<detail::SendFault<A, M, Args...>>();
      return {};
    }
  }

  /// The same actor with these options for calls and sends, and no others:
  /// `h.with({.timeout = 1s}).call<&A::m>()`.
  Handle with(const CallOptions& options) const { return Handle(ref(), options); }

  /// Ends the actor after what is in its mailbox now; later messages are rejected. Idempotent.
  void stop() const { sender_.actor().stop(false); }
  /// Ends the actor as soon as its running handler returns or suspends; what waits is rejected.
  void kill() const { sender_.actor().stop(true); }

  friend bool operator==(const Handle& a, const Handle& b) {
    if (!a.valid() || !b.valid()) return a.valid() == b.valid();
    return a.id() == b.id();
  }
  const detail::HandleRef& ref() const noexcept { return sender_.ref(); }

 private:
  template <auto M>
  static detail::OutgoingCall outgoing(const detail::Delivery& as) {
    return {detail::MethodOf<A, M>::kHash, detail::MethodOf<A, M>::kName, as.patience, as};
  }
  template <auto M, class... Args>
  Stream<detail::ResultOf<M>> stream(Args&&... args) const {
    using T = detail::ResultOf<M>;
    auto& actor = sender_.actor(detail::MethodOf<A, M>::kName);
    auto state = boost::intrusive_ptr(new detail::CallState<void>(actor));
    auto buffer = detail::StreamBuffer<T>::make(state, sender_.options().stream_window);
    const auto as = sender_.delivery(sender_.timeout(actor));
    state->arm_deadline(kForever, detail::MethodOf<A, M>::kName);
    detail::HandleRef sink;
    if (!sender_.enter(actor, *state, detail::MethodOf<A, M>::kName)) {
      // The stream has ended.
    } else if (actor.is_local()) {
      detail::deliver(actor, as, detail::make_call<A, M>(buffer, std::forward<Args>(args)...),
                      detail::actor_type<A>());
    } else if (auto made = detail::make_sink(buffer); !made) {
      state->complete_error(made.error());
    } else {
      sink = std::move(*made);
      detail::send_call<M>(actor, outgoing<M>(as),
                           boost::intrusive_ptr(new detail::StreamCall<T>(state, buffer, sink)),
                           std::forward<Args>(args)...);
    }
    return Stream<T>(detail::StreamReader<T>(std::move(buffer), as.patience, std::move(sink)));
  }

  detail::Sender sender_;
};

}  // namespace muster
