#pragma once
/// The thread seam: where actors run. Production uses a oneTBB arena (the runtime makes one); tests
/// use the seeded, single-threaded <muster/testing/manual_executor.h>.

#include <muster/clock.h>

#include <atomic>
#include <semaphore>

namespace muster {

/// A unit of work with its own storage: posting it allocates nothing. It is in at most one executor
/// at a time; the poster sees to that.
class Runnable {
 public:
  /// Must not throw. May post itself again.
  virtual void run() = 0;

 protected:
  virtual ~Runnable() = default;

 private:
  friend class RunQueue;
  Runnable* next_ = nullptr;
};

/// An intrusive first-in first-out list of Runnables. Not thread-safe.
class RunQueue {
 public:
  bool empty() const noexcept { return head_ == nullptr; }
  std::size_t size() const noexcept { return size_; }
  void push(Runnable& work) noexcept {
    work.next_ = nullptr;
    (tail_ ? tail_->next_ : head_) = &work;
    tail_ = &work;
    ++size_;
  }
  /// The oldest, or nullptr.
  Runnable* pop() noexcept {
    Runnable* work = head_;
    if (work == nullptr) return nullptr;
    head_ = work->next_;
    if (head_ == nullptr) tail_ = nullptr;
    --size_;
    return work;
  }

 private:
  Runnable* head_ = nullptr;
  Runnable* tail_ = nullptr;
  std::size_t size_ = 0;
};

/// What a thread waits for: opened once, by any thread, and open from then on. It outlives open().
class Latch {
 public:
  /// At most once.
  void open() noexcept {
    open_.store(true, std::memory_order_release);
    opened_.release();
  }
  bool is_open() const noexcept { return open_.load(std::memory_order_acquire); }
  /// Blocks this thread until the latch is open (true) or `timeout` has passed on the machine's
  /// clock (false). One thread at a time.
  bool wait_for(Duration timeout) {
    if (is_open()) return true;
    // Far timeouts overflow the standard library's conversion to an absolute time.
    if (timeout < 24h * 365) return opened_.try_acquire_for(timeout);
    opened_.acquire();
    return true;
  }

 private:
  std::atomic<bool> open_{false};
  std::binary_semaphore opened_{0};
};

/// Runs Runnables. All members may be called from any thread.
class Executor {
 public:
  virtual ~Executor() = default;
  /// Runs `work` once, soon, not inside this call. After stop() it runs inside this call, so that
  /// nothing posted is ever lost.
  virtual void post(Runnable& work) = 0;
  /// From here to run_held() on the same thread, post() may keep work for this thread instead of
  /// waking another: for a thread that has just received messages and is free to act on them.
  virtual void hold() {}
  /// Runs the oldest work kept since hold() on this thread; false when none is left, which ends the
  /// hold. After some hundred microseconds the rest is passed to other threads.
  virtual bool run_held() { return false; }
  /// True when the Runnable under way should post itself again and return, although it has more to
  /// do: the thread is wanted elsewhere.
  virtual bool should_yield() const { return false; }
  /// How many messages an actor may handle before it posts itself again, so that others get their
  /// turn. Constant, at least 1.
  virtual int messages_per_run() const { return 256; }
  /// True when the program itself drives it on one thread, as in tests: what otherwise gets threads
  /// of the runtime's own (run_blocking, SpawnOptions::own_thread) is posted to it then. Constant.
  virtual bool driven() const { return false; }
  /// Blocks the calling thread, which must not be one of the executor's, until `latch` is open
  /// (true) or `timeout` has passed on the executor's clock (false).
  virtual bool wait(Latch& latch, Duration timeout) = 0;
  /// How many Runnables can run at the same time.
  virtual unsigned concurrency() const = 0;
  /// Returns when what was posted has run and no thread of the executor is left. Idempotent.
  virtual void stop() = 0;
};

}  // namespace muster
