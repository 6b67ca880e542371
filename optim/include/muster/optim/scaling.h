#pragma once
/// Scaling: the diagonal preconditioner D of local training, how it absorbs curvature estimates H,
/// and how D becomes the divisor Dhat of a step.
///
///   sum      D^2 <- D^2 + H^2                          AdaGrad
///   squared  D^2 <- beta_t D^2 + (1 - beta_t) H^2      RMSProp (constant beta), Adam (debiased)
///   linear   D   <- beta_t D   + (1 - beta_t) H        OASIS (constant beta)
///   identity D = 1                                     plain local SGD
///   debiased beta_t = (beta - beta^t) / (1 - beta^t), t = 1, 2, ...: beta_1 = 0
///   Dhat_i = clip to at most Gamma of max(alpha, |D_i|)  or  |D_i| + alpha
///
/// Vocabulary. The *accumulator* is what is stored: D^2 for sum and squared, D for linear. The
/// *moment* of an estimate is what the accumulator absorbs: H^2 for sum and squared, H for linear.
/// An estimate is |g| (gradient) or v * (Hess v) (Hutchinson).
///
/// Global scope, one Dhat for all workers, constant between syncs: a worker accumulates the moments
/// of its local steps; its contribution is their mean over its steps since the last sync. The
/// averager takes the mean of the contributions over workers and absorbs it once: t counts syncs.
/// D is not defined before the first estimate, so a global run starts with a bootstrap round: every
/// worker probes at x_0 (LocalStepper::probe), the averager calls bootstrap() with the mean of the
/// contributions, and the Dhat it yields is in force from the first local step. The bootstrap sets
/// the accumulator to the mean itself, which is what a debiased rule does at t = 1, what `sum` does
/// from zero, and what OASIS prescribes for D_0.
/// Local scope, each worker its own D: it refreshes at every local step, before the step divides.
/// At a sync D is kept, or replaced by the workers' mean or max of the accumulators.
///
/// Threads: values; one thread at a time.
/// Source: arXiv 2406.00846 (local methods with scaling), 2109.05198 (OASIS).

#include <muster/array.h>
#include <muster/error.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>

namespace muster::optim {

enum class ScalingRule : std::uint8_t { kIdentity, kAdaGrad, kRmsProp, kAdam, kOasis };
enum class Accumulation : std::uint8_t { kNone, kSum, kSquared, kLinear };
enum class Estimator : std::uint8_t {
  kGradient,         ///< H = |g|
  kHutchinson,       ///< H = mean over k of v * (Hess v), v Rademacher, on the minibatch of g
  kHutchinsonBlock,  ///< the same, then averaged over each block of Objective::blocks()
};
enum class FloorMode : std::uint8_t { kMax, kAdd };
enum class ScalingScope : std::uint8_t { kGlobal, kLocal };
enum class LocalMerge : std::uint8_t { kKeep, kMean, kMax };

/// "identity", "adagrad", "rmsprop", "adam", "oasis"; "gradient", "hutchinson", "hutchinson_block";
/// "max", "add"; "global", "local"; "keep", "mean", "max". The parse functions return none for
/// anything else.
std::string_view to_string(ScalingRule) noexcept;
std::string_view to_string(Estimator) noexcept;
std::string_view to_string(FloorMode) noexcept;
std::string_view to_string(ScalingScope) noexcept;
std::string_view to_string(LocalMerge) noexcept;
std::optional<ScalingRule> parse_scaling_rule(std::string_view) noexcept;
std::optional<Estimator> parse_estimator(std::string_view) noexcept;
std::optional<FloorMode> parse_floor_mode(std::string_view) noexcept;
std::optional<ScalingScope> parse_scaling_scope(std::string_view) noexcept;
std::optional<LocalMerge> parse_local_merge(std::string_view) noexcept;

struct ScalingConfig {
  ScalingRule rule = ScalingRule::kIdentity;
  ScalingScope scope = ScalingScope::kGlobal;
  LocalMerge merge = LocalMerge::kKeep;  ///< local scope only
  /// Where H comes from. None: |g| for AdaGrad, RMSProp and Adam, Hutchinson for OASIS.
  std::optional<Estimator> estimator = std::nullopt;
  std::uint32_t hutchinson_samples = 1;  ///< k
  double beta = 0.999;
  double floor = 1e-8;                                   ///< alpha
  double cap = std::numeric_limits<double>::infinity();  ///< Gamma
  FloorMode floor_mode = FloorMode::kMax;
  /// Global scope: true: every local step adds to the contribution. False: steps estimate nothing
  /// and the worker probes at its sync point (saves the Hessian products of Hutchinson).
  bool estimate_every_step = true;

