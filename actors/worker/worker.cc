#include "actors/worker/worker.h"

#include "actors/averager/averager.h"

#include <muster/optim/schedule.h>
#include <muster/runtime.h>

#include <numeric>
#include <utility>

namespace muster::training {

Worker::Worker(Setup setup) : setup_(std::move(setup)) {}

void Worker::start() {
  averager_gone_ = this_actor::runtime().monitor(setup_.averager).then([this](Result<Down> down) {
    const Error cause = down ? down->cause : down.error();
    end(fail(ErrorCode::kUnavailable, "the averager is gone: " + cause.message));
  });
  setup_.averager.send<&Averager::join>(this_actor::handle<Worker>(), setup_.place);
}

void Worker::prepare(std::uint64_t worker, std::uint64_t workers) {
  index_ = worker;
  try {
    WorkerTask task = setup_.factory(Seat{worker, workers, false});
    if (task.samples.empty()) {
      task.samples.resize(task.objective->sample_count());
      std::iota(task.samples.begin(), task.samples.end(), 0U);
    }
    const std::uint64_t samples = task.samples.size();
    stepper_.emplace(value_or_throw(optim::LocalStepper::create(
        std::move(task.objective), stepper_config(), std::move(task.samples), setup_.config.seed,
        static_cast<std::uint32_t>(worker))));
    setup_.averager.send<&Averager::ready>(worker, std::uint64_t{stepper_->dim()}, samples);
  } catch (const CheckFailure&) {
    throw;
  } catch (...) {
    fault(0, error_from_current_exception());
  }
}

optim::StepperConfig Worker::stepper_config() const {
  const TrainConfig& config = setup_.config;
  optim::StepperConfig out;
  out.batch = config.local.batch;
  out.momentum = config.local.momentum;
  out.debias_momentum = config.local.debias_momentum;
  out.weight_decay = config.local.weight_decay;
  out.scaling = config.scaling;
  return out;
}

void Worker::refuse(std::string reason) {
  end(fail(ErrorCode::kInvalid, "the run refused this worker: " + reason));
}

void Worker::finish(std::string reason, bool failed) {
  if (failed) {
    end(fail(ErrorCode::kUnavailable, std::move(reason)));
  } else {
    end(std::move(reason));
  }
}

void Worker::order(RoundOrder order) {
  if (!stepper_) return;
  const WorkerPolicy::Step step = policy_.order(order.round, order.steps, order.probe);
  if (step.reason != WorkerPolicy::Reason::kAccepted) return;
  order_ = std::move(order);
  computed_ = Duration(0);
  loss_sum_ = 0;
  batches_ = 0;
  clips_ = {};
  stepper_->set_params(order_.params);
  if (!order_.divisor.empty()) stepper_->set_dhat(order_.divisor);
  if (!order_.accumulator.empty()) stepper_->set_accumulator(order_.accumulator);
  carry_out(step);
}

void Worker::slice(std::uint64_t round) {
  carry_out(policy_.slice_due(round));
}

/// What the user's objective throws ends the run with a name and a step, not in a deadline.
void Worker::carry_out(WorkerPolicy::Step step) {
  try {
    switch (step.what) {
      case WorkerPolicy::Do::kNothing:
        return;
      case WorkerPolicy::Do::kProbe:
        return run_probe();
      case WorkerPolicy::Do::kStep:
        return run_slice(step.steps);
      case WorkerPolicy::Do::kContribute:
        return contribute();
    }
  } catch (const CheckFailure&) {
    throw;
  } catch (...) {
    const std::uint64_t at = stepper_->replica().steps + 1;
    Error error = error_from_current_exception();
    error.message = "local step " + std::to_string(at) + ": " + error.describe();
    fault(at, error);
  }
}

void Worker::run_probe() {
  const Clock& clock = this_actor::runtime().clock();
  const TimePoint began = clock.now();
  const auto loss = stepper_->probe(order_.steps);
  if (!loss) return fault(1, loss.error());
  loss_sum_ = *loss * static_cast<double>(order_.steps);
  batches_ = order_.steps;
  computed_ += clock.now() - began;
  carry_out(policy_.probed());
}

/// Local scope: D_0 comes from a probe before the first step, where the rule needs one.
Result<void> Worker::bootstrap_if_needed() {
  const auto& config = stepper_->config().scaling;
  if (config.scope != optim::ScalingScope::kLocal || !config.needs_bootstrap() ||
      stepper_->replica().refreshes != 0)
    return {};
  if (const auto loss = stepper_->probe(order_.steps); !loss) return fail(loss.error());
  stepper_->bootstrap();
  return {};
}

void Worker::run_slice(std::uint64_t steps) {
  const Clock& clock = this_actor::runtime().clock();
  const TimePoint began = clock.now();
  if (const auto ready = bootstrap_if_needed(); !ready) return fault(1, ready.error());
  for (std::uint64_t i = 0; i < steps; ++i) {
    const std::uint64_t at = order_.first_step + policy_.steps_done() + i;
    const auto done =
        stepper_->step(optim::step_size(setup_.config.schedule, at, order_.total_steps));
    if (!done) return fault(at + 1, done.error());
    loss_sum_ += done->loss;
    clips_ += done->clips;
  }
  batches_ += steps;
  const Duration elapsed = clock.now() - began;
  computed_ += elapsed;
  const WorkerPolicy::Step next = policy_.stepped(steps, elapsed);
  // Messages that came meanwhile are answered before the next slice.
  if (next.what == WorkerPolicy::Do::kStep)
    this_actor::send<&Worker::slice>(policy_.round());
  else
    carry_out(next);
}

void Worker::contribute() {
  const Clock& clock = this_actor::runtime().clock();
  const TimePoint began = clock.now();
  Contribution out;
  out.worker = index_;
  out.round = order_.round;
  out.samples = batches_ * setup_.config.local.batch;
  out.loss = loss_sum_ / static_cast<double>(batches_);
  out.floored = clips_.floored;
  out.capped = clips_.capped;
  if (order_.want_moment) {
    if (stepper_->contribution_count() == 0) {
      if (const auto loss = stepper_->probe(1); !loss)
        return fault(order_.first_step + order_.steps, loss.error());
    }
    AlignedVector<float> moment(stepper_->dim());
    stepper_->take_contribution(moment);
    out.moment = Array<float>(std::move(moment));
  }
  if (!order_.probe) out.params = Array<float>::copy_of(stepper_->params());
  const auto& scaling = setup_.config.scaling;
  if (!order_.probe && scaling.scope == optim::ScalingScope::kLocal &&
      scaling.merge != optim::LocalMerge::kKeep)
    out.accumulator = Array<float>::copy_of(stepper_->accumulator());
  order_.params = {};
  order_.divisor = {};
  computed_ += clock.now() - began;
  out.compute_s = std::chrono::duration<double>(computed_).count();
  setup_.averager.send<&Averager::contribute>(std::move(out));
}

void Worker::fault(std::uint64_t step, const Error& error) {
  policy_.stop();
  setup_.averager.send<&Averager::failed>(index_, step, error.message);
}

void Worker::end(WorkerEnd how) {
  policy_.stop();
  if (setup_.on_end) std::exchange(setup_.on_end, nullptr)(std::move(how));
}

}  // namespace muster::training
