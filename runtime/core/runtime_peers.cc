// RuntimeCore's connections: listening, joining, and who is joined.

#include <algorithm>

#include "runtime/core/call_log.h"
#include "runtime/core/peer.h"
#include "runtime/core/runtime_core.h"
#include "runtime/net/address.h"

namespace muster::detail {

namespace {

constexpr std::ptrdiff_t kPeersMax = 1024;  // handshakes under way counted
constexpr Duration kHandshakeTimeout = 5s;
constexpr Duration kJoinTimeoutMax = 24h * 365;
constexpr Duration kJoinGrace = 100ms;

}  // namespace

std::string RuntimeCore::listen_address() const {
  const std::scoped_lock lock(mutex_);
  return listener_ ? listener_->address() : std::string();
}

void RuntimeCore::listen() {
  value_or_throw(net::check_address_policy(options_.listen, !options_.token.empty()));
  auto listener = value_or_throw(transport_->listen(
      options_.listen,
      [self = boost::intrusive_ptr<RuntimeCore>(this)](std::unique_ptr<ByteStream> stream) {
        self->accept(std::move(stream));
      }));
  const std::scoped_lock lock(mutex_);
  listener_ = std::move(listener);
}

void RuntimeCore::accept(std::unique_ptr<ByteStream> stream) {
  {
    const std::scoped_lock lock(mutex_);
    if (stopping_) return;
    if (std::ranges::count_if(started_, [](const auto& weak) { return !weak.expired(); }) >=
        kPeersMax) {
      stream->close();
      return;
    }
  }
  Peer::start(boost::intrusive_ptr<RuntimeCore>(this), std::move(stream), net::Role::kAcceptor,
              kHandshakeTimeout, {});
}

/// A join under way; the first answer counts.
struct RuntimeCore::Joining {
  void finish(Result<NodeId> answer) {
    const std::scoped_lock lock(mutex);
    if (result) return;
    result = std::move(answer);
    done.open();
  }
  Latch done;
  std::mutex mutex;
  std::optional<Result<NodeId>> result;  // guarded by mutex
};

Result<NodeId> RuntimeCore::join(const std::string& address, Duration timeout) {
  if (auto allowed = net::check_address_policy(address, !options_.token.empty()); !allowed) {
    return fail(allowed.error());
  }
  if (net::parse_address(address)->port == 0) {
    return fail(ErrorCode::kInvalid,
                "address \"" + address + "\": expected the port of a node, from 1 to 65535");
  }
  if (current_place() != nullptr) {
    return fail(ErrorCode::kInvalid, "join waits: do not call it from a handler");
  }
  timeout = std::min<Duration>(timeout, kJoinTimeoutMax);
  auto joining = std::make_shared<Joining>();
  {
    const std::scoped_lock lock(mutex_);
    if (stopping_) return fail(ErrorCode::kCancelled, "cannot join: the runtime is shutting down");
    std::erase_if(joins_, [](const auto& weak) { return weak.expired(); });
    joins_.push_back(joining);
  }
  connect(address, timeout, {},
          [joining](Result<NodeId> result) { joining->finish(std::move(result)); });
  // Both the connecting and the handshake have this deadline, and shutdown() answers too.
  if (!executor_->wait(joining->done, timeout + kJoinGrace)) {
    return fail(ErrorCode::kTimeout, "no answer from " + address + " in time");
  }
  const std::scoped_lock lock(joining->mutex);
  return *joining->result;
}

void RuntimeCore::connect(const std::string& address, Duration timeout,
                          std::optional<NodeId> expected,
                          std::function<void(Result<NodeId>)> done) {
  std::uint64_t after = 0;
  {
    const std::scoped_lock lock(mutex_);
    after = last_ready_;
  }
  const TimePoint deadline = clock().now() + timeout;
  transport_->connect(address, timeout,
                      [deadline, after, expected, self = boost::intrusive_ptr<RuntimeCore>(this),
                       done = std::move(done)](Result<std::unique_ptr<ByteStream>> stream) {
                        if (!stream) return done(fail(stream.error()));
                        if (self->stopping()) return;  // shutdown() has answered
                        const TimePoint now = self->clock().now();
                        Peer::start(self, std::move(*stream), net::Role::kInitiator,
                                    std::max<Duration>(deadline - now, 1ms), done, after, expected);
                      });
}

void RuntimeCore::end_joins() {
  std::vector<std::weak_ptr<Joining>> joins;
  {
    const std::scoped_lock lock(mutex_);
    joins.swap(joins_);
  }
  for (const auto& weak : joins) {
    if (const auto joining = weak.lock()) {
      joining->finish(fail(ErrorCode::kCancelled, "cannot join: the runtime is shutting down"));
    }
  }
}

std::shared_ptr<Peer> RuntimeCore::peer(const NodeId& node) const {
  const std::scoped_lock lock(mutex_);
  for (const auto& peer : peers_) {
    if (peer->ready() && peer->node() == node) return peer;
  }
  return nullptr;
}

std::vector<PeerInfo> RuntimeCore::peers() const {
  std::vector<PeerInfo> list;
  const std::scoped_lock lock(mutex_);
  for (const auto& peer : peers_) {
    if (peer->ready()) list.push_back({peer->node(), peer->address(), peer->bytes_waiting()});
  }
  return list;
}

void RuntimeCore::peer_started(const std::shared_ptr<Peer>& peer) {
  const std::scoped_lock lock(mutex_);
  std::erase_if(started_, [](const auto& weak) { return weak.expired(); });
  started_.push_back(peer);
}

void RuntimeCore::peer_ready(const std::shared_ptr<Peer>& peer) {
  std::vector<std::pair<std::uint64_t, Find>> waiting;
  bool twin = false;
  {
    const std::scoped_lock lock(mutex_);
    // Only of what this node asked for itself, and not beside a connection that the other node may
    // be asking for right now: else each side might close the one that the other keeps. Of two that
    // connect for the sake of kept calls, one gives way.
    const bool gives_way = peer->expected && peer->node() < node_;
    twin =
        peer->joined_after && std::ranges::any_of(peers_, [&](const auto& other) {
          return other->ready() && other->node() == peer->node() &&
                 (gives_way || other->joined_after || other->ready_number <= *peer->joined_after);
        });
    if (!twin) {
      peer->ready_number = ++last_ready_;
      peers_.push_back(peer);
      for (const auto& [id, find] : finds_) {
        if (find.everywhere) waiting.emplace_back(id, find);
      }
    }
  }
  if (twin) peer->retire(Error{ErrorCode::kCancelled, "the two nodes are joined already", {}});
  for (const auto& [id, find] : waiting) ask(*peer, id, find);
  if (const auto kept = resenders_->find(peer->node()); kept && !twin) kept->connected(peer);
}

void RuntimeCore::peer_closed(const std::shared_ptr<Peer>& peer) {
  const net::SessionStats session = peer->stats();
  {
    const std::scoped_lock lock(mutex_);
    if (std::erase(peers_, peer) == 0) return;
    closed_bytes_sent_ += session.bytes_sent;
    closed_bytes_received_ += session.bytes_received;
  }
  const NodeId node = peer->node();
  call_logs_->lost(node, *peer, this->peer(node), clock().now());
  if (const auto kept = resenders_->find(node)) kept->lost(*peer);
}

void RuntimeCore::close_peers() {
  std::vector<std::shared_ptr<Peer>> peers;
  {
    const std::scoped_lock lock(mutex_);
    peers = peers_;
  }
  for (const auto& peer : peers) {
    peer->close(Error{ErrorCode::kUnavailable, "the node shut down", {}});
  }
}

}  // namespace muster::detail
