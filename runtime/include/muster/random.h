#pragma once
/// Seeded random numbers that are the same on every machine and compiler, unlike the
/// distributions of <random>.

#include <cmath>
#include <cstdint>
#include <numbers>

namespace muster {

/// SplitMix64: turns any 64-bit number into a well-mixed one. Used to derive independent seeds.
constexpr std::uint64_t mix_seed(std::uint64_t seed, std::uint64_t stream = 0) noexcept {
  std::uint64_t z = seed + 0x9E3779B97F4A7C15ULL * (stream + 1);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

/// xoshiro256** (Blackman and Vigna). A value: copy it to branch a sequence. Satisfies
/// UniformRandomBitGenerator. Not thread-safe; give each owner its own.
class Random {
 public:
  using result_type = std::uint64_t;

  explicit constexpr Random(std::uint64_t seed) noexcept {
    for (std::uint64_t i = 0; i < 4; ++i) state_[i] = mix_seed(seed, i);
  }

  static constexpr result_type min() noexcept { return 0; }
  static constexpr result_type max() noexcept { return ~result_type{0}; }

  constexpr result_type operator()() noexcept {
    const result_type out = rotate(state_[1] * 5, 7) * 9;
    const result_type t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = rotate(state_[3], 45);
    return out;
  }

  /// Uniform in [0, bound), without bias. Requires: bound > 0.
  constexpr std::uint64_t below(std::uint64_t bound) noexcept {
    const std::uint64_t threshold = (0 - bound) % bound;
    for (;;) {
      const std::uint64_t r = (*this)();
      if (r >= threshold) return r % bound;
    }
  }

  /// Uniform in [0, 1), 53 bits.
  constexpr double uniform() noexcept { return static_cast<double>((*this)() >> 11) * 0x1.0p-53; }

  /// Standard normal, by the Box-Muller transform (one value a call, two draws).
  double normal() noexcept {
    const double u = 1.0 - uniform();
    const double v = uniform();
    return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
  }

  friend constexpr bool operator==(const Random&, const Random&) = default;

 private:
  static constexpr result_type rotate(result_type x, int k) noexcept {
    return (x << k) | (x >> (64 - k));
  }
  result_type state_[4] = {};
};

}  // namespace muster
