// Training with an objective of one's own: f(x) = ||x - 1||^2 / 2.
#include <muster/training/train.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>

class Bowl final : public muster::optim::Objective {
 public:
  std::size_t dim() const override { return 3; }
  std::size_t sample_count() const override { return 64; }
  double loss_and_gradient(std::span<const float> x, muster::optim::Batch,
                           std::span<float> gradient) override {
    double loss = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      gradient[i] = x[i] - 1;
      loss += gradient[i] * gradient[i] / 2;
    }
    return loss;
  }
};

int main() {
  muster::Runtime runtime;
  muster::training::TrainConfig config;
  config.workers = 2;
  config.local.batch = 8;
  config.local.momentum = 0;
  config.stop.rounds = 20;
  config.schedule = {.kind = muster::optim::ScheduleKind::kConstant, .base = 0.1};
  config.scaling.rule = muster::optim::ScalingRule::kIdentity;
  muster::training::Trainer trainer(runtime, config, [](const muster::training::Seat&) {
    return muster::training::WorkerTask{std::make_shared<Bowl>(), {}};
  });
  const auto result = trainer.wait();
  const bool close = result.ok() && std::all_of(result.parameters.begin(), result.parameters.end(),
                                                [](float v) { return std::abs(v - 1) < 1e-3F; });
  std::printf("use_actors: %llu rounds\n", static_cast<unsigned long long>(result.rounds));
  return close ? 0 : 1;
}
