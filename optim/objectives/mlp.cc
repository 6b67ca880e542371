// Multi-layer perceptron: exact gradient by back-propagation, exact Hessian-vector product by the
// R-operator (Pearlmutter 1994), both as a handful of matrix products a layer.
#include <muster/optim/objectives.h>
#include <muster/random.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "optim/matrix/gemm.h"
#include "optim/objectives/linear_head.h"

namespace muster::optim {
namespace {

using matrix::gemm;
using matrix::Op;

constexpr std::size_t kEvaluationRows = 1000;  // rows a pass; bounds the workspace

/// Where a layer's weights (outputs x inputs) and biases lie in the flat vector.
struct Layer {
  std::size_t inputs;
  std::size_t outputs;
  std::size_t weights;
  std::size_t biases;
};

std::vector<Layer> lay_out(std::span<const std::size_t> sizes) {
  std::vector<Layer> layers;
  std::size_t at = 0;
  for (std::size_t l = 0; l + 1 < sizes.size(); ++l) {
    const Layer layer{sizes[l], sizes[l + 1], at, at + sizes[l] * sizes[l + 1]};
    at = layer.biases + layer.outputs;
    layers.push_back(layer);
  }
  return layers;
}

}  // namespace

std::size_t mlp_dim(std::span<const std::size_t> layers) {
  std::size_t dim = 0;
  for (std::size_t l = 0; l + 1 < layers.size(); ++l) dim += (layers[l] + 1) * layers[l + 1];
  return dim;
}

template <class Real>
struct BasicMlp<Real>::Impl {
  using Matrix = AlignedVector<Real>;  // rows x width, row-major

  std::vector<std::size_t> sizes;
  std::vector<Layer> layers;
  std::size_t dim = 0;
  std::shared_ptr<const Dataset> train;
  std::shared_ptr<const Dataset> test;

  // Workspace. activations[0] is the batch, activations[l] what layer l - 1 put out.
  std::vector<Matrix> activations;
  std::vector<Matrix> deltas;         // deltas[l]: derivative of the loss by layer l's scores
  std::vector<Matrix> activations_r;  // their directional derivatives
  std::vector<Matrix> deltas_r;
  std::vector<std::uint32_t> labels;
  std::vector<std::uint32_t> indices;

  static std::span<Real> rows_of(Matrix& matrix, std::size_t count) {
    if (matrix.size() < count) matrix.resize(count);
    return std::span<Real>(matrix).first(count);
  }

  void gather(const Dataset& data, Batch batch) {
    data.gather(batch, rows_of(activations[0], batch.size() * sizes[0]));
    labels.resize(batch.size());
    const auto all = data.labels();
    for (std::size_t i = 0; i < batch.size(); ++i) labels[i] = all[batch[i]];
  }

  /// Scores of the last layer, with every activation on the way. Requires: gather() came first.
  std::span<Real> forward(std::span<const Real> x, std::size_t rows) {
    for (std::size_t l = 0; l < layers.size(); ++l) {
      const Layer& layer = layers[l];
      const std::span<Real> out = rows_of(activations[l + 1], rows * layer.outputs);
      gemm<Real>(
          rows, layer.outputs, layer.inputs, 1, {Op::kNone, activations[l].data(), layer.inputs},
          {Op::kTranspose, x.data() + layer.weights, layer.inputs}, 0, out.data(), layer.outputs);
      const std::span<const Real> bias = x.subspan(layer.biases, layer.outputs);
      l + 1 < layers.size() ? add_bias_relu(out, bias) : add_bias(out, bias);
    }
    return rows_of(activations.back(), rows * sizes.back());
  }

  /// deltas of every layer from that of the last; with `gradient`, the gradient too.
  void backward(std::span<const Real> x, std::size_t rows, std::span<Real> gradient) {
    for (std::size_t l = layers.size(); l-- > 0;) {
      const Layer& layer = layers[l];
      const std::span<Real> delta = rows_of(deltas[l], rows * layer.outputs);
      if (!gradient.empty()) {
        gemm<Real>(layer.outputs, layer.inputs, rows, 1,
                   {Op::kTranspose, delta.data(), layer.outputs},
                   {Op::kNone, activations[l].data(), layer.inputs}, 0,
                   gradient.data() + layer.weights, layer.inputs);
        sum_rows<Real>(delta, gradient.subspan(layer.biases, layer.outputs));
      }
      if (l == 0) break;
      const std::span<Real> below = rows_of(deltas[l - 1], rows * layer.inputs);
      gemm<Real>(rows, layer.inputs, layer.outputs, 1, {Op::kNone, delta.data(), layer.outputs},
                 {Op::kNone, x.data() + layer.weights, layer.inputs}, 0, below.data(),
                 layer.inputs);
      mask_relu<Real>(std::span<const Real>(activations[l]).first(below.size()), below);
    }
  }

