// Gradients against central differences of losses, Hessian products against central differences of
// gradients, in double.
#include <muster/optim/objectives.h>

#include <functional>
#include <thread>

#include "unit/optim/support.h"

namespace muster::optim {
namespace {

using testing::normals;
using testing::relative_error;
using Objective64 = BasicObjective<double>;

std::shared_ptr<const Dataset> clusters(std::size_t classes, std::size_t samples = 40) {
  return std::make_shared<const Dataset>(make_clusters(
      {.samples = samples, .features = 6, .classes = classes, .separation = 1.0}, 11));
}

struct Case {
  std::string name;
  std::function<std::unique_ptr<Objective64>()> make;
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << c.name;
}

class DerivativesTest : public ::testing::TestWithParam<Case> {
 protected:
  std::unique_ptr<Objective64> objective_ = GetParam().make();
};

TEST_P(DerivativesTest, GradientMatchesDifferencesOfTheLoss) {
  MUSTER_SEEDED(random);
  const std::size_t dim = objective_->dim();
  AlignedVector<double> x = normals<double>(random, dim, 0.5);
  AlignedVector<double> gradient(dim), scratch(dim), differences(dim);
  const std::vector<std::uint32_t> batch{3, 1, 4, 1, 5, 9, 2};
  objective_->loss_and_gradient(x, batch, gradient);
  for (std::size_t i = 0; i < dim; ++i) {
    constexpr double kStep = 1e-5;
    const double at = x[i];
    x[i] = at + kStep;
    const double ahead = objective_->loss_and_gradient(x, batch, scratch);
    x[i] = at - kStep;
    const double behind = objective_->loss_and_gradient(x, batch, scratch);
    x[i] = at;
    differences[i] = (ahead - behind) / (2 * kStep);
  }
  EXPECT_LT(relative_error(gradient, differences), 1e-8);
}

TEST_P(DerivativesTest, HessianProductMatchesTheDefaultDifferences) {
  MUSTER_SEEDED(random);
  const std::size_t dim = objective_->dim();
  const std::vector<std::uint32_t> batch{3, 1, 4, 1, 5, 9, 2};
  const auto x = normals<double>(random, dim, 0.5);
  AlignedVector<double> exact(dim), differences(dim);
  for (int k = 0; k < 3; ++k) {
    const auto v = normals<double>(random, dim);
    objective_->hessian_vector_product(x, batch, v, exact);
    objective_->Objective64::hessian_vector_product(x, batch, v, differences);
    EXPECT_LT(relative_error(exact, differences), 1e-8);
  }
  const AlignedVector<double> zero(dim);
  objective_->Objective64::hessian_vector_product(x, batch, zero, differences);
  EXPECT_EQ(differences, zero);
}

TEST_P(DerivativesTest, BatchGradientIsTheMeanOfSampleGradients) {
  MUSTER_SEEDED(random);
  const std::size_t dim = objective_->dim();
  const auto x = normals<double>(random, dim, 0.5);
  const std::vector<std::uint32_t> batch{0, 7, 8};
  AlignedVector<double> whole(dim), one(dim), mean(dim);
  const double loss = objective_->loss_and_gradient(x, batch, whole);
  double mean_loss = 0;
  for (std::uint32_t sample : batch) {
    mean_loss += objective_->loss_and_gradient(x, std::vector{sample}, one) / 3;
    for (std::size_t i = 0; i < dim; ++i) mean[i] += one[i] / 3;
  }
  EXPECT_NEAR(loss, mean_loss, 1e-12 * std::abs(mean_loss));
  EXPECT_LT(relative_error(whole, mean), 1e-12);
}

TEST_P(DerivativesTest, BlocksCoverTheParametersOnce) {
  std::size_t at = 0;
  for (const BlockSegment& segment : objective_->blocks()) {
    EXPECT_EQ(segment.begin, at);
    at += segment.size * segment.count;
  }
  EXPECT_EQ(at, objective_->dim());
}

INSTANTIATE_TEST_SUITE_P(
    BuiltIn, DerivativesTest,
    ::testing::Values(
        Case{"quadratic_diagonal",
             [] {
               return std::make_unique<BasicQuadratic<double>>(BasicQuadratic<double>::Spec{
                   .a = {1, 2, 3, 4, 5}, .b = {1, -1, 0, 2, 3}, .sigma = 0.5});
             }},
        Case{"quadratic_dense",
             [] {
               return std::make_unique<BasicQuadratic<double>>(BasicQuadratic<double>::Spec{
                   .a = {4, 1, 0, 1, 3, 0.5, 0, 0.5, 2}, .b = {1, -1, 0}, .sigma = 0.5});
             }},
        Case{"logistic_binary",
             [] {
               return std::make_unique<BasicLogisticRegression<double>>(clusters(2), nullptr,
                                                                        LogisticOptions{.l2 = 0.1});
             }},
        Case{"logistic_multinomial",
             [] {
               return std::make_unique<BasicLogisticRegression<double>>(clusters(4), nullptr,
                                                                        LogisticOptions{.l2 = 0.1});
             }},
        Case{"mlp_linear",
             [] {
               return std::make_unique<BasicMlp<double>>(std::vector<std::size_t>{6, 4},
                                                         clusters(4));
             }},
        Case{"mlp",
             [] {
               return std::make_unique<BasicMlp<double>>(std::vector<std::size_t>{6, 9, 7, 4},
                                                         clusters(4));
             }}),
    [](const auto& test) { return test.param.name; });

TEST(QuadraticTest, KnowsItsConstantsAndMinimiser) {
  BasicQuadratic<double> dense({.a = {2, 1, 1, 2}, .b = {3, 3}});
  EXPECT_NEAR(dense.smoothness(), 3, 1e-14);
  EXPECT_NEAR(dense.strong_convexity(), 1, 1e-14);
  EXPECT_NEAR(dense.minimiser()[0], 1, 1e-14);
  BasicQuadratic<double> diagonal({.a = {0.5, 4}, .b = {1, 2}, .start = {7, 8}});
  EXPECT_EQ(diagonal.smoothness(), 4);
  EXPECT_EQ(diagonal.strong_convexity(), 0.5);
  EXPECT_EQ(diagonal.minimiser(), (std::vector<double>{2, 0.5}));
  std::vector<double> x(2);
  diagonal.initial_parameters(5, x);
  EXPECT_EQ(x, (std::vector<double>{7, 8}));
  EXPECT_EQ(diagonal.evaluate(diagonal.minimiser())->loss, -1.5);
  EXPECT_FALSE(diagonal.evaluate(x)->accuracy.has_value());
}

TEST(QuadraticTest, NoiseHasTheStatedVarianceAndDependsOnTheSampleAlone) {
  BasicQuadratic<double> noisy({.a = {1, 1, 1}, .b = {0, 0, 0}, .sigma = 2, .seed = 9});
  const std::vector<double> x(3);
  std::vector<double> g(3), again(3);
  double squares = 0;
  constexpr std::uint32_t kSamples = 20000;
  for (std::uint32_t i = 0; i < kSamples; ++i) {
    noisy.loss_and_gradient(x, std::vector{i}, g);
    for (double v : g) squares += v * v;
  }
  EXPECT_NEAR(squares / kSamples, 4, 0.1);
  noisy.loss_and_gradient(x, std::vector{kSamples - 1}, again);
  EXPECT_EQ(g, again);
}

TEST(MlpTest, DimensionOfTheReferenceNetwork) {
  EXPECT_EQ(mlp_dim(std::vector<std::size_t>{784, 200, 200, 10}), 199210U);
}

TEST(MlpTest, StartIsHeAndDependsOnTheSeed) {
  BasicMlp<double> mlp({6, 500, 4}, clusters(4));
  std::vector<double> x(mlp.dim()), same(mlp.dim()), other(mlp.dim());
  mlp.initial_parameters(1, x);
  mlp.initial_parameters(1, same);
  mlp.initial_parameters(2, other);
  EXPECT_EQ(x, same);
  EXPECT_NE(x, other);
  double squares = 0;
  for (std::size_t i = 0; i < 3000; ++i) squares += x[i] * x[i] / 3000;
  EXPECT_NEAR(squares, 2.0 / 6, 0.05);
  EXPECT_EQ(x[3000], 0) << "the first bias";
}

TEST(MlpTest, SameBitsOnOtherThreadsOtherAddressesAndAfterOtherWork) {
  const auto data = clusters(4, 500);
  Mlp mlp({6, 33, 17, 4}, data);
  MUSTER_SEEDED(random);
  const auto x = normals<float>(random, mlp.dim());
  const auto batch = testing::first_samples(64);
  AlignedVector<float> expected(mlp.dim());
  const double loss = mlp.loss_and_gradient(x, batch, expected);
  AlignedVector<float> other(mlp.dim());
  mlp.loss_and_gradient(x, testing::first_samples(7), other);
  std::vector<std::jthread> threads;
  std::vector<int> same(4);
  for (std::size_t k = 0; k < same.size(); ++k) {
    threads.emplace_back([&, k] {
      Mlp own({6, 33, 17, 4}, data);
      std::vector<float> shifted(k + mlp.dim()), gradient(k + mlp.dim());
      std::copy(x.begin(), x.end(), shifted.begin() + static_cast<long>(k));
      bool equal = true;
      for (int repeat = 0; repeat < 20; ++repeat) {
        const auto g = std::span(gradient).subspan(k);
        equal = equal && own.loss_and_gradient(std::span(shifted).subspan(k), batch, g) == loss &&
                std::equal(g.begin(), g.end(), expected.begin());
      }
      same[k] = equal ? 1 : 0;
    });
  }
  threads.clear();
  EXPECT_EQ(same, std::vector<int>(4, 1));
}

TEST(MlpTest, EvaluateCountsRightAnswersInEveryBatch) {
  const auto data = clusters(3, 2500);
  BasicMlp<double> mlp({6, 3}, data, data);
  const auto x = [&] {
    MUSTER_SEEDED(random);
    return normals<double>(random, mlp.dim());
  }();
  AlignedVector<double> gradient(mlp.dim());
  const auto found = mlp.evaluate(x);
  ASSERT_TRUE(found && found->accuracy);
  EXPECT_EQ(found->samples, 2500U);
  EXPECT_NEAR(found->loss, mlp.loss_and_gradient(x, testing::first_samples(2500), gradient), 1e-12);
  std::size_t right = 0;
  std::vector<double> row(6);
  for (std::uint32_t i = 0; i < 2500; ++i) {
    data->gather<double>(std::vector{i}, row);
    double best = -1e300;
    std::uint32_t answer = 0;
    for (std::uint32_t c = 0; c < 3; ++c) {
      double score = x[18 + c];
      for (std::size_t j = 0; j < 6; ++j) score += x[c * 6 + j] * row[j];
      if (score > best) best = score, answer = c;
    }
    if (answer == data->labels()[i]) ++right;
  }
  EXPECT_DOUBLE_EQ(*found->accuracy, static_cast<double>(right) / 2500);
  EXPECT_FALSE(BasicMlp<double>({6, 3}, data).evaluate(x).has_value());
}

TEST(MlpTest, LearnsSeparableClusters) {
  const auto train = std::make_shared<const Dataset>(make_clusters({.samples = 1000}, 1));
  const auto test =
      std::make_shared<const Dataset>(make_clusters({.samples = 500, .sample_seed = 1}, 1));
  Mlp mlp({20, 32, 10}, train, test);
  AlignedVector<float> x(mlp.dim()), g(mlp.dim());
  mlp.initial_parameters(1, x);
  const auto all = testing::first_samples(1000);
  for (int step = 0; step < 100; ++step) {
    mlp.loss_and_gradient(x, all, g);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] -= 0.1F * g[i];
  }
  EXPECT_GT(*mlp.evaluate(x)->accuracy, 0.99);
}

TEST(MlpTest, NanInTheParametersReachesTheLoss) {
  Mlp mlp({6, 8, 4}, clusters(4));
  AlignedVector<float> x(mlp.dim(), 0.1F), g(mlp.dim());
  x[3] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(mlp.loss_and_gradient(x, testing::first_samples(5), g)));
}

TEST(LogisticTest, BinaryEqualsTwoClassSoftmaxOfTheDifference) {
  const auto data = clusters(2);
  BasicLogisticRegression<double> binary(data, data);
  BasicMlp<double> softmax({6, 2}, data, data);
  MUSTER_SEEDED(random);
  const auto w = normals<double>(random, 7);
  AlignedVector<double> x(14);  // W rows 0 and 1, then two intercepts; row 0 zero
  std::copy_n(w.begin(), 6, x.begin() + 6);
  x[13] = w[6];
  AlignedVector<double> g1(7), g2(14);
  const auto batch = testing::first_samples(40);
  EXPECT_NEAR(binary.loss_and_gradient(w, batch, g1), softmax.loss_and_gradient(x, batch, g2),
              1e-13);
  for (std::size_t i = 0; i < 6; ++i) EXPECT_NEAR(g1[i], g2[6 + i], 1e-13);
  EXPECT_EQ(binary.evaluate(w)->accuracy, softmax.evaluate(x)->accuracy);
}

}  // namespace
}  // namespace muster::optim
