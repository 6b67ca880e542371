#pragma once
// What a Session is made with and what it reports. Plain values, and the interface of its owner.

#include <muster/clock.h>
#include <muster/error.h>
#include <muster/ids.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "runtime/wire/limits.h"
#include "runtime/wire/message.h"

namespace muster::net {

enum class Role : std::uint8_t { kInitiator, kAcceptor };

struct SessionOptions {
  NodeId node;
  std::uint64_t incarnation = 1;
  std::string listen_address;  // where this node accepts connections, "" when it does not
  Role role = Role::kInitiator;
  std::optional<std::string> token;  // when set, both sides prove knowledge of it
  std::string software = "muster 0.1.0";
  std::string protocol_name = "muster";
  std::uint16_t version_min = 1;
  std::uint16_t version_max = 1;

  Duration handshake_timeout = 5s;
  Duration heartbeat_interval = 1s;
  Duration peer_timeout = 4s;
  wire::Limits limits;
  std::size_t max_outstanding_bytes = std::size_t{256} << 20;
  std::size_t chunk_bytes = std::size_t{512} << 10;  // larger messages travel in chunks
  // Called once after the end if messages were left that could not be written, with the number of
  // one-way calls among them; also after on_closed. Any thread, maybe under the lock of
  // the events: it must not call the session.
  std::function<void(std::size_t one_way)> on_unsent = {};
  // Patient messages that wait for room at most, see Session::send.
  std::size_t held_messages_max = 1 << 16;
  std::uint64_t nonce_seed = 0;  // 0: nonces from the system's generator; else for tests only
};

struct PeerInfo {
  NodeId node;
  std::uint64_t incarnation = 0;
  std::string listen_address;
  std::string address;  // of the stream's other end
  std::uint16_t version = 0;
  std::uint64_t message_bytes_max = 0;
  std::string software;
};

struct SessionStats {
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t messages_sent = 0;  // whole messages, heartbeats and handshake included
  std::uint64_t messages_received = 0;
  std::uint64_t writes = 0;  // calls of try_write
  std::uint64_t heartbeats_received = 0;
};

// The owner of a session. on_ready, on_message and on_closed are serialised for one session, come
// from the transport's threads and must be quick. None of them may throw.
class SessionEvents {
 public:
  virtual ~SessionEvents() = default;
  virtual void on_ready(const PeerInfo& peer) = 0;
  // Every frame after the handshake except heartbeats and chunks (which arrive put together).
  // A copy keeps the message beyond the call. Returns how many it was: calls come several in one.
  virtual std::size_t on_message(const wire::IncomingMessage& message) = 0;
  // After the on_message calls of one read, or some of them when they are many; what comes next is
  // already under way, so this may take long and may overlap later calls of every kind,
  // on_batch_end included.
  virtual void on_batch_end() {}
  // Exactly once, with the one cause; also for a session that never became ready.
  virtual void on_closed(const Error& cause) = 0;
};

}  // namespace muster::net
