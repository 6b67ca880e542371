#pragma once
/// Training inside one's own program: bring an objective for each worker, get parameters back.
///
///     muster::Runtime rt;
///     auto result = train(rt, config, [](const Seat& seat) -> WorkerTask { ... });
///
/// The averager is an actor of `rt`. Workers are actors of `rt` too, or of nodes that join it
/// (config.processes, config.network.listen) and take part through <muster/training/node.h>.

#include <muster/optim/objective.h>
#include <muster/runtime.h>
#include <muster/training/config.h>
#include <muster/training/report.h>

#include <functional>
#include <memory>
#include <vector>

namespace muster::training {

/// For whom an objective is made.
struct Seat {
  std::uint64_t worker = 0;
  std::uint64_t workers = 1;  ///< 0: no run, the evaluation of a record
  /// The averager's own: used for dim(), initial_parameters() and evaluate(), never for training.
  bool evaluation = false;
};

/// What a worker trains on.
struct WorkerTask {
  std::shared_ptr<optim::Objective> objective;  ///< nobody else's
  /// Its samples, each below objective->sample_count(); empty: all of them.
  std::vector<std::uint32_t> samples;
};

/// Makes the objective of a seat. Called once a seat, from any thread, several at a time. What it
/// throws ends the run. All seats must agree in dim(); equal seats must get equal objectives, or
/// the run is not repeatable.
using ObjectiveFactory = std::function<WorkerTask(const Seat&)>;

/// The configured model on the configured image data: IDX files, split as config.split says. Data
/// are read when the first seat is made, once for all seats, and only what that seat needs.
ObjectiveFactory dataset_objectives(const TrainConfig& config);

/// One run. Threads: all members from any thread outside handlers.
class Trainer {
 public:
  /// Starts the run; it goes on by itself. Workers are made here unless config.processes is not 0
  /// or config.network.listen is not empty: then they must join within network.join_deadline_s.
  /// `sink` may be null; it lives until wait() has returned. When config.record is not empty the
  /// run is recorded there (<muster/training/record.h>). Throws Exception: kInvalid as
  /// validate(config), or for an objective without parameters; what the factory throws for the
  /// evaluation seat; kInvalid when the record cannot be written. Requires: `runtime` outlives this
  /// object.
  Trainer(Runtime& runtime, const TrainConfig& config, ObjectiveFactory factory,
          ProgressSink* sink = nullptr);
  /// Aborts a run that has not ended.
  ~Trainer();
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  /// Ends the run after the round in work, as kInterrupted. Safe to call at any time, repeatedly.
  void stop_after_round();
  /// Ends the run now, as kFailed with `error`.
  void abort(Error error);
  /// Waits for the end of the run. Call it once. `amend`, where there is one, may change the result
  /// before it is recorded, inside this call.
  TrainResult wait(const std::function<void(TrainResult&)>& amend = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Trainer's life in one call. Errors of the run come in the result.
TrainResult train(Runtime& runtime, const TrainConfig& config, ObjectiveFactory factory,
                  ProgressSink* sink = nullptr);

/// SHA-256 of the parameters' little-endian bytes, in lower-case hexadecimal.
std::string params_sha256(std::span<const float> params);

}  // namespace muster::training
