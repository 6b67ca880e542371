#pragma once
// What a connection accepts, checked before anything is allocated for it.

#include <muster/error.h>

#include <cstddef>
#include <cstdint>

namespace muster::wire {

// Of a frame of several calls, of which all but the first are NextCalls.
inline constexpr std::size_t kCallsPerFrameMax = 32;
inline constexpr std::size_t kSharedFrameBytesMax = std::size_t{8} * 1024;

struct Limits {
  std::size_t message_bytes_max = std::size_t{4} << 30;  // of one message, in chunks or not
  std::uint32_t segments_max = 64;
  std::uint32_t nesting_max = 64;  // lists and structs inside one another
  // How often over a reader may walk a message's bytes, where pointers share targets.
  std::uint32_t traversal_factor = 2;
};

}  // namespace muster::wire
