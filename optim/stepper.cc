#include <fmt/format.h>
#include <muster/optim/kernels.h>
#include <muster/optim/stepper.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace muster::optim {
namespace {

/// Averages `values` over every block, in double.
template <class Real>
void average_blocks(std::span<const BlockSegment> segments, std::span<Real> values) {
  for (const BlockSegment& segment : segments) {
    if (segment.size == 1) continue;
    for (std::size_t k = 0; k < segment.count; ++k) {
      const auto block = values.subspan(segment.begin + k * segment.size, segment.size);
      double sum = 0;
      for (Real v : block) sum += static_cast<double>(v);
      std::fill(block.begin(), block.end(),
                static_cast<Real>(sum / static_cast<double>(segment.size)));
    }
  }
}

/// Fills `v` with +1 and -1, 64 from each draw.
template <class Real>
void draw_rademacher(Random& random, std::span<Real> v) {
  for (std::size_t begin = 0; begin < v.size(); begin += 64) {
    std::uint64_t bits = random();
    const std::size_t end = std::min(v.size(), begin + 64);
    for (std::size_t i = begin; i < end; ++i, bits >>= 1)
      v[i] = (bits & 1) != 0 ? Real{1} : Real{-1};
  }
}

/// Separates a worker's stream of Rademacher vectors from the stream that orders its samples.
constexpr std::uint64_t kDirectionStream = 0x6469'7265'6374'696fULL;

}  // namespace

Result<void> validate(const StepperConfig& config) {
  if (config.batch == 0)
    return fail(ErrorCode::kInvalid, "batch = 0 is out of range: allowed 1 or more");
  if (!(config.momentum >= 0 && config.momentum < 1)) {
    return fail(
        ErrorCode::kInvalid,
        fmt::format("momentum = {} is out of range: allowed 0 to less than 1", config.momentum));
  }
  if (!(config.weight_decay >= 0) || !std::isfinite(config.weight_decay)) {
    return fail(ErrorCode::kInvalid,
                fmt::format("weight_decay = {} is out of range: allowed 0 or more, finite",
                            config.weight_decay));
  }
  return validate(config.scaling);
}

template <class Real>
Result<BasicLocalStepper<Real>> BasicLocalStepper<Real>::create(
    std::shared_ptr<BasicObjective<Real>> objective, StepperConfig config,
    std::vector<std::uint32_t> samples, std::uint64_t seed, std::uint32_t worker) {
  MUSTER_CHECK(objective != nullptr);
  if (auto valid = validate(config); !valid) return fail(std::move(valid.error()));
  if (samples.empty()) {
    return fail(ErrorCode::kInvalid, fmt::format("worker {} has no samples", worker));
  }
  const std::size_t count = objective->sample_count();
  for (std::uint32_t sample : samples) {
    if (sample >= count) {
      return fail(ErrorCode::kInvalid,
                  fmt::format("worker {}: sample {} is out of range: allowed 0 to {}", worker,
                              sample, static_cast<std::int64_t>(count) - 1));
    }
  }
  const std::size_t dim = objective->dim();
  const bool scaled = config.scaling.rule != ScalingRule::kIdentity;
  BasicLocalStepper stepper;
  stepper.config_ = config;
  stepper.cursor_ = BatchCursor(std::move(samples), seed, worker);
  if (config.scaling.estimator_or_default() == Estimator::kHutchinsonBlock) {
    stepper.blocks_ = objective->blocks();
  }
  stepper.objective_ = std::move(objective);
  stepper.gradient_.resize(dim);
  stepper.replica_.params.resize(dim);
  if (config.momentum > 0) stepper.replica_.momentum.resize(dim);
  if (scaled) {
    (stepper.global() ? stepper.replica_.moments : stepper.replica_.accumulator).resize(dim);
  }
  stepper.replica_.random = Random(mix_seed(mix_seed(seed, worker), kDirectionStream));
  return stepper;
}

template <class Real>
tl::unexpected<Error> BasicLocalStepper<Real>::not_finite(const char* what) const {
  return fail(ErrorCode::kInvalid, fmt::format("local step {}: {}", replica_.steps + 1, what));
}

namespace {

/// The sign of a NaN means nothing and differs between processors.
double without_nan_sign(double value) {
  return std::isnan(value) ? std::numeric_limits<double>::quiet_NaN() : value;
}

}  // namespace

