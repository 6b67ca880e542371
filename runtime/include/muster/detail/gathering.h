#pragma once
/// How one Future waits for several. Not for users; included by <muster/when.h>.
///
/// Threads: a Gathering is told on the threads that complete its futures, several at a time.
/// Lifetime: each future that is not complete keeps the Gathering; it ends with the last of them.

#include <muster/detail/future_await.h>

#include <span>
#include <vector>

namespace muster::detail {

using StatePtrs = std::vector<boost::intrusive_ptr<FutureStateBase>>;

/// Told once of each future that it watches, when it is ready.
class Gathering : public Shared<Gathering> {
 public:
  virtual ~Gathering() = default;
  virtual void ready(std::size_t index) = 0;
  /// Nobody waits for what it is to find out.
  virtual bool stale() const noexcept = 0;

 protected:
  /// A runtime of theirs; null when all are ready and none needs one.
  static boost::intrusive_ptr<Domain> domain_of(const StatePtrs& states);
  /// Requires: a reference to the Gathering is held. ready() may come before it returns.
  void watch(FutureStateBase& state, std::size_t index);
};

/// Of several that it owns: cancelling it cancels them.
template <class R>
class AllState final : public FutureState<R> {
 public:
  AllState(boost::intrusive_ptr<Domain> domain, StatePtrs states)
      : FutureState<R>(std::move(domain)), states_(std::move(states)) {}

 private:
  void on_abandoned(bool cancelled) override {
    if (!cancelled) return;
    for (const auto& state : states_) state->cancel();
  }
  const StatePtrs states_;
};

/// Ends in `collect(states)` when all are ready in values, or in the first error, at once.
template <class R, class Collect>
class AllOf final : public Gathering {
 public:
  static boost::intrusive_ptr<FutureState<R>> start(StatePtrs states, Collect collect) {
    const auto all = boost::intrusive_ptr(new AllOf(std::move(states), std::move(collect)));
    if (all->states_.empty()) all->result_->complete(all->collect_(all->states_));
    for (std::size_t i = 0; i < all->states_.size(); ++i) all->watch(*all->states_[i], i);
    return all->result_;
  }

  void ready(std::size_t index) override {
    if (const Error* error = states_[index]->failure()) result_->complete_error(*error);
    if (left_.fetch_sub(1, std::memory_order_acq_rel) > 1 || result_->ready()) return;
    result_->complete(collect_(states_));
  }
  bool stale() const noexcept override { return false; }

 private:
  AllOf(StatePtrs states, Collect collect)
      : result_(new AllState<R>(domain_of(states), states)),
        states_(std::move(states)),
        collect_(std::move(collect)),
        left_(states_.size()) {}

  const boost::intrusive_ptr<FutureState<R>> result_;
  const StatePtrs states_;
  const Collect collect_;
  std::atomic<std::size_t> left_;
};

/// The value of a state that is ready in one.
template <class T>
T value_of(FutureStateBase& state) {
  return std::move(*static_cast<FutureState<T>&>(state).take());
}

/// Ends in the index of the first of `states` that is ready, in a value or an error.
boost::intrusive_ptr<FutureState<std::size_t>> first_of(const StatePtrs& states);
/// Ends in the indices of those that are ready when `count` are, or when `timeout` has passed.
boost::intrusive_ptr<FutureState<std::vector<std::size_t>>> some_of(const StatePtrs& states,
                                                                    std::size_t count,
                                                                    Duration timeout);
/// Requires: none is null.
void check_states(const StatePtrs& states);

}  // namespace muster::detail
