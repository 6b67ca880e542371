#pragma once
/// The one door to matrix products: row-major C (m x n) = alpha op(A) op(B) + beta C, op(A) m x k,
/// op(B) k x n. Leading dimensions are row strides in elements.
///
/// Threads: any; runs on the caller's thread alone. The bits depend on the arguments' values and
/// shapes and on the processor's type, not on addresses.

#include <cstddef>

namespace muster::optim::matrix {

enum class Op : bool { kNone, kTranspose };

template <class Real>
struct Operand {
  Op op;
  const Real* data;
  std::size_t stride;
};

/// Requires: beta is 0 or 1 (0: C is not read).
template <class Real>
void gemm(std::size_t m, std::size_t n, std::size_t k, Real alpha, Operand<Real> a, Operand<Real> b,
          Real beta, Real* c, std::size_t c_stride);

/// What implements gemm, for records.
const char* backend();

}  // namespace muster::optim::matrix
