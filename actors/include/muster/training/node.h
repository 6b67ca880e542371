#pragma once
/// Taking part in a training run of another process.

#include <muster/runtime.h>
#include <muster/training/train.h>

#include <functional>
#include <string>

namespace muster::training {

/// The name under which a run's averager is found by nodes that have joined its runtime.
inline constexpr const char* kAveragerName = "muster-training-averager";

struct NodeOptions {
  std::string address;      ///< HOST:PORT of the run
  Duration deadline = 30s;  ///< for connecting and finding the run
  std::string data_dir;     ///< replaces the configuration's data.dir when not empty
  /// Makes the objectives from the run's configuration; empty: dataset_objectives.
  std::function<ObjectiveFactory(const TrainConfig&)> objectives;
  /// Told, on the caller's thread, what a user wants to hear meanwhile, a line without its end:
  /// that nobody answers yet, that the run was found. May be empty.
  std::function<void(const std::string& line)> on_progress;
};

/// Joins the run at `options.address` with one worker and stays until the run has no more use for
/// it. The value is why: "the run has ended: rounds". kUnavailable when the connection or the run
/// breaks off, kTimeout when there is no run, kInvalid when it refuses this worker or the worker's
/// data or objective fail.
/// Blocks; not in handlers. One call at a time on a runtime.
Result<std::string> take_part(Runtime& runtime, const NodeOptions& options);

}  // namespace muster::training
