// Facts that local training with a fixed or refreshed scaling must obey (global scope, one Dhat for
// all workers, alpha <= Dhat <= Gamma).
#include <muster/optim/kernels.h>
#include <muster/optim/objectives.h>
#include <muster/optim/stepper.h>

#include <cmath>
#include <functional>

#include "unit/optim/support.h"

namespace muster::optim {
namespace {

using Real = double;
using Stepper64 = BasicLocalStepper<Real>;
using Vector = AlignedVector<Real>;
using testing::normals;
using testing::relative_error;

/// f(S y) of another objective, S diagonal: the change of variable of fact 1.
class Rescaled final : public BasicObjective<Real> {
 public:
  Rescaled(std::shared_ptr<BasicObjective<Real>> inner, Vector s)
      : inner_(std::move(inner)), s_(std::move(s)), x_(s_.size()) {}
  std::size_t dim() const override { return s_.size(); }
  std::size_t sample_count() const override { return inner_->sample_count(); }
  double loss_and_gradient(std::span<const Real> y, Batch batch, std::span<Real> out) override {
    for (std::size_t i = 0; i < y.size(); ++i) x_[i] = s_[i] * y[i];
    const double loss = inner_->loss_and_gradient(x_, batch, out);
    for (std::size_t i = 0; i < y.size(); ++i) out[i] *= s_[i];
    return loss;
  }

 private:
  std::shared_ptr<BasicObjective<Real>> inner_;
  Vector s_;
  Vector x_;
};

struct Federation {
  using Make = std::function<std::shared_ptr<BasicObjective<Real>>(std::size_t worker)>;

  Federation(std::size_t workers, const StepperConfig& config, const Make& make,
             const std::function<std::vector<std::uint32_t>(std::size_t)>& share,
             std::uint64_t seed) {
    for (std::size_t m = 0; m < workers; ++m) {
      steppers.push_back(
          Stepper64::create(make(m), config, share(m), seed, static_cast<std::uint32_t>(m))
              .value());
    }
  }

  void start(const Vector& x0, const Vector& dhat) {
    x = x0;
    for (auto& stepper : steppers) {
      if (!dhat.empty()) stepper.set_dhat(dhat);
    }
  }

  void round(std::size_t local_steps, double gamma) {
    std::vector<std::span<const Real>> all;
    for (auto& stepper : steppers) {
      stepper.set_params(x);
      for (std::size_t h = 0; h < local_steps; ++h) ASSERT_TRUE(stepper.step(gamma).has_value());
      all.push_back(stepper.params());
    }
    const std::vector<double> weights(all.size(), 1.0);
    kernels::weighted_mean<Real>(all, weights, x);
  }

