#include <muster/optim/scaling.h>

#include "unit/optim/support.h"

namespace muster::optim {
namespace {

using Scaling64 = BasicScaling<double>;
using Doubles = std::vector<double>;

ScalingConfig with(ScalingRule rule, double beta = 0.9, double floor = 1e-3) {
  return {.rule = rule, .beta = beta, .floor = floor};
}

Doubles dhat_of(const Scaling64& scaling, ClipCounts* counts = nullptr) {
  Doubles out(scaling.dim());
  const ClipCounts found = scaling.write_dhat(out);
  if (counts != nullptr) *counts = found;
  return out;
}

TEST(ScalingTest, IdentityIsOneWhateverItAbsorbs) {
  Scaling64 scaling(with(ScalingRule::kIdentity), 2);
  scaling.absorb(Doubles{4, 9});
  EXPECT_EQ(dhat_of(scaling), (Doubles{1, 1}));
  EXPECT_TRUE(scaling.accumulator().empty());
}

TEST(ScalingTest, AdaGradSumsSquares) {
  Scaling64 scaling(with(ScalingRule::kAdaGrad), 2);
  scaling.refresh(Doubles{3, 5});
  scaling.refresh(Doubles{4, 12});
  EXPECT_EQ(dhat_of(scaling), (Doubles{5, 13}));
}

TEST(ScalingTest, RmsPropIsAnExponentialMeanOfSquaresFromZero) {
  Scaling64 scaling(with(ScalingRule::kRmsProp, 0.75), 1);
  scaling.refresh(Doubles{4});
  EXPECT_EQ(dhat_of(scaling)[0], 2);
  scaling.refresh(Doubles{0});
  EXPECT_EQ(scaling.accumulator()[0], 3);
}

TEST(ScalingTest, FirstDebiasedRefreshIsTheEstimateAndLaterOnesAreAdam) {
  Scaling64 scaling(with(ScalingRule::kAdam, 0.9), 1);
  scaling.refresh(Doubles{7});
  EXPECT_EQ(dhat_of(scaling)[0], 7) << "beta_1 = 0";
  double v = 0.1 * 49;
  for (int t = 2; t < 40; ++t) {
    const double h = std::sin(t) + 2;
    scaling.refresh(Doubles{h});
    v = 0.9 * v + 0.1 * h * h;
    EXPECT_NEAR(scaling.accumulator()[0], v / (1 - std::pow(0.9, t)), 1e-12) << t;
  }
  EXPECT_EQ(scaling.t(), 39U);
}

TEST(ScalingTest, OasisIsLinearAndDividesByTheMagnitude) {
  Scaling64 scaling(with(ScalingRule::kOasis, 0.5), 2);
  scaling.bootstrap(Doubles{-8, 2});
  scaling.refresh(Doubles{2, 4});
  EXPECT_EQ(scaling.accumulator()[0], -3);
  EXPECT_EQ(dhat_of(scaling), (Doubles{3, 3}));
}

TEST(ScalingTest, BootstrapSetsTheMomentAndCountsAsTheFirstRefresh) {
  for (auto rule : {ScalingRule::kAdaGrad, ScalingRule::kRmsProp, ScalingRule::kAdam}) {
    Scaling64 scaling(with(rule), 1);
    scaling.bootstrap(Doubles{9});
    EXPECT_EQ(dhat_of(scaling)[0], 3);
    EXPECT_EQ(scaling.t(), 1U);
  }
}

TEST(ScalingTest, AbsorbOfTheSquareIsRefreshOfTheEstimate) {
  for (auto rule : {ScalingRule::kAdaGrad, ScalingRule::kRmsProp, ScalingRule::kAdam}) {
    Scaling64 a(with(rule), 1), b(with(rule), 1);
    for (double h : {3.0, -2.0, 5.0}) {
      a.refresh(Doubles{h});
      b.absorb(Doubles{h * h});
    }
    EXPECT_EQ(a.accumulator()[0], b.accumulator()[0]);
  }
}

TEST(ScalingTest, ExplicitBetaReplacesTheSchedule) {
  Scaling64 scaling(with(ScalingRule::kAdam), 1);
  scaling.refresh(Doubles{4}, 0.75);
  EXPECT_EQ(scaling.accumulator()[0], 4);
}

TEST(ScalingTest, FloorAndCapClipAndAreCounted) {
  ScalingConfig config = with(ScalingRule::kOasis);
  config.floor = 1;
  config.cap = 10;
  Scaling64 scaling(config, 5);
  scaling.bootstrap(Doubles{0.5, -1, 5, 10, -11});
  ClipCounts counts;
  EXPECT_EQ(dhat_of(scaling, &counts), (Doubles{1, 1, 5, 10, 10}));
  EXPECT_EQ(counts, (ClipCounts{.floored = 1, .capped = 1}));
  config.floor_mode = FloorMode::kAdd;
  Scaling64 add(config, 5);
  add.bootstrap(Doubles{0.5, -1, 5, 10, -11});
  EXPECT_EQ(dhat_of(add, &counts), (Doubles{1.5, 2, 6, 10, 10}));
  EXPECT_EQ(counts, (ClipCounts{.floored = 1, .capped = 2}));
}

TEST(ScalingTest, NeedsBootstrapForGlobalScopeAndForOasis) {
  ScalingConfig config = with(ScalingRule::kAdam);
  EXPECT_TRUE(config.needs_bootstrap());
  config.scope = ScalingScope::kLocal;
  EXPECT_FALSE(config.needs_bootstrap());
  config.rule = ScalingRule::kOasis;
  EXPECT_TRUE(config.needs_bootstrap());
  config.rule = ScalingRule::kIdentity;
  config.scope = ScalingScope::kGlobal;
  EXPECT_FALSE(config.needs_bootstrap());
}

TEST(ScalingTest, RestoreContinuesToTheBitAndRefusesWhatCannotBe) {
  Scaling64 a(with(ScalingRule::kAdam), 2), b(with(ScalingRule::kAdam), 2);
  a.refresh(Doubles{1, 2});
  a.refresh(Doubles{3, 1});
  ASSERT_TRUE(b.restore(a.accumulator(), a.t()).has_value());
  a.refresh(Doubles{0.3, 0.7});
  b.refresh(Doubles{0.3, 0.7});
  EXPECT_EQ(dhat_of(a), dhat_of(b));
  EXPECT_EQ(b.restore(Doubles{1}, 1).error().message, "scaling state: found 1 numbers, expected 2");
  EXPECT_EQ(b.restore(Doubles{1, -4}, 1).error().message,
            "scaling state: element 1 is -4, expected a finite number of at least 0");
}

TEST(ScalingTest, MergeTakesMeanOrLargestMagnitude) {
  const Doubles a{1, -5, 3}, b{3, 4, 3};
  const std::vector<std::span<const double>> both{a, b};
  Doubles out(3);
  merge_accumulators<double>(LocalMerge::kMean, both, out);
  EXPECT_EQ(out, (Doubles{2, -0.5, 3}));
  merge_accumulators<double>(LocalMerge::kMax, both, out);
  EXPECT_EQ(out, (Doubles{3, -5, 3}));
}

TEST(ScalingTest, NamesRoundTrip) {
  for (int i = 0; i < 5; ++i) {
    const auto rule = static_cast<ScalingRule>(i);
    EXPECT_EQ(parse_scaling_rule(to_string(rule)), rule);
  }
  EXPECT_EQ(parse_scaling_rule("Adam"), std::nullopt);
  EXPECT_EQ(parse_local_merge("max"), LocalMerge::kMax);
  EXPECT_EQ(parse_scaling_scope("local"), ScalingScope::kLocal);
  EXPECT_EQ(parse_floor_mode("add"), FloorMode::kAdd);
  EXPECT_EQ(parse_estimator("hutchinson_block"), Estimator::kHutchinsonBlock);
}

TEST(ScalingTest, ValidateNamesFieldValueAndRange) {
  const auto message = [](const ScalingConfig& config) {
    const auto result = validate(config);
    return result ? std::string() : result.error().message;
  };
  EXPECT_EQ(message({}), "");
  EXPECT_EQ(message({.beta = 1}), "beta = 1 is out of range: allowed 0 to less than 1");
  EXPECT_EQ(message({.floor = 0}), "floor = 0 is out of range: allowed more than 0, finite");
  EXPECT_EQ(message({.floor = 0, .floor_mode = FloorMode::kAdd}), "");
  EXPECT_EQ(message({.floor = 2, .cap = 1}),
            "cap = 1 is out of range: allowed more than floor = 2");
  EXPECT_EQ(message({.hutchinson_samples = 0}),
            "hutchinson_samples = 0 is out of range: allowed 1 to 1000");
}

}  // namespace
}  // namespace muster::optim
