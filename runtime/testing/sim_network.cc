// The simulated network: nodes, connects and faults. Streams are in sim_stream.cc.

#include <muster/testing/sim_network.h>

#include "runtime/net/address.h"
#include "runtime/testing/sim_state.h"

namespace muster::testing {
namespace {

class SimListenerHandle final : public Listener {
 public:
  SimListenerHandle(std::shared_ptr<SimNetworkState> state, std::shared_ptr<SimNode> node,
                    std::string address)
      : state_(std::move(state)), node_(std::move(node)), address_(std::move(address)) {}
  ~SimListenerHandle() override {
    const auto found = state_->listeners.find(address_);
    if (found != state_->listeners.end() && found->second.node == node_) {
      state_->listeners.erase(found);
    }
  }
  std::string address() const override { return address_; }

 private:
  std::shared_ptr<SimNetworkState> state_;
  std::shared_ptr<SimNode> node_;
  std::string address_;
};

class SimTransport final : public Transport {
 public:
  SimTransport(std::shared_ptr<SimNetworkState> state, std::shared_ptr<SimNode> node)
      : state_(std::move(state)), node_(std::move(node)) {}
  ~SimTransport() override { stop(); }

  Result<std::unique_ptr<Listener>> listen(
      const std::string& address,
      std::function<void(std::unique_ptr<ByteStream>)> on_accept) override {
    auto parsed = net::parse_address(address);
    if (!parsed) return fail(parsed.error());
    if (parsed->host != node_->name) {
      return fail(ErrorCode::kUnavailable,
                  "cannot listen on " + address + ": node " + node_->name + " has no such address");
    }
    if (parsed->port == 0) parsed->port = static_cast<std::uint16_t>(++node_->last_port);
    std::string bound = net::format_address(parsed->host, parsed->port);
    SimListener entry{node_, std::make_shared<std::function<void(std::unique_ptr<ByteStream>)>>(
                                 std::move(on_accept))};
    if (!state_->listeners.emplace(bound, std::move(entry)).second) {
      return fail(ErrorCode::kUnavailable,
                  "cannot listen on " + bound + ": address already in use");
    }
    state_->note("listen " + bound);
    return std::make_unique<SimListenerHandle>(state_, node_, std::move(bound));
  }

  void connect(const std::string& address, Duration timeout,
               std::function<void(Result<std::unique_ptr<ByteStream>>)> done) override {
    state_->connect(node_, address, timeout, std::move(done));
  }

  Timers& timers() override { return node_->timers; }

  void stop() override {
    node_->stopped = true;
    std::erase_if(state_->listeners, [this](const auto& l) { return l.second.node == node_; });
    for (const auto& weak : state_->connections) {
      const auto connection = weak.lock();
      if (!connection) continue;
      for (const int side : {0, 1}) {
        SimEnd& end = connection->ends[side];
        if (end.node != node_ || end.closed) continue;
        end.closed = true;
        state_->wake_reader(connection, side);
        state_->wake_writer(connection, side);
        if (!end.lost && *node_->alive) state_->send(connection, side, {});
      }
    }
  }

