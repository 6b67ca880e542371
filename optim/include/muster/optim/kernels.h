#pragma once
/// Fused element-wise kernels of local training on flat vectors, each with the obvious version
/// beside it in namespace reference.
///
/// Threads: no kernel starts a thread or holds state. To use several threads, cut every span of a
/// call at the same places and add up the counts: element-wise kernels give the same bits however
/// the range is cut, on every x86-64 processor (an AVX2 form is chosen at run time; no operation is
/// fused or reordered), and the same bits as the reference.
/// Spans of one call have equal sizes unless they may be empty; they do not overlap.
/// Cost: memory-bound; each kernel names the floats an element that it reads + writes.

#include <muster/optim/scaling.h>

#include <array>
#include <cstddef>
#include <span>

namespace muster::optim::kernels {

/// Constants of one local step.
struct StepConstants {
  double gamma = 0;         ///< step size, bias correction of the momentum included
  double momentum = 0;      ///< beta1; used where a momentum span is given
  double weight_decay = 0;  ///< g <- g + weight_decay * x, before everything else
  double beta = 0;          ///< beta_t; refreshes only
  double floor = 0;         ///< alpha
  double cap = 0;           ///< Gamma
  FloorMode floor_mode = FloorMode::kMax;
};

/// One element of a step, which every step kernel follows:
///   g' = g + weight_decay x ;  m = momentum m + (1 - momentum) g' (no m: u = g') ;
///   absorb |g'| if asked ;  x = x - gamma u / Dhat
///
/// Step by a Dhat that stays as it is (global scope). `m`, `dhat` (empty: 1) and `moments` may be
/// empty; where given, moments += (g')^2 (kSum, kSquared) or |g'| (kLinear).
/// Floats an element, all given: 5 + 3.
template <class Real>
void step(const StepConstants& constants, Accumulation accumulation, std::span<Real> x,
          std::span<const Real> g, std::span<Real> m, std::span<const Real> dhat,
          std::span<Real> moments);

/// Refresh the accumulator by |g'|, then step by the Dhat it gives (local scope). `m` may be empty.
/// Requires: accumulation is not kNone. Floats an element: 4 + 3 (this is Adam).
template <class Real>
ClipCounts refresh_and_step(const StepConstants& constants, Accumulation accumulation,
                            std::span<Real> x, std::span<const Real> g, std::span<Real> m,
                            std::span<Real> accumulator);

/// Step by the Dhat that `accumulator` gives, without a refresh. `m` may be empty.
/// Floats an element: 4 + 2.
template <class Real>
ClipCounts step_by_accumulator(const StepConstants& constants, Accumulation accumulation,
                               std::span<Real> x, std::span<const Real> g, std::span<Real> m,
                               std::span<const Real> accumulator);

/// accumulator <- its refresh by the estimate h (moment h^2 or h). 2 + 1.
template <class Real>
void refresh(Accumulation accumulation, double beta, std::span<const Real> h,
             std::span<Real> accumulator);
/// accumulator <- its refresh by a moment. 2 + 1.
template <class Real>
void absorb(Accumulation accumulation, double beta, std::span<const Real> moment,
            std::span<Real> accumulator);
/// moments += moment of h. 2 + 1.
template <class Real>
void accumulate(Accumulation accumulation, std::span<const Real> h, std::span<Real> moments);
/// out <- Dhat of accumulator. 1 + 1.
template <class Real>
ClipCounts write_dhat(Accumulation accumulation, double floor, double cap, FloorMode mode,
                      std::span<const Real> accumulator, std::span<Real> out);

/// out <- sum_i weights[i] inputs[i] / sum_i weights[i], summed in double in the order given.
/// `out` may be one of the inputs. Requires: as many weights as inputs, at least one; weights >= 0
/// with a sum > 0. N + 1.
template <class Real>
void weighted_mean(std::span<const std::span<const Real>> inputs, std::span<const double> weights,
                   std::span<Real> out);

/// y <- y + a x, a product and a sum. 2 + 1.
template <class Real>
void add_scaled(Real a, std::span<const Real> x, std::span<Real> y);
/// y <- a y. 1 + 1.
template <class Real>
void scale(Real a, std::span<Real> y);
/// out <- out + v * w. 3 + 1.
template <class Real>
void add_product(std::span<const Real> v, std::span<const Real> w, std::span<Real> out);

/// Sums in double, element i into lane i mod 8, lanes added in order 0 to 7: unlike the others,
/// cutting the range changes the rounding.
template <class Real>
double squared_norm(std::span<const Real> x);
template <class Real>
double squared_distance(std::span<const Real> x, std::span<const Real> y);

/// Index of the first NaN or infinity; x.size() when there is none. 1 + 0.
template <class Real>
std::size_t first_nonfinite(std::span<const Real> x);

/// "avx2" or "baseline": the form that runs on this processor.
const char* dispatch();

/// The same contracts, written for reading.
namespace reference {
template <class Real>
void step(const StepConstants& constants, Accumulation accumulation, std::span<Real> x,
          std::span<const Real> g, std::span<Real> m, std::span<const Real> dhat,
          std::span<Real> moments);
template <class Real>
ClipCounts refresh_and_step(const StepConstants& constants, Accumulation accumulation,
                            std::span<Real> x, std::span<const Real> g, std::span<Real> m,
                            std::span<Real> accumulator);
template <class Real>
ClipCounts step_by_accumulator(const StepConstants& constants, Accumulation accumulation,
                               std::span<Real> x, std::span<const Real> g, std::span<Real> m,
                               std::span<const Real> accumulator);
template <class Real>
void refresh(Accumulation accumulation, double beta, std::span<const Real> h,
             std::span<Real> accumulator);
template <class Real>
void absorb(Accumulation accumulation, double beta, std::span<const Real> moment,
            std::span<Real> accumulator);
template <class Real>
void accumulate(Accumulation accumulation, std::span<const Real> h, std::span<Real> moments);
template <class Real>
ClipCounts write_dhat(Accumulation accumulation, double floor, double cap, FloorMode mode,
                      std::span<const Real> accumulator, std::span<Real> out);
template <class Real>
void weighted_mean(std::span<const std::span<const Real>> inputs, std::span<const double> weights,
                   std::span<Real> out);
template <class Real>
void add_scaled(Real a, std::span<const Real> x, std::span<Real> y);
template <class Real>
void scale(Real a, std::span<Real> y);
template <class Real>
void add_product(std::span<const Real> v, std::span<const Real> w, std::span<Real> out);
template <class Real>
double squared_norm(std::span<const Real> x);
template <class Real>
double squared_distance(std::span<const Real> x, std::span<const Real> y);
template <class Real>
std::size_t first_nonfinite(std::span<const Real> x);
}  // namespace reference

/// Calls body(begin, end) for `parts` consecutive ranges that cover [0, size), cut at multiples of
/// 1024 elements, through `parallel_for(parts, f)`, which calls f(0) .. f(parts - 1) in any order
/// on any threads and returns when all have; adds up what body returns (ClipCounts).
/// Requires: 1 <= parts <= 64.
template <class ParallelFor, class Body>
ClipCounts split_range(std::size_t size, std::size_t parts, ParallelFor&& parallel_for,
                       Body&& body) {
  constexpr std::size_t kGrain = 1024;
  constexpr std::size_t kPartsMax = 64;
  MUSTER_CHECK(parts >= 1 && parts <= kPartsMax, parts);
  std::array<ClipCounts, kPartsMax> counts{};
  const std::size_t grains = (size + kGrain - 1) / kGrain;
  const auto cut = [&](std::size_t part) {
    const std::size_t at = grains * part / parts * kGrain;
    return at < size ? at : size;
  };
  parallel_for(parts, [&](std::size_t part) { counts[part] = body(cut(part), cut(part + 1)); });
  ClipCounts total;
  for (std::size_t part = 0; part < parts; ++part) total += counts[part];
  return total;
}

}  // namespace muster::optim::kernels
