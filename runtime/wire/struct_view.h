#pragma once
// A struct of a received message, found and checked by a MessageView.

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace muster::wire {

inline std::uint32_t load_u32(const std::byte* at) noexcept {
  std::uint32_t value;
  __builtin_memcpy(&value, at, sizeof value);
  return value;  // the wire is little-endian, and so is every machine we build for
}
// Bytes of the segment table of a message with `segments` segments.
constexpr std::size_t table_bytes(std::size_t segments) noexcept {
  return (4 + 4 * segments + 7) / 8 * 8;
}

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
