#include "actors/averager/round_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace muster::training {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class RoundLogTest : public testing::Test {
 protected:
  void add(std::uint64_t round) {
    RoundReport report;
    report.round = round;
    log.add(report);
  }
  std::vector<std::uint64_t> emitted;
  std::vector<std::optional<double>> accuracies;
  RoundLog log{[this](const RoundReport& r) {
    emitted.push_back(r.round);
    accuracies.push_back(r.test_accuracy);
  }};
};

TEST_F(RoundLogTest, RoundIsHandedOnWhenTheNextOpens) {
  add(1);
  EXPECT_THAT(emitted, IsEmpty());
  log.release_before(2);
  EXPECT_THAT(emitted, ElementsAre(1));
}

TEST_F(RoundLogTest, LaterRoundsWaitForAnEarlierEvaluation) {
  add(1);
  log.await_evaluation(1);
  log.release_before(2);
  add(2);
  log.release_before(3);
  EXPECT_THAT(emitted, IsEmpty());
  log.evaluated({1, true, 0.1, 0.75, 0.01});
  EXPECT_THAT(emitted, ElementsAre(1, 2));
  EXPECT_THAT(accuracies, ElementsAre(std::optional(0.75), std::nullopt));
}

TEST_F(RoundLogTest, FlushHandsOnWhatIsLeft) {
  add(1);
  log.await_evaluation(1);
  add(2);
  log.flush();
  EXPECT_THAT(emitted, ElementsAre(1, 2));
}

}  // namespace
}  // namespace muster::training