 private:
  const std::shared_ptr<SimNetworkState> state_;
  const std::shared_ptr<SimNode> node_;
};

}  // namespace

const LinkOptions& SimNetworkState::link(const std::string& a, const std::string& b) const {
  const auto found = links.find(pair(a, b));
  return found == links.end() ? default_link : found->second;
}

Duration SimNetworkState::draw_between(Duration least, Duration most) {
  const auto spread = (most - least).count();
  if (spread <= 0) return least;
  return least +
         Duration(static_cast<Duration::rep>(random.below(static_cast<std::uint64_t>(spread) + 1)));
}

std::size_t SimNetworkState::maybe_part(const LinkOptions& l, std::size_t n) {
  if (n < 2 || !chance(l.partial_probability)) return n;
  return 1 + static_cast<std::size_t>(random.below(n));
}

void SimNetworkState::note(std::string what) {
  trace.push_back({timers.clock().now(), std::move(what)});
}

void SimNetworkState::for_connections(
    const std::string& a, const std::string& b,
    const std::function<void(const std::shared_ptr<SimConnection>&)>& visit) {
  std::erase_if(connections, [](const auto& c) { return c.expired(); });
  for (const auto& weak : std::vector(connections)) {
    const auto c = weak.lock();
    if (c && pair(c->ends[0].node->name, c->ends[1].node->name) == pair(a, b)) visit(c);
  }
}

void SimNetworkState::connect(const std::shared_ptr<SimNode>& from, const std::string& address,
                              Duration timeout,
                              std::function<void(Result<std::unique_ptr<ByteStream>>)> done) {
  const std::string to = address.substr(0, address.rfind(':'));
  const LinkOptions& l = link(from->name, to);
  const Duration there = draw_between(l.latency_min, l.latency_max),
                 back = draw_between(l.latency_min, l.latency_max);
  const std::string own = from->name + ":" + std::to_string(++from->last_port);
  const TimePoint now = timers.clock().now();
  const auto arrive = [self = shared_from_this(), from, to, address, own, back,
                       give_up = now + timeout, timeout, done = std::move(done)] {
    const TimePoint answered = self->timers.clock().now() + back;
    const auto found = self->listeners.find(address);
    const bool dead =
        self->nodes.contains(to) && !*self->nodes[to]->alive && found == self->listeners.end();
    if (self->partitioned(from->name, to) || dead || answered > give_up) {
      self->note("connect " + own + " -> " + address + " unanswered");
      from->timers.schedule(give_up, [done, address, timeout] {
        const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count();
        done(fail(ErrorCode::kTimeout, "cannot connect to " + address + ": no answer within " +
                                           std::to_string(ms) + " ms"));
      });
      return;
    }
    if (found == self->listeners.end()) {
      self->note("connect " + own + " -> " + address + " refused");
      from->timers.schedule(answered, [done, address] {
        done(
            fail(ErrorCode::kUnavailable, "cannot connect to " + address + ": connection refused"));
      });
      return;
    }
    self->note("connect " + own + " -> " + address);
    auto connection = std::make_shared<SimConnection>();
    connection->ends[0].node = from;
    connection->ends[0].address = own;
    connection->ends[1].node = found->second.node;
    connection->ends[1].address = address;
    self->connections.push_back(connection);
    const auto stream =
        std::make_shared<std::unique_ptr<ByteStream>>(self->make_stream(connection, 0));
    from->timers.schedule(answered, [stream, done] { done(std::move(*stream)); });
    const auto on_accept = found->second.on_accept;
    (*on_accept)(self->make_stream(connection, 1));
  };
  timers.schedule(now + there, arrive);
}

SimNetwork::SimNetwork(std::uint64_t seed, VirtualTimers& timers, LinkOptions link)
    : state_(std::make_shared<SimNetworkState>(seed, timers, link)) {}

SimNetwork::~SimNetwork() = default;

std::unique_ptr<Transport> SimNetwork::make_transport(const std::string& name) {
  auto& node = state_->nodes[name];
  MUSTER_CHECK(node == nullptr || !*node->alive || node->stopped, name);
  node = std::make_shared<SimNode>(name, state_->timers);
  return std::make_unique<SimTransport>(state_, node);
}

void SimNetwork::set_link(const std::string& a, const std::string& b, LinkOptions link) {
  state_->links[SimNetworkState::pair(a, b)] = link;
}

void SimNetwork::drop_connections(const std::string& a, const std::string& b) {
  state_->for_connections(a, b, [this](const auto& c) { state_->lose(c, "lost"); });
}

void SimNetwork::partition(const std::string& a, const std::string& b) {
  state_->note("partition " + a + " | " + b);
  state_->partitions.insert(SimNetworkState::pair(a, b));
}

void SimNetwork::heal(const std::string& a, const std::string& b) {
  state_->note("heal " + a + " - " + b);
  state_->partitions.erase(SimNetworkState::pair(a, b));
  state_->for_connections(a, b, [this](const auto& c) {
    for (const int side : {0, 1}) state_->pump(c, side);
  });
}

void SimNetwork::crash(const std::string& name) {
  const auto found = state_->nodes.find(name);
  MUSTER_CHECK(found != state_->nodes.end(), name);
  state_->note("crash " + name);
  *found->second->alive = false;
  std::erase_if(state_->listeners, [&](const auto& l) { return l.second.node == found->second; });
}

void SimNetwork::exit(const std::string& name) {
  const auto found = state_->nodes.find(name);
  MUSTER_CHECK(found != state_->nodes.end(), name);
  state_->note("exit " + name);
  const auto node = found->second;
  *node->alive = false;
  std::erase_if(state_->listeners, [&](const auto& l) { return l.second.node == node; });
  for (const auto& weak : std::vector(state_->connections)) {
    const auto c = weak.lock();
    if (c && (c->ends[0].node == node || c->ends[1].node == node)) state_->lose(c, "reset");
  }
}

const std::vector<SimEvent>& SimNetwork::trace() const {
  return state_->trace;
}
std::uint64_t SimNetwork::seed() const {
  return state_->seed;
}
std::uint64_t SimNetwork::bytes_delivered() const {
  return state_->bytes_delivered;
}

}  // namespace muster::testing
