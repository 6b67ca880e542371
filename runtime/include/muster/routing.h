#pragma once
/// How one of several is chosen: in turn, by least load, by the hash of a key. Pure decisions, of
/// which <muster/router.h> is made; they know no actor and are of use without one.
///
/// Threads: values; none is safe to change from two threads at a time.

#include <muster/random.h>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace muster {

/// What a key says about where to go: equal keys have equal hashes, on every machine and in every
/// process. Made of whatever is a whole number, an enumerator or text.
class RouteKey {
 public:
  template <class T>
  requires(std::integral<T> || std::is_enum_v<T>)
      // NOLINTNEXTLINE(google-explicit-constructor): a key is passed as it is
      constexpr RouteKey(T key) noexcept
      : hash_(mix_seed(static_cast<std::uint64_t>(key))) {}
  template <class T>
  requires std::convertible_to<const T&, std::string_view>
  // NOLINTNEXTLINE(google-explicit-constructor): as above
  constexpr RouteKey(const T& key) noexcept : hash_(hash_of(std::string_view(key))) {}

  constexpr std::uint64_t hash() const noexcept { return hash_; }
  friend constexpr bool operator==(RouteKey, RouteKey) = default;

 private:
  static constexpr std::uint64_t hash_of(std::string_view text) noexcept {
    std::uint64_t hash = 0xCBF29CE484222325ULL;  // FNV-1a
    for (const char c : text) {
      hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
    }
    return mix_seed(hash);
  }
  std::uint64_t hash_;
};

/// One after another, also when some come and go.
class RoundRobin {
 public:
  /// The index of the next of `count`. Requires: count > 0.
  std::size_t next(std::size_t count) noexcept {
    if (next_ >= count) next_ = 0;
    return next_++;
  }
  /// The one with this index is gone, and those after it have moved up.
  void removed(std::size_t index) noexcept {
    if (index < next_) --next_;
  }

 private:
  std::size_t next_ = 0;
};

/// The index of the least of load(0), ..., load(count - 1); of several, the first from `start` on,
/// going round. Requires: start < count.
template <class Load>
std::size_t least_loaded(std::size_t count, std::size_t start, Load load) {
  std::size_t best = start;
  auto least = load(start);
  for (std::size_t i = 1; i < count && least > 0; ++i) {
    const std::size_t index = start + i < count ? start + i : start + i - count;
    if (const auto mine = load(index); mine < least) {
      least = mine;
      best = index;
    }
  }
  return best;
}

/// Consistent hashing: which member a key belongs to. When a member comes or goes, only keys that
/// are now or were its own change hands: with n members about one in n. Each member has
/// `points_each` points on the ring, and its share of the keys is even to about one part in the
/// square root of that.
template <class Member>
class HashRing {
 public:
  static constexpr std::size_t kPointsEach = 128;

  /// Requires: points_each > 0.
  explicit HashRing(std::size_t points_each = kPointsEach) : points_each_(points_each) {}

  /// `identity` places the member: rings with equal identities agree on every key, in whatever
  /// order they were added. Requires: no other member has it. Takes time in proportion to all
  /// points.
  void add(std::uint64_t identity, Member member) {
    const std::size_t before = points_.size();
    for (std::size_t i = 0; i < points_each_; ++i) {
      points_.push_back({mix_seed(identity, i), identity, member});
    }
    const auto middle = points_.begin() + static_cast<std::ptrdiff_t>(before);
    std::sort(middle, points_.end());
    std::inplace_merge(points_.begin(), middle, points_.end());
  }
  void remove(std::uint64_t identity) {
    std::erase_if(points_, [&](const Point& point) { return point.identity == identity; });
  }
  /// The key's member, or null when there is none. Valid until the next change.
  const Member* find(RouteKey key) const noexcept {
    if (points_.empty()) return nullptr;
    const auto after = std::ranges::lower_bound(points_, key.hash(), {}, &Point::place);
    return &(after == points_.end() ? points_.front() : *after).member;
  }
  std::size_t points() const noexcept { return points_.size(); }
  bool empty() const noexcept { return points_.empty(); }

 private:
  struct Point {
    std::uint64_t place;
    std::uint64_t identity;
    Member member;
    friend bool operator<(const Point& a, const Point& b) {
      return std::tie(a.place, a.identity) < std::tie(b.place, b.identity);
    }
  };
  std::size_t points_each_;
  std::vector<Point> points_;  // sorted
};

}  // namespace muster
