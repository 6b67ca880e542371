// The mathematics alone: a gradient of a built-in objective.
#include <muster/optim/objectives.h>
#include <muster/optim/schedule.h>

#include <cstdint>
#include <cstdio>
#include <vector>

int main() {
  muster::optim::BasicQuadratic<double> objective({.a = {2, 4}, .b = {2, 4}});
  std::vector<double> x(objective.dim());
  std::vector<double> gradient(objective.dim());
  const std::vector<std::uint32_t> batch{0};
  objective.loss_and_gradient(x, batch, gradient);
  const bool valid = muster::optim::validate(muster::optim::Schedule{.base = -1}).has_value();
  std::printf("use_optim: %g %g\n", gradient[0], gradient[1]);
  return gradient[0] == -2 && gradient[1] == -4 && !valid ? 0 : 1;
}
