// Whatever the order in which contributions arrive, the bits of the parameters are the same.

#include "sim/train/train_world.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

namespace muster::training {
namespace {

/// f(x) = sum (x_i - c_i)^2 / 2 with minima so far apart that a sum of the workers' parameters,
/// even in double precision, depends on the order of its terms.
class FarMinimum final : public optim::Objective {
 public:
  explicit FarMinimum(float minimum) : minimum_(minimum) {}
  std::size_t dim() const override { return 8; }
  std::size_t sample_count() const override { return 16; }
  double loss_and_gradient(std::span<const float> x, optim::Batch,
                           std::span<float> gradient) override {
    for (std::size_t i = 0; i < x.size(); ++i)
      gradient[i] = x[i] - minimum_ / static_cast<float>(i + 1);
    return 1;
  }

 private:
  const float minimum_;
};

ObjectiveFactory far_minima() {
  return [](const Seat& seat) {
    constexpr float kMinima[] = {3.1e9F, 1.7e-4F, -3.1e9F, 2.3F};
    return WorkerTask{std::make_shared<FarMinimum>(kMinima[seat.worker]), {}};
  };
}

TrainConfig far_config() {
  TrainConfig config = small_config();
  config.local.momentum = 0;
  config.scaling = {.rule = optim::ScalingRule::kIdentity, .estimator = std::nullopt};
  return config;
}

/// The checksum of a run in which the worker `order[0]` is nearest to the averager, then
/// `order[1]`, ...: contributions arrive in that order, ten milliseconds apart.
std::string run_in_order(const std::vector<std::uint64_t>& order, std::uint64_t seed) {
  TrainWorld train(seed, far_config(), {.objectives = far_minima()});
  for (std::size_t place = 0; place < order.size(); ++place) {
    const Duration far = 10ms * (place + 1);
    train.world.network().set_link("head", TrainWorld::node_of(order[place]),
                                   {.latency_min = far, .latency_max = far});
  }
  train.start_workers();
  EXPECT_TRUE(train.run_to_the_end());
  EXPECT_TRUE(train.result && train.result->ok());
  EXPECT_EQ(train.result->rounds, 8U);
  return train.result->params_sha256;
}

TEST(ArrivalOrderTest, EveryOrderOfArrivalGivesTheSameParameters) {
  std::vector<std::uint64_t> order(4);
  std::iota(order.begin(), order.end(), 0U);
  const std::string expected = run_in_order(order, test_seed());
  int orders = 0;
  do {
    SCOPED_TRACE(::testing::PrintToString(order));
    ASSERT_EQ(run_in_order(order, test_seed()), expected);
    ++orders;
  } while (std::ranges::next_permutation(order).found);
  EXPECT_EQ(orders, 24);
}

TEST(ArrivalOrderTest, EverySeedOfAReorderingNetworkGivesTheSameParameters) {
  std::set<std::string> checksums;
  std::set<std::vector<std::string>> traces;
  for (std::uint64_t seed = test_seed(); seed < test_seed() + 30; ++seed) {
    TrainWorld train(
        seed, far_config(),
        {.link = {.latency_max = 20ms, .reorder_probability = 0.2}, .objectives = far_minima()});
    train.start_workers();
    ASSERT_TRUE(train.run_to_the_end()) << "MUSTER_TEST_SEED=" << seed;
    ASSERT_TRUE(train.result->ok()) << "MUSTER_TEST_SEED=" << seed;
    checksums.insert(train.result->params_sha256);
    traces.insert(train.trace());
  }
  EXPECT_EQ(checksums.size(), 1U);
  EXPECT_EQ(traces.size(), 30U);
}

}  // namespace
}  // namespace muster::training
