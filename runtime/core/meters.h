#pragma once
// Counters and histograms of one runtime, as they are written.
//
// Threads: any, without locks.

#include <muster/clock.h>
#include <muster/metrics.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>

namespace muster::detail {

/// A histogram of durations: the bucket k has those up to 2^k microseconds.
class DurationMeter {
 public:
  void record(Duration duration) noexcept {
    const auto micros =
        static_cast<std::uint64_t>(std::max<Duration::rep>((duration.count() + 999) / 1000, 1));
    const auto bucket = std::min<std::size_t>(std::bit_width(micros - 1), kBuckets - 1);
    buckets_[bucket].fetch_add(1, std::memory_order_relaxed);
    nanos_.fetch_add(static_cast<std::uint64_t>(std::max<Duration::rep>(duration.count(), 0)),
                     std::memory_order_relaxed);
  }
  Histogram read() const;

 private:
  static constexpr std::size_t kBuckets = 28;  // up to 67 s, and beyond
  std::array<std::atomic<std::uint64_t>, kBuckets> buckets_{};
  std::atomic<std::uint64_t> nanos_{0};
};

struct Meters {
  DurationMeter call_latency;
  DurationMeter queue_wait;
  DurationMeter handler_time;
  std::atomic<std::uint64_t> stalls{0};
  std::array<std::atomic<std::uint64_t>, kDeadLetterReasons> rejected{};

  void count_rejected(DeadLetterReason reason, std::uint64_t count = 1) noexcept {
    rejected[static_cast<std::size_t>(reason) - 1].fetch_add(count, std::memory_order_relaxed);
  }
};

}  // namespace muster::detail
