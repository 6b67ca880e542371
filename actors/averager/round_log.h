#pragma once
// RoundLog: hands the reports of rounds on in order, each once its evaluation, if it has one, is
// in.
//
// Threads: one at a time.

#include "actors/messages.h"

#include <muster/training/report.h>

#include <deque>
#include <functional>

namespace muster::training {

class RoundLog {
 public:
  explicit RoundLog(std::function<void(const RoundReport&)> emit) : emit_(std::move(emit)) {}

  /// A committed round. It waits until release() says that nothing is added to it any more.
  void add(RoundReport report) { waiting_.push_back({std::move(report), false, false}); }
  /// The newest round with this number awaits an evaluation.
  void await_evaluation(std::uint64_t round);
  void evaluated(const EvaluationReport& report);
  /// Rounds before `round` are complete but for the evaluations they await.
  void release_before(std::uint64_t round);
  /// Hands on all that is left.
  void flush();

 private:
  struct Entry {
    RoundReport report;
    bool awaits_evaluation = false;
    bool released = false;
  };
  Entry* find(std::uint64_t round);
  void drain();

  std::function<void(const RoundReport&)> emit_;
  std::deque<Entry> waiting_;
};

}  // namespace muster::training
