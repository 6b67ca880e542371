// The local step: what it computes under each scope, how it fails, and that a replica saved and
// restored continues to the bit.
#include <muster/optim/objectives.h>
#include <muster/optim/stepper.h>

#include <limits>

#include "unit/optim/support.h"

namespace muster::optim {
namespace {

using Stepper64 = BasicLocalStepper<double>;
using Vector = AlignedVector<double>;

std::shared_ptr<BasicQuadratic<double>> bowl() {
  return std::make_shared<BasicQuadratic<double>>(
      BasicQuadratic<double>::Spec{.a = {1, 2, 4}, .b = {0, 0, 0}});
}

Stepper64 make(StepperConfig config, std::shared_ptr<BasicObjective<double>> objective = bowl()) {
  auto stepper = Stepper64::create(std::move(objective), config, {0}, 1, 0);
  EXPECT_TRUE(stepper.has_value()) << (stepper ? "" : stepper.error().message);
  return std::move(*stepper);
}

StepperConfig scaled(ScalingRule rule, ScalingScope scope) {
  StepperConfig config{.batch = 1};
  config.scaling = {.rule = rule, .scope = scope, .beta = 0.5, .floor = 1e-6};
  return config;
}

Vector copy(std::span<const double> v) {
  return {v.begin(), v.end()};
}

TEST(StepperTest, PlainStepIsGradientDescentWithDecay) {
  Stepper64 stepper = make({.batch = 1, .weight_decay = 0.5});
  stepper.set_params(Vector{1, 1, 1});
  const auto report = stepper.step(0.125);
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->loss, 3.5);
  EXPECT_EQ(copy(stepper.params()), (Vector{1 - 0.125 * 1.5, 1 - 0.125 * 2.5, 1 - 0.125 * 4.5}));
}

TEST(StepperTest, MomentumAveragesGradients) {
  Stepper64 stepper = make({.batch = 1, .momentum = 0.5});
  stepper.set_params(Vector{1, 0, 0});
  ASSERT_TRUE(stepper.step(0.5));  // m = 0.5, x = 0.75
  ASSERT_TRUE(stepper.step(0.5));  // m = 0.25 + 0.375 = 0.625
  EXPECT_EQ(stepper.params()[0], 0.4375);
}

TEST(StepperTest, GlobalScopeKeepsDhatAndContributesTheMeanOfSquares) {
  Stepper64 stepper = make(scaled(ScalingRule::kAdam, ScalingScope::kGlobal));
  stepper.set_params(Vector{1, 1, 1});
  stepper.set_dhat(Vector{2, 2, 4});
  ASSERT_TRUE(stepper.step(0.5));
  EXPECT_EQ(copy(stepper.params()), (Vector{0.75, 0.5, 0.5}));
  ASSERT_TRUE(stepper.step(0.5));
  EXPECT_EQ(stepper.contribution_count(), 2U);
  Vector moment(3);
  stepper.take_contribution(moment);
  EXPECT_EQ(moment, (Vector{(1 + 0.5625) / 2, (4 + 1) / 2.0, (16 + 4) / 2.0}));
  EXPECT_EQ(stepper.contribution_count(), 0U);
}

TEST(StepperTest, GlobalScopeWithoutStepEstimatesOnlyProbes) {
  StepperConfig config = scaled(ScalingRule::kAdam, ScalingScope::kGlobal);
  config.scaling.estimate_every_step = false;
  Stepper64 stepper = make(config);
  stepper.set_params(Vector{1, 1, 1});
  stepper.set_dhat(Vector{1, 1, 1});
  ASSERT_TRUE(stepper.step(0.1));
  EXPECT_EQ(stepper.contribution_count(), 0U);
  ASSERT_TRUE(stepper.probe(3));
  EXPECT_EQ(stepper.contribution_count(), 3U);
}

TEST(StepperTest, ProbeDoesNotMoveAndSeesDecay) {
  StepperConfig config = scaled(ScalingRule::kAdam, ScalingScope::kGlobal);
  config.weight_decay = 1;
  Stepper64 stepper = make(config);
  stepper.set_params(Vector{1, 1, 1});
  EXPECT_EQ(stepper.probe(2).value(), 3.5);
  EXPECT_EQ(copy(stepper.params()), (Vector{1, 1, 1}));
  Vector moment(3);
  stepper.take_contribution(moment);
  EXPECT_EQ(moment, (Vector{4, 9, 25}));
}

TEST(StepperTest, HutchinsonOnADiagonalQuadraticIsTheDiagonalPlusDecay) {
  StepperConfig config = scaled(ScalingRule::kOasis, ScalingScope::kGlobal);
  config.weight_decay = 0.5;
  config.scaling.hutchinson_samples = 3;
  Stepper64 stepper = make(config);
  stepper.set_params(Vector{5, -3, 1});
  ASSERT_TRUE(stepper.probe(1));
  Vector moment(3);
  stepper.take_contribution(moment);
  EXPECT_EQ(moment, (Vector{1.5, 2.5, 4.5}));
}

TEST(StepperTest, HutchinsonConvergesToTheDiagonalOfADenseHessian) {
  auto dense = std::make_shared<BasicQuadratic<double>>(
      BasicQuadratic<double>::Spec{.a = {4, 1, 0, 1, 3, 0.5, 0, 0.5, 2}, .b = {0, 0, 0}});
  StepperConfig config = scaled(ScalingRule::kOasis, ScalingScope::kGlobal);
  config.scaling.hutchinson_samples = 1000;
  Stepper64 stepper = make(config, dense);
  ASSERT_TRUE(stepper.probe(20));
  Vector moment(3);
  stepper.take_contribution(moment);
  EXPECT_NEAR(moment[0], 4, 0.05);
  EXPECT_NEAR(moment[1], 3, 0.05);
  EXPECT_NEAR(moment[2], 2, 0.05);
}

TEST(StepperTest, BlockEstimatorAveragesRowsAndLeavesBiases) {
  auto data = std::make_shared<const Dataset>(make_clusters({.samples = 30}, 1));
  auto mlp = std::make_shared<BasicMlp<double>>(std::vector<std::size_t>{20, 10}, data);
  StepperConfig config = scaled(ScalingRule::kOasis, ScalingScope::kGlobal);
  config.batch = 30;
  config.scaling.estimator = Estimator::kHutchinsonBlock;
  auto stepper = Stepper64::create(mlp, config, testing::first_samples(30), 1, 0);
  ASSERT_TRUE(stepper && stepper->probe(1));
  Vector moment(stepper->dim());
  stepper->take_contribution(moment);
  for (std::size_t row = 0; row < 10; ++row) {
    for (std::size_t j = 1; j < 20; ++j) EXPECT_EQ(moment[row * 20 + j], moment[row * 20]);
  }
  EXPECT_NE(moment[200], moment[201]);
}

TEST(StepperTest, LocalScopeRefreshesBeforeItDivides) {
  Stepper64 stepper = make(scaled(ScalingRule::kAdam, ScalingScope::kLocal));
  stepper.set_params(Vector{1, -1, 0});
  const auto report = stepper.step(0.25);  // first debiased refresh: D = |g|, a sign step
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(copy(stepper.params()), (Vector{0.75, -0.75, 0}));
  EXPECT_EQ(report->clips.floored, 1U);
  EXPECT_EQ(copy(stepper.accumulator()), (Vector{1, 4, 0}));
  stepper.set_accumulator(Vector{9, 9, 9});
  EXPECT_EQ(copy(stepper.accumulator()), (Vector{9, 9, 9}));
  EXPECT_EQ(stepper.replica().refreshes, 1U);
}

TEST(StepperTest, LocalOasisStartsFromItsBootstrap) {
  Stepper64 stepper = make(scaled(ScalingRule::kOasis, ScalingScope::kLocal));
  stepper.set_params(Vector{1, 1, 1});
  ASSERT_TRUE(stepper.probe(4));
  stepper.bootstrap();
  EXPECT_EQ(copy(stepper.accumulator()), (Vector{1, 2, 4}));
  ASSERT_TRUE(stepper.step(1));  // the exact Newton step
  EXPECT_EQ(copy(stepper.params()), (Vector{0, 0, 0}));
}

TEST(StepperTest, NanInTheGradientNamesStepAndElementAndMovesNothing) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  auto script =
      std::make_shared<testing::ScriptedObjective<double>>(2, std::vector<double>{1, 1, 1, kNan});
  Stepper64 stepper = make({.batch = 1}, script);
  ASSERT_TRUE(stepper.step(0.5));
  const Vector before = copy(stepper.params());
  const auto report = stepper.step(0.5);
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().describe(), "invalid: local step 2: gradient element 1 is nan");
  EXPECT_EQ(copy(stepper.params()), before);
}