  double forward_loss(std::span<const Real> x, Batch batch) {
    gather(*train, batch);
    const std::span<Real> scores = forward(x, batch.size());
    return softmax_cross_entropy<Real>(scores, sizes.back(), labels).loss /
           static_cast<double>(batch.size());
  }

  /// deltas.back() from the probabilities in activations.back().
  void seed_delta(std::size_t rows) {
    const std::span<Real> p = rows_of(activations.back(), rows * sizes.back());
    const std::span<Real> delta = rows_of(deltas.back(), p.size());
    std::copy(p.begin(), p.end(), delta.begin());
    softmax_gradient<Real>(delta, sizes.back(), labels, Real{1} / static_cast<Real>(rows));
  }

  /// activations_r[l + 1]: derivative of activations[l + 1] as x moves along v.
  void forward_r(std::span<const Real> x, std::span<const Real> v, std::size_t rows) {
    for (std::size_t l = 0; l < layers.size(); ++l) {
      const Layer& layer = layers[l];
      const std::span<Real> out = rows_of(activations_r[l + 1], rows * layer.outputs);
      gemm<Real>(
          rows, layer.outputs, layer.inputs, 1, {Op::kNone, activations[l].data(), layer.inputs},
          {Op::kTranspose, v.data() + layer.weights, layer.inputs}, 0, out.data(), layer.outputs);
      if (l > 0) {
        gemm<Real>(rows, layer.outputs, layer.inputs, 1,
                   {Op::kNone, activations_r[l].data(), layer.inputs},
                   {Op::kTranspose, x.data() + layer.weights, layer.inputs}, 1, out.data(),
                   layer.outputs);
      }
      add_bias<Real>(out, v.subspan(layer.biases, layer.outputs));
      if (l + 1 < layers.size()) {
        mask_relu<Real>(std::span<const Real>(activations[l + 1]).first(out.size()), out);
      }
    }
  }

  /// out: derivative of the gradient as x moves along v. Requires: forward_r and backward's deltas.
  void backward_r(std::span<const Real> x, std::span<const Real> v, std::size_t rows,
                  std::span<Real> out) {
    for (std::size_t l = layers.size(); l-- > 0;) {
      const Layer& layer = layers[l];
      const std::span<Real> delta_r = rows_of(deltas_r[l], rows * layer.outputs);
      Real* weights = out.data() + layer.weights;
      gemm<Real>(layer.outputs, layer.inputs, rows, 1,
                 {Op::kTranspose, delta_r.data(), layer.outputs},
                 {Op::kNone, activations[l].data(), layer.inputs}, 0, weights, layer.inputs);
      sum_rows<Real>(delta_r, out.subspan(layer.biases, layer.outputs));
      if (l == 0) break;
      gemm<Real>(layer.outputs, layer.inputs, rows, 1,
                 {Op::kTranspose, deltas[l].data(), layer.outputs},
                 {Op::kNone, activations_r[l].data(), layer.inputs}, 1, weights, layer.inputs);
      const std::span<Real> below = rows_of(deltas_r[l - 1], rows * layer.inputs);
      gemm<Real>(rows, layer.inputs, layer.outputs, 1, {Op::kNone, delta_r.data(), layer.outputs},
                 {Op::kNone, x.data() + layer.weights, layer.inputs}, 0, below.data(),
                 layer.inputs);
      gemm<Real>(rows, layer.inputs, layer.outputs, 1, {Op::kNone, deltas[l].data(), layer.outputs},
                 {Op::kNone, v.data() + layer.weights, layer.inputs}, 1, below.data(),
                 layer.inputs);
      mask_relu<Real>(std::span<const Real>(activations[l]).first(below.size()), below);
    }
  }

