// Encoder: values into the places of a message under construction.

#include <muster/codec.h>

#include <algorithm>
#include <array>
#include <cstring>

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

bool can_refer(const std::byte* data, std::size_t bytes, const std::shared_ptr<const void>& owner) {
  return owner != nullptr && bytes >= kExternalBytesMin &&
         reinterpret_cast<std::uintptr_t>(data) % 8 == 0;
}

// A Data orphan: the memory itself, or a copy of it.
capnp::Orphan<capnp::Data> make_data(wire::EncoderState& state, std::span<const std::byte> bytes,
                                     const std::shared_ptr<const void>& owner, bool refer) {
  const capnp::Data::Reader data(reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size());
  const auto orphanage = state.assembler.builder().getOrphanage();
  if (!refer) return orphanage.newOrphanCopy(data);
  state.assembler.externals().push_back({bytes, owner});
  return orphanage.referenceExternalData(data);
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

protocol::Value::Builder wire::EncoderState::place() {
  if (levels.empty()) {
    MUSTER_CHECK(!single_used, single_used);
    single_used = true;
    return single;
  }
  Level& level = levels.back();
  MUSTER_CHECK(level.next < level.list.size(), level.next, level.list.size());
  return level.list[level.next++];
}

void Encoder::none() {
  state_->place().setNone();
}
void Encoder::boolean(bool value) {
  state_->place().setBoolean(value);
}
void Encoder::integer(std::int64_t value) {
  state_->place().setInteger(value);
}
void Encoder::natural(std::uint64_t value) {
  state_->place().setNatural(value);
}
void Encoder::real(double value) {
  state_->place().setReal(value);
}

void Encoder::text(std::string_view value) {
  check_size("a text", value.size());
  auto text = state_->place().initText(static_cast<unsigned>(value.size()));
  if (!value.empty()) std::memcpy(text.begin(), value.data(), value.size());
}

void Encoder::bytes(std::span<const std::byte> value, std::shared_ptr<const void> owner) {
  check_size("a byte string", value.size());
  auto place = state_->place();
  if (can_refer(value.data(), value.size(), owner)) {
    place.adoptBytes(make_data(*state_, value, owner, true));
  } else {
    auto data = place.initBytes(static_cast<unsigned>(value.size()));
    if (!value.empty()) std::memcpy(data.begin(), value.data(), value.size());
  }
}

void Encoder::array(ElementType type, const void* data, std::size_t count,
                    std::shared_ptr<const void> owner, std::span<const std::uint64_t> shape) {
  const std::span<const std::byte> all(static_cast<const std::byte*>(data),
                                       count * element_size(type));
  const bool refer = can_refer(all.data(), all.size(), owner);
  auto array = state_->place().initArray();
  array.setElementType(static_cast<std::uint16_t>(type));
  const auto first = all.first(std::min(all.size(), wire::kArrayPieceBytes));
  if (refer) {
    array.adoptData(make_data(*state_, first, owner, true));
  } else {
    auto copy = array.initData(static_cast<unsigned>(first.size()));
    if (!first.empty()) std::memcpy(copy.begin(), first.data(), first.size());
  }
  if (shape.empty() && first.size() == all.size()) return;
  auto layout = array.initLayout();
  if (!shape.empty()) {
    auto out = layout.initShape(static_cast<unsigned>(shape.size()));
    for (unsigned i = 0; i < shape.size(); ++i) out.set(i, shape[i]);
  }
  auto rest = all.subspan(first.size());
  const std::size_t pieces = (rest.size() + wire::kArrayPieceBytes - 1) / wire::kArrayPieceBytes;
  if (pieces == 0) return;
  auto more = layout.initMore(static_cast<unsigned>(pieces));
  for (unsigned i = 0; i < pieces; ++i) {
    const auto piece = rest.first(std::min(rest.size(), wire::kArrayPieceBytes));
    more.adopt(i, make_data(*state_, piece, owner, refer));
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
  auto list = state_->place().initList(static_cast<unsigned>(count));
  state_->levels.push_back({list, 0});
}

void Encoder::end_list() {
  MUSTER_CHECK(!state_->levels.empty(), state_->levels.size());
  const auto& level = state_->levels.back();
  MUSTER_CHECK(level.next == level.list.size(), level.next, level.list.size());
  state_->levels.pop_back();
}

void Encoder::actor(const ActorRefPtr& ref) {
  if (ref == nullptr) return none();
  if (state_->exchange == nullptr) refuse("an actor reference cannot travel here");
  const WireActor actor = state_->exchange->export_actor(ref);
  auto out = state_->place().initActor();
  out.setNodeHi(actor.node_hi);
  out.setNodeLo(actor.node_lo);
  out.setActor(actor.actor);
  out.setIncarnation(actor.incarnation);
  out.setAddress(actor.address.c_str());
}

void Encoder::message(const void* any_pointer_reader) {
  state_->place().initMessage().set(
      *static_cast<const capnp::AnyPointer::Reader*>(any_pointer_reader));
}

}  // namespace muster
