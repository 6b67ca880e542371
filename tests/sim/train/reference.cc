#include "sim/train/reference.h"

#include "actors/averager/global_model.h"

#include <muster/optim/stepper.h>

#include <numeric>

namespace muster::training {
namespace {

optim::LocalStepper stepper_of(const TrainConfig& config, WorkerTask task, std::uint64_t worker) {
  std::vector<std::uint32_t> samples(task.objective->sample_count());
  std::iota(samples.begin(), samples.end(), 0U);
  optim::StepperConfig stepper;
  stepper.batch = config.local.batch;
  stepper.momentum = config.local.momentum;
  stepper.scaling = config.scaling;
  return value_or_throw(optim::LocalStepper::create(std::move(task.objective), stepper,
                                                    std::move(samples), config.seed,
                                                    static_cast<std::uint32_t>(worker)));
}

Contribution train_round(optim::LocalStepper& stepper, const TrainConfig& config,
                         const RoundOrder& order) {
  stepper.set_params(order.params);
  if (!order.divisor.empty()) stepper.set_dhat(order.divisor);
  Contribution out;
  out.round = order.round;
  out.samples = order.steps * config.local.batch;
  if (order.probe) {
    value_or_throw(stepper.probe(order.steps));
  } else {
    for (std::uint64_t i = 0; i < order.steps; ++i)
      value_or_throw(
          stepper.step(optim::step_size(config.schedule, order.first_step + i, order.total_steps)));
    out.params = Array<float>::copy_of(stepper.params());
  }
  if (order.want_moment) {
    AlignedVector<float> moment(stepper.dim());
    stepper.take_contribution(moment);
    out.moment = Array<float>(std::move(moment));
  }
  return out;
}

}  // namespace

std::map<std::uint64_t, std::vector<float>> reference_run(
    const TrainConfig& config, const ObjectiveFactory& objectives,
    const std::map<std::uint64_t, std::vector<std::uint64_t>>& contributors) {
  const WorkerTask judge = objectives(Seat{0, config.workers, true});
  AlignedVector<float> x0(judge.objective->dim());
  judge.objective->initial_parameters(config.seed, x0);
  GlobalModel model(config, Array<float>(std::move(x0)));
  std::vector<optim::LocalStepper> steppers;
  for (std::uint64_t w = 0; w < config.workers; ++w)
    steppers.push_back(stepper_of(config, objectives(Seat{w, config.workers, false}), w));
  std::map<std::uint64_t, std::vector<float>> out;
  for (const auto& [round, workers] : contributors) {
    const RoundOrder order = model.order(round);
    std::vector<Contribution> contributions;
    for (const std::uint64_t worker : workers)
      contributions.push_back(train_round(steppers[worker], config, order));
    RoundReport report;
    model.commit(round, contributions, report);
    out[round].assign(model.params().begin(), model.params().end());
  }
  return out;
}

}  // namespace muster::training
