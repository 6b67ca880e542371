#include <fmt/format.h>
#include <muster/optim/kernels.h>
#include <muster/optim/scaling.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <vector>

namespace muster::optim {
namespace {

template <class Enum>
struct Name {
  Enum value;
  std::string_view text;
};

constexpr Name<ScalingRule> kRules[] = {{ScalingRule::kIdentity, "identity"},
                                        {ScalingRule::kAdaGrad, "adagrad"},
                                        {ScalingRule::kRmsProp, "rmsprop"},
                                        {ScalingRule::kAdam, "adam"},
                                        {ScalingRule::kOasis, "oasis"}};
constexpr Name<Estimator> kEstimators[] = {{Estimator::kGradient, "gradient"},
                                           {Estimator::kHutchinson, "hutchinson"},
                                           {Estimator::kHutchinsonBlock, "hutchinson_block"}};
constexpr Name<FloorMode> kFloorModes[] = {{FloorMode::kMax, "max"}, {FloorMode::kAdd, "add"}};
constexpr Name<ScalingScope> kScopes[] = {{ScalingScope::kGlobal, "global"},
                                          {ScalingScope::kLocal, "local"}};
constexpr Name<LocalMerge> kMerges[] = {
    {LocalMerge::kKeep, "keep"}, {LocalMerge::kMean, "mean"}, {LocalMerge::kMax, "max"}};

template <class Enum, std::size_t kCount>
std::string_view name_of(const Name<Enum> (&names)[kCount], Enum value) noexcept {
  for (const auto& name : names) {
    if (name.value == value) return name.text;
  }
  return "unknown";
}

template <class Enum, std::size_t kCount>
std::optional<Enum> value_of(const Name<Enum> (&names)[kCount], std::string_view text) noexcept {
  for (const auto& name : names) {
    if (name.text == text) return name.value;
  }
  return std::nullopt;
}

template <class Value>
tl::unexpected<Error> out_of_range(const char* field, Value value, std::string allowed) {
  return fail(ErrorCode::kInvalid,
              fmt::format("{} = {} is out of range: allowed {}", field, value, allowed));
}

}  // namespace

std::string_view to_string(ScalingRule v) noexcept {
  return name_of(kRules, v);
}
std::string_view to_string(Estimator v) noexcept {
  return name_of(kEstimators, v);
}
std::string_view to_string(FloorMode v) noexcept {
  return name_of(kFloorModes, v);
}
std::string_view to_string(ScalingScope v) noexcept {
  return name_of(kScopes, v);
}
std::string_view to_string(LocalMerge v) noexcept {
  return name_of(kMerges, v);
}
std::optional<ScalingRule> parse_scaling_rule(std::string_view text) noexcept {
  return value_of(kRules, text);
}
std::optional<Estimator> parse_estimator(std::string_view text) noexcept {
  return value_of(kEstimators, text);
}
std::optional<FloorMode> parse_floor_mode(std::string_view text) noexcept {
  return value_of(kFloorModes, text);
}
std::optional<ScalingScope> parse_scaling_scope(std::string_view text) noexcept {
  return value_of(kScopes, text);
}
std::optional<LocalMerge> parse_local_merge(std::string_view text) noexcept {
  return value_of(kMerges, text);
}

Accumulation ScalingConfig::accumulation() const noexcept {
  switch (rule) {
    case ScalingRule::kIdentity:
      return Accumulation::kNone;
    case ScalingRule::kAdaGrad:
      return Accumulation::kSum;
    case ScalingRule::kRmsProp:
    case ScalingRule::kAdam:
      return Accumulation::kSquared;
    case ScalingRule::kOasis:
      return Accumulation::kLinear;
  }
  return Accumulation::kNone;
}

Estimator ScalingConfig::estimator_or_default() const noexcept {
  if (estimator) return *estimator;
  return rule == ScalingRule::kOasis ? Estimator::kHutchinson : Estimator::kGradient;
}

bool ScalingConfig::needs_bootstrap() const noexcept {
  if (rule == ScalingRule::kIdentity) return false;
  return scope == ScalingScope::kGlobal || rule == ScalingRule::kOasis;
}

Result<void> validate(const ScalingConfig& config) {
  if (!(config.beta >= 0 && config.beta < 1)) {
    return out_of_range("beta", config.beta, "0 to less than 1");
  }
  const bool zero_floor = config.floor == 0 && config.floor_mode == FloorMode::kAdd;
  if (!(config.floor > 0 || zero_floor) || !std::isfinite(config.floor)) {
    return out_of_range("floor", config.floor, "more than 0, finite");
  }
  if (!(config.cap > config.floor)) {
    return out_of_range("cap", config.cap, fmt::format("more than floor = {}", config.floor));
  }
  constexpr std::uint32_t kSamplesMax = 1000;
  if (config.hutchinson_samples < 1 || config.hutchinson_samples > kSamplesMax) {
    return out_of_range("hutchinson_samples", config.hutchinson_samples, "1 to 1000");
  }
  return {};
}

double beta_at(const ScalingConfig& config, std::uint64_t t) {
  MUSTER_CHECK(t >= 1, t);
  if (!config.debiased()) return config.beta;
  const double power = std::pow(config.beta, static_cast<double>(t));
  return (config.beta - power) / (1.0 - power);
}

template <class Real>
BasicScaling<Real>::BasicScaling(ScalingConfig config, std::size_t dim)
    : config_(config), dim_(dim) {
  const Result<void> valid = validate(config);
  MUSTER_CHECK(valid.has_value(), valid ? "" : valid.error().message);
  if (config.accumulation() != Accumulation::kNone) accumulator_.assign(dim, Real{0});
}

template <class Real>
void BasicScaling<Real>::bootstrap(std::span<const Real> moment) {
  MUSTER_CHECK(moment.size() == dim_, moment.size(), dim_);
  if (!accumulator_.empty()) std::copy(moment.begin(), moment.end(), accumulator_.begin());
  t_ = 1;
}

template <class Real>
void BasicScaling<Real>::absorb(std::span<const Real> moment) {
  MUSTER_CHECK(moment.size() == dim_, moment.size(), dim_);
  ++t_;
  if (accumulator_.empty()) return;
  kernels::absorb<Real>(config_.accumulation(), beta_at(config_, t_), moment, accumulator_);
}

template <class Real>
void BasicScaling<Real>::refresh(std::span<const Real> estimate) {
  refresh(estimate, beta_at(config_, t_ + 1));
}

template <class Real>
void BasicScaling<Real>::refresh(std::span<const Real> estimate, double beta_t) {
  MUSTER_CHECK(estimate.size() == dim_, estimate.size(), dim_);
  MUSTER_CHECK(beta_t >= 0 && beta_t < 1, beta_t);
  ++t_;
  if (accumulator_.empty()) return;
  kernels::refresh<Real>(config_.accumulation(), beta_t, estimate, accumulator_);
}

template <class Real>
ClipCounts BasicScaling<Real>::write_dhat(std::span<Real> out) const {
  MUSTER_CHECK(out.size() == dim_, out.size(), dim_);
  if (config_.accumulation() == Accumulation::kNone) {
    std::fill(out.begin(), out.end(), Real{1});
    return {};
  }
  return kernels::write_dhat<Real>(config_.accumulation(), config_.floor, config_.cap,
                                   config_.floor_mode, accumulator_, out);
}

template <class Real>
Result<void> BasicScaling<Real>::restore(std::span<const Real> accumulator, std::uint64_t t) {
  if (accumulator.size() != accumulator_.size()) {
    return fail(ErrorCode::kInvalid, fmt::format("scaling state: found {} numbers, expected {}",
                                                 accumulator.size(), accumulator_.size()));
  }
  const bool squared = config_.accumulation() != Accumulation::kLinear;
  for (std::size_t i = 0; i < accumulator.size(); ++i) {
    if (!std::isfinite(accumulator[i]) || (squared && accumulator[i] < 0)) {
      return fail(ErrorCode::kInvalid,
                  fmt::format("scaling state: element {} is {}, expected a finite number{}", i,
                              accumulator[i], squared ? " of at least 0" : ""));
    }
  }
  std::copy(accumulator.begin(), accumulator.end(), accumulator_.begin());
  t_ = t;
  return {};
}

template <class Real>
void merge_accumulators(LocalMerge merge, std::span<const std::span<const Real>> accumulators,
                        std::span<Real> out) {
  MUSTER_CHECK(merge != LocalMerge::kKeep);
  MUSTER_CHECK(!accumulators.empty());
  if (merge == LocalMerge::kMean) {
    const std::vector<double> weights(accumulators.size(), 1.0);
    kernels::weighted_mean<Real>(accumulators, weights, out);
    return;
  }
  for (const auto& one : accumulators)
    MUSTER_CHECK(one.size() == out.size(), one.size(), out.size());
  std::copy(accumulators[0].begin(), accumulators[0].end(), out.begin());
  for (const auto& one : accumulators.subspan(1)) {
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (std::abs(one[i]) > std::abs(out[i])) out[i] = one[i];
    }
  }
}

template class BasicScaling<float>;
template class BasicScaling<double>;
template void merge_accumulators(LocalMerge, std::span<const std::span<const float>>,
                                 std::span<float>);
template void merge_accumulators(LocalMerge, std::span<const std::span<const double>>,
                                 std::span<double>);

}  // namespace muster::optim