template <class Real>
Result<double> BasicLocalStepper<Real>::measure(Batch batch) {
  const double loss = objective_->loss_and_gradient(replica_.params, batch, gradient_);
  if (!std::isfinite(loss))
    return not_finite(fmt::format("the loss is {}", without_nan_sign(loss)).c_str());
  const std::size_t bad = kernels::first_nonfinite<Real>(gradient_);
  if (bad != gradient_.size()) {
    return not_finite(fmt::format("gradient element {} is {}", bad,
                                  without_nan_sign(static_cast<double>(gradient_[bad])))
                          .c_str());
  }
  return loss;
}

template <class Real>
Result<void> BasicLocalStepper<Real>::estimate(Batch batch) {
  estimate_.assign(dim(), Real{0});
  direction_.resize(dim());
  product_.resize(dim());
  for (std::uint32_t k = 0; k < config_.scaling.hutchinson_samples; ++k) {
    draw_rademacher<Real>(replica_.random, direction_);
    objective_->hessian_vector_product(replica_.params, batch, direction_, product_);
    kernels::add_product<Real>(direction_, product_, estimate_);
  }
  const Real samples = static_cast<Real>(config_.scaling.hutchinson_samples);
  const Real decay = static_cast<Real>(config_.weight_decay);
  for (Real& h : estimate_) h = h / samples + decay;
  average_blocks<Real>(blocks_, estimate_);
  const std::size_t bad = kernels::first_nonfinite<Real>(estimate_);
  if (bad != estimate_.size()) {
    return not_finite(
        fmt::format("Hessian estimate element {} is {}", bad, estimate_[bad]).c_str());
  }
  return {};
}

template <class Real>
void BasicLocalStepper<Real>::add_moment(std::span<const Real> estimate) {
  if (replica_.moments.empty()) replica_.moments.resize(dim());
  kernels::accumulate<Real>(config_.scaling.accumulation(), estimate, replica_.moments);
  ++replica_.moment_count;
}

template <class Real>
Result<StepReport> BasicLocalStepper<Real>::step(double gamma) {
  const ScalingConfig& scaling = config_.scaling;
  const bool scaled = scaling.rule != ScalingRule::kIdentity;
  if (scaled && global()) {
    MUSTER_CHECK(!replica_.dhat.empty(), "set_dhat must come before step");
  } else if (scaling.needs_bootstrap()) {
    MUSTER_CHECK(replica_.refreshes > 0, "bootstrap must come before step");
  }
  const Batch batch = cursor_.next(config_.batch);
  replica_.cursor = cursor_.position();
  const Result<double> loss = measure(batch);
  if (!loss) return fail(loss.error());
  const bool hutchinson = scaled && scaling.estimator_or_default() != Estimator::kGradient &&
                          (!global() || scaling.estimate_every_step);
  if (hutchinson) {
    if (auto done = estimate(batch); !done) return fail(std::move(done.error()));
  }
  return move(gamma, *loss, hutchinson);
}

template <class Real>
StepReport BasicLocalStepper<Real>::move(double gamma, double loss, bool hutchinson) {
  const ScalingConfig& scaling = config_.scaling;
  const Accumulation accumulation = scaling.accumulation();
  BasicReplica<Real>& r = replica_;
  ++r.steps;
  if (config_.momentum > 0) ++r.momentum_steps;
  const double correction =
      config_.momentum > 0 && config_.debias_momentum
          ? 1.0 - std::pow(config_.momentum, static_cast<double>(r.momentum_steps))
          : 1.0;
  kernels::StepConstants constants{.gamma = gamma / correction,
                                   .momentum = config_.momentum,
                                   .weight_decay = config_.weight_decay,
                                   .beta = 0,
                                   .floor = scaling.floor,
                                   .cap = scaling.cap,
                                   .floor_mode = scaling.floor_mode};
  StepReport report{loss, {}};
  if (accumulation == Accumulation::kNone || global()) {
    const bool gradient = accumulation != Accumulation::kNone && scaling.estimate_every_step &&
                          !hutchinson && scaling.estimator_or_default() == Estimator::kGradient;
    if (hutchinson) add_moment(estimate_);
    if (gradient) ++r.moment_count;
    kernels::step<Real>(constants, accumulation, r.params, gradient_, r.momentum, r.dhat,
                        gradient ? std::span<Real>(r.moments) : std::span<Real>());
    return report;
  }
  constants.beta = beta_at(scaling, ++r.refreshes);
  if (hutchinson) {
    kernels::refresh<Real>(accumulation, constants.beta, estimate_, r.accumulator);
    report.clips = kernels::step_by_accumulator<Real>(constants, accumulation, r.params, gradient_,
                                                      r.momentum, r.accumulator);
  } else {
    report.clips = kernels::refresh_and_step<Real>(constants, accumulation, r.params, gradient_,
                                                   r.momentum, r.accumulator);
  }
  return report;
}

