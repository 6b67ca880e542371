#pragma once
/// A lock for sections of a few instructions. Not for users.

#include <atomic>

namespace muster::detail {

/// Spins, and lets other threads run when that does not help: the holder may have been preempted.
/// Never held while foreign code runs; on the path of a message never while memory is allocated.
class SpinLock {
 public:
  void lock() noexcept {
    if (locked_.exchange(true, std::memory_order_acquire)) wait();
  }
  bool try_lock() noexcept {
    return !locked_.load(std::memory_order_relaxed) &&
           !locked_.exchange(true, std::memory_order_acquire);
  }
  void unlock() noexcept { locked_.store(false, std::memory_order_release); }

 private:
  void wait() noexcept;
  std::atomic<bool> locked_{false};
};

}  // namespace muster::detail