TEST(StepperTest, InfiniteLossNamesTheStep) {
  auto script = std::make_shared<testing::ScriptedObjective<double>>(1, std::vector<double>{1});
  script->loss = std::numeric_limits<double>::infinity();
  Stepper64 stepper = make({.batch = 1}, script);
  EXPECT_EQ(stepper.step(0.5).error().message, "local step 1: the loss is inf");
}

TEST(StepperTest, CreateRefusesWhatCannotRun) {
  const auto message = [](StepperConfig config, std::vector<std::uint32_t> samples) {
    auto made = Stepper64::create(bowl(), config, std::move(samples), 1, 3);
    return made ? std::string() : made.error().message;
  };
  EXPECT_EQ(message({.batch = 0}, {0}), "batch = 0 is out of range: allowed 1 or more");
  EXPECT_EQ(message({.momentum = 1}, {0}),
            "momentum = 1 is out of range: allowed 0 to less than 1");
  EXPECT_EQ(message({.weight_decay = -1}, {0}),
            "weight_decay = -1 is out of range: allowed 0 or more, finite");
  EXPECT_EQ(message({}, {}), "worker 3 has no samples");
  EXPECT_EQ(message({}, {1U << 20}),
            "worker 3: sample 1048576 is out of range: allowed 0 to 1048575");
}

