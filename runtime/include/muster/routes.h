#pragma once
/// Routes<A>: how the actors behind a Router (<muster/router.h>) or a Pool (<muster/pool.h>) are
/// called: one of them, the one that a key belongs to, all, or all for the first success.
///
/// Threads and lifetime: as of Router.

#include <muster/detail/router_core.h>
#include <muster/detail/settle.h>
#include <muster/runtime.h>

#include <string>
#include <vector>

namespace muster {

template <class A, class KeyOf>
class KeyedRoutes;

/// A value; copies share the actors.
template <class A>
class Routes {
 public:
  using actor_type = A;
  /// As Handle::call, to the routee that the policy chooses. Without one it ends in kUnavailable,
  /// which names the router.
  template <auto M, class... Args>
  Future<detail::ResultOf<M>> call(Args&&... args) const {
    return call_one<M>(core_->for_call(), std::forward<Args>(args)...);
  }
  /// As Handle::send, the same way. Without a routee it is a dead letter.
  template <auto M, class... Args>
  void send(Args&&... args) const {
    send_one<M>(core_->for_send(), std::forward<Args>(args)...);
  }

  /// As Handle::offer, the same way. Without a routee it ends in kUnavailable.
  template <auto M, class... Args>
  Future<void> offer(Args&&... args) const {
    const auto routee = core_->for_send();
    if (!routee) return failed<void>();
    return limited<void, M>([&] {
      return Handle<A>(routee->actor, options_).template offer<M>(std::forward<Args>(args)...);
    });
  }

  /// Broadcast: calls every routee with copies of `args`. Ends in the outcomes of all, values and
  /// errors, once all have ended; kUnavailable when there is none. Cancelling it cancels all.
  template <auto M, class... Args>
  Future<std::vector<Outcome<detail::ResultOf<M>>>> call_all(const Args&... args) const {
    using R = detail::ResultOf<M>;
    std::vector<ActorId> actors;
    auto states = call_each<M>(actors, args...);
    if (states.empty()) return failed<std::vector<Outcome<R>>>();
    return Future<std::vector<Outcome<R>>>(
        detail::Settling<R>::start(std::move(states), std::move(actors)));
  }
  template <auto M, class... Args>
  void send_all(const Args&... args) const {
    const auto routees = core_->all();
    if (routees.empty()) send_one<M>(nullptr, args...);
    for (const auto& routee : routees) send_one<M>(routee, args...);
  }

  /// Scatter-gather: calls every routee with copies of `args` and ends in the first value that
  /// comes; the other calls are cancelled then (contract 8.2). When all fail it ends in an error
  /// that has the text of each, with their code and type where they agree, else kFailed;
  /// kUnavailable when there is no routee. Cancelling it cancels all.
  template <auto M, class... Args>
  Future<detail::ResultOf<M>> call_first(const Args&... args) const {
    using R = detail::ResultOf<M>;
    std::vector<ActorId> actors;
    auto states = call_each<M>(actors, args...);
    if (states.empty()) return failed<R>();
    return Future<R>(detail::FirstValue<R>::start(std::move(states), core_->describe()));
  }

  /// By consistent hashing: what has one key goes to one routee while the routees stay the same, on
  /// every node that routes to the same ones. When one comes or goes, only the keys that are now or
  /// were its own change hands.
  auto with_key(RouteKey key) const {
    return by([key](const auto&...) { return key; });
  }
  /// The same with the key that `key_of` gives for the arguments of each call or send.
  template <class KeyOf>
  KeyedRoutes<A, KeyOf> by(KeyOf key_of) const {
    return KeyedRoutes<A, KeyOf>(*this, std::move(key_of));
  }

  /// The same actors with these options for calls, sends and offers, and no others. `max_pending`
  /// counts those to all of them.
  Routes with(CallOptions options) const {
    Routes other = *this;
    other.limit_ = nullptr;
    if (const auto max = std::exchange(options.max_pending, 0); max > 0) {
      other.limit_ = new detail::PendingLimit(max);
    }
    other.options_ = options;
    return other;
  }

