#pragma once
/// The kernels' inner form: raw pointers, so that a file built for another instruction set
/// instantiates no shared inline function. A null pointer stands for an empty span.

#include <muster/optim/kernels.h>

namespace muster::optim::kernels {

template <class Real>
struct KernelTable {
  void (*step)(const StepConstants&, Accumulation, std::size_t n, Real* x, const Real* g, Real* m,
               const Real* dhat, Real* moments);
  void (*refresh_and_step)(const StepConstants&, Accumulation, std::size_t n, Real* x,
                           const Real* g, Real* m, Real* accumulator, ClipCounts*);
  void (*step_by_accumulator)(const StepConstants&, Accumulation, std::size_t n, Real* x,
                              const Real* g, Real* m, const Real* accumulator, ClipCounts*);
  void (*refresh)(Accumulation, double beta, std::size_t n, const Real* h, Real* accumulator);
  void (*absorb)(Accumulation, double beta, std::size_t n, const Real* moment, Real* accumulator);
  void (*accumulate)(Accumulation, std::size_t n, const Real* h, Real* moments);
  void (*write_dhat)(Accumulation, double floor, double cap, FloorMode, std::size_t n,
                     const Real* accumulator, Real* out, ClipCounts*);
  void (*weighted_mean)(std::size_t inputs, const std::span<const Real>* in, const double* weights,
                        std::size_t n, Real* out);
  void (*add_scaled)(Real a, std::size_t n, const Real* x, Real* y);
  void (*scale)(Real a, std::size_t n, Real* y);
  void (*add_product)(std::size_t n, const Real* v, const Real* w, Real* out);
  double (*squared_norm)(std::size_t n, const Real* x);
  double (*squared_distance)(std::size_t n, const Real* x, const Real* y);
  std::size_t (*first_nonfinite)(std::size_t n, const Real* x);
};

namespace baseline {
extern const KernelTable<float> kFloatTable;
extern const KernelTable<double> kDoubleTable;
}  // namespace baseline
namespace avx2 {
extern const KernelTable<float> kFloatTable;
extern const KernelTable<double> kDoubleTable;
}  // namespace avx2

}  // namespace muster::optim::kernels
