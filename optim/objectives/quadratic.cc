// Quadratic objective with exact constants.
#include <muster/optim/objectives.h>
#include <muster/random.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

namespace muster::optim {
namespace {

using MatrixF64 = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using VectorF64 = Eigen::Matrix<double, Eigen::Dynamic, 1>;

template <class Real>
MatrixF64 widen(const std::vector<Real>& a, std::size_t d) {
  MatrixF64 wide(static_cast<Eigen::Index>(d), static_cast<Eigen::Index>(d));
  for (std::size_t i = 0; i < a.size(); ++i) wide.data()[i] = static_cast<double>(a[i]);
  return wide;
}

}  // namespace

template <class Real>
struct BasicQuadratic<Real>::Impl {
  Spec spec;
  std::size_t dim = 0;
  bool diagonal = true;
  double largest = 0;
  double smallest = 0;
  AlignedVector<Real> product;  // A x
  std::vector<double> noise;    // mean of the batch's xi

  void multiply(std::span<const Real> x, std::span<Real> out) const {
    if (diagonal) {
      for (std::size_t i = 0; i < dim; ++i) out[i] = spec.a[i] * x[i];
      return;
    }
    for (std::size_t i = 0; i < dim; ++i) {
      Real sum = 0;
      for (std::size_t j = 0; j < dim; ++j) sum += spec.a[i * dim + j] * x[j];
      out[i] = sum;
    }
  }

  /// f(x); leaves A x in `product`.
  double value(std::span<const Real> x) {
    multiply(x, product);
    double sum = 0;
    for (std::size_t i = 0; i < dim; ++i) {
      sum += static_cast<double>(x[i]) *
             (0.5 * static_cast<double>(product[i]) - static_cast<double>(spec.b[i]));
    }
    return sum;
  }

  void average_noise(Batch batch) {
    std::fill(noise.begin(), noise.end(), 0.0);
    if (spec.sigma == 0) return;
    for (std::uint32_t sample : batch) {
      Random random(mix_seed(spec.seed, sample));
      for (double& v : noise) v += random.normal();
    }
    const double share =
        spec.sigma / std::sqrt(static_cast<double>(dim)) / static_cast<double>(batch.size());
    for (double& v : noise) v *= share;
  }

  void find_spectrum() {
    if (diagonal) {
      const auto [low, high] = std::minmax_element(spec.a.begin(), spec.a.end());
      smallest = static_cast<double>(*low);
      largest = static_cast<double>(*high);
      return;
    }
    const Eigen::SelfAdjointEigenSolver<MatrixF64> solver(widen(spec.a, dim),
                                                          Eigen::EigenvaluesOnly);
    smallest = solver.eigenvalues().minCoeff();
    largest = solver.eigenvalues().maxCoeff();
  }
};

template <class Real>
BasicQuadratic<Real>::BasicQuadratic(Spec spec) : impl_(std::make_unique<Impl>()) {
  const std::size_t d = spec.b.size();
  MUSTER_CHECK(d > 0);
  MUSTER_CHECK(spec.a.size() == d || spec.a.size() == d * d, spec.a.size(), d);
  MUSTER_CHECK(spec.start.empty() || spec.start.size() == d, spec.start.size(), d);
  MUSTER_CHECK(spec.samples > 0 && spec.sigma >= 0, spec.samples, spec.sigma);
  impl_->dim = d;
  impl_->diagonal = spec.a.size() == d;
  impl_->product.resize(d);
  impl_->noise.resize(d);
  impl_->spec = std::move(spec);
  impl_->find_spectrum();
  MUSTER_CHECK(impl_->smallest > 0, impl_->smallest);
}

template <class Real>
BasicQuadratic<Real>::~BasicQuadratic() = default;

template <class Real>
std::size_t BasicQuadratic<Real>::dim() const {
  return impl_->dim;
}

template <class Real>
std::size_t BasicQuadratic<Real>::sample_count() const {
  return impl_->spec.samples;
}

template <class Real>
double BasicQuadratic<Real>::loss_and_gradient(std::span<const Real> x, Batch batch,
                                               std::span<Real> gradient) {
  MUSTER_CHECK(x.size() == dim() && gradient.size() == dim(), x.size(), gradient.size(), dim());
  MUSTER_CHECK(!batch.empty());
  double loss = impl_->value(x);
  impl_->average_noise(batch);
  for (std::size_t i = 0; i < x.size(); ++i) {
    loss += impl_->noise[i] * static_cast<double>(x[i]);
    gradient[i] = impl_->product[i] - impl_->spec.b[i] + static_cast<Real>(impl_->noise[i]);
  }
  return loss;
}

template <class Real>
void BasicQuadratic<Real>::hessian_vector_product(std::span<const Real> x, Batch,
                                                  std::span<const Real> v, std::span<Real> out) {
  MUSTER_CHECK(x.size() == dim() && v.size() == dim() && out.size() == dim(), x.size(), v.size(),
               out.size(), dim());
  impl_->multiply(v, out);
}

template <class Real>
std::optional<Evaluation> BasicQuadratic<Real>::evaluate(std::span<const Real> x) {
  MUSTER_CHECK(x.size() == dim(), x.size(), dim());
  return Evaluation{impl_->value(x), std::nullopt, 0};
}

template <class Real>
void BasicQuadratic<Real>::initial_parameters(std::uint64_t, std::span<Real> x) const {
  MUSTER_CHECK(x.size() == dim(), x.size(), dim());
  const std::vector<Real>& start = impl_->spec.start;
  if (start.empty()) {
    std::fill(x.begin(), x.end(), Real{0});
  } else {
    std::copy(start.begin(), start.end(), x.begin());
  }
}

template <class Real>
double BasicQuadratic<Real>::smoothness() const {
  return impl_->largest;
}

template <class Real>
double BasicQuadratic<Real>::strong_convexity() const {
  return impl_->smallest;
}

template <class Real>
std::vector<Real> BasicQuadratic<Real>::minimiser() const {
  const Spec& spec = impl_->spec;
  std::vector<Real> x(impl_->dim);
  if (impl_->diagonal) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = spec.b[i] / spec.a[i];
    return x;
  }
  VectorF64 b(static_cast<Eigen::Index>(x.size()));
  for (std::size_t i = 0; i < x.size(); ++i) b.data()[i] = static_cast<double>(spec.b[i]);
  const VectorF64 solution = widen(spec.a, x.size()).llt().solve(b);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<Real>(solution.data()[i]);
  return x;
}

template class BasicQuadratic<float>;
template class BasicQuadratic<double>;

}  // namespace muster::optim
