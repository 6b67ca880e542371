#include <fmt/format.h>
#include <muster/optim/replica.h>

#include <array>
#include <bit>

namespace muster::optim {
namespace {

constexpr std::uint64_t kFormat = 1;
constexpr std::size_t kVectors = 5;
using RandomState = std::array<std::uint64_t, 4>;
static_assert(sizeof(RandomState) == sizeof(Random));
// format, sizes, moment_count, refreshes, steps, momentum_steps, cursor, random state
constexpr std::size_t kWords = 1 + kVectors + 4 + 2 + 4;

/// The vectors of a replica in the order in which they are stored.
template <class Replica>
auto vectors_of(Replica& r) {
  return std::array{&r.params, &r.momentum, &r.accumulator, &r.dhat, &r.moments};
}

}  // namespace

template <class Real>
FlatReplica<Real> flatten(const BasicReplica<Real>& replica) {
  FlatReplica<Real> flat;
  flat.words.reserve(kWords);
  flat.words.push_back(kFormat);
  std::size_t total = 0;
  for (const auto* vector : vectors_of(replica)) {
    flat.words.push_back(vector->size());
    total += vector->size();
  }
  flat.reals.reserve(total);
  for (const auto* vector : vectors_of(replica)) {
    flat.reals.insert(flat.reals.end(), vector->begin(), vector->end());
  }
  flat.words.insert(flat.words.end(),
                    {replica.moment_count, replica.refreshes, replica.steps, replica.momentum_steps,
                     replica.cursor.epoch, replica.cursor.offset});
  const auto state = std::bit_cast<RandomState>(replica.random);
  flat.words.insert(flat.words.end(), state.begin(), state.end());
  return flat;
}

template <class Real>
Result<BasicReplica<Real>> unflatten(std::span<const Real> reals,
                                     std::span<const std::uint64_t> words) {
  if (words.size() != kWords) {
    return fail(ErrorCode::kCorrupt,
                fmt::format("replica: found {} words, expected {}", words.size(), kWords));
  }
  if (words[0] != kFormat) {
    return fail(ErrorCode::kCorrupt,
                fmt::format("replica: found format {}, expected {}", words[0], kFormat));
  }
  BasicReplica<Real> replica;
  std::size_t at = 0;
  for (std::size_t i = 0; i < kVectors; ++i) {
    const std::uint64_t size = words[1 + i];
    const bool optional = i > 0;
    if (size > reals.size() - at || (optional && size != 0 && size != words[1])) {
      return fail(ErrorCode::kCorrupt,
                  fmt::format("replica: vector {} has size {}, expected {}{} of {} numbers", i,
                              size, optional ? "0 or " : "at most ", words[1], reals.size()));
    }
    vectors_of(replica)[i]->assign(reals.begin() + static_cast<std::ptrdiff_t>(at),
                                   reals.begin() + static_cast<std::ptrdiff_t>(at + size));
    at += size;
  }
  if (at != reals.size()) {
    return fail(ErrorCode::kCorrupt,
                fmt::format("replica: found {} numbers, expected {}", reals.size(), at));
  }
  const std::uint64_t* word = words.data() + 1 + kVectors;
  replica.moment_count = word[0];
  replica.refreshes = word[1];
  replica.steps = word[2];
  replica.momentum_steps = word[3];
  replica.cursor = {word[4], word[5]};
  replica.random = std::bit_cast<Random>(RandomState{word[6], word[7], word[8], word[9]});
  return replica;
}

template FlatReplica<float> flatten(const BasicReplica<float>&);
template FlatReplica<double> flatten(const BasicReplica<double>&);
template Result<BasicReplica<float>> unflatten(std::span<const float>,
                                               std::span<const std::uint64_t>);
template Result<BasicReplica<double>> unflatten(std::span<const double>,
                                                std::span<const std::uint64_t>);

}  // namespace muster::optim
