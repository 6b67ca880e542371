#include <fmt/format.h>
#include <muster/optim/split.h>
#include <muster/random.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace muster::optim {
namespace {

constexpr int kDirichletTries = 1000;

template <class T>
void shuffle(std::vector<T>& values, Random& random) {
  for (std::size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[random.below(i)]);
}

tl::unexpected<Error> impossible(std::string why) {
  return fail(ErrorCode::kInvalid, "split: " + std::move(why));
}

/// Samples of each class, shuffled.
std::vector<Share> by_class(std::span<const std::uint32_t> labels, std::size_t classes,
                            Random& random) {
  std::vector<Share> pools(classes);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    MUSTER_CHECK(labels[i] < classes, i, labels[i], classes);
    pools[labels[i]].push_back(static_cast<std::uint32_t>(i));
  }
  for (Share& pool : pools) shuffle(pool, random);
  return pools;
}

/// Where part `k` of `parts` equal parts of `total` begins; sizes differ by one at most.
std::size_t part_begin(std::size_t total, std::size_t parts, std::size_t k) {
  return total / parts * k + std::min(k, total % parts);
}

/// Moves the last `count` samples of `pool` to `share`.
void take(Share& pool, std::size_t count, Share& share) {
  const auto from = pool.end() - static_cast<std::ptrdiff_t>(count);
  share.insert(share.end(), from, pool.end());
  pool.erase(from, pool.end());
}

/// Fills every share up to its part of `total` from the shuffled leftovers.
void fill_up(Share rest, std::size_t total, std::vector<Share>& shares, Random& random) {
  shuffle(rest, random);
  for (std::size_t m = 0; m < shares.size(); ++m) {
    const std::size_t size =
        part_begin(total, shares.size(), m + 1) - part_begin(total, shares.size(), m);
    take(rest, size - shares[m].size(), shares[m]);
  }
}

std::vector<Share> split_iid(std::size_t total, std::size_t workers, Random& random) {
  Share all(total);
  std::iota(all.begin(), all.end(), 0U);
  std::vector<Share> shares(workers);
  fill_up(std::move(all), total, shares, random);
  return shares;
}

std::vector<Share> split_main_class(std::span<const std::uint32_t> labels, std::size_t classes,
                                    double fraction, std::size_t workers, Random& random) {
  std::vector<Share> pools = by_class(labels, classes, random);
  std::vector<Share> shares(workers);
  std::vector<std::size_t> available(classes);
  for (std::size_t c = 0; c < classes; ++c) available[c] = pools[c].size();
  for (std::size_t m = 0; m < workers; ++m) {
    const std::size_t c = m % classes;
    const std::size_t holders = (workers - c - 1) / classes + 1;
    const std::size_t rank = m / classes;
    const std::size_t equal_part =
        part_begin(available[c], holders, rank + 1) - part_begin(available[c], holders, rank);
    const std::size_t size =
        part_begin(labels.size(), workers, m + 1) - part_begin(labels.size(), workers, m);
    const auto wanted =
        static_cast<std::size_t>(std::llround(fraction * static_cast<double>(size)));
    take(pools[c], std::min(wanted, equal_part), shares[m]);
  }
  Share rest;
  for (const Share& pool : pools) rest.insert(rest.end(), pool.begin(), pool.end());
  fill_up(std::move(rest), labels.size(), shares, random);
  return shares;
}

/// Logarithm of a Gamma(a, 1) variate: Marsaglia and Tsang (2000), in logarithms so that a small
/// `a` does not underflow to an all-zero draw.
double log_gamma_variate(double a, Random& random) {
  if (a < 1) {
    return log_gamma_variate(a + 1, random) + std::log(1.0 - random.uniform()) / a;
  }
  const double d = a - 1.0 / 3.0;
  const double c = 1.0 / std::sqrt(9.0 * d);
  for (;;) {
    const double x = random.normal();
    const double root = 1.0 + c * x;
    if (root <= 0) continue;
    const double v = root * root * root;
    const double u = 1.0 - random.uniform();
    if (std::log(u) < 0.5 * x * x + d * (1.0 - v + std::log(v))) return std::log(d * v);
  }
}

