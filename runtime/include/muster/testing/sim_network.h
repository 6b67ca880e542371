#pragma once
/// A simulated network: nodes joined by byte streams on virtual time, with named faults, every
/// choice made from one seed. The same seed and the same calls give the same run.
///
/// Threads: everything runs on the thread that drives the VirtualTimers; no member may be called
/// from another while it does.
/// Lifetime: the network outlives its transports; the timers outlive the network. Streams and
/// listeners may outlive both, they end with kCancelled.

#include <muster/random.h>
#include <muster/testing/virtual_time.h>
#include <muster/transport.h>

#include <memory>
#include <string>
#include <vector>

namespace muster::testing {

/// How a link between two nodes behaves, in each direction.
struct LinkOptions {
  Duration latency_min = 50us;
  Duration latency_max = 200us;  ///< each write draws its own; bytes of a stream never overtake
  double bytes_per_second = 0;   ///< 0: no limit
  std::size_t window_bytes = 256 * 1024;  ///< in flight before writes are refused
  /// Reads and writes are cut to a random part with this probability.
  double partial_probability = 0.1;
  /// Each write cuts its connection with this probability; both ends see kUnavailable.
  double loss_probability = 0;
  /// The fault "reorder": with this probability a write, and all that follows it on its connection,
  /// arrives up to reorder_delay later than it would, so that what other connections wrote after it
  /// overtakes it. Within a connection the order stays. Traced.
  double reorder_probability = 0;
  Duration reorder_delay = 20ms;
};

/// One thing that happened, in order: "connect a:50001 -> b:1", "lost a:50001 -> b:1",
/// "reorder a:50001 -> b:1".
struct SimEvent {
  TimePoint when;
  std::string what;
};

struct SimNetworkState;

class SimNetwork {
 public:
  SimNetwork(std::uint64_t seed, VirtualTimers& timers, LinkOptions link = {});
  ~SimNetwork();
  SimNetwork(const SimNetwork&) = delete;
  SimNetwork& operator=(const SimNetwork&) = delete;

  /// The transport of node `name`; its addresses are "name:port". Connections from it show as
  /// "name:<number>". One a name; a new one after a crash, or after the last one stopped, is the
  /// restarted node.
  std::unique_ptr<Transport> make_transport(const std::string& name);

  /// For both directions between `a` and `b`, for writes from now on.
  void set_link(const std::string& a, const std::string& b, LinkOptions link);
  /// Cuts all connections between `a` and `b`: both ends see kUnavailable at once, bytes in flight
  /// are gone.
  void drop_connections(const std::string& a, const std::string& b);
  /// Bytes between `a` and `b` stand still and connects go unanswered until heal(); nobody is told.
  void partition(const std::string& a, const std::string& b);
  void heal(const std::string& a, const std::string& b);
  /// `name` falls silent for good, its callbacks too: peers find out only by their timeouts.
  void crash(const std::string& name);
  /// `name`'s process ends and its system closes its connections: peers see kUnavailable.
  void exit(const std::string& name);

  /// What happened so far: connects, accepts, refusals, closes and faults; bytes are not traced.
  const std::vector<SimEvent>& trace() const;
  std::uint64_t seed() const;
  /// Bytes delivered so far, over all links.
  std::uint64_t bytes_delivered() const;

 private:
  std::shared_ptr<SimNetworkState> state_;
};

}  // namespace muster::testing
