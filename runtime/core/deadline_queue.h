#pragma once
// The deadlines of calls under way. One timer is armed for all of them; adding and removing is
// constant time for calls with equal timeouts, which come in the order of their deadlines.
//
// Threads: all members from any thread. Invariant: a state is in the set exactly while it is
// incomplete and its deadline has not passed, and the set holds a reference to it.

#include <muster/detail/future_state.h>

#include <mutex>

namespace muster::detail {

class DeadlineQueue {
 public:
  explicit DeadlineQueue(Timers& timers) : timers_(timers) {}
  ~DeadlineQueue() { stop(); }

  /// False after stop(): the state stays without a deadline.
  bool add(FutureStateBase& state, Duration timeout);
  void remove(FutureStateBase& state);
  /// Ends every state in the set in kCancelled; none is added from here on. Idempotent.
  void stop();

 private:
  struct KeyOf {
    using type = TimePoint;
    const type& operator()(const FutureStateBase& state) const noexcept { return state.deadline_; }
  };
  using Hook = boost::intrusive::member_hook<FutureStateBase, boost::intrusive::set_member_hook<>,
                                             &FutureStateBase::deadline_hook_>;
  using Set =
      boost::intrusive::multiset<FutureStateBase, Hook, boost::intrusive::key_of_value<KeyOf>>;

  void arm(TimePoint when);  // requires mutex_
  void expire();

  Timers& timers_;
  std::mutex mutex_;
  // Guarded by mutex_:
  Set set_;
  TimePoint armed_for_ = TimePoint::max();
  TimerId timer_ = 0;
  bool stopped_ = false;
};

}  // namespace muster::detail