std::vector<double> draw_dirichlet(double a, std::size_t n, Random& random) {
  std::vector<double> p(n);
  for (double& v : p) v = log_gamma_variate(a, random);
  const double top = *std::max_element(p.begin(), p.end());
  for (double& v : p) v = std::exp(v - top);
  const double sum = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& v : p) v /= sum;
  return p;
}

Result<std::vector<Share>> split_dirichlet(std::span<const std::uint32_t> labels,
                                           std::size_t classes, const SplitSpec& spec,
                                           std::size_t workers, Random& random) {
  const std::vector<Share> pools = by_class(labels, classes, random);
  for (int attempt = 0; attempt < kDirichletTries; ++attempt) {
    std::vector<Share> shares(workers);
    for (const Share& pool : pools) {
      const std::vector<double> p = draw_dirichlet(spec.concentration, workers, random);
      double sum = 0;
      std::size_t at = 0;
      for (std::size_t m = 0; m < workers; ++m) {
        sum += p[m];
        const auto cut = static_cast<std::size_t>(
            std::llround(std::min(sum, 1.0) * static_cast<double>(pool.size())));
        const std::size_t end = m + 1 == workers ? pool.size() : std::max(at, cut);
        shares[m].insert(shares[m].end(), pool.begin() + static_cast<std::ptrdiff_t>(at),
                         pool.begin() + static_cast<std::ptrdiff_t>(end));
        at = end;
      }
    }
    const auto enough = [&](const Share& share) { return share.size() >= spec.min_samples; };
    if (std::all_of(shares.begin(), shares.end(), enough)) return shares;
  }
  return impossible(
      fmt::format("{} Dirichlet draws with a = {} left a worker with fewer than {} "
                  "samples: raise a, or lower min_samples or the workers",
                  kDirichletTries, spec.concentration, spec.min_samples));
}

std::vector<Share> split_labels(std::span<const std::uint32_t> labels, std::size_t classes,
                                std::size_t k, std::size_t workers, Random& random) {
  const std::vector<Share> pools = by_class(labels, classes, random);
  std::vector<std::size_t> order(classes);
  std::iota(order.begin(), order.end(), std::size_t{0});
  shuffle(order, random);
  std::vector<std::vector<std::size_t>> holders(classes);
  for (std::size_t m = 0; m < workers; ++m) {
    for (std::size_t j = 0; j < k; ++j) holders[order[(m * k + j) % classes]].push_back(m);
  }
  std::vector<Share> shares(workers);
  for (std::size_t c = 0; c < classes; ++c) {
    for (std::size_t h = 0; h < holders[c].size(); ++h) {
      Share& share = shares[holders[c][h]];
      const auto begin = pools[c].begin();
      share.insert(
          share.end(),
          begin + static_cast<std::ptrdiff_t>(part_begin(pools[c].size(), holders[c].size(), h)),
          begin +
              static_cast<std::ptrdiff_t>(part_begin(pools[c].size(), holders[c].size(), h + 1)));
    }
  }
  return shares;
}

std::vector<Share> split_shards(std::span<const std::uint32_t> labels, std::size_t classes,
                                std::size_t shards_each, std::size_t workers, Random& random) {
  Share sorted;
  sorted.reserve(labels.size());
  for (const Share& pool : by_class(labels, classes, random)) {
    sorted.insert(sorted.end(), pool.begin(), pool.end());
  }
  const std::size_t shards = workers * shards_each;
  std::vector<std::size_t> order(shards);
  std::iota(order.begin(), order.end(), std::size_t{0});
  shuffle(order, random);
  std::vector<Share> shares(workers);
  for (std::size_t k = 0; k < shards; ++k) {
    const auto begin = sorted.begin();
    shares[k % workers].insert(
        shares[k % workers].end(),
        begin + static_cast<std::ptrdiff_t>(part_begin(sorted.size(), shards, order[k])),
        begin + static_cast<std::ptrdiff_t>(part_begin(sorted.size(), shards, order[k] + 1)));
  }
  return shares;
}

