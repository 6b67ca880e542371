#pragma once
/// Splits of a labelled set among workers. Every kind deals every sample exactly once; the same
/// arguments give the same split on every machine. M workers, C classes, N samples.
///
///   iid         shuffle, then equal shares.
///   main class  equal shares; worker m's main class is m mod C. It takes round(p * n_m) samples of
///               that class, or, where its workers together ask for more than there are, an equal
///               part of them; all samples that remain are shuffled and fill the shares. So p is
///               the fraction drawn from the main class on purpose; the uniform rest holds some of
///               it as well, unless the class is used up. SplitReport says what came out: balanced
///               classes and M = C give p + (1 - p)/C on average; M = 4, C = 10, p = 0.5 use up the
///               four main classes and give 0.4.
///   Dirichlet   for each class, shares ~ Dirichlet(a) over the workers; sizes vary. Repeated with
///               fresh draws until every worker has min_samples, 1000 times at most.
///   k labels    each worker holds samples of exactly k classes (classes dealt round robin over a
///               seeded order); a class is divided equally among its holders.
///   shards      sort by label, cut into M * shards equal shards, deal `shards` to each at random.
///               (McMahan et al. 2017 use 2.)
///
/// Threads: pure functions.

#include <muster/error.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace muster::optim {

enum class SplitKind : std::uint8_t { kIid, kMainClass, kDirichlet, kLabels, kShards };

/// "iid", "main_class", "dirichlet", "labels", "shards"; none for anything else.
std::string_view to_string(SplitKind) noexcept;
std::optional<SplitKind> parse_split_kind(std::string_view) noexcept;

struct SplitSpec {
  SplitKind kind = SplitKind::kIid;
  double main_fraction = 0.5;   ///< main class: p in [0, 1]
  double concentration = 0.5;   ///< Dirichlet: a > 0
  std::size_t labels = 2;       ///< k labels: k in 1..C
  std::size_t shards = 2;       ///< shards a worker, >= 1
  std::size_t min_samples = 1;  ///< Dirichlet: fewest samples a worker may get
  friend bool operator==(const SplitSpec&, const SplitSpec&) = default;
};

/// One worker's share: indices into the set, in a shuffled order.
using Share = std::vector<std::uint32_t>;

/// Splits. kInvalid, saying which bound and why, when the spec is impossible: no workers, fewer
/// samples than workers, a field out of range, k * M < C (a class without a holder), fewer samples
/// than shards, no Dirichlet draw with min_samples each.
/// Requires: every label < classes.
Result<std::vector<Share>> split(std::span<const std::uint32_t> labels, std::size_t classes,
                                 const SplitSpec& spec, std::size_t workers, std::uint64_t seed);

/// What a split turned out to be.
struct SplitReport {
  struct Worker {
    std::size_t size = 0;
    std::size_t main_class = 0;             ///< worker index mod C
    double main_fraction = 0;               ///< share of main_class among its samples
    std::vector<std::size_t> label_counts;  ///< C values
  };
  std::vector<Worker> workers;
};
SplitReport report(std::span<const Share> shares, std::span<const std::uint32_t> labels,
                   std::size_t classes);

}  // namespace muster::optim
