#pragma once
/// The last layer of a classifier: softmax cross-entropy of a row-major matrix of scores, its
/// derivative, and the derivative's derivative; and the pieces that layers share.
///
/// Threads: pure functions.

#include <cstddef>
#include <cstdint>
#include <span>

namespace muster::optim {

struct HeadResult {
  double loss = 0;          ///< sum over rows
  std::size_t correct = 0;  ///< rows whose largest score (the first on a tie) is their label's
};

/// scores: rows x classes, overwritten by softmax probabilities. Sum of -log p[label].
template <class Real>
HeadResult softmax_cross_entropy(std::span<Real> scores, std::size_t classes,
                                 std::span<const std::uint32_t> labels);

/// probabilities -> (p - onehot(label)) * scale, in place.
template <class Real>
void softmax_gradient(std::span<Real> probabilities, std::size_t classes,
                      std::span<const std::uint32_t> labels, Real scale);

/// directions (rows x classes, the directional derivative r of the scores) -> that of the gradient,
/// (p r - p (p'r)) * scale, in place.
template <class Real>
void softmax_curvature(std::span<const Real> probabilities, std::size_t classes, Real scale,
                       std::span<Real> directions);

/// Adds bias to every row of a rows x columns matrix.
template <class Real>
void add_bias(std::span<Real> rows, std::span<const Real> bias);
/// The same, then max(., 0).
template <class Real>
void add_bias_relu(std::span<Real> rows, std::span<const Real> bias);
/// out[j] = sum over rows of column j, rows in order.
template <class Real>
void sum_rows(std::span<const Real> rows, std::span<Real> out);
/// out[i] = 0 where activation[i] is not positive.
template <class Real>
void mask_relu(std::span<const Real> activation, std::span<Real> out);

}  // namespace muster::optim
