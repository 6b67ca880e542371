#pragma once
// What a pool does when: pure functions of (now, state). pool_manager.h carries it out.

#include <muster/pool.h>

#include <optional>
#include <vector>

namespace muster::detail {

struct PoolMember {
  std::size_t load = 0;       // calls under way
  TimePoint idle_since = {};  // with no load
};

struct PoolState {
  std::vector<PoolMember> members;
  std::size_t calls = 0;  // under way, those to members that have just died among them
  /// No member is made before: the last ones failed.
  TimePoint spawn_after = TimePoint::min();
};

enum class PoolReason : std::uint8_t {
  kEnough,      // as many as are needed, and no more than may be
  kTooFew,      // below the minimum, or for the calls under way
  kTooFewWait,  // the same, but it is too soon to make one
  kTooMany,     // some have been idle for long
  kMayShrink,   // more than the minimum, but none idle for long enough
};
std::string_view to_string(PoolReason reason) noexcept;

struct PoolActions {
  PoolReason reason = PoolReason::kEnough;
  std::size_t spawn = 0;
  std::vector<std::size_t> retire;  // indices of members, those idle longest first
  std::optional<TimePoint> look_again;
};

/// How many members `calls` under way ask for, between the bounds.
std::size_t members_wanted(const PoolOptions& options, std::size_t calls) noexcept;

PoolActions decide(const PoolOptions& options, const PoolState& state, TimePoint now);

/// How long to wait before the next member is made when those before died or could not be made: not
/// at all after the first failure, then `min`, twice that, and so on up to `max`; as at first once
/// nothing has failed for `max`.
class SpawnDelay {
 public:
  SpawnDelay(Duration min, Duration max) : min_(min), max_(max) {}
  void failed(TimePoint now);
  TimePoint not_before() const noexcept { return not_before_; }

 private:
  const Duration min_;
  const Duration max_;
  Duration delay_{0};  // before the next
  bool failed_ = false;
  TimePoint last_ = TimePoint::min();
  TimePoint not_before_ = TimePoint::min();
};

}  // namespace muster::detail
