#include <muster/testing/manual_executor.h>

#include <muster/error.h>

#include <algorithm>

namespace muster::testing {

class ManualScheduler::ManualExecutor final : public Executor {
 public:
  explicit ManualExecutor(ManualScheduler& scheduler) : scheduler_(scheduler) {}

  void post(Runnable& work) override {
    if (stopped) {
      work.run();
      return;
    }
    const std::scoped_lock lock(scheduler_.mutex_);
    scheduler_.ready_.push_back({&work, this});
  }
  bool wait(std::binary_semaphore& released, Duration timeout) override {
    bool acquired = false;
    scheduler_.run_until([&] { return acquired || (acquired = released.try_acquire()); },
                         std::min<Duration>(timeout, 24h * 365));
    return acquired;
  }
  unsigned concurrency() const override { return 1; }
  void stop() override {
    frozen = false;
    const auto mine = [this] {
      const std::scoped_lock lock(scheduler_.mutex_);
      return std::ranges::any_of(scheduler_.ready_, [this](auto& e) { return e.executor == this; });
    };
    while (mine()) scheduler_.run_one();
    stopped = true;
  }

  std::atomic<bool> stopped{false};
  std::atomic<bool> frozen{false};

 private:
  ManualScheduler& scheduler_;
};

ManualScheduler::ManualScheduler(VirtualTimers& timers, std::optional<std::uint64_t> seed)
    : timers_(timers) {
  if (seed) random_.emplace(*seed);
}
ManualScheduler::~ManualScheduler() = default;

std::shared_ptr<Executor> ManualScheduler::make_executor() {
  return std::make_shared<ManualExecutor>(*this);
}

void ManualScheduler::freeze(const Executor& executor) {
  // Every Executor that callers can name here came from make_executor.
  const_cast<ManualExecutor&>(dynamic_cast<const ManualExecutor&>(executor)).frozen = true;
}
void ManualScheduler::thaw(const Executor& executor) {
  const_cast<ManualExecutor&>(dynamic_cast<const ManualExecutor&>(executor)).frozen = false;
}

bool ManualScheduler::run_one() {
  Runnable* work = nullptr;
  {
    const std::scoped_lock lock(mutex_);
    std::vector<std::size_t> candidates;
    for (std::size_t i = 0; i < ready_.size(); ++i) {
      if (ready_[i].executor->frozen) continue;
      candidates.push_back(i);
      if (!random_) break;
    }
    if (candidates.empty()) return false;
    const std::size_t pick =
        random_ ? candidates[random_->below(candidates.size())] : candidates[0];
    work = ready_[pick].work;
    ready_.erase(ready_.begin() + static_cast<std::ptrdiff_t>(pick));
  }
  work->run();
  return true;
}

std::size_t ManualScheduler::run_until_idle() {
  std::size_t count = 0;
  while (run_one()) ++count;
  return count;
}

bool ManualScheduler::advance_until(TimePoint end) {
  if (run_one() || timers_.run_due() > 0) return true;
  const auto next = timers_.next();
  if (!next || *next > end) return false;
  return timers_.run_next();
}

void ManualScheduler::run_for(Duration duration) {
  const TimePoint end = timers_.clock().now() + duration;
  while (advance_until(end)) {
  }
  pass_until(end);
}

void ManualScheduler::pass_until(TimePoint end) {
  timers_.advance(end - timers_.clock().now());
}

}  // namespace muster::testing
