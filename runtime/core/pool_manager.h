#pragma once
// The actor that keeps a pool between its bounds. One of its messages does all: look at the pool,
// decide (pool_policy.h), act.
//
// Threads: as of any actor. Lifetime: the pool's owner has the one handle that lasts; it is told
// of things through the RouterCore, and keeps a timer only while there is something to wait for.

#include <muster/detail/router_core.h>
#include <muster/pool.h>

#include "runtime/core/pool_policy.h"

namespace muster::detail {

class PoolManager {
 public:
  PoolManager(std::shared_ptr<RouterCore> members, PoolOptions options, MakeMember make);
  ~PoolManager();
  PoolManager(const PoolManager&) = delete;
  PoolManager& operator=(const PoolManager&) = delete;

  /// The next message waits while a member is being made.
  Task<void> adjust();
  PoolCounts counts() const noexcept { return counts_; }

 private:
  Task<bool> spawn(std::size_t count);
  void note_deaths();
  bool finish(const PoolActions& actions, const std::vector<RouteePtr>& routees);
  void look_again_at(TimePoint when);

  const std::shared_ptr<RouterCore> members_;
  const PoolOptions options_;
  const MakeMember make_;
  SpawnDelay delay_{options_.retry_min, options_.retry_max};
  PoolCounts counts_;
  ScheduledSend next_look_;
  TimePoint next_look_at_ = TimePoint::min();
};

constexpr auto muster_describe_actor(const PoolManager*) {
  return describe_actor<PoolManager>("Pool", MethodName<&PoolManager::adjust>{"adjust"},
                                     MethodName<&PoolManager::counts>{"counts"});
}

}  // namespace muster::detail
