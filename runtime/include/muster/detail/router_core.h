#pragma once
/// What the copies of a Router share: who its routees are and which one is next. Not for users;
/// included by <muster/router.h>.
///
/// Threads: all members from any thread. Locks: mutex_ is held for choosing and changing only; no
/// send, no completion and no end of a handle happens under it.
///
/// Invariants:
///  1. A routee's load is the number of its Loads: calls through here that have not ended.
///  2. The ring, once it is made, has exactly the routees.
///  3. Whoever was chosen is kept by its shared_ptr until the message is delivered: it cannot be
///     released in between.

#include <muster/detail/future_await.h>
#include <muster/detail/message.h>
#include <muster/routing.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace muster {
struct Down;

namespace detail {

class RuntimeCore;

/// Calls `hear` once when the actor has ended, on the thread that finds out; not any more when it
/// is destroyed, unless that has begun. Movable.
class DeathWatch {
 public:
  DeathWatch() = default;
  DeathWatch(RuntimeCore& runtime, const HandleRef& actor, std::function<void(const Down&)> hear);
  DeathWatch(DeathWatch&&) noexcept = default;
  DeathWatch& operator=(DeathWatch&& other) noexcept {
    end();
    state_ = std::move(other.state_);
    waiter_ = std::move(other.waiter_);
    return *this;
  }
  ~DeathWatch() { end(); }

 private:
  void end() noexcept;
  boost::intrusive_ptr<FutureState<Down>> state_;
  boost::intrusive_ptr<Waiter> waiter_;
};

/// One of those that a router chooses from.
struct Routee {
  explicit Routee(HandleRef handle) : actor(std::move(handle)) {}
  const HandleRef actor;
  std::atomic<std::size_t> load{0};
  std::atomic<TimePoint::rep> idle_since{0};  // of a pool: when its last call ended, or it came
  DeathWatch watch;                           // guarded by the router's mutex
};
using RouteePtr = std::shared_ptr<Routee>;

class RouterCore;

/// One call under way, counted while it lives.
class Load {
 public:
  Load() = default;
  Load(std::shared_ptr<RouterCore> router, RouteePtr routee)
      : router_(std::move(router)), routee_(std::move(routee)) {}
  Load(Load&&) noexcept = default;
  Load& operator=(Load&& other) noexcept {
    end();
    router_ = std::move(other.router_);
    routee_ = std::move(other.routee_);
    return *this;
  }
  ~Load() { end(); }
  void end() noexcept;
  /// It counts.
  explicit operator bool() const noexcept { return router_ != nullptr; }

 private:
  std::shared_ptr<RouterCore> router_;  // null: not counted
  RouteePtr routee_;
};

/// Who gets the next message; `routee` null: there is nobody.
struct Route {
  RouteePtr routee;
  Load load;
};

enum class Choosing : std::uint8_t {
  kInTurn,
  kLeastLoaded,
  kPacked,  ///< a pool's: the first of the least loaded, so that those not needed fall idle
};

class RouterCore : public std::enable_shared_from_this<RouterCore> {
 public:
  /// `what` and `part` are its words in errors: "router", "routee".
  RouterCore(RuntimeCore& runtime, std::string what, std::string part, const std::string& name,
             Choosing choosing);
  ~RouterCore();

  bool add(const HandleRef& actor);  // false: it was here, or the router is closed
  bool remove(const ActorId& actor);
  /// No routee any more, now and later.
  void close();
  bool closed() const;

  Route for_call();
  Route for_call(RouteKey key);
  /// One-way messages are no load: nobody hears when they are done.
  RouteePtr for_send();
  RouteePtr for_send(RouteKey key);
  std::vector<Route> all_for_call();
  std::vector<RouteePtr> all() const;

  std::size_t size() const;
  std::string describe() const;  // "router 'renderers'"
  /// What a call ends in when there is nobody.
  Error nobody() const;
  /// A one-way message has nobody to go to.
  void give_up(std::string_view class_name, std::string_view method);
  Domain& domain() const noexcept;
  RuntimeCore& runtime() const noexcept { return *runtime_; }

  // For pools:

  /// A PoolManager, who is told to adjust(): now, and at each routee's death.
  void set_manager(const HandleRef& manager);
  /// And once when more than `calls` are outstanding. False when there are already: then not.
  bool set_watermark(std::size_t calls);
  bool remove_idle(const ActorId& actor);
  /// Why there is nobody.
  void set_cause(const std::string& cause);
  std::size_t outstanding() const noexcept { return outstanding_.load(); }
  std::uint64_t lost() const;  // routees that died

 private:
  friend class Load;
  RouteePtr by_key(RouteKey key);                            // requires mutex_
  Route taken(const RouteePtr& routee, HandleRef& manager);  // requires mutex_; tell the manager
  RouteePtr take_out(const ActorId& actor, bool only_idle, const std::string& cause);
  void died(const Down& down);
  void tell_manager();
  static void tell(const HandleRef& manager);  // empty: nobody
  bool counts() const noexcept { return choosing_ != Choosing::kInTurn; }

  const boost::intrusive_ptr<RuntimeCore> runtime_;
  const std::string what_;
  const std::string part_;
  const std::string name_;
  const Choosing choosing_;
  std::atomic<std::size_t> outstanding_{0};

  mutable std::mutex mutex_;
  // Guarded by mutex_:
  std::vector<RouteePtr> routees_;  // in the order of their coming
  RoundRobin turn_;
  std::optional<HashRing<RouteePtr>> ring_;  // made for the first key
  std::size_t watermark_ = SIZE_MAX;
  HandleRef manager_;
  std::uint64_t lost_ = 0;
  std::string last_cause_;  // why the latest routee is gone
  bool closed_ = false;
};

/// A Future that has failed.
template <class R>
boost::intrusive_ptr<FutureState<R>> failed_state(Domain& domain, Error error) {
  auto state = boost::intrusive_ptr(new FutureState<R>(boost::intrusive_ptr<Domain>(&domain)));
  state->complete(fail(std::move(error)));
  return state;
}

template <class R>
boost::intrusive_ptr<FutureState<R>> ready_state(Domain& domain, R value) {
  auto state = boost::intrusive_ptr(new FutureState<R>(boost::intrusive_ptr<Domain>(&domain)));
  state->complete(std::move(value));
  return state;
}

/// `load` lasts until the call has ended.
inline void load_until_ready(FutureStateBase& state, Load load) {
  when_ready(state, [load = std::move(load)](FutureStateBase&) mutable { load.end(); });
}

}  // namespace detail
}  // namespace muster
