#pragma once
// The threads of run_blocking.
//
// Threads: all members from any thread. Lock order: mutex_ before nothing; work is run, dropped and
// asked to stop without it.
//
// Invariants:
//  1. Every work that submit() took is run or dropped, once.
//  2. There are threads_max threads, or as many as work that waits and runs.

#include <muster/detail/blocking_work.h>

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace muster::detail {

class BlockingPool {
 public:
  /// A driven executor runs the work itself: there are no threads then.
  BlockingPool(unsigned threads_max, std::size_t waiting_max, Executor& executor);
  ~BlockingPool() { stop(); }

  /// Takes the work, or says why not.
  Result<void> submit(BlockingWork& work);
  /// Drops the work if it waits.
  void withdraw(BlockingWork& work);
  /// Drops what waits, asks the rest to stop, and returns when it has ended and no thread is left.
  /// Nothing is taken from here on. Idempotent.
  void stop();

 private:
  class Turn;
  using List = boost::intrusive::list<BlockingWork>;
  using Where = BlockingWork::Where;

  Result<void> find_thread();  // requires mutex_
  void work();
  void run_first(std::unique_lock<std::mutex>& lock);
  void drop(BlockingWork& work, Error cause);

  const unsigned threads_max_;
  const std::size_t waiting_max_;
  Executor& executor_;
  const bool driven_;

  std::mutex mutex_;
  std::condition_variable wake_;
  // Guarded by mutex_:
  List waiting_;
  List running_;
  std::vector<std::thread> threads_;
  bool stopping_ = false;
};

}  // namespace muster::detail
