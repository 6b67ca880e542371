// Matrix products by OpenBLAS in one thread.
#include <cblas.h>

#include <mutex>

#include "optim/matrix/gemm.h"

namespace muster::optim::matrix {
namespace {

/// OpenBLAS's thread count belongs to the process. Training parallelises over workers, and equal
/// bits on any number of threads need one thread a product.
void use_one_thread() {
  static std::once_flag once;
  std::call_once(once, [] { openblas_set_num_threads(1); });
}

CBLAS_TRANSPOSE transpose(Op op) {
  return op == Op::kTranspose ? CblasTrans : CblasNoTrans;
}
blasint number(std::size_t n) {
  return static_cast<blasint>(n);
}

}  // namespace

template <>
void gemm(std::size_t m, std::size_t n, std::size_t k, float alpha, Operand<float> a,
          Operand<float> b, float beta, float* c, std::size_t c_stride) {
  use_one_thread();
  cblas_sgemm(CblasRowMajor, transpose(a.op), transpose(b.op), number(m), number(n), number(k),
              alpha, a.data, number(a.stride), b.data, number(b.stride), beta, c, number(c_stride));
}

template <>
void gemm(std::size_t m, std::size_t n, std::size_t k, double alpha, Operand<double> a,
          Operand<double> b, double beta, double* c, std::size_t c_stride) {
  use_one_thread();
  cblas_dgemm(CblasRowMajor, transpose(a.op), transpose(b.op), number(m), number(n), number(k),
              alpha, a.data, number(a.stride), b.data, number(b.stride), beta, c, number(c_stride));
}

const char* backend() {
  return "OpenBLAS";
}

}  // namespace muster::optim::matrix
