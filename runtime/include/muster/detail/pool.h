#pragma once
/// Memory of the small objects that every message needs. Not for users.

#include <cstddef>
#include <new>

namespace muster::detail {

/// As operator new and delete, but quick for objects that one thread makes and another ends.
/// `bytes` is the same for both, not 0. Threads: any; what one allocated any other may free.
void* pool_allocate(std::size_t bytes);
void pool_free(void* memory, std::size_t bytes) noexcept;

/// Base of classes whose objects live in the pool.
class Pooled {
 public:
  static void* operator new(std::size_t bytes) { return pool_allocate(bytes); }
  static void operator delete(void* memory, std::size_t bytes) noexcept {
    pool_free(memory, bytes);
  }
  /// Objects of unusual alignment are rare: they come from the heap.
  static void* operator new(std::size_t bytes, std::align_val_t alignment) {
    return ::operator new(bytes, alignment);
  }
  static void operator delete(void* memory, std::size_t, std::align_val_t alignment) noexcept {
    ::operator delete(memory, alignment);
  }
};

}  // namespace muster::detail
