#pragma once
/// A whole cluster in one thread: runtimes on a simulated network, a virtual clock and one seeded
/// order of everything. The same seed and the same calls give the same run.
///
///     muster::testing::SimWorld world(seed);
///     muster::Runtime& head = world.start("head", {.listen = "head:1"});
///     muster::Runtime& node = world.start("node");
///     node.join("head:1", 1s);
///
/// Threads: one thread uses the world and everything in it.

#include <muster/runtime.h>
#include <muster/testing/manual_executor.h>
#include <muster/testing/sim_network.h>

#include <map>

namespace muster::testing {

class SimWorld {
 public:
  explicit SimWorld(std::uint64_t seed, LinkOptions link = {});
  /// Shuts the runtimes down, latest first.
  ~SimWorld();
  SimWorld(const SimWorld&) = delete;
  SimWorld& operator=(const SimWorld&) = delete;

  /// Starts a node. Its addresses are "name:port". Requires: no node of that name runs.
  Runtime& start(const std::string& name, RuntimeOptions options = {});
  /// The named fault "crash": the node does nothing any more and nobody is told.
  void crash(const std::string& name);
  /// The node's process ends in order.
  void shutdown(const std::string& name);

  SimNetwork& network() noexcept { return network_; }
  const SimNetwork& network() const noexcept { return network_; }
  VirtualTimers& timers() noexcept { return timers_; }
  ManualScheduler& scheduler() noexcept { return scheduler_; }
  TimePoint now() const { return timers_.clock().now(); }
  template <class Predicate>
  bool run_until(Predicate done, Duration limit = 60s) {
    return scheduler_.run_until(std::move(done), limit);
  }
  void run_for(Duration duration) { scheduler_.run_for(duration); }
  std::uint64_t seed() const noexcept { return seed_; }

 private:
  struct Node {
    std::shared_ptr<Executor> executor;
    std::unique_ptr<Runtime> runtime;
  };

  const std::uint64_t seed_;
  VirtualTimers timers_;
  ManualScheduler scheduler_;
  SimNetwork network_;
  std::uint64_t started_ = 0;
  std::map<std::string, Node> nodes_;
  std::vector<Node> crashed_;
};

}  // namespace muster::testing
