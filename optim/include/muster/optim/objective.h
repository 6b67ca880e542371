#pragma once
/// Objective: the function a training run minimises, as a mean of per-sample losses over one flat
/// parameter vector. A user implements dim(), sample_count() and loss_and_gradient(); everything
/// else has a default.
///
/// Threads: an objective owns workspace and is used by one thread at a time; it may move between
/// threads. Give every worker an objective of its own; they may share one immutable Dataset.
///
/// Invariants:
/// 1. dim() and sample_count() never change.
/// 2. The same (x, batch) gives the same bits, whatever was computed before, on whatever thread.

#include <muster/array.h>
#include <muster/error.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace muster::optim {

/// Indices of training samples, each below sample_count(). Repeats are allowed and count each time.
using Batch = std::span<const std::uint32_t>;

/// What evaluate() found on the objective's evaluation set.
struct Evaluation {
  double loss = 0;                 ///< mean loss a sample
  std::optional<double> accuracy;  ///< fraction right in [0, 1]; none where it has no meaning
  std::size_t samples = 0;  ///< samples evaluated; 0 when the loss is exact and sampled nothing
};

/// `count` consecutive blocks of `size` parameters each, the first starting at `begin`.
struct BlockSegment {
  std::size_t begin = 0;
  std::size_t size = 1;
  std::size_t count = 0;
  friend bool operator==(const BlockSegment&, const BlockSegment&) = default;
};

template <class Real>
class BasicObjective {
 public:
  virtual ~BasicObjective() = default;

  /// Number of parameters.
  virtual std::size_t dim() const = 0;

  /// Number of training samples a batch may name.
  virtual std::size_t sample_count() const = 0;

  /// Returns the mean loss over `batch` at `x` and overwrites `gradient` with its gradient.
  /// Regularisation that the stepper applies (weight decay) is not included. An exception thrown
  /// here ends the step and reaches the stepper's caller.
  /// Requires: x.size() == gradient.size() == dim(); batch not empty; no overlap of the spans.
  virtual double loss_and_gradient(std::span<const Real> x, Batch batch,
                                   std::span<Real> gradient) = 0;

  /// Overwrites `out` with (Hessian of the mean loss over `batch` at x) times v.
  /// Default: central difference of gradients, (g(x + h v) - g(x - h v)) / (2 h), with
  /// h = cbrt(eps) * max(1, ||x||_inf) / ||v||_inf, eps the rounding unit of Real. The truncation
  /// error is h^2/6 times the third derivative along v, the rounding error about eps ||g|| / h: a
  /// relative error near 1e-10 in double and 1e-4 in float on smooth functions of unit scale.
  /// Two gradient evaluations. v = 0 gives 0 without any.
  /// Requires: as loss_and_gradient, for v and out.
  virtual void hessian_vector_product(std::span<const Real> x, Batch batch, std::span<const Real> v,
                                      std::span<Real> out);

  /// Loss (and accuracy) at x on the objective's own evaluation set; none when it has no such set.
  virtual std::optional<Evaluation> evaluate(std::span<const Real> x);

  /// Overwrites x with the starting point for `seed`. Default: zeros.
  /// Requires: x.size() == dim().
  virtual void initial_parameters(std::uint64_t seed, std::span<Real> x) const;

  /// The blocks over which block-mean estimators average (AdaHessian: rows of weight matrices).
  /// Segments ascend and cover [0, dim()) exactly. Default: every parameter its own block.
  virtual std::vector<BlockSegment> blocks() const;
};

using Objective = BasicObjective<float>;
using ObjectiveF64 = BasicObjective<double>;

extern template class BasicObjective<float>;
extern template class BasicObjective<double>;

}  // namespace muster::optim
