#include "runtime/core/arena_executor.h"

#include <muster/detail/spin_lock.h>
#include <muster/error.h>

#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include <algorithm>

#if defined(__SANITIZE_THREAD__)
#define MUSTER_UNSEEN_HANDOVER __attribute__((no_sanitize("thread")))
extern "C" void __tsan_acquire(void* address);
extern "C" void __tsan_release(void* address);
extern "C" void __tsan_ignore_thread_begin();
extern "C" void __tsan_ignore_thread_end();
#else
#define MUSTER_UNSEEN_HANDOVER
#endif

namespace muster::detail {

namespace {

// ThreadSanitizer does not see how oneTBB, which is not built with it, passes a task on: the task
// itself is not looked at, and what it does is ordered by these calls.
void tell_sanitizer_released([[maybe_unused]] void* address) {
#if defined(__SANITIZE_THREAD__)
  __tsan_release(address);
#endif
}
void tell_sanitizer_acquired([[maybe_unused]] void* address) {
#if defined(__SANITIZE_THREAD__)
  __tsan_acquire(address);
#endif
}

// While one lives, what its thread reads and writes is not looked at. A suppression alone would not
// do: it names functions, and the checker has not always kept the stack of the other side.
class UnseenBySanitizer {
 public:
#if defined(__SANITIZE_THREAD__)
  UnseenBySanitizer() {
    __tsan_ignore_thread_begin();
  }
  ~UnseenBySanitizer() {
    __tsan_ignore_thread_end();
  }
  UnseenBySanitizer(const UnseenBySanitizer&) = delete;
  UnseenBySanitizer& operator=(const UnseenBySanitizer&) = delete;
#endif
};

constexpr Duration kHeldBudget = 200us;
constexpr Duration kRescueAfter = 2ms;
constexpr unsigned kSharedEvery = 61;  // turns after which shared work goes before a thread's own

/// oneTBB keeps its workers for the next arena. When the last of these goes it joins them, unless
/// the program uses oneTBB elsewhere too.
struct Workers {
  Workers() = default;
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  ~Workers() { tbb::finalize(handle, std::nothrow); }
  tbb::task_scheduler_handle handle{tbb::attach{}};
};
}  // namespace

struct ArenaExecutor::Arena {
  explicit Arena(unsigned threads)
      // oneTBB otherwise makes one worker less than there are cores.
      : limit(tbb::global_control::max_allowed_parallelism,
              std::max<std::size_t>(
                  threads + 1,
                  tbb::global_control::active_value(tbb::global_control::max_allowed_parallelism))),
        arena(static_cast<int>(threads), 0) {}
  tbb::global_control limit;  // goes last: on one core the workers could not end without it
  Workers workers;
  tbb::task_arena arena;
};

struct ArenaExecutor::Local {
  const ArenaExecutor* owner = nullptr;
  bool holding = false;              // only this thread writes it, under locals_mutex_
  std::atomic<bool> running{false};  // of a holder: it is in the middle of work
  TimePoint yield_at{};              // only this thread touches it
  Local* outer = nullptr;
  SpinLock mutex;
  RunQueue queue;                // guarded by mutex
  std::uint64_t taken = 0;       // guarded by mutex; how often the owner took work
  std::uint64_t taken_seen = 0;  // guarded by mutex; `taken` at the last rescue
};

// One entry a nesting level: a thread may run work of one runtime inside that of another.
struct LocalSlot {
  static ArenaExecutor::Local*& current() noexcept {
    thread_local ArenaExecutor::Local* local = nullptr;
    return local;
  }
  static ArenaExecutor::Local& storage() {
    thread_local ArenaExecutor::Local local;
    return local;
  }
};

ArenaExecutor::ArenaExecutor(unsigned threads, Timers& timers)
    : threads_(threads), timers_(timers), arena_(std::make_unique<Arena>(threads)) {
  MUSTER_CHECK(threads >= 1, threads);
}

ArenaExecutor::~ArenaExecutor() {
  stop();
}

ArenaExecutor::Local* ArenaExecutor::local() const noexcept {
  Local* local = LocalSlot::current();
  return local && local->owner == this ? local : nullptr;
}

ArenaExecutor::Local& ArenaExecutor::enter() {
  Local& storage = LocalSlot::storage();
  // The thread's storage is taken when it works for another executor further up its stack.
  Local* entered = storage.owner == nullptr ? &storage : new Local;
  entered->owner = this;
  entered->outer = std::exchange(LocalSlot::current(), entered);
  const std::scoped_lock lock(locals_mutex_);
  locals_.push_back(entered);
  return *entered;
}

void ArenaExecutor::leave(Local& local) {
  {
    const std::scoped_lock lock(locals_mutex_);
    std::erase(locals_, &local);
    if (std::exchange(local.holding, false)) holder_ = false;
  }
  share_all(local);
  LocalSlot::current() = local.outer;
  local.owner = nullptr;
  if (&local != &LocalSlot::storage()) delete &local;
}

void ArenaExecutor::post(Runnable& work) {
  if (stopped_.load(std::memory_order_acquire)) {
    work.run();
    return;
  }
  Local* own = local();
  if (own == nullptr) {
    share(work);
    return;
  }
  bool surplus = false;
  {
    const std::scoped_lock lock(own->mutex);
    surplus = !own->queue.empty() && idle_workers_;
    if (!surplus) own->queue.push(work);
  }
  // A worker that goes idle says so and then looks through the threads' own queues once more: it
  // finds this work, or is seen here.
  if (surplus) {
    share(work);
  } else if (idle_workers_) {
    arm_rescue();
  }
}

void ArenaExecutor::share(Runnable& work) {
  std::unique_lock lock(mutex_);
  if (stopped_.load(std::memory_order_relaxed)) {
    lock.unlock();
    work.run();
    return;
  }
  shared_.push(work);
  shared_size_.store(shared_.size(), std::memory_order_relaxed);
  wake();
}

void ArenaExecutor::share_all(Local& local) {
  for (;;) {
    Runnable* work = nullptr;
    {
      const std::scoped_lock lock(local.mutex);
      work = local.queue.pop();
    }
    if (work == nullptr) return;
    share(*work);
  }
}

void ArenaExecutor::wake() {
  if (active_ == threads_) return;
  ++active_;
  idle_workers_ = active_ < threads_;
  // Under the mutex: once active_ shows the loop, only the mutex keeps stop() from the arena.
  tbb::task_arena& arena = arena_->arena;
  tell_sanitizer_released(this);
  [[maybe_unused]] const UnseenBySanitizer task;
  arena.enqueue([this]() MUSTER_UNSEEN_HANDOVER { work(); });
}

Runnable* ArenaExecutor::next(Local& local, unsigned turn) {
  const auto take_shared = [&]() -> Runnable* {
    if (shared_size_.load(std::memory_order_relaxed) == 0) return nullptr;
    const std::scoped_lock lock(mutex_);
    Runnable* work = shared_.pop();
    shared_size_.store(shared_.size(), std::memory_order_relaxed);
    return work;
  };
  if (turn % kSharedEvery == 0) {
    if (Runnable* work = take_shared()) return work;
  }
  {
    const std::scoped_lock lock(local.mutex);
    ++local.taken;
    if (Runnable* work = local.queue.pop()) return work;
  }
  if (Runnable* work = take_shared()) return work;
  return steal(local);
}

Runnable* ArenaExecutor::steal(const Local& thief) {
  const std::scoped_lock lock(locals_mutex_);
  for (Local* other : locals_) {
    if (other == &thief) continue;
    const std::scoped_lock queue_lock(other->mutex);
    // A thread that is still receiving is about to run its own.
    if (other->holding && !other->running && other->queue.size() < 2) continue;
    if (Runnable* work = other->queue.pop()) return work;
  }
  return nullptr;
}

void ArenaExecutor::work() {
  tell_sanitizer_acquired(this);
  Local& own = enter();
  for (unsigned turn = 1;; ++turn) {
    if (Runnable* work = next(own, turn)) {
      work->run();
      continue;
    }
    std::unique_lock lock(mutex_);
    if (!shared_.empty()) continue;
    idle_workers_ = true;
    if (Runnable* late = steal(own)) {
      idle_workers_ = active_ < threads_;
      lock.unlock();
      late->run();
      continue;
    }
    --active_;
    if (active_ == 0) quiet_.notify_all();
    // Still under the mutex: stop() returns only after this, and nothing below touches *this
    // except through `own`, whose queue is empty.
    {
      const std::scoped_lock locals_lock(locals_mutex_);
      std::erase(locals_, &own);
    }
    LocalSlot::current() = own.outer;
    own.owner = nullptr;
    if (&own != &LocalSlot::storage()) delete &own;
    return;
  }
}

void ArenaExecutor::hold() {
  if (local() != nullptr || stopped_.load(std::memory_order_acquire)) return;
  // One holder at a time: a second one would be a thread more than the executor was given, and the
  // network's threads are few.
  if (holder_.exchange(true)) return;
  Local& own = enter();
  {
    const std::scoped_lock lock(locals_mutex_);
    own.holding = true;
  }
  own.yield_at = TimePoint::max();
}

bool ArenaExecutor::run_held() {
  Local* own = local();
  if (own == nullptr || !own->holding) return false;
  const TimePoint now = timers_.clock().now();
  if (own->yield_at == TimePoint::max()) {
    own->yield_at = now + kHeldBudget;
  } else if (now >= own->yield_at) {
    leave(*own);
    return false;
  }
  Runnable* work = nullptr;
  {
    const std::scoped_lock lock(own->mutex);
    ++own->taken;
    work = own->queue.pop();
  }
  if (work == nullptr) {
    leave(*own);
    return false;
  }
  own->running = true;
  work->run();
  own->running = false;
  return true;
}

bool ArenaExecutor::should_yield() const {
  const Local* own = local();
  return own != nullptr && own->holding && timers_.clock().now() >= own->yield_at;
}

void ArenaExecutor::arm_rescue() {
  if (rescue_armed_.exchange(true, std::memory_order_acq_rel)) return;
  const std::scoped_lock lock(mutex_);
  if (stopping_) return;
  rescue_timer_ = timers_.schedule(timers_.clock().now() + kRescueAfter, [this] { rescue(); });
}

void ArenaExecutor::rescue() {
  rescue_armed_.store(false, std::memory_order_release);
  RunQueue stuck;
  bool waiting = false;
  {
    const std::scoped_lock lock(locals_mutex_);
    for (Local* local : locals_) {
      const std::scoped_lock queue_lock(local->mutex);
      if (local->queue.empty()) continue;
      if (std::exchange(local->taken_seen, local->taken) != local->taken) {
        waiting = true;
        continue;
      }
      while (Runnable* work = local->queue.pop()) stuck.push(*work);
    }
  }
  while (Runnable* work = stuck.pop()) share(*work);
  if (waiting) arm_rescue();
}

void ArenaExecutor::stop() {
  TimerId rescue_timer = 0;
  {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    rescue_timer = std::exchange(rescue_timer_, 0);
    quiet_.wait(lock, [this] { return active_ == 0 && shared_.empty(); });
    stopped_.store(true, std::memory_order_release);
  }
  if (rescue_timer != 0) timers_.cancel(rescue_timer);
  arena_.reset();
}

}  // namespace muster::detail
