#pragma once
// Who hears of an actor's death: monitors, and the actors that it is linked with.
//
// Threads: what is in one is guarded by the mutex of its cell; the static functions are called from
// any thread, without it.
//
// Who knows what: of a link between two actors of this node both cells have an entry, and whichever
// dies tells the other. Of one with another node's actor the cell here has an entry, and this node
// monitors the other; that node does the same, told by Monitor.link.

#include <muster/detail/future_state.h>
#include <muster/runtime.h>

#include <vector>

namespace muster::detail {

class ActorCell;

class Watchers {
 public:
  enum class Linking : std::uint8_t { kNew, kOld, kDead };
  /// Tells `hear` when the cell dies, or now if it has. Of those that nobody waits for any more,
  /// not many are kept.
  static void add(ActorCell& cell, const boost::intrusive_ptr<FutureState<Down>>& hear);
  /// `other` is linked with the actor from now on.
  static Linking link(ActorCell& cell, const ActorId& other);
  /// `other` has ended: a link with it is over, and takes the actor along unless it was in order.
  static void link_ended(ActorCell& cell, const ActorId& other, const Down& down);

  /// How the cell ended; nothing while it lives.
  static std::optional<Down> end_of(ActorCell& cell);

  /// Of the cell, which has died.
  void tell(ActorCell& cell, const Down& down) const;

 private:
  friend class ActorCell;
  using Futures = std::vector<boost::intrusive_ptr<FutureState<Down>>>;
  static Watchers& of(ActorCell& cell);  // requires its mutex
  Futures take_unwanted();

  std::vector<std::function<void(const Down&)>> monitors_;
  Futures futures_;
  std::size_t futures_max_ = 8;  // then they are looked through; twice the wanted ones
  std::vector<ActorId> links_;   // each once
};

}  // namespace muster::detail
