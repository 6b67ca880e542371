#pragma once
// Evaluator: the actor that measures parameters on the test set while the workers already run the
// next round.

#include "actors/messages.h"

#include <muster/actor.h>
#include <muster/optim/objective.h>

#include <memory>

namespace muster::training {

class Averager;

class Evaluator {
 public:
  explicit Evaluator(std::shared_ptr<optim::Objective> objective)
      : objective_(std::move(objective)) {}

  /// Measures `params` and sends the report, or what went wrong, to `averager`.
  void evaluate(Handle<Averager> averager, std::uint64_t round, Array<float> params);

 private:
  std::shared_ptr<optim::Objective> objective_;
};

MUSTER_ACTOR(Evaluator, evaluate);

}  // namespace muster::training
