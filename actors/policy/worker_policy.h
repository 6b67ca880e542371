#pragma once
// WorkerPolicy: what a worker decides, as a pure function of (state, event): how many local steps
// to take before it looks at its messages again, and when to contribute.
//
// Threads: a value; one thread at a time. Reads no clock: it is told how long a slice took.
//
// Invariants: 1. Each order is answered by at most one contribution or fault. 2. A slice that was
// planned for a round which another order has replaced does nothing.

#include <muster/clock.h>

#include <cstdint>
#include <string_view>

namespace muster::training {

class WorkerPolicy {
 public:
  enum class Do : std::uint8_t {
    kNothing,
    kProbe,       // measure the first scaling, then call probed()
    kStep,        // take `steps` local steps, then call stepped()
    kContribute,  // send what the round gave
  };
  enum class Reason : std::uint8_t {
    kAccepted,
    kStale,     // of a round not after the last one
    kReplaced,  // a slice of a round that is no longer the one in work
    kStopped,   // after a fault or stop()
  };
  struct Step {
    Do what = Do::kNothing;
    std::uint64_t steps = 0;
    Reason reason = Reason::kAccepted;
    friend bool operator==(const Step&, const Step&) = default;
  };

  // `slice`: how long a slice should take.
  explicit WorkerPolicy(Duration slice = 2ms) : slice_(slice) {}

  // The averager opens `round`: `steps` local steps, or a probe.
  Step order(std::uint64_t round, std::uint64_t steps, bool probe);
  // The time has come to go on with `round`.
  Step slice_due(std::uint64_t round);
  // The planned slice was done in `elapsed`. Asks for another slice (kStep) or a contribution.
  Step stepped(std::uint64_t steps, Duration elapsed);
  Step probed();
  // A step failed, or the run is over: nothing is done any more.
  void stop() { stopped_ = true; }

  std::uint64_t round() const noexcept { return round_; }
  bool stopped() const noexcept { return stopped_; }
  std::uint64_t steps_done() const noexcept { return done_; }

 private:
  Step next() const;

  Duration slice_;
  bool stopped_ = false;
  bool begun_ = false;  // an order has come
  bool working_ = false;
  bool probe_ = false;
  std::uint64_t round_ = 0;
  std::uint64_t steps_ = 0;
  std::uint64_t done_ = 0;
  std::uint64_t slice_steps_ = 1;
};

std::string_view to_string(WorkerPolicy::Reason) noexcept;

}  // namespace muster::training
