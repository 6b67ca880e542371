#include <muster/detail/spin_lock.h>

#include <thread>

namespace muster::detail {

void SpinLock::wait() noexcept {
  constexpr int kSpins = 100;
  do {
    for (int i = 0; i < kSpins && locked_.load(std::memory_order_relaxed); ++i) {
      __builtin_ia32_pause();
    }
    if (locked_.load(std::memory_order_relaxed)) std::this_thread::yield();
  } while (locked_.exchange(true, std::memory_order_acquire));
}

}  // namespace muster::detail
