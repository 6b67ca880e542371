// An evaluator that is out of reach: the run ends with the cause and waits no longer than it said.

#include "sim/train/train_world.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace muster::training {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(EvaluationSimTest, EvaluatorThatIsNotHeardFromFailsTheRunAtTheDeadline) {
  TrainConfig config = small_config();
  config.round.evaluation_deadline_s = 30;
  // A silence this long is not yet the end of a connection.
  TrainWorld train(test_seed(), config, {.evaluator_node = true, .peer_timeout = 1h});
  train.world.network().partition("head", "judge");
  train.start_workers();
  ASSERT_TRUE(train.run_to_the_end());
  ASSERT_FALSE(train.result->ok());
  EXPECT_EQ(train.result->error->message, "the evaluation of round 1 gave no result within 30 s");
  EXPECT_EQ(train.result->error->code, ErrorCode::kTimeout);
  EXPECT_GE(train.result->wall_s, 30);
  EXPECT_LT(train.result->wall_s, 31);
}

TEST(EvaluationSimTest, EvaluatorThatDiesFailsTheRunWithItsCause) {
  TrainWorld train(test_seed(), small_config(), {.evaluator_node = true});
  train.world.network().partition("head", "judge");
  train.start_workers();
  ASSERT_TRUE(train.run_to_the_end());
  ASSERT_FALSE(train.result->ok());
  EXPECT_THAT(train.result->error->message, StartsWith("the evaluator is gone: "));
  EXPECT_THAT(train.result->error->message, HasSubstr("no heartbeat from"));
  EXPECT_LT(train.result->wall_s, 5);
}

}  // namespace
}  // namespace muster::training
