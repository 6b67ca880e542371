#pragma once
// Worker: the actor that owns a replica and trains it. A thin shell over WorkerPolicy and
// optim::LocalStepper.
//
// Life: start() asks the averager for a place; prepare() makes the objective of that place;
// order() opens a round, which is trained in slices that are messages of its own, so that every
// other message is answered between two of them; finish() ends it.

#include "actors/messages.h"
#include "actors/policy/worker_policy.h"

#include <muster/actor.h>
#include <muster/optim/stepper.h>
#include <muster/training/train.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace muster::training {

class Averager;

/// How a worker ended: in peace, or with what went wrong.
using WorkerEnd = Result<std::string>;

class Worker {
 public:
  struct Setup {
    TrainConfig config;
    ObjectiveFactory factory;
    Handle<Averager> averager;
    std::string place;                      ///< "pid 4711 on host"
    std::function<void(WorkerEnd)> on_end;  ///< called once, from a handler; may be empty
  };

  explicit Worker(Setup setup);

  /// Asks for a place. Called once, by whoever spawned it.
  void start();

  // From the averager.
  void prepare(std::uint64_t worker, std::uint64_t workers);
  void refuse(std::string reason);
  void order(RoundOrder order);
  void finish(std::string reason, bool failed);

  // From itself.
  void slice(std::uint64_t round);

 private:
  void carry_out(WorkerPolicy::Step step);
  void run_slice(std::uint64_t steps);
  void run_probe();
  Result<void> bootstrap_if_needed();
  void contribute();
  void fault(std::uint64_t step, const Error& error);
  void end(WorkerEnd how);
  optim::StepperConfig stepper_config() const;

  Setup setup_;
  WorkerPolicy policy_;
  std::uint64_t index_ = 0;
  std::optional<optim::LocalStepper> stepper_;
  Future<void> averager_gone_;

  // The round in work.
  RoundOrder order_;
  Duration computed_{0};  ///< spent in steps, probes and the making of the contribution
  double loss_sum_ = 0;
  std::uint64_t batches_ = 0;
  optim::ClipCounts clips_;
};

MUSTER_ACTOR(Worker, start, prepare, refuse, order, finish, slice);

}  // namespace muster::training
