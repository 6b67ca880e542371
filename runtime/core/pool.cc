// Memory of small objects: each thread keeps free blocks of each size, and passes them on by the
// hundred when it frees more than it allocates, as the receiver of messages does. oneTBB's scalable
// allocator, which costs ten times as much, is behind them.
//
// Threads: any. A thread's blocks are its own; they go back to the allocator with it.
//
// Invariants: a thread keeps at most two chains of kChainLength blocks of a size, and the depot
// kDepotMax of them.

#include <muster/detail/pool.h>
#include <muster/detail/spin_lock.h>
#include <tbb/scalable_allocator.h>

#include <array>
#include <atomic>
#include <mutex>
#include <new>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define MUSTER_POOL_IS_PLAIN 1  // the sanitizers watch the heap they know
#else
#define MUSTER_POOL_IS_PLAIN 0
#endif

namespace muster::detail {

#if MUSTER_POOL_IS_PLAIN

void* pool_allocate(std::size_t bytes) {
  return ::operator new(bytes);
}
void pool_free(void* memory, std::size_t) noexcept {
  ::operator delete(memory);
}

#else

namespace {

constexpr std::size_t kStep = 64;
constexpr std::size_t kClasses = 8;  // larger objects are not kept
constexpr std::uint32_t kChainLength = 256;
constexpr std::uint32_t kDepotMax = 32;

struct FreeBlock {
  FreeBlock* next;
  FreeBlock* next_chain;  // of the first block of a chain in the depot
};

// Blocks are taken from and put on the first chain. The second is empty or full, so that a thread
// that frees and allocates in turn at the end of a chain keeps both.
struct FreeList {
  FreeBlock* first = nullptr;
  FreeBlock* second = nullptr;
  std::uint32_t count = 0;  // of the first
};

// Full lists of threads that free more than they allocate, for those that do the opposite.
struct Depot {
  SpinLock mutex;
  FreeBlock* first = nullptr;           // guarded by mutex
  std::atomic<std::uint32_t> count{0};  // written under mutex
};
constinit std::array<Depot, kClasses> depots;

enum class Use : std::uint8_t { kNotYet, kOpen, kEnded };

// No constructor and no destructor, so that its use needs no guard.
struct Blocks {
  std::array<FreeList, kClasses> lists;
  Use use = Use::kNotYet;
};
constinit thread_local Blocks blocks;

void give_back(FreeBlock* chain) noexcept {
  while (FreeBlock* block = chain) {
    chain = block->next;
    scalable_free(block);
  }
}

void put(FreeBlock* chain, Depot& depot) noexcept {
  {
    const std::scoped_lock lock(depot.mutex);
    const std::uint32_t count = depot.count.load(std::memory_order_relaxed);
    if (count < kDepotMax) {
      chain->next_chain = depot.first;
      depot.first = chain;
      depot.count.store(count + 1, std::memory_order_relaxed);
      return;
    }
  }
  give_back(chain);
}

// Null when there is none.
FreeBlock* take(Depot& depot) noexcept {
  if (depot.count.load(std::memory_order_relaxed) == 0) return nullptr;
  const std::scoped_lock lock(depot.mutex);
  FreeBlock* const chain = depot.first;
  if (chain == nullptr) return nullptr;
  depot.first = chain->next_chain;
  depot.count.store(depot.count.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
  return chain;
}

// The first chain is full.
void pass_on(FreeList& list, Depot& depot) noexcept {
  if (list.second != nullptr) put(list.second, depot);
  list = {nullptr, list.first, 0};
}

// The first chain is empty; true when there is another now.
bool refill(FreeList& list, Depot& depot) noexcept {
  FreeBlock* const chain = list.second != nullptr ? list.second : take(depot);
  list = {chain, nullptr, chain != nullptr ? kChainLength : 0};
  return chain != nullptr;
}

constexpr std::size_t class_of(std::size_t bytes) {
  return (bytes - 1) / kStep;
}

// True when the thread may keep blocks: until its end.
bool open_blocks() {
  if (blocks.use == Use::kEnded) return false;
  thread_local struct Keeper {
    ~Keeper() {
      blocks.use = Use::kEnded;
      for (FreeList& list : blocks.lists) {
        give_back(list.first);
        give_back(list.second);
        list = {};
      }
    }
  } keeper;
  static_cast<void>(keeper);
  blocks.use = Use::kOpen;
  return true;
}

}  // namespace

void* pool_allocate(std::size_t bytes) {
  const std::size_t i = class_of(bytes);
  if (i < kClasses) {
    FreeList& list = blocks.lists[i];
    if (list.first != nullptr || (blocks.use == Use::kOpen && refill(list, depots[i]))) {
      FreeBlock* block = list.first;
      list.first = block->next;
      --list.count;
      return block;
    }
    // Marks the thread as one that keeps blocks.
    if (blocks.use == Use::kNotYet) open_blocks();
  }
  if (void* memory = scalable_malloc(i < kClasses ? (i + 1) * kStep : bytes)) return memory;
  throw std::bad_alloc();
}

void pool_free(void* memory, std::size_t bytes) noexcept {
  const std::size_t i = class_of(bytes);
  const bool keep = i < kClasses && (blocks.use == Use::kOpen || open_blocks());
  if (!keep) return scalable_free(memory);
  FreeList& list = blocks.lists[i];
  auto* block = static_cast<FreeBlock*>(memory);
  block->next = list.first;
  list.first = block;
  if (++list.count == kChainLength) pass_on(list, depots[i]);
}

#endif

}  // namespace muster::detail