template <class Real>
Result<double> BasicLocalStepper<Real>::probe(std::size_t batches) {
  MUSTER_CHECK(batches > 0);
  const ScalingConfig& scaling = config_.scaling;
  double sum = 0;
  for (std::size_t k = 0; k < batches; ++k) {
    const Batch batch = cursor_.next(config_.batch);
    replica_.cursor = cursor_.position();
    const Result<double> loss = measure(batch);
    if (!loss) return loss;
    sum += *loss;
    if (scaling.rule == ScalingRule::kIdentity) continue;
    if (scaling.estimator_or_default() != Estimator::kGradient) {
      if (auto done = estimate(batch); !done) return fail(std::move(done.error()));
      add_moment(estimate_);
      continue;
    }
    kernels::add_scaled<Real>(static_cast<Real>(config_.weight_decay), replica_.params, gradient_);
    if (scaling.accumulation() == Accumulation::kLinear) {
      for (Real& g : gradient_) g = std::abs(g);
    }
    add_moment(gradient_);
  }
  return sum / static_cast<double>(batches);
}

template <class Real>
void BasicLocalStepper<Real>::set_params(std::span<const Real> x) {
  MUSTER_CHECK(x.size() == dim(), x.size(), dim());
  std::copy(x.begin(), x.end(), replica_.params.begin());
}

template <class Real>
void BasicLocalStepper<Real>::set_dhat(std::span<const Real> dhat) {
  MUSTER_CHECK(dhat.size() == dim(), dhat.size(), dim());
  MUSTER_CHECK(global(), "set_dhat is for global scope");
  Real low = dim() == 0 ? Real{1} : dhat[0];
  for (Real d : dhat) low = d < low ? d : low;
  MUSTER_CHECK(low > 0 && kernels::first_nonfinite<Real>(dhat) == dim(), low);
  replica_.dhat.assign(dhat.begin(), dhat.end());
}

template <class Real>
void BasicLocalStepper<Real>::take_contribution(std::span<Real> out) {
  MUSTER_CHECK(replica_.moment_count > 0);
  MUSTER_CHECK(out.size() == dim(), out.size(), dim());
  const Real count = static_cast<Real>(replica_.moment_count);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = replica_.moments[i] / count;
  std::fill(replica_.moments.begin(), replica_.moments.end(), Real{0});
  replica_.moment_count = 0;
}

template <class Real>
void BasicLocalStepper<Real>::set_accumulator(std::span<const Real> accumulator) {
  MUSTER_CHECK(accumulator.size() == replica_.accumulator.size(), accumulator.size(),
               replica_.accumulator.size());
  std::copy(accumulator.begin(), accumulator.end(), replica_.accumulator.begin());
}

template <class Real>
void BasicLocalStepper<Real>::bootstrap() {
  MUSTER_CHECK(!replica_.accumulator.empty(), "bootstrap is for scaling of local scope");
  take_contribution(replica_.accumulator);
  replica_.moments.clear();
  replica_.refreshes = 1;
}

template <class Real>
Result<void> BasicLocalStepper<Real>::restore(BasicReplica<Real> replica) {
  const auto check = [&](const char* name, std::size_t found,
                         std::size_t expected) -> Result<void> {
    if (found == expected) return {};
    return fail(ErrorCode::kInvalid,
                fmt::format("replica: {} has size {}, expected {}", name, found, expected));
  };
  // dhat and moments of global scope, and moments of a local one, come and go: empty or whole.
  const auto whole_or_none = [&](std::size_t found) { return found == 0 ? std::size_t{0} : dim(); };
  const bool scaled = config_.scaling.rule != ScalingRule::kIdentity;
  for (const auto& done :
       {check("params", replica.params.size(), dim()),
        check("momentum", replica.momentum.size(), config_.momentum > 0 ? dim() : 0),
        check("accumulator", replica.accumulator.size(), scaled && !global() ? dim() : 0),
        check("dhat", replica.dhat.size(), whole_or_none(replica.dhat.size())),
        check("moments", replica.moments.size(),
              scaled && global() ? dim() : whole_or_none(replica.moments.size()))}) {
    if (!done) return done;
  }
  if (auto done = cursor_.seek(replica.cursor); !done) return done;
  replica_ = std::move(replica);
  return {};
}

template class BasicLocalStepper<float>;
template class BasicLocalStepper<double>;

}  // namespace muster::optim
