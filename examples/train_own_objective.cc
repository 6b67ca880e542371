// Trains one's own objective, ridge regression, on four workers inside this program. Each worker
// holds rows that nobody else sees; what travels are parameters.

#include <muster/random.h>
#include <muster/training/train.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

namespace {

using muster::training::Seat;
using muster::training::WorkerTask;

constexpr std::size_t kFeatures = 5;
constexpr float kRidge = 0.001F;

/// The weights that the made-up data follow.
float true_weight(std::size_t j) {
  return static_cast<float>(j) - 2.0F;
}

/// Mean over a batch of (a'x - y)^2 / 2, plus kRidge ||x||^2 / 2.
class Ridge final : public muster::optim::Objective {
 public:
  Ridge(std::size_t rows, std::uint64_t seed) : rows_(rows * kFeatures), targets_(rows) {
    muster::Random random(seed);
    for (std::size_t i = 0; i < rows; ++i) {
      targets_[i] = 0.01F * static_cast<float>(random.normal());
      for (std::size_t j = 0; j < kFeatures; ++j) {
        rows_[i * kFeatures + j] = static_cast<float>(random.normal());
        targets_[i] += rows_[i * kFeatures + j] * true_weight(j);
      }
    }
  }

  std::size_t dim() const override { return kFeatures; }
  std::size_t sample_count() const override { return targets_.size(); }

  double loss_and_gradient(std::span<const float> x, muster::optim::Batch batch,
                           std::span<float> gradient) override {
    double loss = 0;
    for (std::size_t j = 0; j < kFeatures; ++j) {
      gradient[j] = kRidge * x[j];
      loss += 0.5 * kRidge * x[j] * x[j];
    }
    const float share = 1.0F / static_cast<float>(batch.size());
    for (const std::uint32_t i : batch) {
      const float* row = &rows_[i * kFeatures];
      float residual = -targets_[i];
      for (std::size_t j = 0; j < kFeatures; ++j) residual += row[j] * x[j];
      for (std::size_t j = 0; j < kFeatures; ++j) gradient[j] += share * residual * row[j];
      loss += 0.5 * share * residual * residual;
    }
    return loss;
  }

 private:
  std::vector<float> rows_;
  std::vector<float> targets_;
};

}  // namespace

int main() {
  muster::training::TrainConfig config;
  config.workers = 4;
  config.local.steps = 5;
  config.local.batch = 10;
  config.local.momentum = 0;
  config.scaling.rule = muster::optim::ScalingRule::kOasis;  // curvature by Hessian products
  config.scaling.floor = 0.1;
  config.scaling.floor_mode = muster::optim::FloorMode::kMax;
  config.schedule.base = 0.3;
  config.stop.rounds = 60;

  muster::Runtime runtime({.threads = 2});
  const auto result = muster::training::train(runtime, config, [](const Seat& seat) {
    return WorkerTask{std::make_shared<Ridge>(200, seat.evaluation ? 99 : seat.worker), {}};
  });
  if (!result.ok()) {
    std::fprintf(stderr, "%s\n", result.error->message.c_str());
    return 1;
  }
  float worst = 0;
  for (std::size_t j = 0; j < kFeatures; ++j) {
    std::printf("weight %zu: %.3f, wanted %.3f\n", j, double{result.parameters[j]},
                double{true_weight(j)});
    worst = std::max(worst, std::abs(result.parameters[j] - true_weight(j)));
  }
  return worst < 0.05F ? 0 : 1;
}
