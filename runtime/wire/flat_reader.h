#pragma once
// The one place where bytes become a Cap'n Proto reader or a builder becomes bytes. Includes
// Cap'n Proto: for sources of the wire layer only.

#include <capnp/message.h>

#include "runtime/wire/message.h"
#include "runtime/wire/protocol.capnp.h"

namespace muster::wire {

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

// Builds the frames that hold no values: take root(), fill it, then finish().
class MessageAssembler {
 public:
  MessageAssembler();
  ~MessageAssembler();
  MessageAssembler(const MessageAssembler&) = delete;
  MessageAssembler& operator=(const MessageAssembler&) = delete;

  protocol::Frame::Builder root() { return builder_.initRoot<protocol::Frame>(); }
  OutgoingMessage finish(Lane lane, std::uint64_t flow = 0);

 private:
  capnp::MallocMessageBuilder builder_;
};

}  // namespace muster::wire
