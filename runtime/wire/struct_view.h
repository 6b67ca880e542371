#pragma once
// A struct of a received message, found and checked by a MessageView.

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace muster::wire {

struct Segment {
  const std::byte* begin = nullptr;
  std::size_t words = 0;
};

// A struct. A default one is null: all its fields are zero.
struct StructView {
  Segment segment;
  std::size_t at = 0;  // word of the segment
  std::uint32_t data = 0;
  std::uint32_t pointers = 0;

  // A field of the data section; zero where the writer's schema had none.
  template <class T>
  T field(std::size_t offset) const noexcept {
    T value{};
    if (offset + sizeof(T) <= std::size_t{8} * data) {
      std::memcpy(&value, segment.begin + 8 * at + offset, sizeof(T));
    }
    return value;
  }
};

}  // namespace muster::wire
