#pragma once
/// Several calls of one method as one Future: all their outcomes, or the first success. Not for
/// users; included by <muster/router.h>.
///
/// Threads and lifetime: as of detail/gathering.h.

#include <muster/detail/call_fault.h>
#include <muster/detail/gathering.h>
#include <muster/ids.h>

namespace muster {

/// What one of several calls ended in.
template <class R>
struct Outcome {
  ActorId actor = {};  ///< whose it is
  Result<R> result = fail(ErrorCode::kInternal, "no outcome");
};

namespace detail {

template <auto Method>
struct StreamRouted {
  static_assert(kPossible<StreamRouted>,
                "a method that returns a Stream is called through a Handle, of handles()");
};
/// True, and an error, where M returns a Stream.
template <auto M>
constexpr bool refuse_stream() {
  if constexpr (MemberSignature<decltype(M)>::kIsStream) return sizeof(StreamRouted<M>) > 0;
  return false;
}

/// Of several that failed: the code and type that all have, or kFailed, and every text.
Error all_failed(const std::string& who, std::vector<Error> errors);

/// Ends in the outcomes of all, in their order, when all are ready.
template <class R>
class Settling final : public Gathering {
 public:
  using Outcomes = std::vector<Outcome<R>>;

  static boost::intrusive_ptr<FutureState<Outcomes>> start(StatePtrs states,
                                                           std::vector<ActorId> actors) {
    const auto all = boost::intrusive_ptr(new Settling(std::move(states), std::move(actors)));
    for (std::size_t i = 0; i < all->states_.size(); ++i) all->watch(*all->states_[i], i);
    return all->result_;
  }

  void ready(std::size_t) override {
    if (left_.fetch_sub(1, std::memory_order_acq_rel) > 1 || result_->ready()) return;
    Outcomes outcomes;
    outcomes.reserve(states_.size());
    for (std::size_t i = 0; i < states_.size(); ++i) {
      outcomes.push_back({actors_[i], static_cast<FutureState<R>&>(*states_[i]).take()});
    }
    result_->complete(std::move(outcomes));
  }
  bool stale() const noexcept override { return false; }

 private:
  Settling(StatePtrs states, std::vector<ActorId> actors)
      : result_(new AllState<Outcomes>(domain_of(states), states)),
        states_(std::move(states)),
        actors_(std::move(actors)),
        left_(states_.size()) {}

  const boost::intrusive_ptr<FutureState<Outcomes>> result_;
  const StatePtrs states_;
  const std::vector<ActorId> actors_;
  std::atomic<std::size_t> left_;
};

/// Ends in the first value, and cancels the rest; when all fail, in all_failed().
template <class R>
class FirstValue final : public Gathering {
 public:
  static boost::intrusive_ptr<FutureState<R>> start(StatePtrs states, std::string who) {
    const auto first = boost::intrusive_ptr(new FirstValue(std::move(states), std::move(who)));
    for (std::size_t i = 0; i < first->states_.size(); ++i) first->watch(*first->states_[i], i);
    return first->result_;
  }

  void ready(std::size_t index) override {
    auto& state = static_cast<FutureState<R>&>(*states_[index]);
    if (state.failure() == nullptr) {
      // Of two that are ready at the same time the result takes one.
      if (result_->complete(state.take())) cancel_all();
    }
    if (left_.fetch_sub(1, std::memory_order_acq_rel) > 1 || result_->ready()) return;
    std::vector<Error> errors;
    for (const auto& ended : states_) {
      if (const Error* error = ended->failure()) errors.push_back(*error);
    }
    // Without a value all have failed, unless the result was cancelled.
    if (errors.size() == states_.size()) {
      result_->complete_error(all_failed(who_, std::move(errors)));
    }
  }
  bool stale() const noexcept override { return false; }

 private:
  FirstValue(StatePtrs states, std::string who)
      : result_(new AllState<R>(domain_of(states), states)),
        states_(std::move(states)),
        who_(std::move(who)),
        left_(states_.size()) {}
  void cancel_all() {
    for (const auto& state : states_) state->cancel();
  }

  const boost::intrusive_ptr<FutureState<R>> result_;
  const StatePtrs states_;
  const std::string who_;
  std::atomic<std::size_t> left_;
};

}  // namespace detail
}  // namespace muster
