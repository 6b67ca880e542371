#pragma once
/// What a Runtime and an actor are made with. Plain values with defaults: name what differs, as in
/// `Runtime rt({.threads = 2, .listen = "127.0.0.1:0"})`.

#include <muster/concurrency.h>
#include <muster/executor.h>
#include <muster/observe.h>
#include <muster/supervision.h>
#include <muster/transport.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace muster {

namespace detail {
class Interceptor;
}

struct RuntimeOptions {
  /// Threads that run actors; 0: one for each core.
  unsigned threads = 0;
  /// Threads for run_blocking, made when there is work for them; 0: it is refused.
  unsigned blocking_threads = 16;
  /// What waits for one of them before the next is rejected with kOverloaded.
  std::size_t blocking_capacity = 4096;
  /// Actors with a thread of their own that may live at a time; one more is not spawned
  /// (kOverloaded).
  std::size_t own_threads_max = 256;
  /// "host:port" to accept nodes at, port 0 for any free one; empty: do not listen. An address that
  /// is not loopback requires `token`.
  std::string listen = {};
  /// The secret that joined nodes prove to each other that they know. Never sent.
  std::string token = {};
  /// Of the names without a '/' that this runtime gives to actors and looks up: in the namespace
  /// "jobs" the name "hits" is short for "jobs/hits". A name with a '/' is taken as it is. Empty:
  /// none.
  std::string name_space = {};
  /// Deadline of calls that name none; kForever for none.
  Duration call_timeout = 60s;
  /// Messages a mailbox holds before it rejects with kOverloaded.
  std::size_t mailbox_capacity = 1 << 16;
  /// Bytes of messages from other nodes that a mailbox holds before it rejects the next of them
  /// with kOverloaded. One is always let in, whatever its size.
  std::size_t mailbox_bytes_max = std::size_t{1} << 30;
  /// Messages that may wait for room (WhenFull::kWait) at one mailbox, and at one connection,
  /// before the next of them is rejected with kOverloaded; and of their bytes, as many again as
  /// mailbox_bytes_max and outstanding_bytes_max.
  std::size_t waiting_capacity = 1 << 16;
  /// A joined node that is silent for this long is taken for dead.
  Duration peer_timeout = 4s;
  /// Bytes that may wait to be written to one node before sends are rejected with kOverloaded.
  std::size_t outstanding_bytes_max = std::size_t{1} << 30;
  /// The largest single message accepted from a node.
  std::size_t message_bytes_max = std::size_t{1} << 31;
  /// How long shutdown lets actors finish what is in their mailboxes.
  Duration drain_timeout = 5s;
  /// The latest dead letters that Runtime::dead_letters() shows.
  std::size_t dead_letters_kept = 64;
  /// Measures how long actors are busy, handlers and calls take and messages wait (ActorInfo,
  /// Metrics): some readings of the clock for each message.
  bool timings = false;
  /// A handler that has run for so long without a pause is named, once, while it goes on: on
  /// on_error and as an Event. Seen up to a half of this later. 0: nobody looks.
  Duration stall_budget{0};
  /// Hears of actors that are made, are restarted and end, of handlers beyond stall_budget, and
  /// with message_events of every message's beginning and end: as it happens, on the thread where
  /// it does, on several at a time. Must not block or throw.
  std::function<void(const Event&)> on_event = {};
  bool message_events = false;
  /// Hears of failures that no caller hears of: what a one-way handler threw, an actor that
  /// crashed, a connection that broke. Any thread; must not block. Default: one line on standard
  /// error.
  std::function<void(const std::string& line)> on_error = {};
};

/// What a Runtime is built on; everything empty means production.
struct RuntimeSeams {
  std::shared_ptr<Executor> executor = {};    ///< default: a oneTBB arena
  std::shared_ptr<Transport> transport = {};  ///< default: TCP
  /// Of node identity and jitter; 0: from the operating system.
  std::uint64_t seed = 0;
  /// Sees every message; default: none. <muster/testing/messages.h> is one.
  std::shared_ptr<detail::Interceptor> interceptor = {};
};

struct SpawnOptions {
  /// Unique among the living actors of the node; empty: none. See RuntimeOptions::name_space.
  std::string name = {};
  /// Lives until stopped, whether or not handles to it exist.
  bool detached = false;
  /// 0: RuntimeOptions::mailbox_capacity.
  std::size_t mailbox_capacity = 0;
  /// While a coroutine handler is suspended the next message is handled. At most mailbox_capacity
  /// handlers are under way then.
  bool reentrant = false;
  /// How many handlers may be under way at a time, by method; see <muster/concurrency.h>.
  std::vector<ConcurrencyGroup> groups = {};
  /// Its handlers run, and its object is destroyed, on a thread that no other actor uses and that
  /// ends with it: for what blocks, or is bound to a thread. The constructor runs in spawn all the
  /// same.
  bool own_thread = false;
  /// How many failures within restart.window are answered by a restart of this actor alone; the
  /// next ends it, or is its supervisor's to answer. With one or more, or with a supervisor, the
  /// arguments are kept for the restarts: they can be copied, and the constructor takes const ones.
  unsigned max_restarts = 0;
  RestartOptions restart = {};
  /// When the state is saved from which the next incarnation goes on; see Checkpointed.
  CheckpointOptions checkpoint = {};
  /// A message during whose handling the actor fails is handled again by the next incarnation,
  /// until it has brought down so many: then its call ends with the causes, and it is a dead letter
  /// (also if it is a call). 0: it is not handled again, nor a dead letter.
  unsigned poison_after = 0;
  /// The supervisor whose child it is; see Supervisor::spawn.
  Supervisor supervisor = {};
};

}  // namespace muster
