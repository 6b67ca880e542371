#pragma once
// The state behind Encoder and Decoder: for sources of the wire layer only.

#include <muster/codec.h>

#include <optional>

#include <boost/container/static_vector.hpp>

#include "runtime/wire/segment_reader.h"
#include "runtime/wire/segment_writer.h"

namespace muster::wire {

// Lists inside lists, the arguments themselves not counted.
inline constexpr std::size_t kValueDepthMax = 24;
// The pointers of a Call and of a NextCall.
inline constexpr unsigned kArgumentsPointer = 0, kNextPointer = 1;
// Larger arrays are cut into pieces, since one Data of Cap'n Proto ends at 512 MiB.
inline constexpr std::size_t kArrayPieceBytes = std::size_t{1} << 28;

struct EncoderState {
  struct Level {
    SegmentWriter::Position next;  // the struct of the next value
    std::size_t left;
  };
  SegmentWriter& writer;
  ActorExchange* exchange;
  boost::container::static_vector<Level, kValueDepthMax + 1> levels{};

  // The value in the next place, moving on.
  SegmentWriter::Position place() {
    Level& level = levels.back();
    MUSTER_CHECK(level.left > 0, levels.size());
    --level.left;
    return std::exchange(level.next, level.next + kValueSize.words());
  }
  void begin_list(SegmentWriter::Position pointer, std::size_t count) {
    levels.push_back({writer.add_structs(pointer, count, kValueSize), count});
  }
};

struct DecoderSource {
  const IncomingMessage& message;
  ActorExchange* exchange;
  bool is_call;
  // The Call, one of its NextCalls, or the Reply; and how many calls come before it in the frame.
  StructView place;
  std::uint32_t calls_before = 0;
};

struct DecoderState {
  struct Level {
    explicit Level(const StructList& values) : list(values) {}
    StructList list;
    std::size_t next = 0;
  };
  explicit DecoderState(const DecoderSource& source);
  static DecoderState& of(Decoder& decoder) noexcept { return decoder.state(); }
  static const DecoderState& of(const Decoder& decoder) noexcept { return decoder.state(); }

  // To the values of `place`, of which none has been read.
  void enter(const StructView& struct_with_values);
  StructView find_next() noexcept;
  // The value in the next place, moving on; null with the error set when there is none.
  std::optional<StructView> take();
  // The same, and it must be of this kind.
  std::optional<StructView> take(ValueKind kind);
  void fail(ErrorCode code, const std::string& text);
  void mismatch(std::string_view expected, ValueKind found);
  std::string path() const;

  const IncomingMessage& message;
  ActorExchange* exchange;
  bool is_call;
  bool next_is_corrupt = false;
  std::uint32_t calls_before;
  StructView place;  // as in the source
  StructView next;   // the NextCall behind it
  MessageView view;
  std::size_t dead_levels = 0;  // begin_list calls that failed and await their end_list
  std::optional<Error> error{};
  // The first holds the arguments, or the result alone.
  boost::container::static_vector<Level, kValueDepthMax + 1> levels{};
};

inline ValueKind kind_of(const StructView& value) {
  const auto which = value.field<std::uint16_t>(0);
  return which <= static_cast<std::uint16_t>(ValueKind::kMessage) ? static_cast<ValueKind>(which)
                                                                  : ValueKind::kUnknown;
}

}  // namespace muster::wire
