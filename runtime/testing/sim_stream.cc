// Streams of the simulated network: bytes on their way, reads and writes.

#include <algorithm>
#include <cstring>

#include "runtime/testing/sim_state.h"

namespace muster::testing {
namespace {

Error closed_here(const SimEnd& peer) {
  return {ErrorCode::kCancelled, "connection to " + peer.address + " closed", {}};
}

class SimStream final : public ByteStream {
 public:
  SimStream(std::shared_ptr<SimNetworkState> state, std::shared_ptr<SimConnection> connection,
            int side)
      : state_(std::move(state)), connection_(std::move(connection)), side_(side) {}
  ~SimStream() override { close(); }

  void read_some(std::span<std::byte> into, IoHandler done) override {
    own().into = into;
    own().reader = std::move(done);
    if (own().readable() > 0 || own().closed || own().lost || own().peer_closed) {
      state_->wake_reader(connection_, side_);
    }
  }

  Result<std::size_t> try_write(std::span<const Slice> slices) override {
    if (own().closed) return fail(closed_here(other()));
    if (own().lost) return fail(*own().lost);
    const LinkOptions& link = state_->link(own().node->name, other().node->name);
    if (state_->chance(link.loss_probability)) {
      state_->lose(connection_, "lost");
      return fail(*own().lost);
    }
    std::size_t all = 0;
    for (const Slice& slice : slices) all += slice.size();
    const std::size_t room = link.window_bytes - std::min(link.window_bytes, other().flying);
    std::size_t left = std::min(all, room);
    if (left == 0) return std::size_t{0};
    left = state_->maybe_part(link, left);
    const std::size_t count = left;
    std::vector<std::byte> bytes;
    bytes.reserve(left);
    for (const Slice& slice : slices) {
      const Slice part = slice.first(std::min(slice.size(), left));
      bytes.insert(bytes.end(), part.begin(), part.end());
      left -= part.size();
    }
    state_->send(connection_, side_, std::move(bytes));
    return count;
  }

  void wait_writable(std::function<void()> done) override {
    own().writer = std::move(done);
    if (own().closed || own().lost || state_->writable(*connection_, side_)) {
      state_->wake_writer(connection_, side_);
    }
  }

  void close() override {
    if (std::exchange(own().closed, true)) return;
    state_->wake_reader(connection_, side_);
    state_->wake_writer(connection_, side_);
    if (own().lost || !*own().node->alive) return;
    state_->note("close " + own().address + " -> " + other().address);
    state_->send(connection_, side_, {});
  }

  std::string peer_address() const override { return connection_->ends[1 - side_].address; }

 private:
  SimEnd& own() { return connection_->ends[side_]; }
  SimEnd& other() { return connection_->ends[1 - side_]; }

  const std::shared_ptr<SimNetworkState> state_;
  const std::shared_ptr<SimConnection> connection_;
  const int side_;
};

}  // namespace

std::unique_ptr<ByteStream> SimNetworkState::make_stream(std::shared_ptr<SimConnection> connection,
                                                         int side) {
  return std::make_unique<SimStream>(shared_from_this(), std::move(connection), side);
}

// Empty bytes are the orderly close.
void SimNetworkState::send(const std::shared_ptr<SimConnection>& c, int from,
                           std::vector<std::byte> bytes) {
  SimEnd& to = c->ends[1 - from];
  const LinkOptions& l = link(c->ends[from].node->name, to.node->name);
  Duration travel = draw_between(l.latency_min, l.latency_max);
  TimePoint start = timers.clock().now();
  if (l.bytes_per_second > 0) {
    // The wire is busy with what was sent before.
    const double seconds = static_cast<double>(bytes.size()) / l.bytes_per_second;
    const auto busy = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
    start = std::max(start, to.last_arrival - std::min(travel, l.latency_max));
    travel += busy;
  }
  if (chance(l.reorder_probability)) {
    note("reorder " + c->ends[from].address + " -> " + to.address);
    travel += draw_between(Duration(1), l.reorder_delay);
  }
  to.last_arrival = std::max(to.last_arrival, start + travel);
  to.flying += bytes.size();
  to.flights.push_back({to.last_arrival, std::move(bytes)});
  timers.schedule(to.last_arrival,
                  [self = shared_from_this(), c, side = 1 - from] { self->pump(c, side); });
}

// What has arrived at `to` becomes readable, unless the nodes are partitioned: heal() pumps again.
void SimNetworkState::pump(const std::shared_ptr<SimConnection>& c, int to) {
  SimEnd& end = c->ends[to];
  if (end.lost || !*end.node->alive) return;
  if (partitioned(c->ends[0].node->name, c->ends[1].node->name)) return;
  bool news = false;
  while (!end.flights.empty() && end.flights.front().arrival <= timers.clock().now()) {
    const auto& bytes = end.flights.front().bytes;
    if (bytes.empty()) end.peer_closed = true;
    bytes_delivered += bytes.size();
    if (end.closed) {
      end.flying -= bytes.size();  // nobody reads
    } else {
      end.inbox.insert(end.inbox.end(), bytes.begin(), bytes.end());
    }
    end.flights.pop_front();
    news = true;
  }
  if (!news) return;
  wake_reader(c, to);
  if (end.closed) wake_writer(c, 1 - to);
}

void SimNetworkState::lose(const std::shared_ptr<SimConnection>& c, const std::string& why) {
  if (c->ends[0].lost || c->ends[1].lost) return;
  note(why + " " + c->ends[0].address + " -> " + c->ends[1].address);
  for (const int side : {0, 1}) {
    SimEnd& end = c->ends[side];
    end.lost =
        Error{ErrorCode::kUnavailable,
              "connection to " + c->ends[1 - side].address + " lost: connection reset by peer",
              {}};
    end.flights.clear();
    end.inbox.clear();
    end.taken = 0;
    wake_reader(c, side);
    wake_writer(c, side);
  }
}

void SimNetworkState::wake_reader(const std::shared_ptr<SimConnection>& c, int side) {
  SimEnd& end = c->ends[side];
  if (!end.reader) return;
  end.node->timers.soon(
      [self = shared_from_this(), c, side, done = std::exchange(end.reader, nullptr)] {
        SimEnd& own = c->ends[side];
        const SimEnd& peer = c->ends[1 - side];
        if (own.closed) return done(fail(closed_here(peer)));
        if (own.lost) return done(fail(*own.lost));
        std::size_t count = std::min(own.readable(), own.into.size());
        if (count == 0) {
          return done(fail(ErrorCode::kUnavailable, peer.address + " closed the connection"));
        }
        count = self->maybe_part(self->link(own.node->name, peer.node->name), count);
        std::memcpy(own.into.data(), own.inbox.data() + own.taken, count);
        own.taken += count;
        if (own.readable() == 0) {
          own.inbox.clear();
          own.taken = 0;
        }
        own.flying -= count;
        if (self->writable(*c, 1 - side)) self->wake_writer(c, 1 - side);
        done(count);
      });
}

bool SimNetworkState::writable(const SimConnection& c, int side) const {
  const LinkOptions& l = link(c.ends[0].node->name, c.ends[1].node->name);
  return c.ends[1 - side].flying <= l.window_bytes / 2;
}

void SimNetworkState::wake_writer(const std::shared_ptr<SimConnection>& c, int side) {
  SimEnd& end = c->ends[side];
  if (end.writer) end.node->timers.soon(std::exchange(end.writer, nullptr));
}

}  // namespace muster::testing