TEST(StepperDeathTest, GlobalScopeWithoutDhatIsABug) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  Stepper64 stepper = make(scaled(ScalingRule::kAdam, ScalingScope::kGlobal));
  EXPECT_DEATH((void)stepper.step(0.1), "set_dhat must come before step");
}

class ReplicaTest : public ::testing::TestWithParam<StepperConfig> {
 protected:
  LocalStepper make_worker() {
    auto mlp = std::make_shared<Mlp>(std::vector<std::size_t>{20, 16, 10}, data_);
    return LocalStepper::create(mlp, GetParam(), testing::first_samples(150), 7, 2).value();
  }
  std::shared_ptr<const Dataset> data_ =
      std::make_shared<const Dataset>(make_clusters({.samples = 150}, 1));
};

TEST_P(ReplicaTest, SavedAndRestoredContinuesToTheBit) {
  LocalStepper a = make_worker();
  AlignedVector<float> x(a.dim());
  a.objective().initial_parameters(3, x);
  a.set_params(x);
  if (GetParam().scaling.needs_bootstrap()) {
    ASSERT_TRUE(a.probe(2));
    if (GetParam().scaling.scope == ScalingScope::kGlobal) {
      a.set_dhat(AlignedVector<float>(a.dim(), 0.5F));
    } else {
      a.bootstrap();
    }
  }
  for (int k = 0; k < 7; ++k) ASSERT_TRUE(a.step(0.01));
  const auto flat = flatten(a.replica());
  const auto copied = unflatten<float>(flat.reals, flat.words);
  ASSERT_TRUE(copied.has_value());
  EXPECT_EQ(*copied, a.replica());
  LocalStepper b = make_worker();
  ASSERT_TRUE(b.restore(*copied).has_value());
  for (int k = 0; k < 20; ++k) {
    ASSERT_EQ(a.step(0.01).value().loss, b.step(0.01).value().loss);
  }
  EXPECT_EQ(a.replica(), b.replica());
}