  Accumulation accumulation() const noexcept;
  Estimator estimator_or_default() const noexcept;
  bool debiased() const noexcept { return rule == ScalingRule::kAdam; }
  /// True where the run must start with probe() and bootstrap(): every rule but identity under
  /// global scope, and OASIS under local scope.
  bool needs_bootstrap() const noexcept;
  friend bool operator==(const ScalingConfig&, const ScalingConfig&) = default;
};

/// kInvalid naming the field, the value and the allowed range: beta in [0, 1), floor > 0 and finite
/// (0 is allowed with kAdd), cap > floor, hutchinson_samples in 1..1000.
Result<void> validate(const ScalingConfig& config);

/// beta_t of refresh number t. Requires: t >= 1.
double beta_at(const ScalingConfig& config, std::uint64_t t);

/// How many elements of Dhat the floor and the cap decided, the last time Dhat was computed. Under
/// kAdd the floor counts where |D_i| < alpha.
struct ClipCounts {
  std::uint64_t floored = 0;
  std::uint64_t capped = 0;
  ClipCounts& operator+=(const ClipCounts& other) noexcept {
    floored += other.floored;
    capped += other.capped;
    return *this;
  }
  friend bool operator==(const ClipCounts&, const ClipCounts&) = default;
};

/// D with its rule: the averager's under global scope, a worker's under local scope.
template <class Real>
class BasicScaling {
 public:
  /// Accumulator zero, t = 0. Requires: validate(config).
  BasicScaling(ScalingConfig config, std::size_t dim);

  const ScalingConfig& config() const noexcept { return config_; }
  std::size_t dim() const noexcept { return dim_; }
  /// Number of refreshes so far.
  std::uint64_t t() const noexcept { return t_; }
  /// D^2 (sum, squared) or D (linear); empty for identity.
  std::span<const Real> accumulator() const noexcept { return accumulator_; }

  /// Sets the accumulator to `moment` and t to 1. See the head of this file.
  void bootstrap(std::span<const Real> moment);
  /// One refresh by a mean of moments; t grows by one. The averager calls it once a sync.
  void absorb(std::span<const Real> moment);
  /// One refresh by an estimate H itself; t grows by one.
  void refresh(std::span<const Real> estimate);
  /// One refresh by an estimate with this beta instead of beta_t.
  void refresh(std::span<const Real> estimate, double beta_t);
  /// Writes Dhat and says how often floor and cap fired. Identity writes ones.
  ClipCounts write_dhat(std::span<Real> out) const;

  /// Takes saved state back. kInvalid when the size does not fit or a value is not finite, or is
  /// negative where the accumulator is D^2.
  Result<void> restore(std::span<const Real> accumulator, std::uint64_t t);

 private:
  ScalingConfig config_;
  std::size_t dim_;
  AlignedVector<Real> accumulator_;
  std::uint64_t t_ = 0;
};

using Scaling = BasicScaling<float>;

/// Local scope at a sync: overwrites `out` with the mean (kMean) or, by element, the value of
/// largest magnitude (kMax; the first worker's on a tie) of the workers' accumulators. Means are
/// summed in double in the given order.
/// Requires: merge is not kKeep; at least one accumulator; equal sizes.
template <class Real>
void merge_accumulators(LocalMerge merge, std::span<const std::span<const Real>> accumulators,
                        std::span<Real> out);

extern template class BasicScaling<float>;
extern template class BasicScaling<double>;

}  // namespace muster::optim
