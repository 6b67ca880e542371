#pragma once
/// Choices for the messages sent through one handle. Plain values.

#include <muster/clock.h>
#include <muster/concurrency.h>
#include <muster/when_full.h>

#include <optional>

namespace muster {

/// Choices for the calls and sends made through one handle; see Handle::with.
struct CallOptions {
  /// A call ends in kTimeout when its result has not come by then. A handler that has begun goes
  /// on; one that has not does not begin, once its node has heard of it. With WhenFull::kWait, a
  /// send waits so long for room. Unset: RuntimeOptions::call_timeout. kForever: no deadline.
  std::optional<Duration> timeout = {};
  /// For control messages: overtakes those that wait for the actor and are not urgent, on the way
  /// to it too. Urgent ones keep their order. A handler under way is not interrupted.
  bool urgent = false;
  /// Of the actor's concurrency groups (SpawnOptions::groups), the one to count the handler in;
  /// empty: its method's. kInvalid when the actor has no such group.
  GroupName group = {};
  /// A message that waits is in none of the actor's bounds: at most
  /// RuntimeOptions::waiting_capacity wait at one actor, one more is rejected as by kFail. While
  /// any wait, those that do not are rejected: nobody overtakes.
  WhenFull when_full = WhenFull::kFail;
  /// The message outlives the connection with the actor's node: what is not answered when that ends
  /// is sent again over the next one, which this node tries to make, until the deadline (`timeout`,
  /// for a send too) or for five minutes. The actor handles it once all the same. Among themselves
  /// such messages keep their order; others may overtake them. Not over a restart of the process,
  /// which is another node then; and for actors that do not end with the connection: detached, or
  /// with handles elsewhere. Arguments that are or have handles, Refs or Futures, and methods that
  /// return a Stream, are kInvalid. At most 1024 to one node from its oldest that is not answered:
  /// one more is kOverloaded. Without effect between actors of one node. See contract 12.
  bool retry = false;
  /// Calls and offers that may be under way at a time, counted over the handle that with() returns
  /// and its copies; one more ends in kOverloaded and is not sent. 0: no limit.
  std::uint32_t max_pending = 0;
  /// How many items a method that returns a Stream may be ahead of the one who takes them: 1 to
  /// 65536. Its `timeout` is how long next() waits for an item.
  std::uint32_t stream_window = 64;
};

}  // namespace muster
