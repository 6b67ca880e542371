#pragma once
/// What a training run reports while it goes on and when it has ended.
///
/// Threads: values. ProgressSink: see there.

#include <muster/array.h>
#include <muster/error.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster::training {

/// Why a run ended.
enum class StopReason : std::uint8_t {
  kRounds,  ///< all rounds done
  kTarget,  ///< test accuracy reached
  kTimeLimit,
  kInterrupted,  ///< asked to stop after the round
  kFailed,       ///< see TrainResult::error
};
/// "rounds", "target accuracy", "time limit", "interrupted", "failed".
std::string_view to_string(StopReason) noexcept;

/// Why a worker is no longer in the run.
enum class LossReason : std::uint8_t {
  kDied,    ///< its actor, process or connection ended
  kSilent,  ///< no contribution by the round's deadline
};
std::string_view to_string(LossReason) noexcept;  ///< "died", "silent"

struct LostWorker {
  std::uint64_t worker = 0;
  std::string place;        ///< "pid 4711 on host"
  std::uint64_t round = 0;  ///< the round it was lost in; 0: before the first
  double seconds = 0;       ///< since the start of the run
  LossReason reason = LossReason::kDied;
  std::string cause;
  friend bool operator==(const LostWorker&, const LostWorker&) = default;
};

/// One committed round. Round 0, where there is one, only measures the first scaling.
struct RoundReport {
  std::uint64_t round = 0;
  double train_loss = 0;            ///< mean over the round's local steps, weighted by samples
  std::optional<double> test_loss;  ///< of the averaged parameters, when evaluated
  std::optional<double> test_accuracy;
  double consensus_error = 0;  ///< mean_m ||x_m - xbar||^2, before the average replaced x_m
  std::uint64_t floored = 0;   ///< elements of Dhat that the floor decided
  std::uint64_t capped = 0;
  /// Bytes of the arrays (parameters, estimates, scalings) that averager and workers handed each
  /// other in the round, both ways, whether or not they crossed a network. Not framing.
  std::uint64_t bytes_sent = 0;
  /// What the local steps took on the threads they had: the longest worker's time in them, or, for
  /// workers that share threads, the sum over threads where that is longer.
  double compute_s = 0;
  double sync_s = 0;          ///< the rest of the round: transport, queues, averaging
  double evaluate_s = 0;      ///< of the evaluator; overlaps with the next rounds
  double seconds = 0;         ///< since the start of the run
  std::uint64_t samples = 0;  ///< used in the round
  std::uint64_t workers = 0;  ///< that contributed
};

/// How a run ended. Totals are sums over its rounds.
struct TrainResult {
  StopReason reason = StopReason::kFailed;
  std::optional<Error> error;  ///< where reason is kFailed
  Array<float> parameters;     ///< of the last committed round; empty: nothing was trained
  std::string params_sha256;   ///< of their little-endian bytes, in hexadecimal; empty as they
  std::uint64_t rounds = 0;    ///< committed
  std::optional<double> test_loss;
  std::optional<double> test_accuracy;
  double train_loss = 0;  ///< of the last round
  double wall_s = 0;      ///< from the first round's opening to the end; 0: none was opened
  double join_s = 0;      ///< before that: workers joining and preparing their data
  double compute_s = 0;
  double sync_s = 0;
  double evaluate_s = 0;
  std::uint64_t samples = 0;
  std::uint64_t bytes_sent = 0;  ///< as in RoundReport
  /// What the runtime wrote to and read from its connections during the run, everything counted.
  std::uint64_t wire_bytes_sent = 0;
  std::uint64_t wire_bytes_received = 0;
  std::vector<LostWorker> lost;
  std::string record;  ///< folder; empty without one

  bool ok() const noexcept { return reason != StopReason::kFailed; }
};

/// What is known when the workers have joined and the first round opens.
struct RunStart {
  std::uint64_t workers = 0;
  std::uint64_t dim = 0;
  std::uint64_t rounds = 0;                ///< 0: no limit
  std::vector<std::uint64_t> share_sizes;  ///< samples of each worker
};

/// Watches a run. Calls come one at a time from threads of the runtime, in the order of the run;
/// each must return soon, for the averager waits. Lives until the run has ended.
class ProgressSink {
 public:
  virtual ~ProgressSink() = default;
  /// `joined` of `wanted` workers are there.
  virtual void on_joined(std::uint64_t joined, std::uint64_t wanted) { (void)joined, (void)wanted; }
  virtual void on_start(const RunStart& start) { (void)start; }
  virtual void on_round(const RoundReport& report) { (void)report; }
  virtual void on_lost(const LostWorker& lost) { (void)lost; }
};

}  // namespace muster::training