Result<void> check(std::size_t samples, std::size_t classes, const SplitSpec& spec,
                   std::size_t workers) {
  if (workers == 0) return impossible("workers = 0 is out of range: allowed 1 or more");
  if (samples > std::numeric_limits<std::uint32_t>::max()) {
    return impossible(fmt::format("{} samples do not fit 32-bit indices", samples));
  }
  if (samples < workers) {
    return impossible(fmt::format("{} samples are too few for {} workers", samples, workers));
  }
  switch (spec.kind) {
    case SplitKind::kIid:
      break;
    case SplitKind::kMainClass:
      if (!(spec.main_fraction >= 0 && spec.main_fraction <= 1)) {
        return impossible(
            fmt::format("main_fraction = {} is out of range: allowed 0 to 1", spec.main_fraction));
      }
      break;
    case SplitKind::kDirichlet:
      if (!(spec.concentration > 0) || !std::isfinite(spec.concentration)) {
        return impossible(fmt::format("concentration = {} is out of range: allowed more than 0",
                                      spec.concentration));
      }
      if (spec.min_samples > samples / workers) {
        return impossible(fmt::format("min_samples = {} for {} workers needs more than {} samples",
                                      spec.min_samples, workers, samples));
      }
      break;
    case SplitKind::kLabels:
      if (spec.labels < 1 || spec.labels > classes) {
        return impossible(
            fmt::format("labels = {} is out of range: allowed 1 to {}", spec.labels, classes));
      }
      if (spec.labels < (classes + workers - 1) / workers) {
        return impossible(
            fmt::format("{} workers with {} labels each leave some of {} classes to "
                        "nobody",
                        workers, spec.labels, classes));
      }
      break;
    case SplitKind::kShards:
      if (spec.shards < 1 || spec.shards > samples / workers) {
        return impossible(fmt::format("shards = {} is out of range: allowed 1 to {}", spec.shards,
                                      samples / workers));
      }
      break;
  }
  return {};
}

}  // namespace

std::string_view to_string(SplitKind kind) noexcept {
  switch (kind) {
    case SplitKind::kIid:
      return "iid";
    case SplitKind::kMainClass:
      return "main_class";
    case SplitKind::kDirichlet:
      return "dirichlet";
    case SplitKind::kLabels:
      return "labels";
    case SplitKind::kShards:
      return "shards";
  }
  return "unknown";
}

std::optional<SplitKind> parse_split_kind(std::string_view text) noexcept {
  for (auto kind : {SplitKind::kIid, SplitKind::kMainClass, SplitKind::kDirichlet,
                    SplitKind::kLabels, SplitKind::kShards}) {
    if (text == to_string(kind)) return kind;
  }
  return std::nullopt;
}

Result<std::vector<Share>> split(std::span<const std::uint32_t> labels, std::size_t classes,
                                 const SplitSpec& spec, std::size_t workers, std::uint64_t seed) {
  if (auto valid = check(labels.size(), classes, spec, workers); !valid) {
    return fail(std::move(valid.error()));
  }
  Random random(mix_seed(seed));
  Result<std::vector<Share>> shares;
  switch (spec.kind) {
    case SplitKind::kIid:
      shares = split_iid(labels.size(), workers, random);
      break;
    case SplitKind::kMainClass:
      shares = split_main_class(labels, classes, spec.main_fraction, workers, random);
      break;
    case SplitKind::kDirichlet:
      shares = split_dirichlet(labels, classes, spec, workers, random);
      break;
    case SplitKind::kLabels:
      shares = split_labels(labels, classes, spec.labels, workers, random);
      break;
    case SplitKind::kShards:
      shares = split_shards(labels, classes, spec.shards, workers, random);
      break;
  }
  if (!shares) return shares;
  for (std::size_t m = 0; m < workers; ++m) {
    if ((*shares)[m].empty()) {
      return impossible(
          fmt::format("worker {} would get no samples: a class of its is too small", m));
    }
    shuffle((*shares)[m], random);
  }
  return shares;
}

SplitReport report(std::span<const Share> shares, std::span<const std::uint32_t> labels,
                   std::size_t classes) {
  SplitReport result;
  for (std::size_t m = 0; m < shares.size(); ++m) {
    SplitReport::Worker worker;
    worker.size = shares[m].size();
    worker.main_class = m % classes;
    worker.label_counts.assign(classes, 0);
    for (std::uint32_t sample : shares[m]) ++worker.label_counts[labels[sample]];
    if (worker.size > 0) {
      worker.main_fraction = static_cast<double>(worker.label_counts[worker.main_class]) /
                             static_cast<double>(worker.size);
    }
    result.workers.push_back(std::move(worker));
  }
  return result;
}

}  // namespace muster::optim
