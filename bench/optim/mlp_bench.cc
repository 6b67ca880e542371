// How many samples a second does one thread train on: the MLP 784-200-200-10, forward, backward and
// step, with everything a worker does (next batch, gather, check for NaN, step).
//   mlp_bench [batch] [repeats] [plain|adam]
#include <muster/optim/objectives.h>
#include <muster/optim/stepper.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "bench/optim/timing.h"

int main(int argc, char** argv) {
  using namespace muster;
  using namespace muster::optim;
  const std::size_t batch = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 64;
  const int repeats = argc > 2 ? std::atoi(argv[2]) : 5;
  const bool adam = argc > 3 && std::string(argv[3]) == "adam";
  if (batch == 0 || repeats < 1) {
    std::fprintf(stderr, "usage: mlp_bench [batch] [repeats] [plain|adam]\n");
    return 2;
  }
  // Pixels like Fashion-MNIST's in number and type; the values do not change the work.
  constexpr std::size_t kSamples = 60000, kFeatures = 784;
  Random random(1);
  std::vector<std::uint8_t> pixels(kSamples * kFeatures);
  for (auto& pixel : pixels) pixel = static_cast<std::uint8_t>(random() & 0xFF);
  std::vector<std::uint32_t> labels(kSamples), samples(kSamples);
  for (std::uint32_t i = 0; i < kSamples; ++i) labels[i] = i % 10, samples[i] = i;
  auto data = std::make_shared<const Dataset>(
      Dataset::from_bytes(std::move(pixels), kFeatures, std::move(labels), 10));
  auto mlp = std::make_shared<Mlp>(std::vector<std::size_t>{784, 200, 200, 10}, data);

  StepperConfig config{.batch = batch};
  if (adam) {
    config.momentum = 0.9;
    config.scaling = {.rule = ScalingRule::kAdam, .scope = ScalingScope::kLocal};
  }
  auto stepper = LocalStepper::create(mlp, config, samples, 1, 0).value();
  AlignedVector<float> x(stepper.dim());
  mlp->initial_parameters(1, x);
  stepper.set_params(x);

  const std::size_t steps = 60000 / batch / 2 + 1;
  const auto run = [&] {
    for (std::size_t k = 0; k < steps; ++k) {
      if (!stepper.step(1e-4)) std::abort();
    }
  };
  run();
  std::vector<double> rates;
  for (int r = 0; r < repeats; ++r) {
    rates.push_back(static_cast<double>(steps * batch) / bench::seconds(run));
  }
  std::printf(
      "{\"bench\": \"mlp\", \"batch\": %zu, \"step\": \"%s\", \"backend\": \"%s\", "
      "\"samples_per_second\": %s}\n",
      batch, adam ? "adam" : "plain", matrix_backend(),
      bench::json(bench::spread_of(rates)).c_str());
}
