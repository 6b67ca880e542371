#include "actors/policy/averager_policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace muster::training {
namespace {

double seconds(Duration d) {
  return std::chrono::duration<double>(d).count();
}

}  // namespace

std::string_view to_string(StopReason reason) noexcept {
  switch (reason) {
    case StopReason::kRounds:
      return "rounds";
    case StopReason::kTarget:
      return "target accuracy";
    case StopReason::kTimeLimit:
      return "time limit";
    case StopReason::kInterrupted:
      return "interrupted";
    case StopReason::kFailed:
      return "failed";
  }
  return "unknown";
}

std::string_view to_string(LossReason reason) noexcept {
  return reason == LossReason::kDied ? "died" : "silent";
}

std::string_view to_string(AveragerReason reason) noexcept {
  switch (reason) {
    case AveragerReason::kAccepted:
      return "accepted";
    case AveragerReason::kDuplicate:
      return "duplicate";
    case AveragerReason::kStale:
      return "stale";
    case AveragerReason::kEarly:
      return "early";
    case AveragerReason::kNotLive:
      return "not live";
    case AveragerReason::kWrongSize:
      return "wrong size";
    case AveragerReason::kFull:
      return "all places are taken";
    case AveragerReason::kStarted:
      return "the run has begun";
    case AveragerReason::kEnded:
      return "the run is over";
    case AveragerReason::kIgnored:
      return "ignored";
  }
  return "unknown";
}

AveragerPolicy::AveragerPolicy(Options options) : options_(options), seats_(options.workers) {}

AveragerPolicy::Step AveragerPolicy::handle(const AveragerEvent& event, TimePoint now) {
  now_ = now;
  actions_.clear();
  Step step;
  step.reason = phase_ == Phase::kEnded
                    ? AveragerReason::kEnded
                    : std::visit([this](const auto& e) { return on(e); }, event);
  step.actions = std::exchange(actions_, {});
  return step;
}

std::uint64_t AveragerPolicy::joined() const noexcept {
  return static_cast<std::uint64_t>(std::ranges::count_if(seats_, [](const SeatState& s) {
    return s.seat == Seat::kJoined || s.seat == Seat::kReady;
  }));
}

std::vector<std::uint64_t> AveragerPolicy::live() const {
  std::vector<std::uint64_t> out;
  for (std::uint64_t w = 0; w < seats_.size(); ++w)
    if (seats_[w].seat == Seat::kReady) out.push_back(w);
  return out;
}

bool AveragerPolicy::has_place(std::uint64_t worker) const {
  return worker < seats_.size() &&
         (seats_[worker].seat == Seat::kJoined || seats_[worker].seat == Seat::kReady);
}

std::string AveragerPolicy::name(std::uint64_t worker) const {
  return fmt::format("worker {} ({})", worker, seats_[worker].place);
}

AveragerReason AveragerPolicy::on(const event::Start&) {
  started_ = now_;
  actions_.emplace_back(action::ArmJoinDeadline{});
  return AveragerReason::kAccepted;
}

AveragerReason AveragerPolicy::on(const event::Join& e) {
  if (phase_ != Phase::kGathering) return AveragerReason::kStarted;
  const auto seat = std::ranges::find(seats_, Seat::kFree, &SeatState::seat);
  if (seat == seats_.end()) return AveragerReason::kFull;
  *seat = SeatState{Seat::kJoined, e.place, false};
  actions_.emplace_back(action::Prepare{static_cast<std::uint64_t>(seat - seats_.begin())});
  return AveragerReason::kAccepted;
}

AveragerReason AveragerPolicy::on(const event::Ready& e) {
  if (phase_ != Phase::kGathering || !has_place(e.worker)) return AveragerReason::kNotLive;
  if (seats_[e.worker].seat == Seat::kReady) return AveragerReason::kDuplicate;
  if (e.dim != options_.dim) {
    fail(ErrorCode::kInvalid,
         fmt::format("{}: its objective has {} parameters, the averager's has {}; all must train "
                     "the same model on data of the same shape",
                     name(e.worker), e.dim, options_.dim));
    return AveragerReason::kWrongSize;
  }
  seats_[e.worker].seat = Seat::kReady;
  if (live().size() == seats_.size()) begin();
  return AveragerReason::kAccepted;
}

