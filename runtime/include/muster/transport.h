#pragma once
/// The network seam: streams of bytes between nodes. In production TCP (<muster/net.h>), in tests
/// the loopback and the simulated network of <muster/testing/sim_network.h>. Code above it cannot
/// tell which.

#include <muster/clock.h>
#include <muster/error.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>

namespace muster {

/// One ordered, reliable stream of bytes to a peer. It ends at most once, with one cause.
/// Threads: read_some and write each have at most one operation under way; the two may overlap and
/// be started from any thread. close() may be called from any thread at any time.
class ByteStream {
 public:
  using Slice = std::span<const std::byte>;
  using IoHandler = std::function<void(Result<std::size_t>)>;

  virtual ~ByteStream() = default;
  /// Reads at least one byte into `into`, which stays valid until `done` runs with the count.
  /// The peer's orderly end is kUnavailable. `done` runs on the transport's thread, never inside
  /// this call.
  virtual void read_some(std::span<std::byte> into, IoHandler done) = 0;
  /// Writes what can be written at once without waiting, in order, from the front of `slices`.
  /// Returns the bytes taken (possibly 0), or the cause when the stream has ended.
  virtual Result<std::size_t> try_write(std::span<const Slice> slices) = 0;
  /// Runs `done` once when try_write can take bytes again or the stream has ended; never inside
  /// this call.
  virtual void wait_writable(std::function<void()> done) = 0;
  /// Ends the stream: operations under way complete with kCancelled. Idempotent.
  virtual void close() = 0;
  /// The peer's address for messages to people, as "host:port".
  virtual std::string peer_address() const = 0;
};

/// Stops listening when destroyed; streams already accepted live on.
class Listener {
 public:
  virtual ~Listener() = default;
  /// The address actually bound: the port is real when 0 was asked for.
  virtual std::string address() const = 0;
};

/// Makes streams. All members may be called from any thread; callbacks run on the transport's
/// thread.
class Transport {
 public:
  virtual ~Transport() = default;
  /// Accepts streams at `address` ("host:port"; port 0 picks one). Fails at once with kInvalid for
  /// an address that does not parse, kUnavailable when it cannot be bound ("port in use").
  virtual Result<std::unique_ptr<Listener>> listen(
      const std::string& address, std::function<void(std::unique_ptr<ByteStream>)> on_accept) = 0;
  /// Opens a stream within `timeout`; `done` runs exactly once.
  virtual void connect(const std::string& address, Duration timeout,
                       std::function<void(Result<std::unique_ptr<ByteStream>>)> done) = 0;
  /// The timers driven by the same thread as the streams' callbacks.
  virtual Timers& timers() = 0;
  /// Stops all threads after the callback under way; operations under way, and those that begin
  /// later, end with kCancelled, on the thread that calls. Idempotent.
  virtual void stop() = 0;
};

}  // namespace muster
