#pragma once
/// Transports for production: TCP, and a loopback network inside one process.
///
/// Threads: see each function; <muster/transport.h> has the rules of what they return.

#include <muster/transport.h>

#include <memory>
#include <string>

namespace muster {

struct TcpOptions {
  /// Bytes of the kernel's send and receive buffers; 0 leaves the system's automatic choice.
  std::size_t send_buffer_bytes = 0;
  std::size_t receive_buffer_bytes = 0;
  /// Connections that wait in the kernel to be accepted.
  int backlog = 256;
  /// A callback that runs longer than this no longer holds up others: another thread takes over.
  Duration takeover_after = 2ms;
  /// Threads the transport may come to have, when that many callbacks run long at a time.
  std::size_t threads_max = 16;
};

/// TCP. Callbacks run on one thread of the transport's own as long as they are short; while one
/// runs long, another thread serves the rest, so different streams' callbacks may overlap. Idle
/// threads sleep. Destroying the transport stops it; streams that live on end with kCancelled.
std::unique_ptr<Transport> make_tcp_transport(TcpOptions options = {});

/// A network inside this process: addresses are names ("a:1"; port 0 picks a free one), bytes
/// arrive at once, and a stream ends for its peer when either end is closed or destroyed.
class LoopbackNetwork {
 public:
  virtual ~LoopbackNetwork() = default;
  /// A transport of this network; any number may exist. With `timers`, callbacks run on whatever
  /// drives them (a test's virtual time, say), which must outlive the transport and its streams;
  /// without, on a thread of the transport's own.
  virtual std::unique_ptr<Transport> make_transport(Timers* timers = nullptr) = 0;
};

std::shared_ptr<LoopbackNetwork> make_loopback_network();

}  // namespace muster
