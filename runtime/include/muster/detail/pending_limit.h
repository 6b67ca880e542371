#pragma once
/// What goes along with a call from its beginning to its end. Not for users.

#include <muster/detail/future_state.h>

namespace muster::detail {

/// How many calls may be under way through one handle and its copies.
/// Threads: all members from any thread.
class PendingLimit : public Shared<PendingLimit> {
 public:
  explicit PendingLimit(std::uint32_t max) noexcept : max_(max) {}
  /// True: one more is under way until `state` is complete. False: there is no room for it, and
  /// `state` has been ended in kOverloaded.
  bool enter(FutureStateBase& state, std::string_view what);

 private:
  class Leaving;
  const std::uint32_t max_;
  std::atomic<std::uint32_t> under_way_{0};
};

/// Its time until it is complete goes into the call latencies of its runtime.
void time_call(FutureStateBase& call);

}  // namespace muster::detail
