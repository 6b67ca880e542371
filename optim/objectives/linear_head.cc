#include "optim/objectives/linear_head.h"

#include <cmath>

namespace muster::optim {

template <class Real>
HeadResult softmax_cross_entropy(std::span<Real> scores, std::size_t classes,
                                 std::span<const std::uint32_t> labels) {
  HeadResult result;
  for (std::size_t row = 0; row < labels.size(); ++row) {
    const std::span<Real> z = scores.subspan(row * classes, classes);
    std::size_t best = 0;
    for (std::size_t c = 1; c < classes; ++c) {
      if (z[c] > z[best]) best = c;
    }
    const Real top = z[best];
    const Real right = z[labels[row]] - top;
    Real sum = 0;
    for (Real& v : z) {
      v = std::exp(v - top);
      sum += v;
    }
    for (Real& v : z) v /= sum;
    result.loss += static_cast<double>(std::log(sum)) - static_cast<double>(right);
    if (best == labels[row]) ++result.correct;
  }
  return result;
}

template <class Real>
void softmax_gradient(std::span<Real> probabilities, std::size_t classes,
                      std::span<const std::uint32_t> labels, Real scale) {
  for (std::size_t row = 0; row < labels.size(); ++row) {
    const std::span<Real> p = probabilities.subspan(row * classes, classes);
    p[labels[row]] -= 1;
    for (Real& v : p) v *= scale;
  }
}

template <class Real>
void softmax_curvature(std::span<const Real> probabilities, std::size_t classes, Real scale,
                       std::span<Real> directions) {
  for (std::size_t begin = 0; begin < directions.size(); begin += classes) {
    Real mean = 0;
    for (std::size_t c = 0; c < classes; ++c)
      mean += probabilities[begin + c] * directions[begin + c];
    for (std::size_t c = 0; c < classes; ++c) {
      directions[begin + c] = probabilities[begin + c] * (directions[begin + c] - mean) * scale;
    }
  }
}

template <class Real>
void add_bias(std::span<Real> rows, std::span<const Real> bias) {
  for (std::size_t begin = 0; begin < rows.size(); begin += bias.size()) {
    Real* __restrict row = rows.data() + begin;
    for (std::size_t j = 0; j < bias.size(); ++j) row[j] += bias[j];
  }
}

template <class Real>
void add_bias_relu(std::span<Real> rows, std::span<const Real> bias) {
  for (std::size_t begin = 0; begin < rows.size(); begin += bias.size()) {
    Real* __restrict row = rows.data() + begin;
    for (std::size_t j = 0; j < bias.size(); ++j) {
      const Real v = row[j] + bias[j];
      row[j] = v < 0 ? Real{0} : v;  // keeps NaN
    }
  }
}

template <class Real>
void sum_rows(std::span<const Real> rows, std::span<Real> out) {
  Real* __restrict sums = out.data();
  for (std::size_t j = 0; j < out.size(); ++j) sums[j] = 0;
  for (std::size_t begin = 0; begin < rows.size(); begin += out.size()) {
    const Real* row = rows.data() + begin;
    for (std::size_t j = 0; j < out.size(); ++j) sums[j] += row[j];
  }
}

template <class Real>
void mask_relu(std::span<const Real> activation, std::span<Real> out) {
  const Real* a = activation.data();
  Real* __restrict o = out.data();
  for (std::size_t i = 0; i < out.size(); ++i) o[i] = a[i] > 0 ? o[i] : Real{0};
}

#define MUSTER_INSTANTIATE(Real)                                                               \
  template HeadResult softmax_cross_entropy(std::span<Real>, std::size_t,                      \
                                            std::span<const std::uint32_t>);                   \
  template void softmax_gradient(std::span<Real>, std::size_t, std::span<const std::uint32_t>, \
                                 Real);                                                        \
  template void softmax_curvature(std::span<const Real>, std::size_t, Real, std::span<Real>);  \
  template void add_bias(std::span<Real>, std::span<const Real>);                              \
  template void add_bias_relu(std::span<Real>, std::span<const Real>);                         \
  template void sum_rows(std::span<const Real>, std::span<Real>);                              \
  template void mask_relu(std::span<const Real>, std::span<Real>);
MUSTER_INSTANTIATE(float)
MUSTER_INSTANTIATE(double)
#undef MUSTER_INSTANTIATE

}  // namespace muster::optim
