#pragma once
/// Messages that an actor sends to itself later: once, or again and again. Included by
/// <muster/actor.h>.
///
///     class Cache {
///      public:
///       Cache() : sweeps_(this_actor::send_every<&Cache::sweep>(1min)) {}
///       void sweep();
///
///      private:
///       Timer sweeps_;
///     };
///
/// What they send are one-way messages of the actor (docs/contract.md, clause 8.8). None keeps the
/// actor alive, and none is left once it, or its incarnation, has ended.
///
/// Threads: a ScheduledSend or a Timer is used by one thread at a time; which one does not matter.

#include <muster/detail/method.h>
#include <muster/detail/self_timer.h>

#include <type_traits>

namespace muster {

/// Cancels a send_after that has not been sent; copies name the same send. Dropping it cancels
/// nothing.
class ScheduledSend {
 public:
  ScheduledSend() = default;
  explicit ScheduledSend(boost::intrusive_ptr<detail::SelfTimer> timer)
      : timer_(std::move(timer)) {}
  /// True when the message was still waiting and will never be sent.
  bool cancel() { return timer_ && timer_->cancel(); }

 private:
  boost::intrusive_ptr<detail::SelfTimer> timer_;
};

/// A series of messages, ticks, that lasts as long as this object and the actor's incarnation.
class [[nodiscard]] Timer {
 public:
  /// Of no series.
  Timer() = default;
  explicit Timer(boost::intrusive_ptr<detail::SelfTimer> timer) : timer_(std::move(timer)) {}
  Timer(Timer&&) noexcept = default;
  Timer& operator=(Timer&& other) noexcept {
    if (this != &other) cancel();
    timer_ = std::move(other.timer_);
    return *this;
  }
  ~Timer() { cancel(); }

  /// Ends the series, in any thread. Of no tick the handler begins afterwards, also of one that
  /// waits in the mailbox; one that has begun, which may be what calls this, goes on.
  void cancel() noexcept {
    if (timer_) timer_->cancel();
  }
  /// True while there are ticks to come.
  bool active() const noexcept { return timer_ && !timer_->ended(); }

 private:
  boost::intrusive_ptr<detail::SelfTimer> timer_;
};

namespace detail {

class OneSend final : public SelfTimer {
 public:
  explicit OneSend(std::unique_ptr<Message> message) : message_(std::move(message)) {}

 private:
  std::unique_ptr<Message> make() override { return std::move(message_); }
  std::unique_ptr<Message> message_;
};

/// Its series knows that it is under way until it is destroyed.
template <class A, auto M>
class TickMessage final : public CallMessage<A, M> {
 public:
  TickMessage(typename MemberSignature<decltype(M)>::Arguments arguments,
              boost::intrusive_ptr<SelfTimer> series)
      : CallMessage<A, M>(std::in_place, std::move(arguments)), series_(std::move(series)) {}
  ~TickMessage() override { series_->tick_over(); }
  HandlerRun invoke(void* object, HandlerContext& context) override {
    if (series_->ended()) return {};
    return CallMessage<A, M>::invoke(object, context);
  }

 private:
  const boost::intrusive_ptr<SelfTimer> series_;
};

template <class A, auto M>
class Series final : public SelfTimer {
 public:
  using Arguments = typename MemberSignature<decltype(M)>::Arguments;
  template <class... Args>
  explicit Series(Args&&... args) : arguments_(std::forward<Args>(args)...) {}

 private:
  std::unique_ptr<Message> make() override {
    return std::make_unique<TickMessage<A, M>>(Arguments(arguments_),
                                               boost::intrusive_ptr<SelfTimer>(this));
  }
  const Arguments arguments_;
};

}  // namespace detail

namespace this_actor {

/// Sends to itself after `delay`; `M` as in send. When the actor's incarnation ends before, it is a
/// dead letter then.
template <auto M, class... Args>
ScheduledSend send_after(Duration delay, Args&&... args) {
  using A = typename detail::MemberSignature<decltype(M)>::Class;
  if constexpr (detail::kFaultless<detail::SendFault<A, M, Args...>>) {
    auto timer = boost::intrusive_ptr<detail::SelfTimer>(
        new detail::OneSend(detail::make_call<A, M>(nullptr, std::forward<Args>(args)...)));
    detail::SelfTimer::start(timer, detail::actor_type<A>(), delay, Duration::zero());
    return ScheduledSend(std::move(timer));
  } else {
    detail::refuse_to_compile<detail::SendFault<A, M, Args...>>();
    return {};
  }
}

/// Sends to itself every `period` (`M` as in send), first after one, until the Timer or the actor
/// ends. An actor that is slower than its ticks does not gather them: one that comes due while the
/// one before it waits, runs or is suspended is left out, and the next comes at its own time, a
/// multiple of `period` after the start. The arguments are copied for each tick, on a thread of the
/// runtime. Requires: period > 0.
template <auto M, class... Args>
Timer send_every(Duration period, Args&&... args) {
  using A = typename detail::MemberSignature<decltype(M)>::Class;
  if constexpr (detail::kFaultless<detail::SendFault<A, M, Args...>>) {
    using Stored = typename detail::MemberSignature<decltype(M)>::Arguments;
    static_assert(!detail::ArgumentsOf<Stored>::template kAnyLate<Args...>,
                  "send_every sends the same values again and again, not a Future or a Ref");
    static_assert(std::is_copy_constructible_v<Stored>,
                  "send_every copies its arguments for each tick: one of them only moves");
    MUSTER_CHECK(period > Duration::zero(), period.count());
    auto timer = boost::intrusive_ptr<detail::SelfTimer>(
        new detail::Series<A, M>(std::forward<Args>(args)...));
    detail::SelfTimer::start(timer, detail::actor_type<A>(), period, period);
    return Timer(std::move(timer));
  } else {
    detail::refuse_to_compile<detail::SendFault<A, M, Args...>>();
    return {};
  }
}

}  // namespace this_actor
}  // namespace muster
