// The kernels written for reading: the definition that the fast forms are tested against.
#include <muster/optim/kernels.h>

#include <cmath>

namespace muster::optim::kernels::reference {
namespace {

template <class Real>
Real moment_of(Accumulation accumulation, Real h) {
  return accumulation == Accumulation::kLinear ? h : h * h;
}

template <class Real>
Real absorbed(Accumulation accumulation, double beta, Real accumulator, Real moment) {
  if (accumulation == Accumulation::kSum) return accumulator + moment;
  return static_cast<Real>(beta) * accumulator + static_cast<Real>(1.0 - beta) * moment;
}

template <class Real>
Real dhat_of(Accumulation accumulation, double floor, double cap, FloorMode mode, Real accumulator,
             ClipCounts& counts) {
  const Real alpha = static_cast<Real>(floor);
  const Real gamma = static_cast<Real>(cap);
  Real d = accumulation == Accumulation::kLinear ? std::abs(accumulator) : std::sqrt(accumulator);
  if (d < alpha) ++counts.floored;
  d = mode == FloorMode::kAdd ? d + alpha : (d < alpha ? alpha : d);
  if (d > gamma) {
    ++counts.capped;
    d = gamma;
  }
  return d;
}

/// u of element i; updates m[i] when there is momentum.
template <class Real>
Real direction(const StepConstants& c, Real decayed, std::span<Real> m, std::size_t i) {
  if (m.empty()) return decayed;
  m[i] = static_cast<Real>(c.momentum) * m[i] + static_cast<Real>(1.0 - c.momentum) * decayed;
  return m[i];
}

}  // namespace

template <class Real>
void step(const StepConstants& c, Accumulation accumulation, std::span<Real> x,
          std::span<const Real> g, std::span<Real> m, std::span<const Real> dhat,
          std::span<Real> moments) {
  for (std::size_t i = 0; i < x.size(); ++i) {
    const Real decayed = g[i] + static_cast<Real>(c.weight_decay) * x[i];
    const Real u = direction(c, decayed, m, i);
    if (!moments.empty() && accumulation != Accumulation::kNone) {
      moments[i] += moment_of(accumulation, std::abs(decayed));
    }
    const Real move = static_cast<Real>(c.gamma) * u;
    x[i] = x[i] - (dhat.empty() ? move : move / dhat[i]);
  }
}

template <class Real>
ClipCounts refresh_and_step(const StepConstants& c, Accumulation accumulation, std::span<Real> x,
                            std::span<const Real> g, std::span<Real> m,
                            std::span<Real> accumulator) {
  ClipCounts counts;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const Real decayed = g[i] + static_cast<Real>(c.weight_decay) * x[i];
    const Real u = direction(c, decayed, m, i);
    accumulator[i] =
        absorbed(accumulation, c.beta, accumulator[i], moment_of(accumulation, std::abs(decayed)));
    const Real dhat = dhat_of(accumulation, c.floor, c.cap, c.floor_mode, accumulator[i], counts);
    x[i] = x[i] - static_cast<Real>(c.gamma) * u / dhat;
  }
  return counts;
}

template <class Real>
ClipCounts step_by_accumulator(const StepConstants& c, Accumulation accumulation, std::span<Real> x,
                               std::span<const Real> g, std::span<Real> m,
                               std::span<const Real> accumulator) {
  ClipCounts counts;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const Real decayed = g[i] + static_cast<Real>(c.weight_decay) * x[i];
    const Real u = direction(c, decayed, m, i);
    const Real dhat = dhat_of(accumulation, c.floor, c.cap, c.floor_mode, accumulator[i], counts);
    x[i] = x[i] - static_cast<Real>(c.gamma) * u / dhat;
  }
  return counts;
}

template <class Real>
void refresh(Accumulation accumulation, double beta, std::span<const Real> h,
             std::span<Real> accumulator) {
  if (accumulation == Accumulation::kNone) return;
  for (std::size_t i = 0; i < h.size(); ++i) {
    accumulator[i] = absorbed(accumulation, beta, accumulator[i], moment_of(accumulation, h[i]));
  }
}

template <class Real>
void absorb(Accumulation accumulation, double beta, std::span<const Real> moment,
            std::span<Real> accumulator) {
  if (accumulation == Accumulation::kNone) return;
  for (std::size_t i = 0; i < moment.size(); ++i) {
    accumulator[i] = absorbed(accumulation, beta, accumulator[i], moment[i]);
  }
}

template <class Real>
void accumulate(Accumulation accumulation, std::span<const Real> h, std::span<Real> moments) {
  if (accumulation == Accumulation::kNone) return;
  for (std::size_t i = 0; i < h.size(); ++i) moments[i] += moment_of(accumulation, h[i]);
}

template <class Real>
ClipCounts write_dhat(Accumulation accumulation, double floor, double cap, FloorMode mode,
                      std::span<const Real> accumulator, std::span<Real> out) {
  ClipCounts counts;
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = dhat_of(accumulation, floor, cap, mode, accumulator[i], counts);
  }
  return counts;
}

template <class Real>
void weighted_mean(std::span<const std::span<const Real>> inputs, std::span<const double> weights,
                   std::span<Real> out) {
  double total = weights[0];
  for (std::size_t k = 1; k < weights.size(); ++k) total += weights[k];
  for (std::size_t i = 0; i < out.size(); ++i) {
    double sum = weights[0] * static_cast<double>(inputs[0][i]);
    for (std::size_t k = 1; k < inputs.size(); ++k) {
      sum += weights[k] * static_cast<double>(inputs[k][i]);
    }
    out[i] = static_cast<Real>(sum / total);
  }
}

template <class Real>
void add_scaled(Real a, std::span<const Real> x, std::span<Real> y) {
  for (std::size_t i = 0; i < y.size(); ++i) y[i] = y[i] + a * x[i];
}

template <class Real>
void scale(Real a, std::span<Real> y) {
  for (Real& v : y) v = a * v;
}

template <class Real>
void add_product(std::span<const Real> v, std::span<const Real> w, std::span<Real> out) {
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = out[i] + v[i] * w[i];
}

template <class Real>
double squared_norm(std::span<const Real> x) {
  std::array<double, 8> lanes{};
  for (std::size_t i = 0; i < x.size(); ++i) {
    lanes[i % 8] += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  }
  double sum = 0;
  for (double lane : lanes) sum += lane;
  return sum;
}

template <class Real>
double squared_distance(std::span<const Real> x, std::span<const Real> y) {
  std::array<double, 8> lanes{};
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double v = static_cast<double>(x[i]) - static_cast<double>(y[i]);
    lanes[i % 8] += v * v;
  }
  double sum = 0;
  for (double lane : lanes) sum += lane;
  return sum;
}

template <class Real>
std::size_t first_nonfinite(std::span<const Real> x) {
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!std::isfinite(x[i])) return i;
  }
  return x.size();
}

#include "optim/kernels/instantiate.inc"

}  // namespace muster::optim::kernels::reference
