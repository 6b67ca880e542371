#pragma once
/// Counters and histograms of one Runtime, as values and as the text that Prometheus reads.
///
/// Threads: everything here is a value.

#include <muster/observe.h>

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace muster {

/// How often durations fell where, in seconds.
struct Histogram {
  std::vector<double> bounds = {};  ///< greatest value of each bucket, ascending
  /// How many fell into each bucket; one more than bounds, for what was greater than all.
  std::vector<std::uint64_t> counts = {};
  double sum = 0;

  std::uint64_t count() const;
  /// The bound that a share of `q` (0 to 1) of the values does not exceed: right to a factor of
  /// two. 0 when there are none, infinity beyond the last bound.
  double quantile(double q) const;
  friend bool operator==(const Histogram&, const Histogram&) = default;
};

/// Of one runtime since it was made. Counters only grow. They are read one after the other, while
/// others go on: small differences between them say nothing. An aggregate of types that travel: an
/// actor may return it.
struct Metrics {
  NodeId node = {};
  std::size_t actors = 0;            ///< alive now
  std::uint64_t actors_spawned = 0;  ///< those among them whose constructor threw: crashed
  std::map<std::string, std::uint64_t> actors_ended = {};  ///< by to_string(DownReason)
  std::uint64_t restarts = 0;                              ///< of actors, by supervision
  std::size_t messages_waiting = 0;                        ///< in mailboxes, and for room in them
  /// Whose turn came: that have begun, an actor's stop, and calls that nobody awaited any more.
  std::uint64_t messages_processed = 0;
  /// Calls and one-way messages that were given up here and not handled, by
  /// to_string(DeadLetterReason). Calls that their caller gave up are not among them.
  std::map<std::string, std::uint64_t> messages_rejected = {};
  /// Those of them that are dead letters.
  std::map<std::string, std::uint64_t> dead_letters = {};
  std::uint64_t stalls = 0;  ///< handlers that ran past RuntimeOptions::stall_budget
  std::size_t peers = 0;
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  std::size_t bytes_waiting = 0;  ///< to be written to peers
  // Only with RuntimeOptions::timings:
  /// From a call or an offer to its result, whatever that was, or to the end of its stream; of
  /// those that were made here.
  std::optional<Histogram> call_latency = {};
  /// From a message's coming into the mailbox until its turn; of each actor one message at a time.
  std::optional<Histogram> queue_wait = {};
  /// For how long handlers ran: from the beginning, or the end of a pause, to the next or the end.
  std::optional<Histogram> handler_time = {};
};

/// In the text format of Prometheus, version 0.0.4: what a page at /metrics answers. Each name
/// begins with "muster_", each sample has the label `node`.
std::string to_prometheus(const Metrics& metrics);

}  // namespace muster
