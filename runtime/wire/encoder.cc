// Encoder: values into the places of a message under construction.

#include <capnp/any.h>
#include <capnp/message.h>
#include <muster/codec.h>

#include <algorithm>
#include <array>
#include <bit>

#include "runtime/wire/value_state.h"

namespace muster {
namespace {

constexpr std::size_t kDataBytesMax = (std::size_t{1} << 29) - 2;

[[noreturn]] void refuse(std::string text) {
  throw Exception(Error{ErrorCode::kInvalid, std::move(text), {}});
}

void check_size(std::string_view what, std::size_t bytes) {
  if (bytes > kDataBytesMax) {
    refuse(std::string(what) + " of " + std::to_string(bytes) + " bytes cannot travel, at most " +
           std::to_string(kDataBytesMax) + " can");
  }
}

// A value's second word, and its pointers.
constexpr std::size_t kNumber = 1, kPointer = wire::kValueSize.data, kSecondPointer = kPointer + 1;

std::uint64_t tag(ValueKind kind) {
  return static_cast<std::uint64_t>(kind);
}

}  // namespace

std::size_t element_size(ElementType type) noexcept {
  static constexpr std::array<std::size_t, 10> kSizes = {1, 1, 2, 2, 4, 4, 8, 8, 4, 8};
  const auto i = static_cast<std::size_t>(type);
  return i < kSizes.size() ? kSizes[i] : 0;
}

std::string_view to_string(ElementType type) noexcept {
  static constexpr std::array<std::string_view, 10> kNames = {
      "int8",   "uint8", "int16",  "uint16",  "int32",
      "uint32", "int64", "uint64", "float32", "float64"};
  const auto i = static_cast<std::size_t>(type);
  return i < kNames.size() ? kNames[i] : "unknown";
}

std::string_view to_string(ValueKind kind) noexcept {
  static constexpr std::array<std::string_view, 11> kNames = {
      "none",  "boolean", "integer", "natural", "real",   "text",
      "bytes", "array",   "list",    "actor",   "message"};
  const auto i = static_cast<std::size_t>(kind);
  return i < kNames.size() ? kNames[i] : "unknown";
}

void Encoder::none() {
  state_->place();
}
void Encoder::boolean(bool value) {
  state_->writer.set(state_->place(), std::uint64_t{value} << 16 | tag(ValueKind::kBoolean));
}
void Encoder::integer(std::int64_t value) {
  const auto at = state_->place();
  state_->writer.set(at, tag(ValueKind::kInteger));
  state_->writer.set(at + kNumber, static_cast<std::uint64_t>(value));
}
void Encoder::natural(std::uint64_t value) {
  const auto at = state_->place();
  state_->writer.set(at, tag(ValueKind::kNatural));
  state_->writer.set(at + kNumber, value);
}
void Encoder::real(double value) {
  const auto at = state_->place();
  state_->writer.set(at, tag(ValueKind::kReal));
  state_->writer.set(at + kNumber, std::bit_cast<std::uint64_t>(value));
}

void Encoder::text(std::string_view value) {
  check_size("a text", value.size());
  const auto at = state_->place();
  state_->writer.set(at, tag(ValueKind::kText));
  state_->writer.add_text(at + kPointer, value);
}

void Encoder::bytes(std::span<const std::byte> value, std::shared_ptr<const void> owner) {
  check_size("a byte string", value.size());
  const auto at = state_->place();
  state_->writer.set(at, tag(ValueKind::kBytes));
  state_->writer.add_bytes(at + kPointer, value, owner);
}

void Encoder::array(ElementType type, const void* data, std::size_t count,
                    std::shared_ptr<const void> owner, std::span<const std::uint64_t> shape) {
  const std::span<const std::byte> all(static_cast<const std::byte*>(data),
                                       count * element_size(type));
  wire::SegmentWriter& writer = state_->writer;
  const auto at = state_->place();
  writer.set(at, tag(ValueKind::kArray));
  writer.set(at + kNumber, static_cast<std::uint64_t>(type));
  const auto first = all.first(std::min(all.size(), wire::kArrayPieceBytes));
  writer.add_bytes(at + kPointer, first, owner);
  if (shape.empty() && first.size() == all.size()) return;
  const auto layout = writer.add_struct(at + kSecondPointer, wire::kArrayLayoutSize);
  if (!shape.empty()) writer.add_naturals(layout, shape);
  auto rest = all.subspan(first.size());
  const std::size_t pieces = (rest.size() + wire::kArrayPieceBytes - 1) / wire::kArrayPieceBytes;
  if (pieces == 0) return;
  const auto more = writer.add_pointers(layout + 1, pieces);
  for (std::size_t i = 0; i < pieces; ++i) {
    const auto piece = rest.first(std::min(rest.size(), wire::kArrayPieceBytes));
    writer.add_bytes(more + i, piece, owner);
    rest = rest.subspan(piece.size());
  }
}

void Encoder::begin_list(std::size_t count) {
  if (state_->levels.size() > wire::kValueDepthMax) {
    refuse("values nested deeper than " + std::to_string(wire::kValueDepthMax) +
           " lists cannot travel");
  }
  if (count > (std::size_t{1} << 26)) {
    refuse("a list of " + std::to_string(count) + " values cannot travel, at most " +
           std::to_string(std::size_t{1} << 26) + " can");
  }
  const auto at = state_->place();
  state_->writer.set(at, tag(ValueKind::kList));
  state_->begin_list(at + kPointer, count);
}

void Encoder::end_list() {
  MUSTER_CHECK(state_->levels.size() > 1, state_->levels.size());
  MUSTER_CHECK(state_->levels.back().left == 0, state_->levels.back().left);
  state_->levels.pop_back();
}

void Encoder::actor(const ActorRefPtr& ref) {
  if (ref == nullptr) return none();
  if (state_->exchange == nullptr) refuse("an actor reference cannot travel here");
  const WireActor actor = state_->exchange->export_actor(ref);
  wire::SegmentWriter& writer = state_->writer;
  const auto at = state_->place();
  writer.set(at, tag(ValueKind::kActor));
  const auto out = writer.add_struct(at + kPointer, wire::kActorRefSize);
  writer.set(out, actor.node_hi);
  writer.set(out + 1, actor.node_lo);
  writer.set(out + 2, actor.actor);
  writer.set(out + 3, actor.incarnation);
  writer.add_text(out + 4, actor.address);
}

// Copied into one segment first, whose words then stand anywhere.
void Encoder::message(const void* any_pointer_reader) {
  const auto at = state_->place();
  state_->writer.set(at, tag(ValueKind::kMessage));
  try {
    const auto& reader = *static_cast<const capnp::AnyPointer::Reader*>(any_pointer_reader);
    const auto words = reader.targetSize().wordCount + 1;
    check_size("a message", words * 8);
    capnp::MallocMessageBuilder builder(static_cast<unsigned>(words),
                                        capnp::AllocationStrategy::FIXED_SIZE);
    builder.setRoot(reader);
    const auto segments = builder.getSegmentsForOutput();
    MUSTER_CHECK(segments.size() == 1, segments.size());
    state_->writer.add_copy(at + kPointer,
                            std::as_bytes(std::span(segments[0].begin(), segments[0].size())));
  } catch (const kj::Exception& e) {
    refuse(std::string("a message cannot travel: ") + e.getDescription().cStr());
  }
}

}  // namespace muster
