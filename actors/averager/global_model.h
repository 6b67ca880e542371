#pragma once
// GlobalModel: the averager's numbers. It makes the orders of a round and turns the contributions
// into the next parameters and scaling. The bits depend on the contributions and their order alone.
//
// Threads: one at a time. Costs a commit of M contributions of d floats: M d multiply-adds and
// (M + 1) d floats moved for the mean, the same again for the consensus error and for a refresh.

#include "actors/messages.h"

#include <muster/optim/scaling.h>
#include <muster/training/config.h>
#include <muster/training/report.h>

#include <optional>
#include <span>
#include <vector>

namespace muster::training {

class GlobalModel {
 public:
  /// Requires: validate(config); x0 is the starting point.
  GlobalModel(const TrainConfig& config, Array<float> x0);

  std::size_t dim() const noexcept { return params_.size(); }
  const Array<float>& params() const noexcept { return params_; }
  /// True where the run starts with round 0, the probe.
  bool needs_probe() const noexcept;

  /// The order of `round` for all its workers. Carries Dhat and the merged accumulator only where
  /// they changed since the order before.
  RoundOrder order(std::uint64_t round);

  /// True when the arrays of a contribution to `round` have the sizes its order asked for.
  bool fits(const Contribution& contribution) const;

  /// Averages in the order given and refreshes the scaling. Fills the report's losses, consensus
  /// error, counts, samples, workers and the contributions' bytes.
  /// Requires: at least one contribution; all fit.
  void commit(std::uint64_t round, std::span<const Contribution> contributions,
              RoundReport& report);

 private:
  bool wants_moment(std::uint64_t round) const;
  bool merges() const;
  void average(std::span<const Contribution> contributions, std::span<const double> weights,
               RoundReport& report);
  void refresh(std::uint64_t round, std::span<const Contribution> contributions,
               std::span<const double> weights);
  void merge(std::span<const Contribution> contributions);

  TrainConfig config_;
  optim::Scaling scaling_;   // global scope
  optim::ClipCounts clips_;  // of the Dhat in force
  Array<float> params_;
  Array<float> divisor_;      // to be sent with the next order; empty: nothing new
  Array<float> accumulator_;  // the same, local scope
};

/// Bytes of the arrays in a message.
std::uint64_t array_bytes(const RoundOrder& order);
std::uint64_t array_bytes(const Contribution& contribution);

}  // namespace muster::training
