#include "actors/averager/round_log.h"

namespace muster::training {

RoundLog::Entry* RoundLog::find(std::uint64_t round) {
  for (Entry& entry : waiting_)
    if (entry.report.round == round) return &entry;
  return nullptr;
}

void RoundLog::await_evaluation(std::uint64_t round) {
  if (Entry* entry = find(round)) entry->awaits_evaluation = true;
}

void RoundLog::evaluated(const EvaluationReport& report) {
  Entry* entry = find(report.round);
  if (entry == nullptr) return;
  entry->awaits_evaluation = false;
  entry->report.evaluate_s = report.seconds;
  if (report.measured) {
    entry->report.test_loss = report.loss;
    entry->report.test_accuracy = report.accuracy;
  }
  drain();
}

void RoundLog::release_before(std::uint64_t round) {
  for (Entry& entry : waiting_)
    if (entry.report.round < round) entry.released = true;
  drain();
}

void RoundLog::flush() {
  for (Entry& entry : waiting_) emit_(entry.report);
  waiting_.clear();
}

void RoundLog::drain() {
  while (!waiting_.empty() && waiting_.front().released && !waiting_.front().awaits_evaluation) {
    emit_(waiting_.front().report);
    waiting_.pop_front();
  }
}

}  // namespace muster::training
