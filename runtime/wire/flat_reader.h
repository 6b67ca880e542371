#pragma once
// The one place where bytes become a Cap'n Proto reader or a builder becomes bytes. Includes
// Cap'n Proto: for sources of the wire layer only.

#include <capnp/message.h>

#include <optional>

#include "runtime/wire/message.h"
#include "runtime/wire/protocol.capnp.h"

namespace muster::wire {

// Sum of a stream message's segment table, checked: see frame.cc.
inline std::uint32_t load_u32(const std::byte* at) noexcept {
  std::uint32_t value;
  __builtin_memcpy(&value, at, sizeof value);
  return value;  // the wire is little-endian, and so is every machine we build for
}
// Bytes of the segment table of a message with `segments` segments.
constexpr std::size_t table_bytes(std::size_t segments) noexcept {
  return (4 + 4 * segments + 7) / 8 * 8;
}

// Reads a complete stream message in place, without allocating.
// Requires: the segment table has been checked against the size of `bytes`.
class FlatReader final : public capnp::MessageReader {
 public:
  FlatReader(Slice bytes, std::uint32_t nesting_max, std::uint32_t traversal_factor)
      : capnp::MessageReader(options(bytes.size(), nesting_max, traversal_factor)), bytes_(bytes) {}
  explicit FlatReader(const IncomingMessage& message)
      : FlatReader(message.bytes(), message.nesting_max(), message.traversal_factor()) {}

  kj::ArrayPtr<const capnp::word> getSegment(uint id) override {
    const std::size_t count = std::size_t{load_u32(bytes_.data())} + 1;
    if (id >= count) return nullptr;
    std::size_t offset = table_bytes(count);
    for (std::size_t i = 0; i < id; ++i) offset += std::size_t{8} * load_u32(at(4 + 4 * i));
    const std::size_t words = load_u32(at(4 + 4 * std::size_t{id}));
    return kj::arrayPtr(reinterpret_cast<const capnp::word*>(at(offset)), words);
  }

 private:
  static capnp::ReaderOptions options(std::size_t bytes, std::uint32_t nesting,
                                      std::uint32_t factor) {
    capnp::ReaderOptions o;
    o.traversalLimitInWords = bytes / 8 * factor + 64;
    o.nestingLimit = static_cast<int>(nesting);
    return o;
  }
  const std::byte* at(std::size_t offset) const { return bytes_.data() + offset; }
  Slice bytes_;
};

// A struct found by near pointers alone in a message of one segment, as small frames are: their few
// header fields are read through it many times faster than through a MessageReader. Bounds are
// checked; whatever has another shape is left to Cap'n Proto.
struct NearStruct {
  Slice data;
  Slice pointers;

  // The struct that the pointer at the start of `pointer` refers to, inside `segment`.
  static std::optional<NearStruct> at(Slice segment, std::size_t pointer_offset) {
    if (pointer_offset + 8 > segment.size()) return std::nullopt;
    const std::uint32_t low = load_u32(&segment[pointer_offset]);
    const std::uint32_t high = load_u32(&segment[pointer_offset + 4]);
    if ((low & 3) != 0 || (low == 0 && high == 0)) return std::nullopt;
    const std::int64_t words = static_cast<std::int32_t>(low) >> 2;
    const std::int64_t begin = static_cast<std::int64_t>(pointer_offset) + 8 + 8 * words;
    const std::size_t data = 8 * std::size_t{high & 0xFFFF}, pointers = 8 * std::size_t{high >> 16};
    if (begin < 0 || static_cast<std::size_t>(begin) > segment.size()) return std::nullopt;
    const Slice rest = segment.subspan(static_cast<std::size_t>(begin));
    if (data + pointers > rest.size()) return std::nullopt;
    return NearStruct{rest.first(data), rest.subspan(data, pointers)};
  }
  // The root of a message of one segment.
  static std::optional<NearStruct> root(Slice message, Slice& segment) {
    if (message.size() < 16 || load_u32(message.data()) != 0) return std::nullopt;
    segment = message.subspan(8);
    return at(segment, 0);
  }
  // The struct in the pointer field `index`.
  std::optional<NearStruct> child(Slice segment, std::size_t index) const {
    if (8 * index + 8 > pointers.size()) return std::nullopt;
    return at(segment, static_cast<std::size_t>(pointers.data() - segment.data()) + 8 * index);
  }
  // A field of the data section; zero where the writer's schema had none.
  template <class T>
  T field(std::size_t offset) const {
    T value{};
    if (offset + sizeof(T) <= data.size()) __builtin_memcpy(&value, &data[offset], sizeof(T));
    return value;
  }
};

// Memory of the user's that a message refers to.
struct External {
  Slice bytes;
  std::shared_ptr<const void> owner;
};

// Builds one OutgoingMessage: take root(), fill it, then finish().
class MessageAssembler {
 public:
  MessageAssembler();
  ~MessageAssembler();
  MessageAssembler(const MessageAssembler&) = delete;
  MessageAssembler& operator=(const MessageAssembler&) = delete;

  protocol::Frame::Builder root() { return builder_->initRoot<protocol::Frame>(); }
  capnp::MallocMessageBuilder& builder() { return *builder_; }
  // In the order in which they were referred to.
  std::vector<External>& externals() { return externals_; }
  OutgoingMessage finish(Lane lane, std::uint64_t flow = 0);

 private:
  using Segments = kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>>;
  static void copy_flat(const Segments& segments, std::byte* to);
  void gather(const Segments& segments, OutgoingMessage& message);

  bool uses_scratch_;
  std::optional<capnp::MallocMessageBuilder> builder_;
  std::vector<External> externals_;
};

}  // namespace muster::wire
