// Logistic regression, binary and multinomial.
#include <muster/optim/objectives.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "optim/matrix/gemm.h"
#include "optim/objectives/linear_head.h"

namespace muster::optim {
namespace {

using matrix::gemm;
using matrix::Op;

constexpr std::size_t kEvaluationRows = 1000;

/// log(1 + exp(z)) without overflow.
template <class Real>
Real softplus(Real z) {
  return z > 0 ? z + std::log1p(std::exp(-z)) : std::log1p(std::exp(z));
}

/// Binary cross-entropy of scores, overwritten by P(label 1). The class is 1 where P >= 1/2.
template <class Real>
HeadResult sigmoid_cross_entropy(std::span<Real> scores, std::span<const std::uint32_t> labels) {
  HeadResult result;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const Real z = scores[i];
    result.loss += static_cast<double>(labels[i] == 1 ? softplus(-z) : softplus(z));
    if ((z >= 0) == (labels[i] == 1)) ++result.correct;
    scores[i] = z >= 0 ? 1 / (1 + std::exp(-z)) : std::exp(z) / (1 + std::exp(z));
  }
  return result;
}

}  // namespace

template <class Real>
struct BasicLogisticRegression<Real>::Impl {
  std::shared_ptr<const Dataset> train;
  std::shared_ptr<const Dataset> test;
  Real l2 = 0;
  std::size_t features = 0;
  std::size_t outputs = 0;  // 1 for the binary form

  AlignedVector<Real> inputs;
  AlignedVector<Real> scores;
  AlignedVector<Real> directions;
  std::vector<std::uint32_t> labels;
  std::vector<std::uint32_t> indices;

  std::size_t weights() const { return outputs * features; }

  void gather(const Dataset& data, Batch batch) {
    inputs.resize(batch.size() * features);
    data.gather(batch, std::span<Real>(inputs));
    labels.resize(batch.size());
    const auto all = data.labels();
    for (std::size_t i = 0; i < batch.size(); ++i) labels[i] = all[batch[i]];
  }

  /// out = inputs W' + c.
  void linear(std::span<const Real> x, AlignedVector<Real>& out) {
    const std::size_t rows = labels.size();
    out.resize(rows * outputs);
    gemm<Real>(rows, outputs, features, 1, {Op::kNone, inputs.data(), features},
               {Op::kTranspose, x.data(), features}, 0, out.data(), outputs);
    add_bias<Real>(out, x.subspan(weights(), outputs));
  }

  HeadResult head() {
    return outputs == 1 ? sigmoid_cross_entropy<Real>(scores, labels)
                        : softmax_cross_entropy<Real>(scores, outputs, labels);
  }

  /// out = delta' inputs + l2 * (the weights of x), with the intercepts' part.
  void pull_back(std::span<const Real> delta, std::span<const Real> x, std::span<Real> out) {
    const std::size_t rows = labels.size();
    gemm<Real>(outputs, features, rows, 1, {Op::kTranspose, delta.data(), outputs},
               {Op::kNone, inputs.data(), features}, 0, out.data(), features);
    sum_rows<Real>(delta, out.subspan(weights(), outputs));
    for (std::size_t i = 0; i < weights(); ++i) out[i] += l2 * x[i];
  }

  double penalty(std::span<const Real> x) const {
    double sum = 0;
    for (Real w : x.first(weights())) sum += static_cast<double>(w) * static_cast<double>(w);
    return 0.5 * static_cast<double>(l2) * sum;
  }
};

template <class Real>
BasicLogisticRegression<Real>::BasicLogisticRegression(std::shared_ptr<const Dataset> train,
                                                       std::shared_ptr<const Dataset> test,
                                                       LogisticOptions options)
    : impl_(std::make_unique<Impl>()) {
  MUSTER_CHECK(train != nullptr && train->size() > 0);
  MUSTER_CHECK(train->classes() >= 2, train->classes());
  if (test != nullptr) {
    MUSTER_CHECK(test->features() == train->features(), test->features(), train->features());
    MUSTER_CHECK(test->classes() == train->classes(), test->classes(), train->classes());
  }
  impl_->features = train->features();
  impl_->outputs = train->classes() == 2 ? 1 : train->classes();
  impl_->l2 = static_cast<Real>(options.l2);
  impl_->train = std::move(train);
  impl_->test = std::move(test);
}

