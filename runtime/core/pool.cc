#include <muster/detail/pool.h>
#include <tbb/scalable_allocator.h>

#include <new>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define MUSTER_POOL_IS_PLAIN 1  // the sanitizers watch the heap they know
#else
#define MUSTER_POOL_IS_PLAIN 0
#endif

namespace muster::detail {

void* pool_allocate(std::size_t bytes) {
#if MUSTER_POOL_IS_PLAIN
  return ::operator new(bytes);
#else
  if (void* memory = scalable_malloc(bytes)) return memory;
  throw std::bad_alloc();
#endif
}

void pool_free(void* memory) noexcept {
#if MUSTER_POOL_IS_PLAIN
  ::operator delete(memory);
#else
  scalable_free(memory);
#endif
}

}  // namespace muster::detail