AveragerReason AveragerPolicy::on(const event::Contributed& e) {
  if (e.worker >= seats_.size() || seats_[e.worker].seat != Seat::kReady)
    return AveragerReason::kNotLive;
  if (phase_ != Phase::kOpen || e.round != round_)
    return e.round > round_ ? AveragerReason::kEarly : AveragerReason::kStale;
  if (seats_[e.worker].contributed) return AveragerReason::kDuplicate;
  if (!e.fits) {
    drop(e.worker, LossReason::kDied,
         fmt::format("its contribution to round {} has arrays of the wrong size", round_));
    close_if_complete();
    return AveragerReason::kWrongSize;
  }
  seats_[e.worker].contributed = true;
  close_if_complete();
  return AveragerReason::kAccepted;
}

AveragerReason AveragerPolicy::on(const event::Lost& e) {
  if (!has_place(e.worker)) return AveragerReason::kNotLive;
  if (phase_ == Phase::kGathering) {
    // A bug in the making of the objective strikes whoever takes the place.
    if (e.crashed) {
      fail(ErrorCode::kFailed,
           fmt::format("{} crashed before the first round: {}", name(e.worker), e.cause));
      return AveragerReason::kAccepted;
    }
    lost_gathering_ = fmt::format("{} had joined and was lost: {}", name(e.worker), e.cause);
    seats_[e.worker] = SeatState{};
    return AveragerReason::kAccepted;
  }
  drop(e.worker, LossReason::kDied, e.cause);
  if (phase_ == Phase::kOpen) close_if_complete();
  return AveragerReason::kAccepted;
}

AveragerReason AveragerPolicy::on(const event::Failed& e) {
  if (!has_place(e.worker)) return AveragerReason::kNotLive;
  if (e.step == 0)
    fail(ErrorCode::kInvalid, fmt::format("{}: {}", name(e.worker), e.message));
  else
    fail(ErrorCode::kInvalid, fmt::format("{} in round {}: {}", name(e.worker), round_, e.message));
  return AveragerReason::kAccepted;
}

AveragerReason AveragerPolicy::on(const event::JoinDeadline&) {
  if (phase_ != Phase::kGathering) return AveragerReason::kIgnored;
  const auto ready = live().size();
  std::string text = fmt::format("{} of {} workers joined within {:g} s", joined(), seats_.size(),
                                 seconds(options_.join_deadline));
  if (ready < joined()) text += fmt::format(", and {} of them had their data ready", ready);
  if (!lost_gathering_.empty()) text += "; " + lost_gathering_;
  fail(ErrorCode::kTimeout, std::move(text));
  return AveragerReason::kAccepted;
}

AveragerReason AveragerPolicy::on(const event::RoundDeadline& e) {
  if (phase_ != Phase::kOpen || e.round != round_) return AveragerReason::kIgnored;
  for (const std::uint64_t worker : live()) {
    if (seats_[worker].contributed) continue;
    drop(worker, LossReason::kSilent,
         fmt::format("no contribution to round {} within {:g} s", round_,
                     seconds(options_.round_deadline)));
  }
  close_if_complete();
  return AveragerReason::kAccepted;
}

AveragerReason AveragerPolicy::on(const event::Evaluated& e) {
  if (std::erase(evaluations_pending_, e.round) == 0) return AveragerReason::kIgnored;
  if (options_.target_accuracy > 0 && e.accuracy && *e.accuracy >= options_.target_accuracy)
    target_reached_ = true;
  if (phase_ == Phase::kLastEvaluation && evaluations_pending_.empty()) {
    phase_ = Phase::kEnded;
    if (target_reached_ && stop_reason_ == StopReason::kRounds) stop_reason_ = StopReason::kTarget;
    actions_.emplace_back(action::Finish{stop_reason_});
  } else if (phase_ == Phase::kHeld && !must_hold()) {
    after_close();
  }
  return AveragerReason::kAccepted;
}

