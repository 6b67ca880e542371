#include <muster/optim/objective.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace muster::optim {
namespace {

template <class Real>
Real largest(std::span<const Real> x) {
  Real top = 0;
  for (Real v : x) top = std::max(top, std::abs(v));
  return top;
}

}  // namespace

template <class Real>
void BasicObjective<Real>::hessian_vector_product(std::span<const Real> x, Batch batch,
                                                  std::span<const Real> v, std::span<Real> out) {
  MUSTER_CHECK(v.size() == x.size() && out.size() == x.size(), v.size(), out.size(), x.size());
  const Real length = largest(v);
  if (length == 0) {
    std::fill(out.begin(), out.end(), Real{0});
    return;
  }
  const Real h =
      std::cbrt(std::numeric_limits<Real>::epsilon()) * std::max(Real{1}, largest(x)) / length;
  AlignedVector<Real> shifted(x.size());
  AlignedVector<Real> behind(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) shifted[i] = x[i] - h * v[i];
  loss_and_gradient(shifted, batch, behind);
  for (std::size_t i = 0; i < x.size(); ++i) shifted[i] = x[i] + h * v[i];
  loss_and_gradient(shifted, batch, out);
  const Real width = 2 * h;
  for (std::size_t i = 0; i < x.size(); ++i) out[i] = (out[i] - behind[i]) / width;
}

template <class Real>
std::optional<Evaluation> BasicObjective<Real>::evaluate(std::span<const Real>) {
  return std::nullopt;
}

template <class Real>
void BasicObjective<Real>::initial_parameters(std::uint64_t, std::span<Real> x) const {
  std::fill(x.begin(), x.end(), Real{0});
}

template <class Real>
std::vector<BlockSegment> BasicObjective<Real>::blocks() const {
  return {BlockSegment{0, 1, dim()}};
}

template class BasicObjective<float>;
template class BasicObjective<double>;

}  // namespace muster::optim