StepperConfig replica_config(ScalingRule rule, ScalingScope scope, double momentum) {
  StepperConfig config{.batch = 16, .momentum = momentum};
  config.scaling = {.rule = rule, .scope = scope, .beta = 0.9, .floor = 0.1};
  return config;
}
INSTANTIATE_TEST_SUITE_P(
    Configurations, ReplicaTest,
    ::testing::Values(replica_config(ScalingRule::kIdentity, ScalingScope::kGlobal, 0),
                      replica_config(ScalingRule::kAdam, ScalingScope::kGlobal, 0.9),
                      replica_config(ScalingRule::kAdam, ScalingScope::kLocal, 0.9),
                      replica_config(ScalingRule::kOasis, ScalingScope::kGlobal, 0),
                      replica_config(ScalingRule::kOasis, ScalingScope::kLocal, 0.5)));

TEST(ReplicaFormatTest, DamagedArraysAreCorrupt) {
  Replica replica;
  replica.params = {1, 2, 3};
  replica.momentum = {4, 5, 6};
  auto flat = flatten(replica);
  const auto message = [&] {
    const auto result = unflatten<float>(flat.reals, flat.words);
    return result ? std::string() : result.error().describe();
  };
  EXPECT_EQ(message(), "");
  flat.words[0] = 9;
  EXPECT_EQ(message(), "corrupt: replica: found format 9, expected 1");
  flat.words[0] = 1;
  flat.words[2] = 2;
  EXPECT_EQ(message(), "corrupt: replica: vector 1 has size 2, expected 0 or 3 of 6 numbers");
  flat.words[2] = ~std::uint64_t{0};
  EXPECT_NE(message(), "");
  flat.words[2] = 0;
  EXPECT_EQ(message(), "corrupt: replica: found 6 numbers, expected 3");
  flat.words.pop_back();
  EXPECT_EQ(message(), "corrupt: replica: found 15 words, expected 16");
}

TEST(ReplicaFormatTest, RestoreIntoAnotherConfigurationIsInvalid) {
  Stepper64 plain = make({.batch = 1});
  Stepper64 heavy = make({.batch = 1, .momentum = 0.9});
  EXPECT_EQ(heavy.restore(plain.replica()).error().message,
            "replica: momentum has size 0, expected 3");
}

TEST(BatchCursorTest, EachEpochIsAPermutationAndBatchesRunOverItsEnd) {
  const std::vector<std::uint32_t> share{10, 11, 12, 13, 14, 15, 16};
  BatchCursor cursor(share, 1, 0);
  std::vector<std::uint32_t> seen;
  for (int k = 0; k < 7; ++k) {
    const Batch batch = cursor.next(3);
    seen.insert(seen.end(), batch.begin(), batch.end());
  }
  EXPECT_DOUBLE_EQ(cursor.epochs(), 3.0);
  for (std::size_t epoch = 0; epoch < 3; ++epoch) {
    const auto begin = seen.begin() + static_cast<long>(7 * epoch);
    std::vector<std::uint32_t> sorted(begin, begin + 7);
    EXPECT_TRUE(epoch == 0 || !std::equal(begin, begin + 7, seen.begin()));
    std::sort(sorted.begin(), sorted.end());
    EXPECT_EQ(sorted, share);
  }
  EXPECT_EQ(cursor.next(30).size(), 30U) << "a batch may be larger than the share";
}

TEST(BatchCursorTest, SeekRepeatsAndWorkersDiffer) {
  const auto share = testing::first_samples(50);
  BatchCursor a(share, 1, 0), b(share, 1, 0), other(share, 1, 1);
  for (int k = 0; k < 9; ++k) a.next(7);
  ASSERT_TRUE(b.seek(a.position()).has_value());
  const Batch x = a.next(20);
  EXPECT_EQ(std::vector(x.begin(), x.end()), [&] {
    const Batch y = b.next(20);
    return std::vector(y.begin(), y.end());
  }());
  BatchCursor first(share, 1, 0);
  const Batch p = first.next(50), q = other.next(50);
  EXPECT_FALSE(std::equal(p.begin(), p.end(), q.begin()));
  EXPECT_EQ(a.seek({0, 51}).error().message, "cursor offset 51 is out of range: allowed 0 to 50");
}

}  // namespace
}  // namespace muster::optim
