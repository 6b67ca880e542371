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
  bool wait(Latch& latch, Duration timeout) override {
    scheduler_.run_until([&] { return latch.is_open() || crashed; },
                         std::min<Duration>(timeout, 24h * 365));
    return latch.is_open();
  }
  unsigned concurrency() const override { return 1; }
  int messages_per_run() const override { return 1; }
  bool driven() const override { return true; }
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
  std::atomic<bool> crashed{false};

 private:
  ManualScheduler& scheduler_;
};

namespace {

ManualScheduler::Choice drawn_from(std::optional<std::uint64_t> seed) {
  if (!seed) return nullptr;
  return [random = Random(*seed)](std::size_t ready) mutable {
    return static_cast<std::size_t>(random.below(ready));
  };
}

}  // namespace

ManualScheduler::ManualScheduler(VirtualTimers& timers, std::optional<std::uint64_t> seed)
    : ManualScheduler(timers, drawn_from(seed)) {}
ManualScheduler::ManualScheduler(VirtualTimers& timers, Choice choice)
    : timers_(timers), choice_(std::move(choice)) {}
ManualScheduler::~ManualScheduler() = default;

std::shared_ptr<Executor> ManualScheduler::make_executor() {
  return std::make_shared<ManualExecutor>(*this);
}

ManualScheduler::ManualExecutor& ManualScheduler::own(const Executor& executor) {
  // Every Executor that callers can name here came from make_executor.
  return const_cast<ManualExecutor&>(dynamic_cast<const ManualExecutor&>(executor));
}
void ManualScheduler::freeze(const Executor& executor) {
  own(executor).frozen = true;
}
void ManualScheduler::thaw(const Executor& executor) {
  own(executor).frozen = own(executor).crashed.load();
}
void ManualScheduler::crash(const Executor& executor) {
  own(executor).crashed = true;
  own(executor).frozen = true;
}

std::size_t ManualScheduler::ready() const {
  const std::scoped_lock lock(mutex_);
  return static_cast<std::size_t>(
      std::ranges::count_if(ready_, [](const Entry& entry) { return !entry.executor->frozen; }));
}

bool ManualScheduler::run_one() {
  Runnable* work = nullptr;
  {
    const std::scoped_lock lock(mutex_);
    const auto runs = [](const Entry& entry) { return !entry.executor->frozen; };
    const auto count = static_cast<std::size_t>(std::ranges::count_if(ready_, runs));
    if (count == 0) return false;
    std::size_t pick = choice_ && count > 1 ? choice_(count) : 0;
    MUSTER_CHECK(pick < count, pick, count);
    auto entry = std::ranges::find_if(ready_, runs);
    for (; pick > 0; --pick) entry = std::find_if(entry + 1, ready_.end(), runs);
    work = entry->work;
    ready_.erase(entry);
  }
  work->run();
  return true;
}

std::size_t ManualScheduler::run_until_idle() {
  std::size_t count = 0;
  while (run_one()) ++count;
  return count;
}

bool ManualScheduler::run_until_quiet(Duration calm, Duration limit) {
  const TimePoint end = timers_.clock().now() + limit;
  for (;;) {
    run_until_idle();
    const TimePoint quiet = timers_.clock().now() + calm;
    const auto soon = [&] {
      const auto next = timers_.next();
      return next && *next <= std::min(quiet, end);
    };
    while (ready() == 0 && soon()) timers_.run_next();
    if (ready() > 0) continue;
    if (!timers_.next()) return true;
    pass_until(std::min(quiet, end));
    return quiet <= end;
  }
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
