// Against PyTorch: data made by tests/golden/optim/make_golden.py. The optimisers are fact 4 of the
// theory: one worker, one local step, local scope refreshed at every step.
#include <muster/optim/npy.h>
#include <muster/optim/objectives.h>
#include <muster/optim/stepper.h>

#include "unit/optim/support.h"

namespace muster::optim {
namespace {

using testing::relative_error;

AlignedVector<double> golden(const std::string& name) {
  auto values = read_npy<double>(std::string(MUSTER_GOLDEN_DIR) + "/" + name + ".npy");
  EXPECT_TRUE(values.has_value()) << (values ? "" : values.error().message);
  return values.value_or(AlignedVector<double>{});
}

/// Feeds the golden gradients to a stepper and compares x with `path` after every step.
void expect_trajectory(const StepperConfig& config, double gamma, const std::string& path_name) {
  const auto gradients = golden("gradients");
  const auto start = golden("start");
  const auto path = golden(path_name);
  const std::size_t dim = start.size();
  const std::size_t steps = path.size() / dim;
  ASSERT_EQ(steps, 25U);
  auto objective = std::make_shared<testing::ScriptedObjective<double>>(
      dim, std::vector<double>(gradients.begin(), gradients.end()));
  auto stepper = BasicLocalStepper<double>::create(objective, config, {0}, 1, 0);
  ASSERT_TRUE(stepper.has_value());
  stepper->set_params(start);
  for (std::size_t t = 0; t < steps; ++t) {
    ASSERT_TRUE(stepper->step(gamma).has_value());
    for (std::size_t i = 0; i < dim; ++i) {
      const double expected = path[t * dim + i];
      ASSERT_NEAR(stepper->params()[i], expected, 1e-12 * std::max(1.0, std::abs(expected)))
          << "step " << t + 1 << " element " << i;
    }
  }
}

StepperConfig local(ScalingRule rule, double beta, double epsilon) {
  StepperConfig config{.batch = 1};
  config.scaling = {.rule = rule,
                    .scope = ScalingScope::kLocal,
                    .beta = beta,
                    .floor = epsilon,
                    .floor_mode = FloorMode::kAdd};
  return config;
}

TEST(GoldenTest, AdamMatchesPyTorchStepByStep) {
  StepperConfig config = local(ScalingRule::kAdam, 0.999, 1e-8);
  config.momentum = 0.9;
  config.debias_momentum = true;
  expect_trajectory(config, 0.01, "adam");
}

TEST(GoldenTest, AdamWithWeightDecayMatchesPyTorchStepByStep) {
  StepperConfig config = local(ScalingRule::kAdam, 0.95, 1e-3);
  config.momentum = 0.8;
  config.debias_momentum = true;
  config.weight_decay = 0.1;
  expect_trajectory(config, 0.01, "adam_decay");
}

TEST(GoldenTest, RmsPropMatchesPyTorchStepByStep) {
  expect_trajectory(local(ScalingRule::kRmsProp, 0.99, 1e-8), 0.01, "rmsprop");
}

TEST(GoldenTest, AdaGradMatchesPyTorchStepByStep) {
  expect_trajectory(local(ScalingRule::kAdaGrad, 0, 1e-10), 0.05, "adagrad");
}

TEST(GoldenTest, MlpLossGradientAndHessianProductMatchPyTorch) {
  const auto inputs = golden("mlp_inputs");
  std::vector<std::uint32_t> labels(inputs.size() / 5);
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::uint32_t>(i % 3);
  const auto batch = testing::first_samples(labels.size());
  auto data = std::make_shared<const Dataset>(Dataset::from_floats(
      AlignedVector<float>(inputs.begin(), inputs.end()), 5, std::move(labels), 3));
  BasicMlp<double> mlp({5, 7, 4, 3}, data);
  const auto x = golden("mlp_params");
  ASSERT_EQ(x.size(), mlp.dim());
  AlignedVector<double> gradient(x.size());
  AlignedVector<double> product(x.size());
  EXPECT_NEAR(mlp.loss_and_gradient(x, batch, gradient), golden("mlp_loss")[0], 1e-13);
  mlp.hessian_vector_product(x, batch, golden("mlp_direction"), product);
  EXPECT_LT(relative_error(gradient, golden("mlp_gradient")), 1e-13);
  EXPECT_LT(relative_error(product, golden("mlp_product")), 1e-13);
}

}  // namespace
}  // namespace muster::optim