  Evaluation evaluate(std::span<const Real> x, const Dataset& data) {
    Evaluation result;
    HeadResult total;
    for (std::size_t begin = 0; begin < data.size(); begin += kEvaluationRows) {
      indices.resize(std::min(kEvaluationRows, data.size() - begin));
      std::iota(indices.begin(), indices.end(), static_cast<std::uint32_t>(begin));
      gather(data, indices);
      const HeadResult part =
          softmax_cross_entropy<Real>(forward(x, indices.size()), sizes.back(), labels);
      total.loss += part.loss;
      total.correct += part.correct;
    }
    result.samples = data.size();
    result.loss = total.loss / static_cast<double>(data.size());
    result.accuracy = static_cast<double>(total.correct) / static_cast<double>(data.size());
    return result;
  }
};

template <class Real>
BasicMlp<Real>::BasicMlp(std::vector<std::size_t> layers, std::shared_ptr<const Dataset> train,
                         std::shared_ptr<const Dataset> test)
    : impl_(std::make_unique<Impl>()) {
  MUSTER_CHECK(layers.size() >= 2, layers.size());
  for (std::size_t size : layers) MUSTER_CHECK(size > 0);
  MUSTER_CHECK(train != nullptr && train->size() > 0);
  for (const Dataset* data : {train.get(), static_cast<const Dataset*>(test.get())}) {
    if (data == nullptr) continue;
    MUSTER_CHECK(data->features() == layers.front(), data->features(), layers.front());
    MUSTER_CHECK(data->classes() <= layers.back(), data->classes(), layers.back());
  }
  impl_->layers = lay_out(layers);
  impl_->dim = mlp_dim(layers);
  impl_->sizes = std::move(layers);
  impl_->train = std::move(train);
  impl_->test = std::move(test);
  impl_->activations.resize(impl_->sizes.size());
  impl_->activations_r.resize(impl_->sizes.size());
  impl_->deltas.resize(impl_->layers.size());
  impl_->deltas_r.resize(impl_->layers.size());
}

template <class Real>
BasicMlp<Real>::~BasicMlp() = default;

template <class Real>
std::size_t BasicMlp<Real>::dim() const {
  return impl_->dim;
}

template <class Real>
std::size_t BasicMlp<Real>::sample_count() const {
  return impl_->train->size();
}

template <class Real>
double BasicMlp<Real>::loss_and_gradient(std::span<const Real> x, Batch batch,
                                         std::span<Real> gradient) {
  MUSTER_CHECK(x.size() == dim() && gradient.size() == dim(), x.size(), gradient.size(), dim());
  MUSTER_CHECK(!batch.empty());
  const double loss = impl_->forward_loss(x, batch);
  impl_->seed_delta(batch.size());
  impl_->backward(x, batch.size(), gradient);
  return loss;
}

template <class Real>
void BasicMlp<Real>::hessian_vector_product(std::span<const Real> x, Batch batch,
                                            std::span<const Real> v, std::span<Real> out) {
  MUSTER_CHECK(x.size() == dim() && v.size() == dim() && out.size() == dim(), x.size(), v.size(),
               out.size(), dim());
  MUSTER_CHECK(!batch.empty());
  const std::size_t rows = batch.size();
  impl_->forward_loss(x, batch);
  impl_->seed_delta(rows);
  impl_->backward(x, rows, {});
  impl_->forward_r(x, v, rows);
  const std::size_t scores = rows * impl_->sizes.back();
  const std::span<const Real> scores_r(impl_->activations_r.back());
  const std::span<Real> delta_r = Impl::rows_of(impl_->deltas_r.back(), scores);
  std::copy_n(scores_r.begin(), scores, delta_r.begin());
  softmax_curvature<Real>(std::span<const Real>(impl_->activations.back()).first(scores),
                          impl_->sizes.back(), Real{1} / static_cast<Real>(rows), delta_r);
  impl_->backward_r(x, v, rows, out);
}

template <class Real>
std::optional<Evaluation> BasicMlp<Real>::evaluate(std::span<const Real> x) {
  if (impl_->test == nullptr || impl_->test->size() == 0) return std::nullopt;
  return evaluate_on(x, *impl_->test);
}

template <class Real>
Evaluation BasicMlp<Real>::evaluate_on(std::span<const Real> x, const Dataset& data) {
  MUSTER_CHECK(x.size() == dim(), x.size(), dim());
  MUSTER_CHECK(data.size() > 0);
  MUSTER_CHECK(data.features() == impl_->sizes.front(), data.features(), impl_->sizes.front());
  MUSTER_CHECK(data.classes() <= impl_->sizes.back(), data.classes(), impl_->sizes.back());
  return impl_->evaluate(x, data);
}

template <class Real>
void BasicMlp<Real>::initial_parameters(std::uint64_t seed, std::span<Real> x) const {
  MUSTER_CHECK(x.size() == dim(), x.size(), dim());
  Random random(mix_seed(seed));
  std::fill(x.begin(), x.end(), Real{0});
  for (const Layer& layer : impl_->layers) {
    const double deviation = std::sqrt(2.0 / static_cast<double>(layer.inputs));
    for (Real& w : x.subspan(layer.weights, layer.inputs * layer.outputs)) {
      w = static_cast<Real>(deviation * random.normal());
    }
  }
}

template <class Real>
std::vector<BlockSegment> BasicMlp<Real>::blocks() const {
  std::vector<BlockSegment> segments;
  for (const Layer& layer : impl_->layers) {
    segments.push_back({layer.weights, layer.inputs, layer.outputs});
    segments.push_back({layer.biases, 1, layer.outputs});
  }
  return segments;
}

const char* matrix_backend() {
  return matrix::backend();
}

template class BasicMlp<float>;
template class BasicMlp<double>;

}  // namespace muster::optim
