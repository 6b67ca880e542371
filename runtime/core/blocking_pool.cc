#include "runtime/core/blocking_pool.h"

#include <algorithm>
#include <system_error>

#include "runtime/core/runtime_core.h"

namespace muster::detail {

// --- run_blocking --------------------------------------------------------------------------------

boost::intrusive_ptr<Domain> blocking_domain() {
  Place* place = current_place();
  if (place == nullptr) {
    throw Exception(Error{ErrorCode::kInvalid,
                          "run_blocking is for handlers and tasks: elsewhere there is no runtime",
                          {}});
  }
  return place->domain();
}

void start_blocking(FutureStateBase& state, BlockingWork& work, std::optional<Duration> timeout) {
  auto& core = static_cast<RuntimeCore&>(*state.domain());
  if (!state.arm_deadline(timeout.value_or(core.options().call_timeout), "run_blocking")) {
    work.drop({ErrorCode::kCancelled, "run_blocking: the runtime shut down", {}});
  } else if (auto taken = core.blocking().submit(work); !taken) {
    work.drop(std::move(taken.error()));
  }
}

void withdraw_blocking(Domain& domain, BlockingWork& work) {
  static_cast<RuntimeCore&>(domain).blocking().withdraw(work);
}

// --- the pool ------------------------------------------------------------------------------------

/// Of one work on a driven executor; runs the oldest that waits then, if any does.
class BlockingPool::Turn final : public Runnable {
 public:
  explicit Turn(BlockingPool& pool) : pool_(pool) {}
  void run() override {
    const std::unique_ptr<Turn> self(this);
    const RunningScope scope(nullptr);
    std::unique_lock lock(pool_.mutex_);
    if (!pool_.waiting_.empty()) pool_.run_first(lock);
  }

 private:
  BlockingPool& pool_;
};

BlockingPool::BlockingPool(unsigned threads_max, std::size_t waiting_max, Executor& executor)
    : threads_max_(threads_max),
      waiting_max_(waiting_max),
      executor_(executor),
      driven_(executor.driven()) {}

Result<void> BlockingPool::submit(BlockingWork& work) {
  {
    const std::scoped_lock lock(mutex_);
    if (stopping_) return fail(ErrorCode::kCancelled, "run_blocking: the runtime shut down");
    if (threads_max_ == 0) {
      return fail(ErrorCode::kInvalid, "run_blocking: RuntimeOptions::blocking_threads is 0");
    }
    if (waiting_.size() + running_.size() >= waiting_max_ + threads_max_) {
      return fail(ErrorCode::kOverloaded, "run_blocking: " + std::to_string(waiting_.size()) +
                                              " others wait for one of " +
                                              std::to_string(threads_max_) + " threads");
    }
    if (work.state().claimed()) return {};  // its deadline has passed, and looked for it in vain
    waiting_.push_back(work);
    if (!driven_) {
      if (auto found = find_thread(); !found) {
        waiting_.pop_back();
        return found;
      }
    }
    work.where_ = Where::kWaiting;
    intrusive_ptr_add_ref(&work.state());
  }
  if (driven_) {
    executor_.post(*std::make_unique<Turn>(*this).release());  // frees itself when it has run
  } else {
    wake_.notify_one();
  }
  return {};
}

Result<void> BlockingPool::find_thread() {
  const std::size_t wanted = std::min<std::size_t>(waiting_.size() + running_.size(), threads_max_);
  if (threads_.size() >= wanted) return {};
  try {
    threads_.emplace_back([this] { work(); });
  } catch (const std::system_error& e) {
    if (threads_.empty()) {
      return fail(ErrorCode::kOverloaded,
                  std::string("run_blocking: no thread can be made: ") + e.what());
    }
  }
  return {};
}

void BlockingPool::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    run_first(lock);
  }
}

void BlockingPool::run_first(std::unique_lock<std::mutex>& lock) {
  BlockingWork& work = waiting_.front();
  waiting_.pop_front();
  running_.push_back(work);
  work.where_ = Where::kRunning;
  lock.unlock();
  work.run();
  lock.lock();
  running_.erase(running_.iterator_to(work));
  work.where_ = Where::kNowhere;
  lock.unlock();
  intrusive_ptr_release(&work.state());
  lock.lock();
}

void BlockingPool::drop(BlockingWork& work, Error cause) {
  const boost::intrusive_ptr<FutureStateBase> taken(&work.state(), false);
  work.drop(std::move(cause));
}

void BlockingPool::withdraw(BlockingWork& work) {
  {
    const std::scoped_lock lock(mutex_);
    if (work.where_ != Where::kWaiting) return;
    waiting_.erase(waiting_.iterator_to(work));
    work.where_ = Where::kNowhere;
  }
  drop(work, {ErrorCode::kCancelled, "run_blocking: cancelled", {}});
}

void BlockingPool::stop() {
  std::vector<std::thread> threads;
  std::vector<boost::intrusive_ptr<FutureStateBase>> running;
  std::vector<BlockingWork*> asked;
  List waiting;
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
    waiting.swap(waiting_);
    for (BlockingWork& work : waiting) work.where_ = Where::kNowhere;
    for (BlockingWork& work : running_) {
      running.emplace_back(&work.state());
      asked.push_back(&work);
    }
    threads.swap(threads_);
  }
  wake_.notify_all();
  while (!waiting.empty()) {
    BlockingWork& work = waiting.front();
    waiting.pop_front();
    drop(work, {ErrorCode::kCancelled, "run_blocking: the runtime shut down", {}});
  }
  for (BlockingWork* work : asked) work->ask_to_stop();
  for (std::thread& thread : threads) thread.join();
}

}  // namespace muster::detail
