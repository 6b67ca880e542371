#pragma once
// Averager: the actor that triggers the sync messages, collects the contributions, averages and
// commits. A thin shell over AveragerPolicy (what to do) and GlobalModel (the numbers).

#include "actors/averager/global_model.h"
#include "actors/averager/round_log.h"
#include "actors/messages.h"
#include "actors/policy/averager_policy.h"

#include <muster/actor.h>
#include <muster/training/config.h>
#include <muster/training/report.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace muster::training {

class Worker;
class Evaluator;

class Averager {
 public:
  struct Setup {
    TrainConfig config;
    Array<float> x0;
    Handle<Evaluator> evaluator;
    /// Threads that all workers share; 0: each has its own.
    std::uint64_t shared_threads = 0;
    ProgressSink* sink = nullptr;             ///< may be null
    std::function<void(TrainResult)> on_end;  ///< called once, from a handler
  };

  explicit Averager(Setup setup);

  void start();

  // From nodes and workers.
  Enlistment enlist();
  void join(Handle<Worker> worker, std::string place);
  void ready(std::uint64_t worker, std::uint64_t dim, std::uint64_t samples);
  void contribute(Contribution contribution);
  void failed(std::uint64_t worker, std::uint64_t step, std::string message);

  // From the evaluator; failed_evaluation says what it threw.
  void evaluated(EvaluationReport report);
  void failed_evaluation(Error error);

  // From the Trainer.
  void stop_after_round();
  void abort(Error error);

  // From itself.
  void join_deadline();
  void round_deadline(std::uint64_t round);
  void evaluation_deadline(std::uint64_t round);
  Task<void> close_run();

 private:
  AveragerReason handle(const AveragerEvent& event);
  void perform(const action::Prepare& a);
  void perform(const action::ArmJoinDeadline& a);
  void perform(const action::Begin& a);
  void perform(const action::Open& a);
  void perform(const action::Close& a);
  void perform(const action::Evaluate& a);
  void perform(const action::Drop& a);
  void perform(const action::Finish& a);
  void perform(const action::Fail& a);
  double seconds_since(TimePoint start) const;
  void watch(std::uint64_t worker);
  void watch_evaluator();

  struct Member {
    Handle<Worker> handle;
    std::uint64_t samples = 0;
    Future<void> watch;
    std::optional<Contribution> contribution;
  };

  Setup setup_;
  GlobalModel model_;
  AveragerPolicy policy_;
  RoundLog log_;
  std::vector<Member> members_;
  Handle<Worker> joining_;  // asks for a place right now
  ScheduledSend join_timer_;
  ScheduledSend round_timer_;
  std::map<std::uint64_t, ScheduledSend> evaluation_timers_;  // by round
  Future<void> evaluator_gone_;
  bool begun_ = false;
  TimePoint started_{};  // the actor's start, then the first round's opening
  TimePoint opened_{};   // the open round
  std::uint64_t order_bytes_ = 0;
  TrainResult result_;
};

MUSTER_ACTOR(Averager, start, enlist, join, ready, contribute, failed, evaluated, failed_evaluation,
             stop_after_round, abort, join_deadline, round_deadline, evaluation_deadline,
             close_run);

}  // namespace muster::training
