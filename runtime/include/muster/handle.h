#pragma once
/// Handle<A>: how one talks to an actor, wherever it lives.
///
/// Threads: a Handle is a value; distinct copies may be used from any threads. Lifetime: while a
/// handle to a non-detached actor exists, the actor lives (docs/contract.md, clauses 4.x). A handle
/// may outlive its Runtime: calls then fail with kUnavailable.

#include <muster/call_options.h>
#include <muster/detail/method.h>
#include <muster/detail/pending_limit.h>
#include <muster/future.h>

namespace muster {

template <class A>
class Handle {
 public:
  using actor_type = A;

  /// An empty handle: only valid(), assignment and comparison are allowed.
  Handle() = default;
  explicit Handle(detail::HandleRef ref, CallOptions options = {})
      : ref_(std::move(ref)), options_(options) {
    if (options_.max_pending > 0) limit_ = new detail::PendingLimit(options_.max_pending);
  }

  bool valid() const noexcept { return ref_.get() != nullptr; }
  ActorId id() const { return checked().id(); }
  /// True when the actor lives in this process's runtime.
  bool is_local() const { return checked().is_local(); }

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
      auto& ref = checked();
      auto state = boost::intrusive_ptr(new detail::CallState<R>(ref));
      const Duration timeout = options_.timeout.value_or(ref.default_timeout());
      if (limit_ && !limit_->enter(*state, Method::kName)) return Future<R>(std::move(state));
      if (ref.timed()) detail::time_call(*state);
      state->arm_deadline(timeout, Method::kName);
      if (ref.is_local()) {
        deliver(ref, timeout, detail::make_call<A, M>(state, std::forward<Args>(args)...));
      } else {
        detail::send_call<M>(ref, outgoing<M>(timeout, delivery()),
                             boost::intrusive_ptr(new detail::RemoteCall<R>(state)),
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
      auto& ref = checked();
      const bool waits = options_.when_full == WhenFull::kWait || options_.retry;
      const Duration patience = waits ? options_.timeout.value_or(ref.default_timeout()) : kForever;
      if (ref.is_local()) {
        deliver(ref, patience, detail::make_call<A, M>(nullptr, std::forward<Args>(args)...));
      } else {
        detail::send_call<M>(ref, outgoing<M>(patience, delivery()), nullptr,
                             std::forward<Args>(args)...);
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
      auto& ref = checked();
      auto taken = boost::intrusive_ptr(new detail::CallState<void>(ref));
      const Duration timeout = options_.timeout.value_or(ref.default_timeout());
      if (limit_ && !limit_->enter(*taken, Method::kName)) return Future<void>(std::move(taken));
      if (ref.timed()) detail::time_call(*taken);
      auto as = delivery();
      as.offer = true;
      if (ref.is_local()) {
        as.patience = timeout;
        ref.deliver_as(as, detail::make_call<A, M>(nullptr, std::forward<Args>(args)...),
                       detail::actor_type<A>(), taken);
      } else {
        taken->arm_deadline(timeout, Method::kName);
        detail::send_call<M>(ref, outgoing<M>(timeout, as),
                             boost::intrusive_ptr(new detail::RemoteCall<void>(taken)),
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
    return {.urgent = options_.urgent,
            .group = options_.group.hash(),
            .when_full = options_.when_full,
            .retry = options_.retry};
  }
  void deliver(detail::ActorRef& ref, Duration patience,
               std::unique_ptr<detail::Message> message) const {
    if (auto as = delivery(); as.plain()) {
      ref.deliver(std::move(message), detail::actor_type<A>());
    } else {
      as.patience = patience;
      ref.deliver_as(as, std::move(message), detail::actor_type<A>());
    }
  }
  template <auto M, class... Args>
  Stream<detail::ResultOf<M>> stream(Args&&... args) const {
    using T = detail::ResultOf<M>;
    auto& ref = checked();
    auto state = boost::intrusive_ptr(new detail::CallState<void>(ref));
    auto buffer = detail::StreamBuffer<T>::make(state, options_.stream_window);
    const Duration timeout = options_.timeout.value_or(ref.default_timeout());
    state->arm_deadline(kForever, detail::MethodOf<A, M>::kName);
    detail::HandleRef sink;
    const bool enters = !limit_ || limit_->enter(*state, detail::MethodOf<A, M>::kName);
    if (enters && ref.timed()) detail::time_call(*state);
    if (!enters) {
      // The stream has ended.
    } else if (ref.is_local()) {
      deliver(ref, timeout, detail::make_call<A, M>(buffer, std::forward<Args>(args)...));
    } else if (auto made = detail::make_sink(buffer); !made) {
      state->complete_error(made.error());
    } else {
      sink = std::move(*made);
      detail::send_call<M>(ref, outgoing<M>(timeout, delivery()),
                           boost::intrusive_ptr(new detail::StreamCall<T>(state, buffer, sink)),
                           std::forward<Args>(args)...);
    }
    return Stream<T>(detail::StreamReader<T>(std::move(buffer), timeout, std::move(sink)));
  }
  template <auto M>
  static detail::OutgoingCall outgoing(Duration timeout, const detail::Delivery& as) {
    return {detail::MethodOf<A, M>::kHash, detail::MethodOf<A, M>::kName, timeout, as};
  }
  detail::ActorRef& checked() const {
    MUSTER_CHECK(ref_.get() != nullptr, "the Handle is empty");
    return *ref_.get();
  }

  detail::HandleRef ref_;
  CallOptions options_;
  boost::intrusive_ptr<detail::PendingLimit> limit_;  // shared with the copies; null: none
};

}  // namespace muster
