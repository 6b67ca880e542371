#pragma once
/// The built-in objectives: quadratic, logistic regression, multi-layer perceptron. Gradients and
/// Hessian-vector products are exact.
///
/// Threads: as <muster/optim/objective.h>. When OpenBLAS is behind the matrix products, the first
/// product sets OpenBLAS to one thread, for the whole process: workers are the parallelism here.
/// The bits of a result depend on (x, batch) and on the processor's type, not on threads,
/// processes or addresses.

#include <muster/optim/dataset.h>
#include <muster/optim/objective.h>

#include <memory>

namespace muster::optim {

/// f(x) = x'Ax/2 - b'x, with sample i adding xi_i'x where xi_i has independent normal coordinates
/// and E||xi_i||^2 = sigma^2; xi_i depends on (seed, i) alone. evaluate() gives f itself.
template <class Real>
class BasicQuadratic final : public BasicObjective<Real> {
 public:
  struct Spec {
    std::vector<Real> a{};  ///< d values: the diagonal of A; d*d values: A by rows, symmetric
    std::vector<Real> b{};  ///< d values
    double sigma = 0;
    std::uint64_t seed = 0;
    std::size_t samples = std::size_t{1} << 20;  ///< how many xi_i there are
    std::vector<Real> start{};                   ///< initial_parameters(); empty: zeros
  };
  /// Requires: sizes as above; A positive definite; samples > 0.
  explicit BasicQuadratic(Spec spec);
  ~BasicQuadratic() override;

  std::size_t dim() const override;
  std::size_t sample_count() const override;
  double loss_and_gradient(std::span<const Real> x, Batch batch, std::span<Real> gradient) override;
  void hessian_vector_product(std::span<const Real> x, Batch batch, std::span<const Real> v,
                              std::span<Real> out) override;
  std::optional<Evaluation> evaluate(std::span<const Real> x) override;
  void initial_parameters(std::uint64_t seed, std::span<Real> x) const override;

  double smoothness() const;            ///< L, the largest eigenvalue of A
  double strong_convexity() const;      ///< mu, the smallest
  std::vector<Real> minimiser() const;  ///< A^-1 b

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

struct LogisticOptions {
  double l2 = 0;  ///< adds l2/2 ||W||^2 (not the intercepts) to every sample's loss
};

/// Logistic regression on a Dataset. Two classes: the binary form, parameters w (features) then one
/// intercept, P(label 1) = 1/(1 + exp(-(w'a + c))). More: softmax, parameters W by rows
/// (classes x features) then the intercepts (classes). Starts at zero. blocks(): rows of W.
template <class Real>
class BasicLogisticRegression final : public BasicObjective<Real> {
 public:
  /// `test` is what evaluate() uses; may be null. Requires: train not null and not empty; test has
  /// the same features and classes; at least two classes.
  explicit BasicLogisticRegression(std::shared_ptr<const Dataset> train,
                                   std::shared_ptr<const Dataset> test = nullptr,
                                   LogisticOptions options = {});
  ~BasicLogisticRegression() override;

  std::size_t dim() const override;
  std::size_t sample_count() const override;
  double loss_and_gradient(std::span<const Real> x, Batch batch, std::span<Real> gradient) override;
  void hessian_vector_product(std::span<const Real> x, Batch batch, std::span<const Real> v,
                              std::span<Real> out) override;
  std::optional<Evaluation> evaluate(std::span<const Real> x) override;
  std::vector<BlockSegment> blocks() const override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Number of parameters of an Mlp: sum over layers of (inputs + 1) * outputs.
std::size_t mlp_dim(std::span<const std::size_t> layers);

/// Fully connected layers with ReLU between them and softmax cross-entropy at the end. Parameters:
/// for each layer W by rows (outputs x inputs), then the biases (outputs): the order of PyTorch's
/// nn.Linear. Start: He, W normal with variance 2/inputs, biases zero. blocks(): rows of each W,
/// and each bias by itself. The ReLU's second derivative at its kink counts as zero.
/// Cost of a gradient, a sample: 6 * (number of weights) - 2 * (weights of the first layer)
/// floating-point operations.
template <class Real>
class BasicMlp final : public BasicObjective<Real> {
 public:
  /// `layers` = inputs, hidden sizes..., classes, e.g. {784, 200, 200, 10} (199,210 parameters).
  /// `test` is what evaluate() uses; may be null. Requires: at least two layers, none empty; first
  /// = features and last >= classes of the sets; train not empty.
  BasicMlp(std::vector<std::size_t> layers, std::shared_ptr<const Dataset> train,
           std::shared_ptr<const Dataset> test = nullptr);
  ~BasicMlp() override;

  std::size_t dim() const override;
  std::size_t sample_count() const override;
  double loss_and_gradient(std::span<const Real> x, Batch batch, std::span<Real> gradient) override;
  void hessian_vector_product(std::span<const Real> x, Batch batch, std::span<const Real> v,
                              std::span<Real> out) override;
  std::optional<Evaluation> evaluate(std::span<const Real> x) override;
  void initial_parameters(std::uint64_t seed, std::span<Real> x) const override;
  std::vector<BlockSegment> blocks() const override;

  /// Loss and accuracy of x on any set of fitting shape.
  Evaluation evaluate_on(std::span<const Real> x, const Dataset& data);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

using Quadratic = BasicQuadratic<float>;
using LogisticRegression = BasicLogisticRegression<float>;
using Mlp = BasicMlp<float>;

/// "OpenBLAS", "Eigen (AVX2)" or "Eigen": what multiplies matrices in this build on this processor.
const char* matrix_backend();

extern template class BasicQuadratic<float>;
extern template class BasicQuadratic<double>;
extern template class BasicLogisticRegression<float>;
extern template class BasicLogisticRegression<double>;
extern template class BasicMlp<float>;
extern template class BasicMlp<double>;

}  // namespace muster::optim
