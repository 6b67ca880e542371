#pragma once
// Writes one Cap'n Proto message of values: what a capnp::MessageBuilder would write, several times
// faster, since the layout of a call is known and nothing in it is ever moved. The first segment
// holds everything but the users' large byte lists, which are segments of their own.
//
// Threads: one. Positions are words of the first segment: they stay valid while it grows.

#include <muster/array.h>

#include <cstring>
#include <memory>
#include <string_view>

#include "runtime/wire/message.h"
#include "runtime/wire/segment_reader.h"

namespace muster::wire {

// Layouts of protocol.capnp in words, checked against the generated code in segment_writer.cc.
struct StructSize {
  unsigned data;
  unsigned pointers;
  constexpr unsigned words() const { return data + pointers; }
};
inline constexpr StructSize kFrameSize{1, 1};
inline constexpr StructSize kCallSize{8, 2};
inline constexpr StructSize kNextCallSize{0, 2};
inline constexpr StructSize kReplySize{2, 1};
inline constexpr StructSize kChunkSize{3, 1};
inline constexpr StructSize kValueSize{2, 2};
inline constexpr StructSize kArrayLayoutSize{0, 2};
inline constexpr StructSize kActorRefSize{4, 1};

inline constexpr unsigned kStructPointer = 0, kListPointer = 1;

class SegmentWriter {
 public:
  using Position = std::size_t;
  // A message of one segment begins with one word that says so.
  static constexpr std::size_t kHeadBytes = 8;

  // Writes into `message`, which is new and stays where it is until finish().
  explicit SegmentWriter(OutgoingMessage& message)
      : message_(message), words_(message.inline_), capacity_(kInlineWords) {}
  SegmentWriter(const SegmentWriter&) = delete;
  SegmentWriter& operator=(const SegmentWriter&) = delete;

  // Each of these puts its object behind all others, zeroed, and points the pointer at `pointer`
  // at it. Throws Exception (kInvalid) when the segment would outgrow what pointers reach.
  // This one first: the root, and what it holds, whose data is not zeroed but all the caller's to
  // set.
  Position add_frame(FrameKind kind, StructSize content);
  Position add_struct(Position pointer, StructSize size);
  Position add_structs(Position pointer, std::size_t count, StructSize size);  // the first one
  Position add_pointers(Position pointer, std::size_t count);
  void add_naturals(Position pointer, std::span<const std::uint64_t> values);
  void add_text(Position pointer, std::string_view text);
  // Copied, or when it is large taken as a segment of its own: in place if it starts at a multiple
  // of 8 and has an owner.
  void add_bytes(Position pointer, Slice bytes, const std::shared_ptr<const void>& owner);
  // A segment of its own. Requires: bytes start at a multiple of 8 and outlive the message.
  void refer(Position pointer, Slice bytes, std::shared_ptr<const void> owner);
  // The root of a message of one segment, pointer word included.
  void add_copy(Position pointer, Slice segment);

  void set(Position word, std::uint64_t value) noexcept {
    std::memcpy(word_at(word), &value, sizeof value);
  }

  // The message is complete.
  void finish(Lane lane, std::uint64_t flow);

 private:
  static constexpr std::size_t kInlineWords = (OutgoingMessage::kInlineBytes - kHeadBytes) / 8;
  struct External {
    Slice bytes;
    std::shared_ptr<const void> owner;
  };

  Position allocate(std::size_t words) {
    const Position at = reserve(words);
    std::memset(word_at(at), 0, 8 * words);
    return at;
  }
  // Not zeroed.
  Position reserve(std::size_t words) {
    const Position at = used_;
    if (words > capacity_ - used_) grow(words);
    used_ += words;
    return at;
  }
  std::byte* word_at(Position word) noexcept { return words_ + kHeadBytes + 8 * word; }
  void grow(std::size_t words);
  void point(Position pointer, Position target, unsigned kind, std::uint32_t high) noexcept;
  Position add_byte_list(Position pointer, std::size_t count);
  bool takes_external(std::size_t bytes) const noexcept;
  void finish_large(std::size_t table);

  OutgoingMessage& message_;
  std::byte* words_;  // of the message: inline, or its heap_
  std::size_t used_ = 0;
  std::size_t capacity_;
  std::vector<External> externals_;
};

inline void SegmentWriter::point(Position pointer, Position target, unsigned kind,
                                 std::uint32_t high) noexcept {
  const auto offset = static_cast<std::int64_t>(target) - static_cast<std::int64_t>(pointer) - 1;
  const auto low = static_cast<std::uint32_t>(offset << 2) | kind;
  set(pointer, std::uint64_t{high} << 32 | low);
}

inline SegmentWriter::Position SegmentWriter::add_frame(FrameKind kind, StructSize content) {
  const Position root = reserve(1 + kFrameSize.words() + content.words());
  const Position frame = root + 1;
  const Position at = frame + kFrameSize.words();
  point(root, frame, kStructPointer, kFrameSize.pointers << 16 | kFrameSize.data);
  set(frame, static_cast<std::uint64_t>(kind));
  point(frame + kFrameSize.data, at, kStructPointer, content.pointers << 16 | content.data);
  for (unsigned i = content.data; i < content.words(); ++i) set(at + i, 0);
  return at;
}

inline SegmentWriter::Position SegmentWriter::add_struct(Position pointer, StructSize size) {
  const Position at = allocate(size.words());
  point(pointer, at, kStructPointer, size.pointers << 16 | size.data);
  return at;
}

inline SegmentWriter::Position SegmentWriter::add_structs(Position pointer, std::size_t count,
                                                          StructSize size) {
  const Position tag = reserve(1 + count * size.words());
  if (count == 1) {
    // A size known when compiled: the usual call has one argument, and clearing as little of a size
    // known only now takes as long as all the rest.
    std::memset(word_at(tag + 1), 0, 8 * size.words());
  } else {
    std::memset(word_at(tag + 1), 0, 8 * count * size.words());
  }
  const auto words = static_cast<std::uint32_t>(count * size.words());
  point(pointer, tag, kListPointer, words << 3 | kStructsElement);
  set(tag, std::uint64_t{size.pointers << 16 | size.data} << 32 | count << 2);
  return tag + 1;
}

}  // namespace muster::wire
