// What fraction of the memory's bandwidth do the fused kernels reach? The yardstick is an in-place
// read-modify-write of one array, measured in the same run on as many threads.
//   kernels_bench [millions of parameters] [repeats]
#include <muster/optim/kernels.h>

#include <barrier>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <thread>

#include "bench/optim/timing.h"

namespace {

using muster::AlignedVector;
using namespace muster::optim;

/// Runs f(part) on `parts` threads that start together; seconds from the first start to the last
/// end, by the threads' own clocks, so that it does not matter when this thread wakes.
double timed_parallel(std::size_t parts, const std::function<void(std::size_t)>& f) {
  if (parts == 1) return muster::bench::seconds([&] { f(0); });
  using Clock = std::chrono::steady_clock;
  std::vector<Clock::time_point> begins(parts), ends(parts);
  std::barrier gate(static_cast<std::ptrdiff_t>(parts));
  {
    std::vector<std::jthread> threads;
    for (std::size_t k = 0; k < parts; ++k) {
      threads.emplace_back([&, k] {
        gate.arrive_and_wait();
        begins[k] = Clock::now();
        f(k);
        ends[k] = Clock::now();
      });
    }
  }
  const auto begin = *std::min_element(begins.begin(), begins.end());
  const auto end = *std::max_element(ends.begin(), ends.end());
  return std::chrono::duration<double>(end - begin).count();
}

struct Kernel {
  const char* name;
  double floats_moved;  // read + written, an element
  std::function<ClipCounts(std::size_t begin, std::size_t end)> run;
};

}  // namespace

int main(int argc, char** argv) {
  const std::size_t millions = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 25;
  const int repeats = argc > 2 ? std::atoi(argv[2]) : 7;
  if (millions == 0 || repeats < 1) {
    std::fprintf(stderr, "usage: kernels_bench [millions of parameters] [repeats]\n");
    return 2;
  }
  const std::size_t n = millions * 1000000;
  AlignedVector<float> x(n, 0.5F), g(n, 0.1F), m(n, 0.1F), v(n, 0.01F), d(n, 1.0F), out(n, 0.5F);
  const auto cut = [](AlignedVector<float>& a, std::size_t begin, std::size_t end) {
    return std::span<float>(a).subspan(begin, end - begin);
  };
  const kernels::StepConstants c{.gamma = 1e-4,
                                 .momentum = 0.9,
                                 .weight_decay = 0,
                                 .beta = 0.999,
                                 .floor = 1e-8,
                                 .cap = 1e30,
                                 .floor_mode = FloorMode::kMax};
  const std::vector<Kernel> all{
      {"in_place_yardstick", 2,
       [&](std::size_t b, std::size_t e) {
         kernels::scale<float>(1.0000001F, cut(x, b, e));
         return ClipCounts{};
       }},
      {"adam_refresh_and_step", 7,
       [&](std::size_t b, std::size_t e) {
         return kernels::refresh_and_step<float>(c, Accumulation::kSquared, cut(x, b, e),
                                                 cut(g, b, e), cut(m, b, e), cut(v, b, e));
       }},
      {"rmsprop_refresh_and_step", 5,
       [&](std::size_t b, std::size_t e) {
         return kernels::refresh_and_step<float>(c, Accumulation::kSquared, cut(x, b, e),
                                                 cut(g, b, e), {}, cut(v, b, e));
       }},
      {"global_step_with_moments", 6,
       [&](std::size_t b, std::size_t e) {
         kernels::step<float>(c, Accumulation::kSquared, cut(x, b, e), cut(g, b, e), {},
                              cut(d, b, e), cut(v, b, e));
         return ClipCounts{};
       }},
      {"global_step_with_momentum_and_moments", 8,
       [&](std::size_t b, std::size_t e) {
         kernels::step<float>(c, Accumulation::kSquared, cut(x, b, e), cut(g, b, e), cut(m, b, e),
                              cut(d, b, e), cut(v, b, e));
         return ClipCounts{};
       }},
      {"plain_step", 3,
       [&](std::size_t b, std::size_t e) {
         kernels::step<float>(c, Accumulation::kNone, cut(x, b, e), cut(g, b, e), {}, {}, {});
         return ClipCounts{};
       }},
      {"absorb", 3,
       [&](std::size_t b, std::size_t e) {
         kernels::absorb<float>(Accumulation::kSquared, 0.999, cut(g, b, e), cut(v, b, e));
         return ClipCounts{};
       }},
      {"write_dhat", 2,
       [&](std::size_t b, std::size_t e) {
         return kernels::write_dhat<float>(Accumulation::kSquared, 1e-8, 1e30, FloorMode::kMax,
                                           cut(v, b, e), cut(out, b, e));
       }},
      {"mean_of_4", 5,
       [&](std::size_t b, std::size_t e) {
         const std::vector<std::span<const float>> inputs{cut(x, b, e), cut(g, b, e), cut(m, b, e),
                                                          cut(d, b, e)};
         const std::vector<double> weights(4, 1.0);
         kernels::weighted_mean<float>(inputs, weights, cut(out, b, e));
         return ClipCounts{};
       }},
  };

  std::printf("{\"bench\": \"kernels\", \"parameters\": %zu, \"dispatch\": \"%s\", \"threads\": {",
              n, kernels::dispatch());
  for (std::size_t threads : {1, 2}) {
    std::vector<std::vector<double>> rates(all.size());
    std::vector<std::vector<double>> fractions(all.size());
    for (int r = 0; r <= repeats; ++r) {  // interleaved; the first round warms up
      for (std::size_t k = 0; k < all.size(); ++k) {
        const double t = timed_parallel(threads, [&](std::size_t part) {
          const std::size_t step = n / threads / 1024 * 1024;
          const std::size_t end = part + 1 == threads ? n : (part + 1) * step;
          all[k].run(part * step, end);
        });
        if (r == 0) continue;
        rates[k].push_back(all[k].floats_moved * 4 * static_cast<double>(n) / t / 1e9);
        fractions[k].push_back(rates[k].back() / rates[0].back());
      }
    }
    std::printf("%s\"%zu\": {", threads == 1 ? "" : ", ", threads);
    for (std::size_t k = 0; k < all.size(); ++k) {
      std::printf("%s\"%s\": {\"gb_per_second\": %s, \"fraction_of_yardstick\": %s}",
                  k == 0 ? "" : ", ", all[k].name,
                  muster::bench::json(muster::bench::spread_of(rates[k])).c_str(),
                  muster::bench::json(muster::bench::spread_of(fractions[k])).c_str());
    }
    std::printf("}");
  }
  std::printf("}}\n");
}
