#include "actors/averager/averager.h"

#include "actors/averager/evaluator.h"
#include "actors/worker/worker.h"

#include <muster/runtime.h>
#include <muster/training/train.h>

#include <algorithm>
#include <utility>

namespace muster::training {
namespace {

constexpr Duration kFarewell = 3s;  // how long a worker may take to hear that the run is over

Duration duration_of(double seconds) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

AveragerPolicy::Options policy_options(const TrainConfig& config, const GlobalModel& model) {
  AveragerPolicy::Options options;
  options.workers = config.workers;
  options.dim = model.dim();
  options.probe = model.needs_probe();
  options.rounds = config.stop.rounds;
  options.target_accuracy = config.stop.target_accuracy;
  options.await_target = config.deterministic;
  options.time_limit = duration_of(config.stop.time_limit_s);
  options.round_deadline = duration_of(config.round.deadline_s);
  options.join_deadline = duration_of(config.network.join_deadline_s);
  options.evaluation_deadline = duration_of(config.round.evaluation_deadline_s);
  options.evaluate_every = config.round.evaluate_every;
  return options;
}

}  // namespace

Averager::Averager(Setup setup)
    : setup_(std::move(setup)),
      model_(setup_.config, setup_.x0),
      policy_(policy_options(setup_.config, model_)),
      log_([this](const RoundReport& report) {
        if (setup_.sink != nullptr) setup_.sink->on_round(report);
      }),
      members_(setup_.config.workers) {}

void Averager::start() {
  started_ = this_actor::now();
  watch_evaluator();
  handle(event::Start{});
}

Enlistment Averager::enlist() {
  return {to_toml(setup_.config)};
}

void Averager::join(Handle<Worker> worker, std::string place) {
  joining_ = worker;
  const AveragerReason reason = handle(event::Join{std::move(place)});
  joining_ = {};
  if (reason != AveragerReason::kAccepted)
    worker.send<&Worker::refuse>(std::string(to_string(reason)));
  else if (setup_.sink != nullptr)
    setup_.sink->on_joined(policy_.joined(), setup_.config.workers);
}

void Averager::ready(std::uint64_t worker, std::uint64_t dim, std::uint64_t samples) {
  if (worker < members_.size()) members_[worker].samples = samples;
  handle(event::Ready{worker, dim, samples});
}

void Averager::contribute(Contribution contribution) {
  const std::uint64_t worker = contribution.worker;
  const event::Contributed arrived{worker, contribution.round, model_.fits(contribution)};
  // Kept before the policy hears of it: the last one in closes the round at once.
  std::optional<Contribution> kept;
  if (worker < members_.size()) {
    kept = std::exchange(members_[worker].contribution, std::move(contribution));
  }
  const AveragerReason reason = handle(arrived);
  if (reason != AveragerReason::kAccepted && worker < members_.size())
    members_[worker].contribution = std::move(kept);
}

void Averager::failed(std::uint64_t worker, std::uint64_t step, std::string message) {
  handle(event::Failed{worker, step, std::move(message)});
}

void Averager::evaluated(EvaluationReport report) {
  result_.evaluate_s += report.seconds;
  if (report.measured) {
    result_.test_loss = report.loss;
    result_.test_accuracy = report.accuracy;
  }
  log_.evaluated(report);
  if (auto timer = evaluation_timers_.extract(report.round)) timer.mapped().cancel();
  handle(event::Evaluated{report.round, report.accuracy});
}

void Averager::failed_evaluation(Error error) {
  error.message = "the evaluation failed: " + error.message;
  handle(event::Aborted{std::move(error)});
}

void Averager::stop_after_round() {
  handle(event::StopRequested{});
}
void Averager::abort(Error error) {
  handle(event::Aborted{std::move(error)});
}
void Averager::join_deadline() {
  handle(event::JoinDeadline{});
}
void Averager::round_deadline(std::uint64_t round) {
  handle(event::RoundDeadline{round});
}

void Averager::evaluation_deadline(std::uint64_t round) {
  handle(event::EvaluationDeadline{round});
}

AveragerReason Averager::handle(const AveragerEvent& event) {
  const AveragerPolicy::Step step = policy_.handle(event, this_actor::now());
  try {
    for (const AveragerAction& action : step.actions)
      std::visit([this](const auto& a) { perform(a); }, action);
  } catch (const CheckFailure&) {
    throw;
  } catch (...) {
    // A sink that throws, or no memory: the run cannot go on, and must not wait for a deadline.
    if (policy_.ended()) throw;
    handle(event::Aborted{error_from_current_exception()});
  }
  return step.reason;
}

void Averager::perform(const action::Prepare& a) {
  members_[a.worker] = Member{};
  members_[a.worker].handle = joining_;
  watch(a.worker);
  joining_.send<&Worker::prepare>(a.worker, setup_.config.workers);
}

void Averager::watch(std::uint64_t worker) {
  const Handle<Worker>& handle = members_[worker].handle;
  members_[worker].watch = this_actor::runtime().monitor(handle).then(
      [this, worker, id = handle.id()](Result<Down> down) {
        // The place may have gone to another worker while the run was gathering.
        const Member& member = members_[worker];
        if (!member.handle.valid() || member.handle.id() != id) return;
        this->handle(event::Lost{worker, down ? down->cause.message : down.error().message,
                                 down && down->reason == DownReason::kCrashed});
      });
}

void Averager::watch_evaluator() {
  evaluator_gone_ = this_actor::runtime().monitor(setup_.evaluator).then([this](Result<Down> down) {
    Error cause = down ? down->cause : down.error();
    cause.message = "the evaluator is gone: " + cause.message;
    handle(event::Aborted{std::move(cause)});
  });
}

void Averager::perform(const action::ArmJoinDeadline&) {
  join_timer_ = this_actor::send_after<&Averager::join_deadline>(
      duration_of(setup_.config.network.join_deadline_s));
}

void Averager::perform(const action::Begin&) {
  join_timer_.cancel();
  begun_ = true;
  result_.join_s = seconds_since(started_);
  started_ = this_actor::now();
  if (setup_.sink == nullptr) return;
  RunStart start{members_.size(), model_.dim(), setup_.config.stop.rounds, {}};
  for (const Member& member : members_) start.share_sizes.push_back(member.samples);
  setup_.sink->on_start(start);
}

void Averager::perform(const action::Open& a) {
  log_.release_before(a.round);
  opened_ = this_actor::now();
  const RoundOrder order = model_.order(a.round);
  order_bytes_ = array_bytes(order) * a.workers.size();
  for (const std::uint64_t worker : a.workers) {
    members_[worker].contribution.reset();
    members_[worker].handle.send<&Worker::order>(order);
  }
  round_timer_ = this_actor::send_after<&Averager::round_deadline>(
      duration_of(setup_.config.round.deadline_s), a.round);
}

void Averager::perform(const action::Close& a) {
  round_timer_.cancel();
  std::vector<Contribution> contributions;
  for (const std::uint64_t worker : a.workers)
    contributions.push_back(*std::exchange(members_[worker].contribution, std::nullopt));
  RoundReport report;
  model_.commit(a.round, contributions, report);
  report.bytes_sent += order_bytes_;
  if (setup_.shared_threads != 0) {
    double sum = 0;
    for (const Contribution& c : contributions) sum += c.compute_s;
    report.compute_s = std::max(report.compute_s, sum / static_cast<double>(setup_.shared_threads));
  }
  report.sync_s = std::max(0.0, seconds_since(opened_) - report.compute_s);
  report.seconds = seconds_since(started_);
  result_.rounds = a.round;
  result_.compute_s += report.compute_s;
  result_.sync_s += report.sync_s;
  result_.samples += report.samples;
  result_.bytes_sent += report.bytes_sent;
  result_.train_loss = report.train_loss;
  log_.add(std::move(report));
}

void Averager::perform(const action::Evaluate& a) {
  log_.await_evaluation(a.round);
  setup_.evaluator.send<&Evaluator::evaluate>(this_actor::handle<Averager>(), a.round,
                                              model_.params());
  evaluation_timers_[a.round] = this_actor::send_after<&Averager::evaluation_deadline>(
      duration_of(setup_.config.round.evaluation_deadline_s), a.round);
}

void Averager::perform(const action::Drop& a) {
  if (setup_.sink != nullptr) setup_.sink->on_lost(a.lost);
  members_[a.lost.worker].contribution.reset();
  members_[a.lost.worker].handle.send<&Worker::finish>("dropped from the run: " + a.lost.cause,
                                                       true);
}

void Averager::perform(const action::Finish& a) {
  result_.reason = a.reason;
  this_actor::send<&Averager::close_run>();
}

void Averager::perform(const action::Fail& a) {
  result_.reason = StopReason::kFailed;
  result_.error = a.error;
  this_actor::send<&Averager::close_run>();
}

Task<void> Averager::close_run() {
  round_timer_.cancel();
  join_timer_.cancel();
  for (auto& [round, timer] : evaluation_timers_) timer.cancel();
  log_.flush();
  (begun_ ? result_.wall_s : result_.join_s) = seconds_since(started_);
  result_.parameters = model_.params();
  result_.params_sha256 = params_sha256(model_.params());
  result_.lost = policy_.lost();
  std::string why = "the run has ended: " + std::string(to_string(result_.reason));
  if (result_.error) why += ": " + result_.error->message;
  std::vector<Future<void>> farewells;
  for (const Member& member : members_)
    if (member.handle.valid())
      farewells.push_back(
          member.handle.with({.timeout = kFarewell}).call<&Worker::finish>(why, !result_.ok()));
  // A worker that cannot be told notices that this node is gone.
  for (auto& farewell : farewells) (void)co_await farewell.as_result();
  setup_.on_end(std::move(result_));
}

double Averager::seconds_since(TimePoint start) const {
  return std::chrono::duration<double>(this_actor::runtime().clock().now() - start).count();
}

}  // namespace muster::training