  std::size_t size() const { return core_->size(); }
  /// The actors, in the order of their coming.
  std::vector<Handle<A>> handles() const {
    std::vector<Handle<A>> handles;
    for (const auto& routee : core_->all()) handles.emplace_back(routee->actor);
    return handles;
  }

 protected:
  explicit Routes(std::shared_ptr<detail::RouterCore> core) : core_(std::move(core)) {}
  const std::shared_ptr<detail::RouterCore>& core() const noexcept { return core_; }
  static std::shared_ptr<detail::RouterCore> make_core(Runtime& runtime, const char* what,
                                                       const char* part, const std::string& name,
                                                       detail::Choosing choosing) {
    return std::make_shared<detail::RouterCore>(runtime.core(), what, part, name, choosing);
  }

 private:
  template <class, class>
  friend class KeyedRoutes;

  template <class R>
  Future<R> failed() const {
    return Future<R>(detail::failed_state<R>(core_->domain(), core_->nobody()));
  }
  template <auto M, class... Args>
  Future<detail::ResultOf<M>> call_one(detail::Route route, Args&&... args) const {
    using R = detail::ResultOf<M>;
    if constexpr (detail::refuse_stream<M>()) {
      return {};
    } else {
      if (!route.routee) return failed<R>();
      return limited<R, M>([&] {
        auto future =
            Handle<A>(route.routee->actor, options_).template call<M>(std::forward<Args>(args)...);
        if (route.load) detail::load_until_ready(*future.state(), std::move(route.load));
        return future;
      });
    }
  }
  /// What `call` gives, unless too many are under way.
  template <class R, auto M, class Call>
  Future<R> limited(Call call) const {
    if (!limit_) return call();
    // Stands for the call, whose own state is not there yet.
    const auto ticket = boost::intrusive_ptr(
        new detail::FutureState<R>(boost::intrusive_ptr<detail::Domain>(&core_->domain())));
    if (!limit_->enter(*ticket, detail::MethodOf<A, M>::kName)) return Future<R>(ticket);
    auto future = call();
    detail::when_ready(*future.state(), [ticket](const detail::FutureStateBase&) {
      ticket->complete_error(Error{});
    });
    return future;
  }
  template <auto M, class... Args>
  void send_one(const detail::RouteePtr& routee, Args&&... args) const {
    if (!routee) {
      return core_->give_up(detail::actor_type<A>().name, detail::MethodOf<A, M>::kName);
    }
    Handle<A>(routee->actor, options_).template send<M>(std::forward<Args>(args)...);
  }
  template <auto M, class... Args>
  detail::StatePtrs call_each(std::vector<ActorId>& actors, const Args&... args) const {
    detail::StatePtrs states;
    for (auto& route : core_->all_for_call()) {
      actors.push_back(route.routee->actor.get()->id());
      states.emplace_back(call_one<M>(std::move(route), args...).state());
    }
    return states;
  }

  std::shared_ptr<detail::RouterCore> core_;
  CallOptions options_;
  boost::intrusive_ptr<detail::PendingLimit> limit_;  // shared with the copies; null: none
};

/// Routes with a key; see Routes::with_key and Routes::by.
template <class A, class KeyOf>
class KeyedRoutes {
 public:
  KeyedRoutes(Routes<A> routes, KeyOf key_of)
      : routes_(std::move(routes)), key_of_(std::move(key_of)) {}

  template <auto M, class... Args>
  Future<detail::ResultOf<M>> call(Args&&... args) const {
    const RouteKey key = key_of_(std::as_const(args)...);
    return routes_.template call_one<M>(routes_.core_->for_call(key), std::forward<Args>(args)...);
  }
  template <auto M, class... Args>
  void send(Args&&... args) const {
    const RouteKey key = key_of_(std::as_const(args)...);
    routes_.template send_one<M>(routes_.core_->for_send(key), std::forward<Args>(args)...);
  }

 private:
  Routes<A> routes_;
  KeyOf key_of_;
};

}  // namespace muster
