#pragma once
// AveragerPolicy: what the averager decides, as a pure function of (state, event, now).
//
// Gathering -> rounds -> done. Round 0, where there is one, measures the first scaling; rounds
// 1..R train. Threads: a value; one thread at a time. Reads no clock and touches no number of the
// model: the shell carries out the actions, in the order given.
//
// Invariants:
// 1. At most one round is open. A worker counts at most once in it.
// 2. A round closes when every live worker is in, or at its deadline, when the silent are dropped.
// 3. Contributors of a closed round are listed in ascending order, whatever the order of arrival.
// 4. Exactly one of Finish and Fail ends the run; nothing follows it.
// 5. Whatever is awaited has a deadline: joining, a round, an evaluation.

#include "actors/policy/averager_events.h"

#include <muster/clock.h>
#include <muster/error.h>
#include <muster/training/report.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace muster::training {

enum class AveragerReason : std::uint8_t {
  kAccepted,
  kDuplicate,  // already counted in this round
  kStale,      // of a round that is closed
  kEarly,      // of a round that is not open yet
  kNotLive,    // the worker has no place, or has been dropped
  kWrongSize,  // the arrays do not fit
  kFull,       // all places are taken
  kStarted,    // the run has begun without it
  kEnded,      // the run is over
  kIgnored,    // a deadline or an evaluation that no longer matters
};
std::string_view to_string(AveragerReason) noexcept;

class AveragerPolicy {
 public:
  struct Options {
    std::uint64_t workers = 1;
    std::uint64_t dim = 0;
    bool probe = false;          // start with round 0
    std::uint64_t rounds = 0;    // 0: no limit
    double target_accuracy = 0;  // 0: none
    bool await_target = true;    // with a target, open no round before its evaluation is in
    Duration time_limit{0};      // 0: none
    Duration round_deadline = 10s;
    Duration join_deadline = 30s;
    Duration evaluation_deadline = 300s;
    std::uint64_t evaluate_every = 1;
  };
  struct Step {
    std::vector<AveragerAction> actions;
    AveragerReason reason = AveragerReason::kAccepted;
  };

  explicit AveragerPolicy(Options options);

  Step handle(const AveragerEvent& event, TimePoint now);

  std::uint64_t round() const noexcept { return round_; }
  bool ended() const noexcept { return phase_ == Phase::kEnded; }
  std::uint64_t joined() const noexcept;
  const std::vector<LostWorker>& lost() const noexcept { return lost_; }
  const std::string& place(std::uint64_t worker) const { return seats_[worker].place; }
  std::vector<std::uint64_t> live() const;

 private:
  enum class Phase { kGathering, kOpen, kHeld, kLastEvaluation, kEnded };
  enum class Seat { kFree, kJoined, kReady, kLost };
  struct SeatState {
    Seat seat = Seat::kFree;
    std::string place;
    bool contributed = false;
  };
  static constexpr std::size_t kEvaluationsPendingMax = 2;

  AveragerReason on(const event::Start&);
  AveragerReason on(const event::Join& e);
  AveragerReason on(const event::Ready& e);
  AveragerReason on(const event::Contributed& e);
  AveragerReason on(const event::Lost& e);
  AveragerReason on(const event::Failed& e);
  AveragerReason on(const event::JoinDeadline&);
  AveragerReason on(const event::RoundDeadline& e);
  AveragerReason on(const event::Evaluated& e);
  AveragerReason on(const event::EvaluationDeadline& e);
  AveragerReason on(const event::StopRequested&);
  AveragerReason on(const event::Aborted& e);

  bool has_place(std::uint64_t worker) const;
  std::string name(std::uint64_t worker) const;
  void begin();
  void open(std::uint64_t round);
  bool failed_for_want_of_workers();
  void close_if_complete();
  void close();
  void evaluate(std::uint64_t round);
  void after_close();
  void drop(std::uint64_t worker, LossReason reason, std::string cause);
  void finish_after_last_evaluation(StopReason reason);
  void fail(ErrorCode code, std::string message);
  bool must_hold() const;

  Options options_;
  Phase phase_ = Phase::kGathering;
  std::vector<SeatState> seats_;
  std::vector<LostWorker> lost_;
  std::string lost_gathering_;  // the last worker that left its place before the first round
  std::uint64_t round_ = 0;
  std::uint64_t committed_ = 0;
  std::optional<std::uint64_t> last_evaluated_;     // round of the newest Evaluate action
  std::vector<std::uint64_t> evaluations_pending_;  // their rounds
  bool stop_requested_ = false;
  bool target_reached_ = false;
  StopReason stop_reason_ = StopReason::kRounds;
  TimePoint started_{};
  TimePoint now_{};
  std::vector<AveragerAction> actions_;  // of the event being handled
};

}  // namespace muster::training
