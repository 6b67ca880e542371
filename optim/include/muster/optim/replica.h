#pragma once
/// Replica: everything a worker owns that changes as it trains. Saving and restoring it
/// (checkpoint, migration) continues a run to the bit, given the same configuration and share of
/// samples.
///
/// Threads: a value; one thread at a time.

#include <muster/array.h>
#include <muster/error.h>
#include <muster/optim/batch_cursor.h>
#include <muster/random.h>

#include <cstdint>
#include <span>
#include <vector>

namespace muster::optim {

template <class Real>
struct BasicReplica {
  AlignedVector<Real> params;       ///< x
  AlignedVector<Real> momentum;     ///< m; empty without momentum
  AlignedVector<Real> accumulator;  ///< local scope: this worker's D or D^2; else empty
  AlignedVector<Real> dhat;         ///< global scope: the divisor in force; empty: not set, or 1
  AlignedVector<Real> moments;     ///< global scope: sum of moments since the last take; else empty
  std::uint64_t moment_count = 0;  ///< how many estimates `moments` holds
  std::uint64_t refreshes = 0;     ///< t of `accumulator`
  std::uint64_t steps = 0;         ///< local steps taken since the start of the run
  std::uint64_t momentum_steps = 0;  ///< steps that `momentum` holds (its debiasing)
  BatchCursor::Position cursor;
  Random random{0};  ///< draws Rademacher vectors

  friend bool operator==(const BasicReplica&, const BasicReplica&) = default;
};

using Replica = BasicReplica<float>;

/// A replica as two flat arrays: `reals` holds params, momentum, accumulator, dhat and moments one
/// after the other, `words` a format number, the five sizes, the counters, the cursor and the
/// random state.
template <class Real>
struct FlatReplica {
  AlignedVector<Real> reals;
  std::vector<std::uint64_t> words;
};

template <class Real>
FlatReplica<Real> flatten(const BasicReplica<Real>& replica);

/// The inverse. kCorrupt when the format number is unknown or the sizes do not add up.
template <class Real>
Result<BasicReplica<Real>> unflatten(std::span<const Real> reals,
                                     std::span<const std::uint64_t> words);

extern template FlatReplica<float> flatten(const BasicReplica<float>&);
extern template FlatReplica<double> flatten(const BasicReplica<double>&);
extern template Result<BasicReplica<float>> unflatten(std::span<const float>,
                                                      std::span<const std::uint64_t>);
extern template Result<BasicReplica<double>> unflatten(std::span<const double>,
                                                       std::span<const std::uint64_t>);

}  // namespace muster::optim
