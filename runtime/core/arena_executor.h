#pragma once
// The production executor: worker loops in a oneTBB arena over one shared queue, with a queue of
// its own for each thread that is running or holding work, so that a reply runs where its caller
// ran.
//
// Threads: all members from any thread.
//
// Invariants:
//  1. active_ counts the worker loops that may still look into shared_; a loop ends only when it
//  saw
//     shared_ empty under the mutex. So what is posted while active_ < threads_ starts a loop, and
//     nothing waits in shared_ without one.
//  2. Work in a thread's own queue is run by that thread, taken by another that has nothing to do,
//     or, when its thread has been busy for a few milliseconds, moved to shared_ by the rescue
//     timer.

#include <muster/executor.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

namespace muster::detail {

class ArenaExecutor final : public Executor {
 public:
  /// `timers` outlives the executor. Requires: threads >= 1.
  ArenaExecutor(unsigned threads, Timers& timers);
  ~ArenaExecutor() override;

  void post(Runnable& work) override;
  void hold() override;
  bool run_held() override;
  bool should_yield() const override;
  bool wait(Latch& latch, Duration timeout) override { return latch.wait_for(timeout); }
  unsigned concurrency() const override { return threads_; }
  void stop() override;

 private:
  struct Local;
  struct Arena;
  friend struct LocalSlot;

  Local* local() const noexcept;  // of this thread, if it runs or holds work of this executor
  Local& enter();
  void leave(Local& local);
  void share(Runnable& work);
  void share_all(Local& local);
  void wake();  // requires mutex_
  void work();
  Runnable* next(Local& local, unsigned turn);
  Runnable* steal(const Local& thief);
  void arm_rescue();
  void rescue();

  const unsigned threads_;
  Timers& timers_;
  std::unique_ptr<Arena> arena_;
  std::atomic<bool> idle_workers_{true};  // active_ < threads_, as last seen
  std::atomic<bool> holder_{false};       // some thread is holding
  std::atomic<bool> rescue_armed_{false};
  std::atomic<bool> stopped_{false};

  std::mutex mutex_;
  std::condition_variable quiet_;  // active_ == 0 and shared_ empty
  // Guarded by mutex_:
  RunQueue shared_;
  std::atomic<std::size_t> shared_size_{0};  // written under mutex_
  unsigned active_ = 0;
  bool stopping_ = false;
  TimerId rescue_timer_ = 0;

  std::mutex locals_mutex_;
  std::vector<Local*> locals_;  // guarded by locals_mutex_
};

}  // namespace muster::detail
