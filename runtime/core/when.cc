#include <muster/when.h>

#include <algorithm>

namespace muster::detail {

namespace {

class GatheringWaiter final : public Waiter {
 public:
  GatheringWaiter(boost::intrusive_ptr<Gathering> gathering, std::size_t index)
      : gathering_(std::move(gathering)), index_(index) {}
  void ready() override { gathering_->ready(index_); }
  bool stale() const noexcept override { return gathering_->stale(); }

 private:
  const boost::intrusive_ptr<Gathering> gathering_;
  const std::size_t index_;
};

std::vector<std::size_t> ready_ones(const StatePtrs& states) {
  std::vector<std::size_t> indices;
  for (std::size_t i = 0; i < states.size(); ++i) {
    if (states[i]->ready()) indices.push_back(i);
  }
  return indices;
}

/// Only this Gathering still refers to its result: the Future was dropped.
bool unwanted(const FutureStateBase& result) noexcept {
  return result.ready() || result.use_count() == 1;
}

class FirstOf final : public Gathering {
 public:
  explicit FirstOf(const StatePtrs& states)
      : result(new FutureState<std::size_t>(domain_of(states))) {}
  void start(const StatePtrs& states) {
    for (std::size_t i = 0; i < states.size() && !result->ready(); ++i) watch(*states[i], i);
  }
  void ready(std::size_t index) override { result->complete(index); }
  bool stale() const noexcept override { return unwanted(*result); }

  const boost::intrusive_ptr<FutureState<std::size_t>> result;
};

class SomeState final : public FutureState<std::vector<std::size_t>> {
 public:
  SomeState(boost::intrusive_ptr<Domain> domain, StatePtrs states)
      : FutureState(std::move(domain)), states_(std::move(states)) {}
  void on_deadline() override { finish(); }
  void finish() { complete(ready_ones(states_)); }

 private:
  const StatePtrs states_;
};

class SomeOf final : public Gathering {
 public:
  SomeOf(const StatePtrs& states, std::size_t count)
      : result(new SomeState(domain_of(states), states)), left_(count) {}
  void start(const StatePtrs& states, std::size_t count, Duration timeout) {
    const bool wait = count > 0 && result->domain() != nullptr;
    if (!wait || !result->arm_deadline(timeout, "when_some")) result->finish();
    for (std::size_t i = 0; i < states.size() && !result->ready(); ++i) watch(*states[i], i);
  }
  void ready(std::size_t) override {
    if (left_.fetch_sub(1, std::memory_order_acq_rel) == 1) result->finish();
  }
  bool stale() const noexcept override { return unwanted(*result); }

  const boost::intrusive_ptr<SomeState> result;

 private:
  std::atomic<std::size_t> left_;
};

}  // namespace

boost::intrusive_ptr<Domain> Gathering::domain_of(const StatePtrs& states) {
  const auto found =
      std::ranges::find_if(states, [](const auto& s) { return s->domain() != nullptr; });
  return found == states.end() ? nullptr : (*found)->domain();
}

void Gathering::watch(FutureStateBase& state, std::size_t index) {
  // Who waits for one of many again and again leaves nothing behind at the others.
  if (state.has_waiters()) state.forget_stale();
  state.subscribe(boost::intrusive_ptr<Waiter>(
      new GatheringWaiter(boost::intrusive_ptr<Gathering>(this), index)));
}

boost::intrusive_ptr<FutureState<std::size_t>> first_of(const StatePtrs& states) {
  MUSTER_CHECK(!states.empty(), "there is nothing to wait for");
  const auto first = boost::intrusive_ptr(new FirstOf(states));
  first->start(states);
  return first->result;
}

boost::intrusive_ptr<FutureState<std::vector<std::size_t>>> some_of(const StatePtrs& states,
                                                                    std::size_t count,
                                                                    Duration timeout) {
  MUSTER_CHECK(count <= states.size(), count, states.size());
  const auto some = boost::intrusive_ptr(new SomeOf(states, count));
  some->start(states, count, timeout);
  return some->result;
}

void check_states(const StatePtrs& states) {
  MUSTER_CHECK(std::ranges::find(states, nullptr) == states.end(), "one of the Futures is empty");
}

}  // namespace muster::detail
