#pragma once
// The state behind Encoder and Decoder. Includes Cap'n Proto: for sources of the wire layer only.

#include <muster/codec.h>

#include <boost/container/static_vector.hpp>

#include "runtime/wire/flat_reader.h"

namespace muster::wire {

// Lists inside lists, the arguments themselves not counted. Each level costs two of the reader's
// nesting limit.
inline constexpr std::size_t kValueDepthMax = 24;
// Larger arrays are cut into pieces, since one Data of Cap'n Proto ends at 512 MiB.
inline constexpr std::size_t kArrayPieceBytes = std::size_t{1} << 28;

struct EncoderState {
  struct Level {
    capnp::List<protocol::Value>::Builder list;
    unsigned next;
  };
  MessageAssembler& assembler;
  ActorExchange* exchange;
  protocol::Value::Builder single;  // the place of a lone value, when levels is empty
  bool single_used = false;
  boost::container::static_vector<Level, kValueDepthMax + 1> levels{};

  protocol::Value::Builder place();
};

struct DecoderSource {
  const IncomingMessage& message;
  ActorExchange* exchange;
  bool is_call;
};

struct DecoderState {
  struct Level {
    capnp::List<protocol::Value>::Reader list;
    unsigned next;
  };
  explicit DecoderState(const DecoderSource& source);

  // The value in the next place, moving on; null with the error set when there is none.
  std::optional<protocol::Value::Reader> take();
  // The same, and it must be of this kind.
  std::optional<protocol::Value::Reader> take(ValueKind kind);
  void fail(ErrorCode code, const std::string& text);
  void mismatch(std::string_view expected, ValueKind found);
  std::string path() const;

  IncomingMessage message;
  ActorExchange* exchange;
  bool is_call;
  FlatReader reader;
  protocol::Value::Reader single{};
  bool single_used = false;
  std::size_t dead_levels = 0;  // begin_list calls that failed and await their end_list
  std::optional<Error> error{};
  boost::container::static_vector<Level, kValueDepthMax + 1> levels{};
};

inline ValueKind kind_of(const protocol::Value::Reader& value) {
  const auto which = static_cast<std::uint16_t>(value.which());
  return which <= static_cast<std::uint16_t>(ValueKind::kMessage) ? static_cast<ValueKind>(which)
                                                                  : ValueKind::kUnknown;
}

}  // namespace muster::wire
