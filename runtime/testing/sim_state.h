#pragma once
// The inside of the simulated network: nodes, links, connections. All on the thread that drives
// the virtual time.
//
// Invariants: callbacks of a node that is not alive never run; bytes of one direction of a
// connection arrive in order, at non-decreasing times.

#include <muster/testing/sim_network.h>

#include <deque>
#include <map>
#include <set>
#include <utility>

namespace muster::testing {

struct SimNode;

// Timers of one node: silent once it is gone.
class SimNodeTimers final : public Timers {
 public:
  SimNodeTimers(VirtualTimers& timers, std::shared_ptr<bool> alive)
      : timers_(timers), alive_(std::move(alive)) {}
  const Clock& clock() const override { return timers_.clock(); }
  TimerId schedule(TimePoint when, std::function<void()> callback) override {
    return timers_.schedule(when, [alive = alive_, callback = std::move(callback)] {
      if (*alive) callback();
    });
  }
  bool cancel(TimerId id) override { return timers_.cancel(id); }
  void soon(std::function<void()> callback) { schedule(clock().now(), std::move(callback)); }

 private:
  VirtualTimers& timers_;
  std::shared_ptr<bool> alive_;
};

struct SimNode {
  SimNode(std::string n, VirtualTimers& t) : name(std::move(n)), timers(t, alive) {}
  const std::string name;
  const std::shared_ptr<bool> alive = std::make_shared<bool>(true);
  bool stopped = false;  // its transport was
  SimNodeTimers timers;
  std::uint64_t last_port = 50000;
};

// One end of a connection and what is on its way to it.
struct SimEnd {
  struct Flight {
    TimePoint arrival;
    std::vector<std::byte> bytes;  // empty: the other end's orderly close
  };
  std::shared_ptr<SimNode> node;
  std::string address;  // as the other end sees it
  std::deque<Flight> flights;
  std::size_t flying = 0;  // bytes in flights and unread
  TimePoint last_arrival{};
  std::vector<std::byte> inbox;
  std::size_t taken = 0;     // of the inbox, by reads
  bool peer_closed = false;  // all of the inbox is all there will be
  bool closed = false;       // by its owner
  std::optional<Error> lost;
  std::span<std::byte> into;
  ByteStream::IoHandler reader;
  std::function<void()> writer;

  std::size_t readable() const { return inbox.size() - taken; }
};

struct SimConnection {
  SimEnd ends[2];
};

struct SimListener {
  std::shared_ptr<SimNode> node;
  std::shared_ptr<std::function<void(std::unique_ptr<ByteStream>)>> on_accept;
};

struct SimNetworkState : std::enable_shared_from_this<SimNetworkState> {
  SimNetworkState(std::uint64_t s, VirtualTimers& t, LinkOptions link)
      : seed(s), timers(t), random(s), default_link(link) {}

  using Pair = std::pair<std::string, std::string>;
  static Pair pair(const std::string& a, const std::string& b) {
    return a < b ? Pair(a, b) : Pair(b, a);
  }
  const LinkOptions& link(const std::string& a, const std::string& b) const;
  bool partitioned(const std::string& a, const std::string& b) const {
    return partitions.contains(pair(a, b));
  }
  Duration draw_between(Duration least, Duration most);
  // True with this probability.
  bool chance(double probability) { return probability > 0 && random.uniform() < probability; }
  // All of `n`, or a random part of at least 1.
  std::size_t maybe_part(const LinkOptions& link, std::size_t n);
  void note(std::string what);
  void for_connections(const std::string& a, const std::string& b,
                       const std::function<void(const std::shared_ptr<SimConnection>&)>& visit);
  void connect(const std::shared_ptr<SimNode>& from, const std::string& address, Duration timeout,
               std::function<void(Result<std::unique_ptr<ByteStream>>)> done);

  // Of one connection (sim_stream.cc):
  std::unique_ptr<ByteStream> make_stream(std::shared_ptr<SimConnection> connection, int side);
  void send(const std::shared_ptr<SimConnection>& c, int from, std::vector<std::byte> bytes);
  void pump(const std::shared_ptr<SimConnection>& c, int to);
  void lose(const std::shared_ptr<SimConnection>& c, const std::string& why);
  void wake_reader(const std::shared_ptr<SimConnection>& c, int side);
  // Half of the window is free. Who waits to write is woken only then, as a TCP's sender is: it
  // would write ever smaller pieces otherwise.
  bool writable(const SimConnection& c, int side) const;
  void wake_writer(const std::shared_ptr<SimConnection>& c, int side);

  const std::uint64_t seed;
  VirtualTimers& timers;
  Random random;
  const LinkOptions default_link;
  std::map<Pair, LinkOptions> links;
  std::set<Pair> partitions;
  std::map<std::string, std::shared_ptr<SimNode>> nodes;
  std::map<std::string, SimListener> listeners;
  std::vector<std::weak_ptr<SimConnection>> connections;
  std::vector<SimEvent> trace;
  std::uint64_t bytes_delivered = 0;
};

}  // namespace muster::testing
