#include <muster/optim/split.h>

#include <numeric>

#include "unit/optim/support.h"

namespace muster::optim {
namespace {

std::vector<std::uint32_t> balanced(std::size_t samples, std::size_t classes) {
  std::vector<std::uint32_t> labels(samples);
  for (std::size_t i = 0; i < samples; ++i) labels[i] = static_cast<std::uint32_t>(i % classes);
  return labels;
}

std::vector<Share> must_split(const std::vector<std::uint32_t>& labels, std::size_t classes,
                              const SplitSpec& spec, std::size_t workers, std::uint64_t seed = 1) {
  auto shares = split(labels, classes, spec, workers, seed);
  EXPECT_TRUE(shares.has_value()) << (shares ? "" : shares.error().message);
  return shares.value_or(std::vector<Share>{});
}

class EverySplitTest : public ::testing::TestWithParam<SplitKind> {};

TEST_P(EverySplitTest, DealsEverySampleOnceAndRepeatsWithItsSeed) {
  MUSTER_SEEDED(random);
  for (int round = 0; round < 25; ++round) {
    const std::size_t classes = 2 + random.below(9);
    const std::size_t workers = classes + random.below(12);
    std::vector<std::uint32_t> labels(workers * 30 + random.below(1000));
    for (auto& label : labels) label = static_cast<std::uint32_t>(random.below(classes));
    const SplitSpec spec{.kind = GetParam(),
                         .main_fraction = random.uniform(),
                         .concentration = 1,
                         .labels = 1 + random.below(classes)};
    const std::uint64_t seed = random();
    const auto shares = must_split(labels, classes, spec, workers, seed);
    ASSERT_EQ(shares.size(), workers);
    std::vector<int> seen(labels.size());
    for (const Share& share : shares) {
      EXPECT_FALSE(share.empty());
      for (std::uint32_t sample : share) ++seen.at(sample);
    }
    EXPECT_EQ(seen, std::vector<int>(labels.size(), 1));
    EXPECT_EQ(must_split(labels, classes, spec, workers, seed), shares);
    EXPECT_NE(must_split(labels, classes, spec, workers, seed + 1), shares);
    if (GetParam() == SplitKind::kIid || GetParam() == SplitKind::kMainClass) {
      const auto bigger = [](const Share& a, const Share& b) { return a.size() < b.size(); };
      const auto [low, high] = std::minmax_element(shares.begin(), shares.end(), bigger);
      EXPECT_LE(high->size() - low->size(), 1U);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, EverySplitTest,
                         ::testing::Values(SplitKind::kIid, SplitKind::kMainClass,
                                           SplitKind::kDirichlet, SplitKind::kLabels,
                                           SplitKind::kShards),
                         [](const auto& test) { return std::string(to_string(test.param)); });

TEST(SplitTest, MainClassWithAsManyWorkersAsClasses) {
  const auto labels = balanced(60000, 10);
  for (double p : {0.3, 0.5, 0.7, 1.0}) {
    const auto shares =
        must_split(labels, 10, {.kind = SplitKind::kMainClass, .main_fraction = p}, 10);
    for (const auto& worker : report(shares, labels, 10).workers) {
      EXPECT_EQ(worker.size, 6000U);
      EXPECT_NEAR(worker.main_fraction, p + (1 - p) / 10, 0.02);
      EXPECT_GE(worker.main_fraction, p);
      for (std::size_t c = 0; c < 10; ++c) {
        if (c == worker.main_class) continue;
        EXPECT_NEAR(static_cast<double>(worker.label_counts[c]), 6000 * (1 - p) / 10, 100);
      }
    }
  }
}

TEST(SplitTest, MainClassThatRunsOutIsTakenWhole) {
  const auto labels = balanced(60000, 10);
  const auto shares =
      must_split(labels, 10, {.kind = SplitKind::kMainClass, .main_fraction = 0.5}, 4);
  for (const auto& worker : report(shares, labels, 10).workers) {
    EXPECT_EQ(worker.size, 15000U);
    EXPECT_EQ(worker.label_counts[worker.main_class], 6000U);
    EXPECT_DOUBLE_EQ(worker.main_fraction, 0.4);
  }
}

TEST(SplitTest, MainClassInDemandByTwoIsSharedEqually) {
  const auto labels = balanced(1000, 2);
  const auto shares =
      must_split(labels, 2, {.kind = SplitKind::kMainClass, .main_fraction = 0.9}, 3);
  const auto workers = report(shares, labels, 2).workers;
  EXPECT_EQ(workers[0].label_counts[0], 250U);
  EXPECT_EQ(workers[2].label_counts[0], 250U);
  EXPECT_EQ(workers[1].main_fraction, 1.0) << "class 0 was used up by the others";
}

TEST(SplitTest, LabelsGivesEachWorkerItsNumberOfClasses) {
  const auto labels = balanced(6000, 10);
  const auto shares = must_split(labels, 10, {.kind = SplitKind::kLabels, .labels = 3}, 10);
  for (const auto& worker : report(shares, labels, 10).workers) {
    EXPECT_EQ(std::count_if(worker.label_counts.begin(), worker.label_counts.end(),
                            [](std::size_t n) { return n > 0; }),
              3);
    EXPECT_EQ(worker.size, 600U);
  }
}

TEST(SplitTest, TwoShardsGiveAtMostFourClasses) {
  const auto labels = balanced(60000, 10);
  const auto shares = must_split(labels, 10, {.kind = SplitKind::kShards, .shards = 2}, 100);
  for (const auto& worker : report(shares, labels, 10).workers) {
    EXPECT_EQ(worker.size, 600U);
    EXPECT_LE(std::count_if(worker.label_counts.begin(), worker.label_counts.end(),
                            [](std::size_t n) { return n > 0; }),
              2);
  }
}

TEST(SplitTest, DirichletIsNearlyUniformForLargeConcentrationAndSkewedForSmall) {
  const auto labels = balanced(10000, 10);
  const auto spread = [&](double a) {
    const auto shares = must_split(
        labels, 10, {.kind = SplitKind::kDirichlet, .concentration = a, .min_samples = 0}, 5);
    double largest = 0;
    for (const auto& worker : report(shares, labels, 10).workers) {
      for (std::size_t n : worker.label_counts) largest = std::max(largest, static_cast<double>(n));
    }
    return largest / 1000;
  };
  EXPECT_LT(spread(10000), 0.25);
  EXPECT_GT(spread(0.1), 0.8);
}

TEST(SplitTest, ImpossibleSpecsSayWhy) {
  const auto labels = balanced(100, 10);
  const auto message = [&](const SplitSpec& spec, std::size_t workers) {
    const auto result = split(labels, 10, spec, workers, 1);
    return result ? std::string("no error") : result.error().describe();
  };
  EXPECT_EQ(message({}, 0), "invalid: split: workers = 0 is out of range: allowed 1 or more");
  EXPECT_EQ(message({}, 101), "invalid: split: 100 samples are too few for 101 workers");
  EXPECT_EQ(message({}, 100), "no error");
  EXPECT_EQ(message({.kind = SplitKind::kMainClass, .main_fraction = 1.5}, 4),
            "invalid: split: main_fraction = 1.5 is out of range: allowed 0 to 1");
  EXPECT_EQ(message({.kind = SplitKind::kDirichlet, .concentration = 0}, 4),
            "invalid: split: concentration = 0 is out of range: allowed more than 0");
  EXPECT_EQ(message({.kind = SplitKind::kDirichlet, .min_samples = 26}, 4),
            "invalid: split: min_samples = 26 for 4 workers needs more than 100 samples");
  EXPECT_EQ(message({.kind = SplitKind::kDirichlet, .concentration = 0.01, .min_samples = 24}, 4),
            "invalid: split: 1000 Dirichlet draws with a = 0.01 left a worker with fewer than 24 "
            "samples: raise a, or lower min_samples or the workers");
  EXPECT_EQ(message({.kind = SplitKind::kLabels, .labels = 11}, 4),
            "invalid: split: labels = 11 is out of range: allowed 1 to 10");
  EXPECT_EQ(message({.kind = SplitKind::kLabels, .labels = 2}, 4),
            "invalid: split: 4 workers with 2 labels each leave some of 10 classes to nobody");
  EXPECT_EQ(message({.kind = SplitKind::kShards, .shards = 26}, 4),
            "invalid: split: shards = 26 is out of range: allowed 1 to 25");
}

TEST(SplitTest, NamesRoundTrip) {
  for (int i = 0; i < 5; ++i) {
    const auto kind = static_cast<SplitKind>(i);
    EXPECT_EQ(parse_split_kind(to_string(kind)), kind);
  }
  EXPECT_EQ(parse_split_kind(""), std::nullopt);
}

}  // namespace
}  // namespace muster::optim