  std::vector<Stepper64> steppers;
  Vector x;
};

Vector positive(Random& random, std::size_t n, double low, double high) {
  Vector d(n);
  for (Real& v : d) v = low + (high - low) * random.uniform();
  return d;
}

/// An identity rule that divides by a fixed Dhat: global scope that never refreshes.
StepperConfig fixed_scaling(std::size_t batch) {
  StepperConfig config{.batch = batch};
  config.scaling = {.rule = ScalingRule::kAdam, .floor = 1e-9, .estimate_every_step = false};
  return config;
}

TEST(TheoryTest, Fact1ScaledRunIsLocalSgdInRescaledVariables) {
  MUSTER_SEEDED(random);
  const auto data = std::make_shared<const Dataset>(
      make_clusters({.samples = 200, .features = 8, .classes = 4}, 3));
  const auto make = [&](std::size_t) {
    return std::make_shared<BasicMlp<Real>>(std::vector<std::size_t>{8, 6, 4}, data);
  };
  const auto share = [](std::size_t m) {
    std::vector<std::uint32_t> samples = testing::first_samples(50);
    for (auto& s : samples) s += static_cast<std::uint32_t>(50 * m);
    return samples;
  };
  const std::size_t dim = make(0)->dim();
  const Vector dhat = positive(random, dim, 0.2, 5);
  const Vector x0 = normals<Real>(random, dim, 0.5);
  Vector to_x(dim), y0(dim);
  for (std::size_t i = 0; i < dim; ++i) {
    to_x[i] = 1 / std::sqrt(dhat[i]);
    y0[i] = x0[i] / to_x[i];
  }
  Federation scaled(4, fixed_scaling(10), make, share, 5);
  Federation plain(
      4, {.batch = 10}, [&](std::size_t m) { return std::make_shared<Rescaled>(make(m), to_x); },
      share, 5);
  scaled.start(x0, dhat);
  plain.start(y0, {});
  Vector mapped(dim);
  for (int r = 0; r < 8; ++r) {
    scaled.round(5, 0.02);
    plain.round(5, 0.02);
    for (std::size_t i = 0; i < dim; ++i) mapped[i] = to_x[i] * plain.x[i];
    ASSERT_LT(relative_error(mapped, scaled.x), 1e-11) << "round " << r;
  }
}

TEST(TheoryTest, Fact2NormDriftAtARefreshIsBounded) {
  MUSTER_SEEDED(random);
  constexpr double kAlpha = 0.1, kGamma = 3;
  constexpr std::size_t kDim = 200;
  for (auto rule : {ScalingRule::kOasis, ScalingRule::kRmsProp}) {
    for (double beta : {0.0, 0.5, 0.9, 0.999}) {
      BasicScaling<Real> scaling({.rule = rule, .beta = beta, .floor = kAlpha, .cap = kGamma},
                                 kDim);
      const auto estimate = [&] {
        Vector h = normals<Real>(random, kDim);
        // The bound assumes |H| <= Gamma; small and large values make floor and cap fire.
        for (Real& v : h) v = std::clamp(v, -kGamma, kGamma) * (random.uniform() < 0.3 ? 0.01 : 1);
        return h;
      };
      const double drift = rule == ScalingRule::kOasis
                               ? (1 - beta) * 2 * kGamma / kAlpha
                               : (1 - beta) * kGamma * kGamma / (2 * kAlpha * kAlpha);
      scaling.refresh(estimate(), 0.0);
      Vector before(kDim), after(kDim);
      for (int k = 0; k < 50; ++k) {
        scaling.write_dhat(before);
        scaling.refresh(estimate());
        scaling.write_dhat(after);
        for (std::size_t i = 0; i < kDim; ++i) {
          ASSERT_LE(after[i], (1 + drift) * before[i] * (1 + 1e-12));
        }
      }
    }
  }
}

/// E||xbar_T - x*||^2_Dhat over repetitions, against the bound of fact 3.
struct Oracle {
  std::size_t workers;
  std::size_t local_steps;
  double gamma_fraction;  // of alpha / (4 L)
};
std::ostream& operator<<(std::ostream& out, const Oracle& o) {
  return out << o.workers << " workers, " << o.local_steps << " local steps";
}

class Fact3Test : public ::testing::TestWithParam<Oracle> {};

TEST_P(Fact3Test, ErrorStaysBelowTheBoundOnQuadratics) {
  const Oracle& o = GetParam();
  constexpr std::size_t kDim = 10, kSteps = 480, kRepeats = 20;
  constexpr double kSigma = 0.7;
  MUSTER_SEEDED(random);
  const Vector dhat = positive(random, kDim, 0.5, 2);
  const Vector a = positive(random, kDim, 0.3, 3);
  const Vector b = normals<Real>(random, kDim);
  const Vector x0 = normals<Real>(random, kDim, 3);
  const auto [alpha, cap] = std::minmax_element(dhat.begin(), dhat.end());
  const auto [mu, smooth] = std::minmax_element(a.begin(), a.end());
  const double gamma = o.gamma_fraction * *alpha / (4 * *smooth);
  const auto squared = [&](const Vector& x) {
    double sum = 0;
    for (std::size_t i = 0; i < kDim; ++i) sum += dhat[i] * std::pow(x[i] - b[i] / a[i], 2);
    return sum;
  };
  double error = 0;
  for (std::size_t repeat = 0; repeat < kRepeats; ++repeat) {
    const auto make = [&](std::size_t m) {
      return std::make_shared<BasicQuadratic<Real>>(
          BasicQuadratic<Real>::Spec{.a = {a.begin(), a.end()},
                                     .b = {b.begin(), b.end()},
                                     .sigma = kSigma,
                                     .seed = mix_seed(random(), m)});
    };
    Federation run(
        o.workers, fixed_scaling(1), make, [](std::size_t) { return testing::first_samples(5000); },
        repeat);
    run.start(x0, dhat);
    for (std::size_t t = 0; t < kSteps; t += o.local_steps) run.round(o.local_steps, gamma);
    error += squared(run.x) / kRepeats;
  }
  const double m = static_cast<double>(o.workers);
  const double h = static_cast<double>(o.local_steps);
  const double noise = kSigma * kSigma;
  const double bound =
      std::pow(1 - gamma * *mu / *cap, static_cast<double>(kSteps)) * squared(x0) +
      gamma * *cap * noise / (*alpha * *mu * m) +
      2 * *smooth * *cap * gamma * gamma * (h - 1) * noise / (*alpha * *alpha * *mu);
  EXPECT_LT(error, bound);
  EXPECT_GT(error, 0) << "the noise is on";
}

INSTANTIATE_TEST_SUITE_P(Grid, Fact3Test,
                         ::testing::Values(Oracle{1, 1, 1.0}, Oracle{4, 1, 1.0}, Oracle{4, 8, 1.0},
                                           Oracle{4, 8, 0.3}, Oracle{8, 16, 0.5}));

TEST(TheoryTest, Fact4OneWorkerRefreshedEveryStepIsAdamInGlobalScopeToo) {
  // Global scope with H = 1: probe, absorb, write Dhat, step. The probe must see the step's batch,
  // so the share is one sample.
  constexpr double kBeta = 0.9, kGamma = 0.05, kEpsilon = 1e-6;
  auto objective = std::make_shared<BasicQuadratic<Real>>(
      BasicQuadratic<Real>::Spec{.a = {1, 10}, .b = {1, 1}, .sigma = 0.3});
  StepperConfig config{.batch = 1};
  config.scaling = {.rule = ScalingRule::kAdam,
                    .beta = kBeta,
                    .floor = kEpsilon,
                    .floor_mode = FloorMode::kAdd,
                    .estimate_every_step = false};
  auto stepper = Stepper64::create(objective, config, {0}, 1, 0).value();
  BasicScaling<Real> scaling(config.scaling, 2);
  Vector x{2, -1}, v{0, 0}, g(2), moment(2), dhat(2);
  stepper.set_params(x);
  for (int t = 1; t <= 50; ++t) {
    ASSERT_TRUE(stepper.probe(1));
    stepper.take_contribution(moment);
    scaling.absorb(moment);
    scaling.write_dhat(dhat);
    stepper.set_dhat(dhat);
    ASSERT_TRUE(stepper.step(kGamma));
    objective->loss_and_gradient(x, std::vector<std::uint32_t>{0}, g);
    for (std::size_t i = 0; i < 2; ++i) {
      v[i] = kBeta * v[i] + (1 - kBeta) * g[i] * g[i];
      x[i] -= kGamma * g[i] / (std::sqrt(v[i] / (1 - std::pow(kBeta, t))) + kEpsilon);
    }
    ASSERT_LT(relative_error(stepper.params(), x), 1e-12) << t;
  }
}

TEST(TheoryTest, Fact5OneLocalStepIsMinibatchSgdOnTheUnionBatch) {
  MUSTER_SEEDED(random);
  constexpr std::size_t kWorkers = 5, kBatch = 8;
  const auto data = std::make_shared<const Dataset>(make_clusters({.samples = 500}, 2));
  const auto make = [&](std::size_t) {
    return std::make_shared<BasicMlp<Real>>(std::vector<std::size_t>{20, 12, 10}, data);
  };
  const auto share = [](std::size_t m) {
    std::vector<std::uint32_t> samples = testing::first_samples(100);
    for (auto& s : samples) s += static_cast<std::uint32_t>(100 * m);
    return samples;
  };
  Federation run(kWorkers, {.batch = kBatch}, make, share, 9);
  auto whole = make(0);
  Vector x = normals<Real>(random, whole->dim(), 0.3), g(whole->dim());
  run.start(x, {});
  std::vector<BatchCursor> cursors;
  for (std::size_t m = 0; m < kWorkers; ++m) {
    cursors.emplace_back(share(m), 9, static_cast<std::uint32_t>(m));
  }
  for (int r = 0; r < 20; ++r) {
    std::vector<std::uint32_t> all;
    for (auto& cursor : cursors) {
      const Batch batch = cursor.next(kBatch);
      all.insert(all.end(), batch.begin(), batch.end());
    }
    whole->loss_and_gradient(x, all, g);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] -= 0.1 * g[i];
    run.round(1, 0.1);
    ASSERT_LT(relative_error(run.x, x), 1e-12) << r;
  }
}

}  // namespace
}  // namespace muster::optim
