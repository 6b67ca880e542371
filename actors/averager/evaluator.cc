#include "actors/averager/evaluator.h"

#include "actors/averager/averager.h"
#include "actors/worker/worker.h"

#include <muster/runtime.h>

namespace muster::training {

void Evaluator::evaluate(Handle<Averager> averager, std::uint64_t round, Array<float> params) {
  const Clock& clock = this_actor::runtime().clock();
  const TimePoint began = clock.now();
  EvaluationReport report;
  report.round = round;
  try {
    if (const auto found = objective_->evaluate(params.span())) {
      report.measured = true;
      report.loss = found->loss;
      report.accuracy = found->accuracy;
    }
  } catch (const CheckFailure&) {
    throw;
  } catch (...) {
    averager.send<&Averager::failed_evaluation>(error_from_current_exception());
    return;
  }
  report.seconds = std::chrono::duration<double>(clock.now() - began).count();
  averager.send<&Averager::evaluated>(std::move(report));
}

}  // namespace muster::training
