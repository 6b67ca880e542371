#include "actors/averager/global_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace muster::training {
namespace {

using testing::ElementsAre;

Array<float> floats(std::vector<float> values) {
  return Array<float>(std::move(values));
}

std::vector<float> values(const Array<float>& array) {
  return {array.begin(), array.end()};
}

class GlobalModelTest : public testing::Test {
 protected:
  GlobalModelTest() {
    config.scaling = {.rule = optim::ScalingRule::kIdentity, .estimator = std::nullopt};
    config.round.refresh_every = 1;
  }
  static Contribution contribution(std::uint64_t worker, std::uint64_t round,
                                   std::vector<float> params, std::uint64_t samples = 1) {
    Contribution c;
    c.worker = worker;
    c.round = round;
    c.samples = samples;
    c.params = floats(std::move(params));
    return c;
  }
  TrainConfig config;
  RoundReport report;
};

TEST_F(GlobalModelTest, AveragesBySamples) {
  GlobalModel model(config, floats({0, 0}));
  const std::vector both{contribution(0, 1, {1, 4}, 30), contribution(1, 1, {5, 0}, 10)};
  model.commit(1, both, report);
  EXPECT_THAT(values(model.params()), ElementsAre(2.0F, 3.0F));
  EXPECT_EQ(report.samples, 40U);
  EXPECT_EQ(report.workers, 2U);
  EXPECT_EQ(report.bytes_sent, 16U);
}

TEST_F(GlobalModelTest, AveragesEqually) {
  config.round.averaging = Averaging::kEqual;
  GlobalModel model(config, floats({0, 0}));
  const std::vector both{contribution(0, 1, {1, 4}, 30), contribution(1, 1, {5, 0}, 10)};
  model.commit(1, both, report);
  EXPECT_THAT(values(model.params()), ElementsAre(3.0F, 2.0F));
  EXPECT_DOUBLE_EQ(report.consensus_error, 8.0);  // (4 + 4 + 4 + 4) / 2
}

TEST_F(GlobalModelTest, LossIsWeightedBySamples) {
  GlobalModel model(config, floats({0}));
  std::vector both{contribution(0, 1, {1}, 30), contribution(1, 1, {5}, 10)};
  both[0].loss = 1;
  both[1].loss = 5;
  model.commit(1, both, report);
  EXPECT_DOUBLE_EQ(report.train_loss, 2.0);
}

TEST_F(GlobalModelTest, OneWorkerAloneIsItsOwnAverage) {
  GlobalModel model(config, floats({0, 0, 0}));
  const std::vector one{contribution(0, 1, {0.1F, -0.2F, 0.3F}, 7)};
  model.commit(1, one, report);
  EXPECT_THAT(values(model.params()), ElementsAre(0.1F, -0.2F, 0.3F));
  EXPECT_EQ(report.consensus_error, 0);
}

TEST_F(GlobalModelTest, IdentityNeedsNoProbeAndSendsNoDivisor) {
  GlobalModel model(config, floats({1, 2}));
  EXPECT_FALSE(model.needs_probe());
  const RoundOrder order = model.order(1);
  EXPECT_TRUE(order.divisor.empty());
  EXPECT_FALSE(order.want_moment);
  EXPECT_EQ(array_bytes(order), 8U);
}

TEST_F(GlobalModelTest, ProbeGivesTheFirstDivisor) {
  config.scaling.rule = optim::ScalingRule::kAdam;
  config.scaling.floor = 0.5;
  GlobalModel model(config, floats({1, 2}));
  ASSERT_TRUE(model.needs_probe());
  EXPECT_TRUE(model.order(0).probe);
  Contribution a;
  a.samples = 1;
  a.moment = floats({4, 0});
  ASSERT_TRUE(model.fits(a));
  model.commit(0, std::vector{a}, report);
  EXPECT_EQ(report.floored, 1U);
  const RoundOrder order = model.order(1);
  EXPECT_THAT(values(order.divisor), ElementsAre(2.0F, 0.5F));
  EXPECT_THAT(values(order.params), ElementsAre(1.0F, 2.0F));
}

TEST_F(GlobalModelTest, DivisorTravelsOnlyWhenItChanged) {
  config.scaling.rule = optim::ScalingRule::kAdam;
  config.round.refresh_every = 2;
  GlobalModel model(config, floats({1}));
  Contribution probe;
  probe.samples = 1;
  probe.moment = floats({4});
  model.order(0);
  model.commit(0, std::vector{probe}, report);
  EXPECT_FALSE(model.order(1).divisor.empty());
  model.commit(1, std::vector{contribution(0, 1, {1})}, report);
  const RoundOrder second = model.order(2);
  EXPECT_TRUE(second.divisor.empty());
  EXPECT_TRUE(second.want_moment);
  EXPECT_FALSE(model.fits(contribution(0, 2, {1})));
  Contribution with_moment = contribution(0, 2, {1});
  with_moment.moment = floats({4});
  EXPECT_TRUE(model.fits(with_moment));
  model.commit(2, std::vector{with_moment}, report);
  EXPECT_FALSE(model.order(3).divisor.empty());
}

TEST_F(GlobalModelTest, LocalScopeMergesAccumulators) {
  config.scaling.rule = optim::ScalingRule::kRmsProp;
  config.scaling.scope = optim::ScalingScope::kLocal;
  config.scaling.merge = optim::LocalMerge::kMax;
  GlobalModel model(config, floats({0, 0}));
  EXPECT_FALSE(model.needs_probe());
  std::vector both{contribution(0, 1, {1, 1}), contribution(1, 1, {1, 1})};
  both[0].accumulator = floats({1, 5});
  both[1].accumulator = floats({3, 2});
  ASSERT_TRUE(model.fits(both[0]));
  model.commit(1, both, report);
  EXPECT_THAT(values(model.order(2).accumulator), ElementsAre(3.0F, 5.0F));
}

TEST_F(GlobalModelTest, ContributionsOfOtherSizesDoNotFit) {
  GlobalModel model(config, floats({0, 0}));
  EXPECT_TRUE(model.fits(contribution(0, 1, {1, 1})));
  EXPECT_FALSE(model.fits(contribution(0, 1, {1})));
  EXPECT_FALSE(model.fits(contribution(0, 1, {1, 1, 1})));
  EXPECT_FALSE(model.fits(contribution(0, 1, {})));
}

TEST_F(GlobalModelTest, ScheduleStandsWhereEarlierRoundsLeftIt) {
  config.local.steps = 10;
  config.stop.rounds = 7;
  GlobalModel model(config, floats({0}));
  const RoundOrder order = model.order(3);
  EXPECT_EQ(order.first_step, 20U);
  EXPECT_EQ(order.steps, 10U);
  EXPECT_EQ(order.total_steps, 70U);
}

}  // namespace
}  // namespace muster::training