template <class Real>
BasicLogisticRegression<Real>::~BasicLogisticRegression() = default;

template <class Real>
std::size_t BasicLogisticRegression<Real>::dim() const {
  return impl_->outputs * (impl_->features + 1);
}

template <class Real>
std::size_t BasicLogisticRegression<Real>::sample_count() const {
  return impl_->train->size();
}

template <class Real>
double BasicLogisticRegression<Real>::loss_and_gradient(std::span<const Real> x, Batch batch,
                                                        std::span<Real> gradient) {
  MUSTER_CHECK(x.size() == dim() && gradient.size() == dim(), x.size(), gradient.size(), dim());
  MUSTER_CHECK(!batch.empty());
  Impl& impl = *impl_;
  impl.gather(*impl.train, batch);
  impl.linear(x, impl.scores);
  const double loss = impl.head().loss / static_cast<double>(batch.size());
  const Real share = Real{1} / static_cast<Real>(batch.size());
  if (impl.outputs == 1) {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      impl.scores[i] = (impl.scores[i] - static_cast<Real>(impl.labels[i])) * share;
    }
  } else {
    softmax_gradient<Real>(impl.scores, impl.outputs, impl.labels, share);
  }
  impl.pull_back(impl.scores, x, gradient);
  return loss + impl.penalty(x);
}

template <class Real>
void BasicLogisticRegression<Real>::hessian_vector_product(std::span<const Real> x, Batch batch,
                                                           std::span<const Real> v,
                                                           std::span<Real> out) {
  MUSTER_CHECK(x.size() == dim() && v.size() == dim() && out.size() == dim(), x.size(), v.size(),
               out.size(), dim());
  MUSTER_CHECK(!batch.empty());
  Impl& impl = *impl_;
  impl.gather(*impl.train, batch);
  impl.linear(x, impl.scores);
  impl.head();
  impl.linear(v, impl.directions);
  const Real share = Real{1} / static_cast<Real>(batch.size());
  if (impl.outputs == 1) {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      impl.directions[i] *= impl.scores[i] * (1 - impl.scores[i]) * share;
    }
  } else {
    softmax_curvature<Real>(impl.scores, impl.outputs, share, impl.directions);
  }
  impl.pull_back(impl.directions, v, out);
}

template <class Real>
std::optional<Evaluation> BasicLogisticRegression<Real>::evaluate(std::span<const Real> x) {
  MUSTER_CHECK(x.size() == dim(), x.size(), dim());
  Impl& impl = *impl_;
  if (impl.test == nullptr || impl.test->size() == 0) return std::nullopt;
  const Dataset& data = *impl.test;
  HeadResult total;
  for (std::size_t begin = 0; begin < data.size(); begin += kEvaluationRows) {
    impl.indices.resize(std::min(kEvaluationRows, data.size() - begin));
    std::iota(impl.indices.begin(), impl.indices.end(), static_cast<std::uint32_t>(begin));
    impl.gather(data, impl.indices);
    impl.linear(x, impl.scores);
    const HeadResult part = impl.head();
    total.loss += part.loss;
    total.correct += part.correct;
  }
  const double count = static_cast<double>(data.size());
  return Evaluation{total.loss / count + impl.penalty(x),
                    static_cast<double>(total.correct) / count, data.size()};
}

template <class Real>
std::vector<BlockSegment> BasicLogisticRegression<Real>::blocks() const {
  return {{0, impl_->features, impl_->outputs}, {impl_->weights(), 1, impl_->outputs}};
}

template class BasicLogisticRegression<float>;
template class BasicLogisticRegression<double>;

}  // namespace muster::optim
