// Chooses the form of Eigen's products for this processor.
#include "optim/matrix/gemm.h"

namespace muster::optim::matrix {

#define MUSTER_GEMM_FORM(form)                                                                   \
  namespace form {                                                                               \
  void gemm_f32(std::size_t, std::size_t, std::size_t, float, Operand<float>, Operand<float>,    \
                float, float*, std::size_t);                                                     \
  void gemm_f64(std::size_t, std::size_t, std::size_t, double, Operand<double>, Operand<double>, \
                double, double*, std::size_t);                                                   \
  }
MUSTER_GEMM_FORM(baseline)
MUSTER_GEMM_FORM(avx2)
#undef MUSTER_GEMM_FORM

namespace {
bool has_avx2() noexcept {
#ifdef MUSTER_OPTIM_AVX2
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
  return false;
#endif
}
}  // namespace

template <>
void gemm(std::size_t m, std::size_t n, std::size_t k, float alpha, Operand<float> a,
          Operand<float> b, float beta, float* c, std::size_t stride) {
#ifdef MUSTER_OPTIM_AVX2
  if (has_avx2()) return avx2::gemm_f32(m, n, k, alpha, a, b, beta, c, stride);
#endif
  baseline::gemm_f32(m, n, k, alpha, a, b, beta, c, stride);
}

template <>
void gemm(std::size_t m, std::size_t n, std::size_t k, double alpha, Operand<double> a,
          Operand<double> b, double beta, double* c, std::size_t stride) {
#ifdef MUSTER_OPTIM_AVX2
  if (has_avx2()) return avx2::gemm_f64(m, n, k, alpha, a, b, beta, c, stride);
#endif
  baseline::gemm_f64(m, n, k, alpha, a, b, beta, c, stride);
}

const char* backend() {
  return has_avx2() ? "Eigen (AVX2)" : "Eigen";
}

}  // namespace muster::optim::matrix
