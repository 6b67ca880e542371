// Monitors and links: what others hear of an actor's death, and what it does to them.

#include <algorithm>
#include <iterator>

#include "runtime/core/actor_cell.h"
#include "runtime/core/cell_extras.h"
#include "runtime/core/peer.h"
#include "runtime/core/watchers.h"

namespace muster {
namespace detail {

namespace {

/// Ended otherwise than in order: what is linked with it fails.
bool is_failure(DownReason reason) noexcept {
  return reason == DownReason::kCrashed || reason == DownReason::kKilled ||
         reason == DownReason::kNodeLost || reason == DownReason::kLinked;
}

}  // namespace

void ActorCell::monitor(std::function<void(const Down&)> hear) {
  {
    const std::scoped_lock lock(mutex_);
    if (!dead_) {
      Watchers::of(*this).monitors_.push_back(std::move(hear));
      return;
    }
  }
  hear(*down_);
}

std::optional<Down> Watchers::end_of(ActorCell& cell) {
  const std::scoped_lock lock(cell.mutex_);
  return cell.dead_ ? std::optional(*cell.down_) : std::nullopt;
}

Watchers& Watchers::of(ActorCell& cell) {
  if (!cell.watchers_) cell.watchers_ = std::make_unique<Watchers>();
  return *cell.watchers_;
}

void Watchers::add(ActorCell& cell, const boost::intrusive_ptr<FutureState<Down>>& hear) {
  Futures unwanted;  // end without the lock
  {
    const std::scoped_lock lock(cell.mutex_);
    if (!cell.dead_) {
      Watchers& watchers = of(cell);
      unwanted = watchers.take_unwanted();
      watchers.futures_.push_back(hear);
      return;
    }
  }
  hear->complete(Down(*cell.down_));
}

Watchers::Futures Watchers::take_unwanted() {
  if (futures_.size() < futures_max_) return {};
  const auto wanted = [](const auto& future) {
    return !future->claimed() && (future->use_count() > 1 || future->has_waiters());
  };
  const auto rest = std::stable_partition(futures_.begin(), futures_.end(), wanted);
  Futures unwanted(std::make_move_iterator(rest), std::make_move_iterator(futures_.end()));
  futures_.erase(rest, futures_.end());
  futures_max_ = std::max<std::size_t>(8, 2 * futures_.size());
  return unwanted;
}

Watchers::Linking Watchers::link(ActorCell& cell, const ActorId& other) {
  const std::scoped_lock lock(cell.mutex_);
  if (cell.dead_) return Linking::kDead;
  auto& links = of(cell).links_;
  if (std::ranges::find(links, other) != links.end()) return Linking::kOld;
  links.push_back(other);
  return Linking::kNew;
}

void Watchers::link_ended(ActorCell& cell, const ActorId& other, const Down& down) {
  {
    const std::scoped_lock lock(cell.mutex_);
    if (cell.dead_ || !cell.watchers_ || std::erase(cell.watchers_->links_, other) == 0) return;
  }
  if (!is_failure(down.reason)) return;
  cell.control([&cell, text = down.cause.message] { cell.fail_with(DownReason::kLinked, text); });
}

void Watchers::tell(ActorCell& cell, const Down& down) const {
  for (const auto& hear : monitors_) hear(down);
  for (const auto& future : futures_) future->complete(Down(down));
  for (const ActorId& other : links_) {
    if (other.node != cell.id().node) continue;  // that node monitors this actor
    if (const auto linked = cell.core().cell(other.number)) link_ended(*linked, cell.id(), down);
  }
}

namespace {

Down unreachable(const ActorRef& remote) {
  const Error cause{ErrorCode::kUnavailable, remote.describe(), {}};
  return Down{remote.id(), {}, DownReason::kNodeLost, cause};
}

}  // namespace

Future<Down> RuntimeCore::monitor(const HandleRef& actor) {
  const auto state = boost::intrusive_ptr(
      new FutureState<Down>(boost::intrusive_ptr<Domain>(static_cast<Domain*>(this))));
  ActorRef& ref = *actor.get();
  if (ref.is_local()) {
    Watchers::add(static_cast<ActorCell&>(ref), state);
  } else if (const auto& peer = static_cast<RemoteActor&>(ref).peer()) {
    peer->monitor(ref.id(), state, 0);
  } else {
    state->complete(unreachable(ref));
  }
  return Future<Down>(state);
}

void RuntimeCore::link(ActorCell& actor, const HandleRef& other) {
  const ActorId id = other.get()->id();
  if (id == actor.id() || Watchers::link(actor, id) != Watchers::Linking::kNew) return;
  if (other.get()->is_local()) {
    auto& cell = static_cast<ActorCell&>(*other.get());
    if (Watchers::link(cell, actor.id()) != Watchers::Linking::kDead) return;
    cell.monitor([&](const Down& down) { Watchers::link_ended(actor, id, down); });
  } else if (const auto& peer = static_cast<RemoteActor&>(*other.get()).peer()) {
    watch_link(*peer, id, actor, true);
  } else {
    Watchers::link_ended(actor, id, unreachable(*other.get()));
  }
}

void RuntimeCore::watch_link(Peer& peer, const ActorId& other, ActorCell& actor, bool tell) {
  const auto state = boost::intrusive_ptr(
      new FutureState<Down>(boost::intrusive_ptr<Domain>(static_cast<Domain*>(this))));
  peer.monitor(other, state, tell ? actor.id().number : 0);
  run_when_ready(
      *state, boost::intrusive_ptr<Place>(&place()),
      [core = boost::intrusive_ptr<RuntimeCore>(this), state, other, number = actor.id().number] {
        const auto cell = core->cell(number);
        if (cell && state->peek()) Watchers::link_ended(*cell, other, *state->peek());
      });
}

}  // namespace detail

void this_actor::detail_::link(const detail::HandleRef& other) {
  detail::ActorCell* cell = detail::ActorCell::current();
  MUSTER_CHECK(cell != nullptr, "this_actor is used outside an actor's handlers");
  MUSTER_CHECK(other.get() != nullptr, "the Handle is empty");
  cell->core().link(*cell, other);
}

}  // namespace muster
