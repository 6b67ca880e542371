// Reading the counters of a runtime, and writing them as text.

#include <muster/metrics.h>

#include <cmath>
#include <cstdio>
#include <limits>
#include <numeric>

#include "runtime/core/runtime_core.h"

namespace muster {

std::uint64_t Histogram::count() const {
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

double Histogram::quantile(double q) const {
  const double wanted = std::ceil(q * static_cast<double>(count()));
  if (count() == 0) return 0;
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    below += counts[i];
    if (below > 0 && static_cast<double>(below) >= wanted) return bounds[i];
  }
  return std::numeric_limits<double>::infinity();
}

namespace {

std::string number(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.9g", value);
  return text.data();
}

/// Samples of the text format, family by family. Names and labels are ours: none needs escaping.
class Page {
 public:
  explicit Page(const NodeId& node) : node_("node=\"" + to_string(node) + "\"") {}

  void family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = "muster_" + std::string(name);
    text_ += "# HELP " + name_ + " " + std::string(help) + "\n";
    text_ += "# TYPE " + name_ + " " + std::string(type) + "\n";
  }
  template <class Count>
  void sample(Count value, const std::string& labels = {}, std::string_view suffix = {}) {
    text_ += name_ + std::string(suffix) + "{" + node_ + labels + "} ";
    if constexpr (std::is_floating_point_v<Count>) {
      text_ += number(value);
    } else {
      text_ += std::to_string(value);
    }
    text_ += "\n";
  }
  void by_reason(const std::map<std::string, std::uint64_t>& counts) {
    for (const auto& [reason, count] : counts) sample(count, ",reason=\"" + reason + "\"");
  }
  void histogram(std::string_view name, std::string_view help, const Histogram& values) {
    family(name, "histogram", help);
    std::uint64_t below = 0;
    for (std::size_t i = 0; i < values.bounds.size(); ++i) {
      below += values.counts[i];
      sample(below, ",le=\"" + number(values.bounds[i]) + "\"", "_bucket");
    }
    sample(values.count(), ",le=\"+Inf\"", "_bucket");
    sample(values.sum, {}, "_sum");
    sample(values.count(), {}, "_count");
  }
  std::string take() { return std::move(text_); }

 private:
  const std::string node_;
  std::string name_, text_;
};

}  // namespace

std::string to_prometheus(const Metrics& metrics) {
  Page page(metrics.node);
  page.family("actors", "gauge", "Actors alive.");
  page.sample(metrics.actors);
  page.family("actors_spawned_total", "counter", "Actors made.");
  page.sample(metrics.actors_spawned);
  page.family("actors_ended_total", "counter", "Actors that have ended, by reason.");
  page.by_reason(metrics.actors_ended);
  page.family("restarts_total", "counter", "Incarnations of actors but for the first.");
  page.sample(metrics.restarts);
  page.family("messages_waiting", "gauge", "Messages in mailboxes and waiting for room in them.");
  page.sample(metrics.messages_waiting);
  page.family("messages_processed_total", "counter", "Messages taken from mailboxes.");
  page.sample(metrics.messages_processed);
  page.family("messages_rejected_total", "counter", "Messages not handled, by reason.");
  page.by_reason(metrics.messages_rejected);
  page.family("dead_letters_total", "counter", "One-way messages not handled, by reason.");
  page.by_reason(metrics.dead_letters);
  page.family("stalls_total", "counter", "Handlers that ran past the stall budget.");
  page.sample(metrics.stalls);
  page.family("peers", "gauge", "Joined nodes.");
  page.sample(metrics.peers);
  page.family("sent_bytes_total", "counter", "Bytes written to other nodes.");
  page.sample(metrics.bytes_sent);
  page.family("received_bytes_total", "counter", "Bytes read from other nodes.");
  page.sample(metrics.bytes_received);
  page.family("waiting_bytes", "gauge", "Bytes that wait to be written to other nodes.");
  page.sample(metrics.bytes_waiting);
  if (metrics.call_latency) {
    page.histogram("call_seconds", "From a call to its result.", *metrics.call_latency);
  }
  if (metrics.queue_wait) {
    page.histogram("queue_wait_seconds", "From delivery to the beginning of the handler; sampled.",
                   *metrics.queue_wait);
  }
  if (metrics.handler_time) {
    page.histogram("handler_seconds", "For how long handlers ran without a pause.",
                   *metrics.handler_time);
  }
  return page.take();
}

namespace detail {

Histogram DurationMeter::read() const {
  Histogram out;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    if (i + 1 < kBuckets) out.bounds.push_back(std::ldexp(1e-6, static_cast<int>(i)));
    out.counts.push_back(buckets_[i].load(std::memory_order_relaxed));
  }
  out.sum = 1e-9 * static_cast<double>(nanos_.load(std::memory_order_relaxed));
  return out;
}

namespace {

/// Ends with the call that it times.
class CallTimer final : public Waiter {
 public:
  explicit CallTimer(boost::intrusive_ptr<RuntimeCore> core)
      : core_(std::move(core)), start_(core_->clock().now()) {}
  void ready() override { core_->meters().call_latency.record(core_->clock().now() - start_); }

 private:
  const boost::intrusive_ptr<RuntimeCore> core_;
  const TimePoint start_;
};

}  // namespace

void time_call(FutureStateBase& call) {
  const boost::intrusive_ptr<RuntimeCore> core(&static_cast<RuntimeCore&>(*call.domain()));
  call.subscribe(boost::intrusive_ptr<Waiter>(new CallTimer(core)));
}

Metrics RuntimeCore::metrics() const {
  Metrics out;
  out.node = node_;
  std::vector<boost::intrusive_ptr<ActorCell>> cells;
  {
    const std::scoped_lock lock(mutex_);
    out.actors = cells_.size();
    out.actors_spawned = spawned_;
    out.restarts = restarts_.load(std::memory_order_relaxed);
    for (std::size_t i = 0; i < ended_.size(); ++i) {
      const auto reason = static_cast<DownReason>(i + 1);
      out.actors_ended[std::string(to_string(reason))] = ended_[i];
    }
    out.messages_processed = processed_by_ended_;
    for (const auto& [number, cell] : cells_) cells.push_back(cell);
  }
  for (const auto& cell : cells) {
    const auto info = cell->inspect();
    out.messages_processed += info ? info->processed : cell->processed();
    if (info) out.messages_waiting += info->mailbox_depth + info->waiting;
  }
  out.stalls = meters_.stalls.load(std::memory_order_relaxed);
  const DeadLetters letters = dead_letters_.all();
  for (std::size_t i = 0; i < kDeadLetterReasons; ++i) {
    const std::string reason(to_string(static_cast<DeadLetterReason>(i + 1)));
    out.messages_rejected[reason] = meters_.rejected[i].load(std::memory_order_relaxed);
    out.dead_letters[reason] = letters.counts[i];
  }
  for (const auto& peer : peers()) {
    ++out.peers;
    out.bytes_waiting += peer.bytes_waiting;
  }
  const RuntimeStats sizes = stats();
  out.bytes_sent = sizes.bytes_sent;
  out.bytes_received = sizes.bytes_received;
  if (options_.timings) {
    out.call_latency = meters_.call_latency.read();
    out.queue_wait = meters_.queue_wait.read();
    out.handler_time = meters_.handler_time.read();
  }
  return out;
}

}  // namespace detail
}  // namespace muster
