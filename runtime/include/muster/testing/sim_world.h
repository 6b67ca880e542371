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
#include <muster/testing/messages.h>
#include <muster/testing/sim_network.h>

#include <map>

namespace muster::testing {

class SimWorld {
 public:
  explicit SimWorld(std::uint64_t seed, LinkOptions link = {});
  /// As the first, but `choice` says what runs next; the seed decides all else.
  SimWorld(std::uint64_t seed, ManualScheduler::Choice choice, LinkOptions link = {});
  /// As shutdown() of all.
  ~SimWorld();
  SimWorld(const SimWorld&) = delete;
  SimWorld& operator=(const SimWorld&) = delete;

  /// Starts a node. Its addresses are "name:port". Requires: no node of that name runs.
  Runtime& start(const std::string& name, RuntimeOptions options = {});
  /// The named fault "crash": the node does nothing any more and nobody is told. Its Runtime stays
  /// for the test to look at; waits through it end at once, in kTimeout.
  void crash(const std::string& name);
  /// The named fault "exit": as crash(), but the system closes the node's connections, so that
  /// those it was joined with know at once.
  void exit(const std::string& name);
  /// The node's process ends in order, and its Runtime is gone.
  void shutdown(const std::string& name);
  /// As shutdown(name) of every node, the latest first, and of what crashed: nothing is left.
  void shutdown();

  /// Rules on the messages between actors, on all nodes.
  Messages& messages() noexcept { return *messages_; }
  /// Runs until `rule` has decided on `count` messages in all; kTimeout, with how many it were,
  /// when `limit` of virtual time has passed before.
  Result<void> expect(const MessageRule& rule, std::size_t count = 1, Duration limit = 1s);

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
  bool run_until_quiet(Duration calm = 1s, Duration limit = 10min) {
    return scheduler_.run_until_quiet(calm, limit);
  }
  std::uint64_t seed() const noexcept { return seed_; }

 private:
  struct Node {
    std::uint64_t number = 0;  // of its start
    std::shared_ptr<Executor> executor;
    std::unique_ptr<Runtime> runtime;
  };
  void bury(const std::string& name);

  const std::uint64_t seed_;
  VirtualTimers timers_;
  ManualScheduler scheduler_;
  SimNetwork network_;
  const std::shared_ptr<Messages> messages_;
  std::uint64_t started_ = 0;
  std::map<std::string, Node> nodes_;
  std::vector<Node> crashed_;
};

}  // namespace muster::testing