AveragerReason AveragerPolicy::on(const event::EvaluationDeadline& e) {
  if (std::ranges::count(evaluations_pending_, e.round) == 0) return AveragerReason::kIgnored;
  fail(ErrorCode::kTimeout, fmt::format("the evaluation of round {} gave no result within {:g} s",
                                        e.round, seconds(options_.evaluation_deadline)));
  return AveragerReason::kAccepted;
}

AveragerReason AveragerPolicy::on(const event::StopRequested&) {
  stop_requested_ = true;
  if (phase_ == Phase::kGathering) {
    phase_ = Phase::kEnded;
    actions_.emplace_back(action::Finish{StopReason::kInterrupted});
  }
  return AveragerReason::kAccepted;
}

AveragerReason AveragerPolicy::on(const event::Aborted& e) {
  fail(e.error.code, e.error.message);
  return AveragerReason::kAccepted;
}

void AveragerPolicy::begin() {
  started_ = now_;
  actions_.emplace_back(action::Begin{});
  open(options_.probe ? 0 : 1);
}

void AveragerPolicy::open(std::uint64_t round) {
  if (failed_for_want_of_workers()) return;
  round_ = round;
  phase_ = Phase::kOpen;
  for (SeatState& seat : seats_) seat.contributed = false;
  actions_.emplace_back(action::Open{round, live()});
}

/// True, and the run has failed, when no worker is left.
bool AveragerPolicy::failed_for_want_of_workers() {
  if (!live().empty()) return false;
  std::string causes;
  for (const LostWorker& lost : lost_)
    causes += fmt::format("{}worker {} ({}) {}: {}", causes.empty() ? "" : "; ", lost.worker,
                          lost.place, to_string(lost.reason), lost.cause);
  fail(ErrorCode::kUnavailable, fmt::format("no worker is left in round {}: {}", round_, causes));
  return true;
}

void AveragerPolicy::close_if_complete() {
  if (failed_for_want_of_workers()) return;
  if (std::ranges::all_of(live(), [this](auto w) { return seats_[w].contributed; })) close();
}

void AveragerPolicy::close() {
  actions_.emplace_back(action::Close{round_, live()});
  committed_ = round_;
  if (round_ > 0 && round_ % options_.evaluate_every == 0) {
    evaluate(round_);
  }
  phase_ = Phase::kHeld;
  if (!must_hold()) after_close();
}

void AveragerPolicy::evaluate(std::uint64_t round) {
  last_evaluated_ = round;
  evaluations_pending_.push_back(round);
  actions_.emplace_back(action::Evaluate{round});
}

/// An evaluation that can end the run is awaited; others only bound how many are under way.
bool AveragerPolicy::must_hold() const {
  const bool await_each = options_.target_accuracy > 0 && options_.await_target;
  return evaluations_pending_.size() >= (await_each ? 1 : kEvaluationsPendingMax);
}

void AveragerPolicy::after_close() {
  if (target_reached_) return finish_after_last_evaluation(StopReason::kTarget);
  if (options_.rounds != 0 && round_ >= options_.rounds)
    return finish_after_last_evaluation(StopReason::kRounds);
  if (stop_requested_) return finish_after_last_evaluation(StopReason::kInterrupted);
  if (options_.time_limit.count() > 0 && now_ - started_ >= options_.time_limit)
    return finish_after_last_evaluation(StopReason::kTimeLimit);
  open(round_ + 1);
}

void AveragerPolicy::finish_after_last_evaluation(StopReason reason) {
  stop_reason_ = reason;
  phase_ = Phase::kLastEvaluation;
  if (last_evaluated_ != committed_) evaluate(committed_);
  if (!evaluations_pending_.empty()) return;
  phase_ = Phase::kEnded;
  actions_.emplace_back(action::Finish{stop_reason_});
}

void AveragerPolicy::drop(std::uint64_t worker, LossReason reason, std::string cause) {
  seats_[worker].seat = Seat::kLost;
  LostWorker lost{worker, seats_[worker].place, round_, seconds(now_ - started_),
                  reason, std::move(cause)};
  lost_.push_back(lost);
  actions_.emplace_back(action::Drop{std::move(lost)});
}

void AveragerPolicy::fail(ErrorCode code, std::string message) {
  phase_ = Phase::kEnded;
  actions_.emplace_back(action::Fail{Error{code, std::move(message), {}}});
}

}  // namespace muster::training
