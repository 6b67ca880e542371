#include "runtime/core/pool_manager.h"

#include <algorithm>

#include "runtime/core/runtime_core.h"

namespace muster::detail {

namespace {

void add_member(RouterCore& members, const HandleRef& made) {
  if (made.get() == nullptr) {
    throw Exception(Error{ErrorCode::kInvalid, "the new member is an empty Handle", {}});
  }
  if (!members.add(made) && !members.closed()) {
    throw Exception(Error{ErrorCode::kInvalid, "the new member is one already", {}});
  }
}

}  // namespace

PoolManager::PoolManager(std::shared_ptr<RouterCore> members, PoolOptions options, MakeMember make)
    : members_(std::move(members)), options_(std::move(options)), make_(std::move(make)) {
  counts_.made = options_.min;
}

PoolManager::~PoolManager() {
  next_look_.cancel();
}

Task<void> PoolManager::adjust() {
  for (bool again = true; again;) {
    if (members_->closed() || members_->runtime().stopping()) co_return;
    note_deaths();
    const auto routees = members_->all();
    PoolState state;
    state.calls = members_->outstanding();
    state.spawn_after = delay_.not_before();
    for (const auto& routee : routees) {
      state.members.push_back({routee->load.load(std::memory_order_acquire),
                               TimePoint(Duration(routee->idle_since.load()))});
    }
    const PoolActions actions = decide(options_, state, this_actor::now());
    const bool made = co_await spawn(actions.spawn);
    // When one was not made, how long to wait is decided anew.
    again = !made || !finish(actions, routees);
  }
}

void PoolManager::note_deaths() {
  for (const std::uint64_t lost = members_->lost(); counts_.lost < lost; ++counts_.lost) {
    delay_.failed(this_actor::now());
  }
}

/// False when one was not made.
Task<bool> PoolManager::spawn(std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    std::optional<Error> error;
    try {
      add_member(*members_, co_await make_());
      ++counts_.made;
    } catch (const CheckFailure&) {
      throw;
    } catch (...) {
      error = error_from_current_exception();
    }
    if (!error) continue;
    const std::string text = "a new member was not made: " + error->describe();
    members_->set_cause(text);
    members_->runtime().report(members_->describe() + ": " + text);
    ++counts_.failed;
    delay_.failed(this_actor::now());
    co_return false;
  }
  co_return true;
}

/// False when more calls came meanwhile than there are members for.
bool PoolManager::finish(const PoolActions& actions, const std::vector<RouteePtr>& routees) {
  for (const std::size_t index : actions.retire) {
    if (members_->remove_idle(routees[index]->actor.get()->id())) ++counts_.retired;
  }
  if (actions.look_again) look_again_at(*actions.look_again);
  const std::size_t count = members_->size();
  const bool may_grow = count < options_.max && actions.reason != PoolReason::kTooFewWait;
  return members_->set_watermark(may_grow ? count * options_.calls_per_member : SIZE_MAX);
}

void PoolManager::look_again_at(TimePoint when) {
  const TimePoint now = this_actor::now();
  if (now < next_look_at_ && next_look_at_ <= when) return;
  next_look_.cancel();
  next_look_ = this_actor::send_after<&PoolManager::adjust>(std::max(when - now, Duration::zero()));
  next_look_at_ = when;
}

PoolOwner::PoolOwner(std::shared_ptr<RouterCore> members, PoolOptions options, MakeMember make)
    : members_(std::move(members)) {
  if (options.min < 1 || options.min > options.max || options.calls_per_member < 1) {
    throw Exception(Error{ErrorCode::kInvalid,
                          members_->describe() + ": min is " + std::to_string(options.min) +
                              ", max " + std::to_string(options.max) + ", calls_per_member " +
                              std::to_string(options.calls_per_member) +
                              "; expected 1 <= min <= max and calls_per_member >= 1",
                          {}});
  }
  for (std::size_t i = 0; i < options.min; ++i) add_member(*members_, make().get());
  manager_ = spawn_hidden(members_->domain(), actor_type<PoolManager>(), [&]() -> void* {
    return new PoolManager(members_, std::move(options), std::move(make));
  });
  members_->set_manager(manager_);
}

PoolOwner::~PoolOwner() {
  members_->close();
}

Future<PoolCounts> PoolOwner::counts() const {
  return Handle<PoolManager>(manager_).call<&PoolManager::counts>();
}

}  // namespace muster::detail
