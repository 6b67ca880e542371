#pragma once
/// Numeric arrays: AlignedVector, a std::vector whose data starts on a cache line, and Array, an
/// immutable array with shared ownership that actors pass around without copying.
///
/// Threads: Array is a value; distinct Arrays may share storage, which nobody writes to after the
/// Array was made, so any thread may read any Array.

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace muster {

inline constexpr std::size_t kArrayAlignment = 64;  ///< bytes; one cache line, one AVX-512 vector

/// Allocates storage that starts at a multiple of kArrayAlignment.
template <class T>
struct AlignedAllocator {
  using value_type = T;
  AlignedAllocator() = default;
  template <class U>
  AlignedAllocator(const AlignedAllocator<U>&) noexcept {}
  T* allocate(std::size_t n) {
    return static_cast<T*>(::operator new(n * sizeof(T), std::align_val_t(kArrayAlignment)));
  }
  void deallocate(T* p, std::size_t) noexcept {
    ::operator delete(p, std::align_val_t(kArrayAlignment));
  }
  friend bool operator==(const AlignedAllocator&, const AlignedAllocator&) { return true; }
};

template <class T>
using AlignedVector = std::vector<T, AlignedAllocator<T>>;

/// An immutable array of numbers with shared ownership: copying an Array copies a pointer. As an
/// argument or result of an actor call it is passed on in process, written to the network straight
/// from its memory, and on the receiving side is a view of the received message.
template <class T>
class Array {
  static_assert(std::is_arithmetic_v<T> && !std::is_const_v<T>, "Array holds plain numbers");

 public:
  using value_type = T;

  Array() = default;
  /// Takes the vector over; the elements are not copied.
  template <class Allocator>
  Array(std::vector<T, Allocator>&& values) {
    auto owner = std::make_shared<std::vector<T, Allocator>>(std::move(values));
    view_ = *owner;
    owner_ = std::move(owner);
  }
  /// A view of `view`, which lives at least as long as `owner` is referred to. A null owner makes
  /// the caller answer for the lifetime.
  Array(std::span<const T> view, std::shared_ptr<const void> owner)
      : view_(view), owner_(std::move(owner)) {}

  /// Copies `values` into aligned storage.
  static Array copy_of(std::span<const T> values) {
    return Array(AlignedVector<T>(values.begin(), values.end()));
  }

  const T* data() const noexcept { return view_.data(); }
  std::size_t size() const noexcept { return view_.size(); }
  bool empty() const noexcept { return view_.empty(); }
  const T& operator[](std::size_t i) const { return view_[i]; }
  auto begin() const noexcept { return view_.begin(); }
  auto end() const noexcept { return view_.end(); }
  std::span<const T> span() const noexcept { return view_; }
  operator std::span<const T>() const noexcept { return view_; }
  /// What keeps the elements alive.
  const std::shared_ptr<const void>& owner() const noexcept { return owner_; }

  friend bool operator==(const Array& a, const Array& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }

 private:
  std::span<const T> view_;
  std::shared_ptr<const void> owner_;
};

}  // namespace muster
