// Checks the spans of a kernel call and passes it to the form for this processor.
#include <muster/error.h>
#include <muster/optim/kernels.h>

#include <type_traits>

#include "optim/kernels/table.h"

namespace muster::optim::kernels {
namespace {

bool has_avx2() noexcept {
#ifdef MUSTER_OPTIM_AVX2
  return __builtin_cpu_supports("avx2");
#else
  return false;
#endif
}

template <class Real>
const KernelTable<Real>& table() noexcept {
#ifdef MUSTER_OPTIM_AVX2
  if (has_avx2()) {
    if constexpr (std::is_same_v<Real, float>) {
      return avx2::kFloatTable;
    } else {
      return avx2::kDoubleTable;
    }
  }
#endif
  if constexpr (std::is_same_v<Real, float>) {
    return baseline::kFloatTable;
  } else {
    return baseline::kDoubleTable;
  }
}

template <class Real>
Real* or_null(std::span<Real> s) noexcept {
  return s.empty() ? nullptr : s.data();
}

void check_size(std::size_t size, std::size_t n) {
  MUSTER_CHECK(size == n, size, n);
}
void check_optional(std::size_t size, std::size_t n) {
  MUSTER_CHECK(size == n || size == 0, size, n);
}

}  // namespace

const char* dispatch() {
  return has_avx2() ? "avx2" : "baseline";
}

template <class Real>
void step(const StepConstants& constants, Accumulation accumulation, std::span<Real> x,
          std::span<const Real> g, std::span<Real> m, std::span<const Real> dhat,
          std::span<Real> moments) {
  check_size(g.size(), x.size());
  check_optional(m.size(), x.size());
  check_optional(dhat.size(), x.size());
  check_optional(moments.size(), x.size());
  table<Real>().step(constants, accumulation, x.size(), x.data(), g.data(), or_null(m),
                     or_null(dhat), or_null(moments));
}

template <class Real>
ClipCounts refresh_and_step(const StepConstants& constants, Accumulation accumulation,
                            std::span<Real> x, std::span<const Real> g, std::span<Real> m,
                            std::span<Real> accumulator) {
  MUSTER_CHECK(accumulation != Accumulation::kNone);
  check_size(g.size(), x.size());
  check_optional(m.size(), x.size());
  check_size(accumulator.size(), x.size());
  ClipCounts counts;
  table<Real>().refresh_and_step(constants, accumulation, x.size(), x.data(), g.data(), or_null(m),
                                 accumulator.data(), &counts);
  return counts;
}

template <class Real>
ClipCounts step_by_accumulator(const StepConstants& constants, Accumulation accumulation,
                               std::span<Real> x, std::span<const Real> g, std::span<Real> m,
                               std::span<const Real> accumulator) {
  MUSTER_CHECK(accumulation != Accumulation::kNone);
  check_size(g.size(), x.size());
  check_optional(m.size(), x.size());
  check_size(accumulator.size(), x.size());
  ClipCounts counts;
  table<Real>().step_by_accumulator(constants, accumulation, x.size(), x.data(), g.data(),
                                    or_null(m), accumulator.data(), &counts);
  return counts;
}

template <class Real>
void refresh(Accumulation accumulation, double beta, std::span<const Real> h,
             std::span<Real> accumulator) {
  check_size(h.size(), accumulator.size());
  table<Real>().refresh(accumulation, beta, h.size(), h.data(), accumulator.data());
}

template <class Real>
void absorb(Accumulation accumulation, double beta, std::span<const Real> moment,
            std::span<Real> accumulator) {
  check_size(moment.size(), accumulator.size());
  table<Real>().absorb(accumulation, beta, moment.size(), moment.data(), accumulator.data());
}

template <class Real>
void accumulate(Accumulation accumulation, std::span<const Real> h, std::span<Real> moments) {
  check_size(h.size(), moments.size());
  table<Real>().accumulate(accumulation, h.size(), h.data(), moments.data());
}

template <class Real>
ClipCounts write_dhat(Accumulation accumulation, double floor, double cap, FloorMode mode,
                      std::span<const Real> accumulator, std::span<Real> out) {
  MUSTER_CHECK(accumulation != Accumulation::kNone);
  check_size(accumulator.size(), out.size());
  ClipCounts counts;
  table<Real>().write_dhat(accumulation, floor, cap, mode, out.size(), accumulator.data(),
                           out.data(), &counts);
  return counts;
}

template <class Real>
void weighted_mean(std::span<const std::span<const Real>> inputs, std::span<const double> weights,
                   std::span<Real> out) {
  MUSTER_CHECK(!inputs.empty());
  check_size(weights.size(), inputs.size());
  double total = 0;
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    check_size(inputs[k].size(), out.size());
    MUSTER_CHECK(weights[k] >= 0, k, weights[k]);
    total += weights[k];
  }
  MUSTER_CHECK(total > 0, total);
  table<Real>().weighted_mean(inputs.size(), inputs.data(), weights.data(), out.size(), out.data());
}

template <class Real>
void add_scaled(Real a, std::span<const Real> x, std::span<Real> y) {
  check_size(x.size(), y.size());
  table<Real>().add_scaled(a, x.size(), x.data(), y.data());
}

template <class Real>
void scale(Real a, std::span<Real> y) {
  table<Real>().scale(a, y.size(), y.data());
}

template <class Real>
void add_product(std::span<const Real> v, std::span<const Real> w, std::span<Real> out) {
  check_size(v.size(), out.size());
  check_size(w.size(), out.size());
  table<Real>().add_product(out.size(), v.data(), w.data(), out.data());
}

template <class Real>
double squared_norm(std::span<const Real> x) {
  return table<Real>().squared_norm(x.size(), x.data());
}

template <class Real>
double squared_distance(std::span<const Real> x, std::span<const Real> y) {
  check_size(y.size(), x.size());
  return table<Real>().squared_distance(x.size(), x.data(), y.data());
}

template <class Real>
std::size_t first_nonfinite(std::span<const Real> x) {
  return table<Real>().first_nonfinite(x.size(), x.data());
}

#include "optim/kernels/instantiate.inc"

}  // namespace muster::optim::kernels
