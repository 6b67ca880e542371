#pragma once
/// LocalStepper: a worker's side of local training with scaling, one local step at a time:
///   g = gradient of the next batch + weight_decay x ;  u = g or its momentum
///   x <- x - gamma u / Dhat
/// with the scaling rules and scopes of <muster/optim/scaling.h>. It owns the Replica.
///
/// A round under global scope, seen from a worker:
///   set_params(x), set_dhat(Dhat) ; H times step(gamma) ; params() and take_contribution() go to
///   the averager. Before the first round: set_params(x_0) ; probe(k) ; take_contribution().
/// Under local scope: set_params(x) ; H times step(gamma) ; params(), and accumulator() unless the
/// merge is keep ; then set_params(mean), set_accumulator(merged).
///
/// Threads: one at a time; may move between threads.

#include <muster/error.h>
#include <muster/optim/objective.h>
#include <muster/optim/replica.h>
#include <muster/optim/scaling.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace muster::optim {

struct StepperConfig {
  std::size_t batch = 64;
  double momentum = 0;           ///< beta1 in [0, 1); 0: none
  bool debias_momentum = false;  ///< divide m by 1 - beta1^t, as Adam does
  double weight_decay = 0;       ///< >= 0
  ScalingConfig scaling{};
  friend bool operator==(const StepperConfig&, const StepperConfig&) = default;
};

/// kInvalid naming the field, the value and the allowed range.
Result<void> validate(const StepperConfig& config);

struct StepReport {
  double loss = 0;   ///< mean over the batch, before the step, without weight decay
  ClipCounts clips;  ///< local scope: of this step's Dhat; zero under global scope
};

template <class Real>
class BasicLocalStepper {
 public:
  /// `samples` is the worker's share of the objective's samples; `worker` and `seed` decide its
  /// order and the Rademacher vectors. Parameters start at zero: call set_params.
  /// kInvalid: validate(config) fails, samples is empty, or one is not below sample_count().
  /// Requires: objective not null; nobody else uses it while a member function runs.
  static Result<BasicLocalStepper> create(std::shared_ptr<BasicObjective<Real>> objective,
                                          StepperConfig config, std::vector<std::uint32_t> samples,
                                          std::uint64_t seed, std::uint32_t worker);

  /// One local step. kInvalid, with the replica's x, momentum and scaling untouched, when the loss
  /// or an element of the gradient or estimate is NaN or infinite: the message names the local step
  /// (from 1) and the element. The caller adds which worker.
  /// Requires, where config.scaling.needs_bootstrap(): set_dhat (global) or bootstrap (local) came
  /// first.
  Result<StepReport> step(double gamma);

  /// Estimates at the current parameters on the next `batches` batches without moving: adds them to
  /// the contribution (local scope too, for bootstrap()). Uses up the cursor's samples; counts no
  /// step. Returns the mean loss. Errors as step(). Identity only measures the loss.
  Result<double> probe(std::size_t batches);

  std::size_t dim() const noexcept { return replica_.params.size(); }
  const StepperConfig& config() const noexcept { return config_; }
  BasicObjective<Real>& objective() noexcept { return *objective_; }
  const BatchCursor& cursor() const noexcept { return cursor_; }

  std::span<const Real> params() const noexcept { return replica_.params; }
  /// Requires: x.size() == dim().
  void set_params(std::span<const Real> x);

  /// Global scope: the divisor from now on. Every element must be positive and finite (checked).
  void set_dhat(std::span<const Real> dhat);

  /// Number of estimates in the contribution since the last take.
  std::uint64_t contribution_count() const noexcept { return replica_.moment_count; }
  /// Writes the contribution, the mean of the moments since the last take, and starts a new one.
  /// Requires: contribution_count() > 0; out.size() == dim().
  void take_contribution(std::span<Real> out);

  /// Local scope: this worker's accumulator, for merge_accumulators.
  std::span<const Real> accumulator() const noexcept { return replica_.accumulator; }
  /// Local scope: replaces the accumulator after a merge; its t stays.
  void set_accumulator(std::span<const Real> accumulator);
  /// Local scope: sets the accumulator to the contribution of probe() and t to 1.
  /// Requires: contribution_count() > 0.
  void bootstrap();

  const BasicReplica<Real>& replica() const noexcept { return replica_; }
  /// Takes a saved replica back. kInvalid when a size does not fit this stepper's configuration.
  Result<void> restore(BasicReplica<Real> replica);

 private:
  BasicLocalStepper() = default;
  bool global() const noexcept { return config_.scaling.scope == ScalingScope::kGlobal; }
  tl::unexpected<Error> not_finite(const char* what) const;
  Result<double> measure(Batch batch);
  Result<void> estimate(Batch batch);
  void add_moment(std::span<const Real> estimate);
  StepReport move(double gamma, double loss, bool hutchinson);

  std::shared_ptr<BasicObjective<Real>> objective_;
  StepperConfig config_;
  BatchCursor cursor_;
  std::vector<BlockSegment> blocks_;  // block-mean estimator only
  BasicReplica<Real> replica_;
  AlignedVector<Real> gradient_;
  AlignedVector<Real> estimate_;  // Hutchinson only, with direction_ and product_
  AlignedVector<Real> direction_;
  AlignedVector<Real> product_;
};

using LocalStepper = BasicLocalStepper<float>;

extern template class BasicLocalStepper<float>;
extern template class BasicLocalStepper<double>;

}  // namespace muster::optim
