// Which routee a message goes to, and what becomes of those that have ended.

#include <muster/router.h>

#include <algorithm>

#include "runtime/core/pool_manager.h"
#include "runtime/core/runtime_core.h"

namespace muster::detail {

namespace {

std::uint64_t identity_of(const ActorId& actor) noexcept {
  return mix_seed(mix_seed(actor.node.high, actor.node.low), actor.number);
}

}  // namespace

// --- who is told of ends -------------------------------------------------------------------------

DeathWatch::DeathWatch(RuntimeCore& runtime, const HandleRef& actor,
                       std::function<void(const Down&)> hear) {
  const Future<Down> down = runtime.monitor(actor);
  state_ = static_cast<FutureState<Down>*>(down.state());
  const auto tell = [hear = std::move(hear)](const FutureState<Down>& state) {
    if (const Result<Down>& ended = state.peek()) hear(*ended);
  };
  waiter_ = new CallingWaiter(*state_, tell);
  state_->subscribe(waiter_);
}

void DeathWatch::end() noexcept {
  if (!state_) return;
  state_->unsubscribe(*waiter_);
  state_->cancel();
  state_.reset();
}

void Load::end() noexcept {
  const auto router = std::move(router_);
  if (!router) return;
  if (router->choosing_ == Choosing::kPacked) {
    routee_->idle_since.store(router->runtime_->clock().now().time_since_epoch().count(),
                              std::memory_order_relaxed);
  }
  routee_->load.fetch_sub(1, std::memory_order_release);
  router->outstanding_.fetch_sub(1, std::memory_order_release);
  routee_.reset();
}

Error all_failed(const std::string& who, std::vector<Error> errors) {
  const Error& first = errors.front();
  Error all{first.code,
            who + ": all " + std::to_string(errors.size()) + " calls failed: ", first.type};
  const char* between = "";
  for (const Error& error : errors) {
    if (error.code != first.code || error.type != first.type) {
      all.code = ErrorCode::kFailed;
      all.type.clear();
    }
    all.message += between + error.describe();
    between = "; ";
  }
  return all;
}

// --- coming and going ----------------------------------------------------------------------------

RouterCore::RouterCore(RuntimeCore& runtime, std::string what, std::string part,
                       const std::string& name, Choosing choosing)
    : runtime_(&runtime),
      what_(std::move(what)),
      part_(std::move(part)),
      name_(name),
      choosing_(choosing) {}

RouterCore::~RouterCore() = default;

Domain& RouterCore::domain() const noexcept {
  return *runtime_;
}

bool RouterCore::add(const HandleRef& actor) {
  const ActorId id = actor.get()->id();
  const auto routee = std::make_shared<Routee>(actor);
  routee->idle_since = runtime_->clock().now().time_since_epoch().count();
  {
    const std::scoped_lock lock(mutex_);
    const auto is_it = [&](const RouteePtr& other) { return other->actor.get()->id() == id; };
    if (closed_ || std::ranges::any_of(routees_, is_it)) return false;
    routees_.push_back(routee);
    if (ring_) ring_->add(identity_of(id), routee);
  }
  // When it is dead it is heard of here, and leaves again.
  DeathWatch watch(*runtime_, actor, [weak = weak_from_this()](const Down& down) {
    if (const auto self = weak.lock()) self->died(down);
  });
  const std::scoped_lock lock(mutex_);
  if (std::ranges::find(routees_, routee) != routees_.end()) routee->watch = std::move(watch);
  return true;
}

RouteePtr RouterCore::take_out(const ActorId& actor, bool only_idle, const std::string& cause) {
  const std::scoped_lock lock(mutex_);
  const auto found = std::ranges::find_if(
      routees_, [&](const RouteePtr& routee) { return routee->actor.get()->id() == actor; });
  if (found == routees_.end()) return nullptr;
  if (only_idle && (*found)->load.load(std::memory_order_acquire) > 0) return nullptr;
  RouteePtr routee = std::move(*found);
  turn_.removed(static_cast<std::size_t>(found - routees_.begin()));
  routees_.erase(found);
  if (ring_) ring_->remove(identity_of(actor));
  last_cause_ = cause;
  return routee;  // its handle, and what watches it, go without the lock
}

bool RouterCore::remove(const ActorId& actor) {
  return take_out(actor, false, {}) != nullptr;
}
bool RouterCore::remove_idle(const ActorId& actor) {
  return take_out(actor, true, {}) != nullptr;
}

void RouterCore::died(const Down& down) {
  if (!take_out(down.actor, false, down.cause.message)) return;
  {
    const std::scoped_lock lock(mutex_);
    ++lost_;
  }
  tell_manager();
}

void RouterCore::close() {
  std::vector<RouteePtr> routees;
  HandleRef manager;
  std::optional<HashRing<RouteePtr>> ring;
  const std::scoped_lock lock(mutex_);
  closed_ = true;
  routees.swap(routees_);
  ring.swap(ring_);
  std::swap(manager, manager_);
}

bool RouterCore::closed() const {
  const std::scoped_lock lock(mutex_);
  return closed_;
}

// --- choosing ------------------------------------------------------------------------------------

Route RouterCore::taken(const RouteePtr& routee, HandleRef& manager) {
  if (!counts()) return {routee, {}};
  routee->load.fetch_add(1, std::memory_order_relaxed);
  if (outstanding_.fetch_add(1, std::memory_order_relaxed) >= watermark_) {
    watermark_ = SIZE_MAX;
    manager = manager_;
  }
  return {routee, Load(shared_from_this(), routee)};
}

Route RouterCore::for_call() {
  HandleRef manager;
  Route route;
  {
    const std::scoped_lock lock(mutex_);
    const std::size_t count = routees_.size();
    if (count == 0) return {};
    const auto load = [&](std::size_t i) {
      return routees_[i]->load.load(std::memory_order_relaxed);
    };
    const std::size_t first = choosing_ == Choosing::kPacked ? 0 : turn_.next(count);
    const std::size_t index = counts() ? least_loaded(count, first, load) : first;
    route = taken(routees_[index], manager);
  }
  tell(manager);
  return route;
}

RouteePtr RouterCore::for_send() {
  const std::scoped_lock lock(mutex_);
  const std::size_t count = routees_.size();
  if (count == 0) return nullptr;
  const std::size_t first = turn_.next(count);
  if (choosing_ != Choosing::kLeastLoaded) return routees_[first];
  return routees_[least_loaded(count, first, [&](std::size_t i) {
    return routees_[i]->load.load(std::memory_order_relaxed);
  })];
}

RouteePtr RouterCore::by_key(RouteKey key) {
  if (!ring_) {
    ring_.emplace();
    for (const auto& routee : routees_) ring_->add(identity_of(routee->actor.get()->id()), routee);
  }
  const RouteePtr* routee = ring_->find(key);
  return routee != nullptr ? *routee : nullptr;
}

Route RouterCore::for_call(RouteKey key) {
  HandleRef manager;
  Route route;
  {
    const std::scoped_lock lock(mutex_);
    const RouteePtr routee = by_key(key);
    if (!routee) return {};
    route = taken(routee, manager);
  }
  tell(manager);
  return route;
}

RouteePtr RouterCore::for_send(RouteKey key) {
  const std::scoped_lock lock(mutex_);
  return by_key(key);
}

std::vector<Route> RouterCore::all_for_call() {
  HandleRef manager;
  std::vector<Route> routes;
  {
    const std::scoped_lock lock(mutex_);
    routes.reserve(routees_.size());
    for (const auto& routee : routees_) routes.push_back(taken(routee, manager));
  }
  tell(manager);
  return routes;
}

std::vector<RouteePtr> RouterCore::all() const {
  const std::scoped_lock lock(mutex_);
  return routees_;
}

std::size_t RouterCore::size() const {
  const std::scoped_lock lock(mutex_);
  return routees_.size();
}

// --- nobody there --------------------------------------------------------------------------------

std::string RouterCore::describe() const {
  return name_.empty() ? "a " + what_ + " without a name" : what_ + " '" + name_ + "'";
}

Error RouterCore::nobody() const {
  const std::scoped_lock lock(mutex_);
  std::string text = describe();
  if (closed_) {
    text += " has ended";
  } else {
    text += " has no " + part_ + (last_cause_.empty() ? "" : ": " + last_cause_);
  }
  return Error{ErrorCode::kUnavailable, std::move(text), {}};
}

void RouterCore::set_cause(const std::string& cause) {
  const std::scoped_lock lock(mutex_);
  last_cause_ = cause;
}

void RouterCore::give_up(std::string_view class_name, std::string_view method) {
  runtime_->dead_letter({DeadLetterReason::kActorEnded,
                         1,
                         {},
                         std::string(class_name),
                         std::string(method),
                         runtime_->sender(),
                         {},
                         nobody().message});
}

// --- for pools -----------------------------------------------------------------------------------

void RouterCore::set_manager(const HandleRef& manager) {
  {
    const std::scoped_lock lock(mutex_);
    manager_ = manager;
  }
  tell(manager);
}

bool RouterCore::set_watermark(std::size_t calls) {
  const std::scoped_lock lock(mutex_);
  const bool below = outstanding_.load(std::memory_order_relaxed) <= calls;
  watermark_ = below ? calls : SIZE_MAX;
  return below;
}

std::uint64_t RouterCore::lost() const {
  const std::scoped_lock lock(mutex_);
  return lost_;
}

void RouterCore::tell_manager() {
  HandleRef manager;
  {
    const std::scoped_lock lock(mutex_);
    manager = manager_;
  }
  tell(manager);
}

void RouterCore::tell(const HandleRef& manager) {
  if (manager.get() == nullptr) return;
  // A call whose end nobody awaits: when the manager is gone there is no dead letter.
  static_cast<void>(
      Handle<PoolManager>(manager, {.timeout = kForever}).call<&PoolManager::adjust>());
}

}  // namespace muster::detail
