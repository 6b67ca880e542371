// Decoder: values out of a received message, with one sticky error.

#include <muster/codec.h>

#include <cstring>
#include <limits>
#include <new>

#include "runtime/wire/flat_reader.h"
#include "runtime/wire/messages.h"
#include "runtime/wire/value_state.h"

namespace muster {
namespace wire {

DecoderState::DecoderState(const DecoderSource& source)
    : message(source.message),
      exchange(source.exchange),
      is_call(source.is_call),
      calls_before(source.calls_before),
      view(message) {
  enter(source.place);
}

void DecoderState::enter(const StructView& struct_with_values) {
  place = struct_with_values;
  next = find_next();
  try {
    if (is_call) {
      levels.emplace_back(view.get_structs(place, kArgumentsPointer));
    } else {
      levels.emplace_back(StructList{view.get_struct(place, 0), 1});
    }
  } catch (const Malformed& e) {
    fail(ErrorCode::kCorrupt, e.what());
    levels.emplace_back(StructList());
  }
}

// In small frames only: calls may share what they point at, and each is read, and accounted for, as
// if it were alone.
StructView DecoderState::find_next() noexcept {
  if (!is_call || place.pointers <= kNextPointer) return {};
  try {
    const StructView found = view.get_struct(place, kNextPointer);
    if (found.segment.begin == nullptr) return {};
    const bool behind = found.segment.begin == place.segment.begin && found.at > place.at;
    if (behind && found.pointers > 0 && calls_before + 1 < kCallsPerFrameMax &&
        message.bytes().size() <= kSharedFrameBytesMax) {
      return found;
    }
  } catch (const Malformed&) {
  }
  next_is_corrupt = true;
  return {};
}

bool is_followed(const Decoder& arguments) noexcept {
  const DecoderState& state = DecoderState::of(arguments);
  return state.next_is_corrupt || state.next.segment.begin != nullptr;
}

NextCall next_call(Decoder& arguments) {
  DecoderState& state = DecoderState::of(arguments);
  if (state.next_is_corrupt) return NextCall::kCorrupt;
  if (state.next.segment.begin == nullptr) return NextCall::kNone;
  state.error.reset();
  state.dead_levels = 0;
  state.levels.clear();
  ++state.calls_before;
  state.enter(state.next);
  return NextCall::kFound;
}

std::size_t call_bytes(const Decoder& arguments) {
  const DecoderState& state = DecoderState::of(arguments);
  const Slice all = state.message.bytes();
  const auto byte = [&all](const StructView& at) {
    return static_cast<std::size_t>(at.segment.begin - all.data()) + 8 * at.at;
  };
  const std::size_t begin = state.calls_before == 0 ? 0 : byte(state.place);
  return (state.next.segment.begin == nullptr ? all.size() : byte(state.next)) - begin;
}

Decoder same_arguments(const Decoder& arguments, ActorExchange* exchange) {
  const DecoderState& state = DecoderState::of(arguments);
  return Decoder(DecoderSource{state.message, exchange, true, state.place, state.calls_before});
}

std::string DecoderState::path() const {
  std::string out;
  for (std::size_t i = 0; i < levels.size(); ++i) {
    // A level above the last one has moved past the value it is inside of; so has the last.
    const std::string at = std::to_string(levels[i].next);
    if (i > 0) {
      out += ", element " + at;
    } else {
      out = is_call ? "argument " + at : "result";
    }
  }
  if (out.empty()) out = is_call ? "arguments" : "result";
  return out;
}

void DecoderState::fail(ErrorCode code, const std::string& text) {
  if (!error) error = Error{code, path() + ": " + text, {}};
}

void DecoderState::mismatch(std::string_view expected, ValueKind found) {
  fail(ErrorCode::kInvalid,
       "expected " + std::string(expected) + ", found " + std::string(to_string(found)));
}

std::optional<StructView> DecoderState::take() {
  if (error) return std::nullopt;
  Level& level = levels.back();
  if (level.next >= level.list.count) {
    ++level.next;
    return fail(ErrorCode::kInvalid, "missing"), std::nullopt;
  }
  return level.list[level.next++];
}

std::optional<StructView> DecoderState::take(ValueKind kind) {
  auto value = take();
  if (value && kind_of(*value) != kind) {
    mismatch(to_string(kind), kind_of(*value));
    return std::nullopt;
  }
  return value;
}

namespace {

// Runs `read`; bytes that break the format become the decoder's error and `otherwise`.
template <class T, class Read>
T guarded(DecoderState& state, T otherwise, Read&& read) {
  try {
    return read();
  } catch (const Malformed& e) {
    state.fail(ErrorCode::kCorrupt, std::string("cannot be read: ") + e.what());
    return otherwise;
  }
}

// Bytes of the fields of a value, and the indices of its pointers.
constexpr std::size_t kFlag = 2, kNumber = 8;
constexpr unsigned kPointer = 0, kSecondPointer = 1;

std::int64_t as_integer(const StructView& value) {
  return value.field<std::int64_t>(kNumber);
}
std::uint64_t as_natural(const StructView& value) {
  return value.field<std::uint64_t>(kNumber);
}

std::string range_text(const std::string& found, const std::string& min, const std::string& max) {
  return "expected a number from " + min + " to " + max + ", found " + found;
}

// The pieces as one: in place when they follow each other in memory, else copied.
Decoder::ArrayView join(Slice first, const std::vector<Slice>& more,
                        const std::shared_ptr<const void>& owner, std::size_t& bytes) {
  bool adjacent = true;
  const std::byte* end = first.data() + first.size();
  bytes = first.size();
  for (const Slice piece : more) {
    adjacent = adjacent && piece.data() == end;
    end = piece.data() + piece.size();
    bytes += piece.size();
  }
  if (adjacent) return {first.data(), 0, owner, {}};
  auto copy = std::make_shared<AlignedVector<std::byte>>();
  copy->reserve(bytes);
  copy->insert(copy->end(), first.begin(), first.end());
  for (const Slice piece : more) copy->insert(copy->end(), piece.begin(), piece.end());
  return {copy->data(), 0, copy, {}};
}

// A shape must multiply up to the count; empty means a vector.
bool read_shape(DecoderState& state, std::vector<std::uint64_t> shape, Decoder::ArrayView& view) {
  if (shape.empty()) return true;
  if (shape.size() > 16) {
    state.fail(ErrorCode::kInvalid, "an array of " + std::to_string(shape.size()) + " dimensions");
    return false;
  }
  std::uint64_t product = 1;
  bool overflow = false;
  for (const std::uint64_t n : shape) {
    overflow = __builtin_mul_overflow(product, n, &product) || overflow;
  }
  view.shape = std::move(shape);
  if (!overflow && product == view.count) return true;
  state.fail(ErrorCode::kInvalid,
             "an array whose shape does not match its " + std::to_string(view.count) + " elements");
  return false;
}

Decoder::ArrayView read_array(DecoderState& state, ElementType type) {
  const auto value = state.take(ValueKind::kArray);
  if (!value) return {};
  const auto found = value->field<ElementType>(kNumber);
  if (found != type) {
    state.fail(ErrorCode::kInvalid, "expected array of " + std::string(to_string(type)) +
                                        ", found array of " + std::string(to_string(found)));
    return {};
  }
  const Slice first = state.view.get_bytes(*value, kPointer);
  std::size_t bytes = first.size();
  Decoder::ArrayView view;
  const StructView layout = state.view.get_struct(*value, kSecondPointer);
  view = join(first, state.view.get_byte_lists(layout, 1), state.message.owner(), bytes);
  view.count = bytes / element_size(type);
  if (!read_shape(state, state.view.get_naturals(layout, 0), view)) return {};
  if (bytes % element_size(type) != 0) {
    state.fail(ErrorCode::kInvalid, "an array of " + std::string(to_string(type)) + " in " +
                                        std::to_string(bytes) + " bytes");
    return {};
  }
  return view;
}

}  // namespace
}  // namespace wire

using wire::as_integer;
using wire::as_natural;
using wire::guarded;
using wire::kFlag;
using wire::kNumber;
using wire::kPointer;

Decoder::Decoder(const wire::DecoderSource& source) {
  static_assert(sizeof(wire::DecoderState) <= kStateBytes);
  static_assert(alignof(wire::DecoderState) <= 16);
  new (storage_) wire::DecoderState(source);
}
Decoder::~Decoder() {
  state().~DecoderState();
}

wire::DecoderState& Decoder::state() noexcept {
  return *std::launder(reinterpret_cast<wire::DecoderState*>(storage_));
}
const wire::DecoderState& Decoder::state() const noexcept {
  return *std::launder(reinterpret_cast<const wire::DecoderState*>(storage_));
}

bool Decoder::boolean() {
  return guarded(state(), false, [this] {
    const auto value = state().take(ValueKind::kBoolean);
    return value && (value->field<std::uint8_t>(kFlag) & 1) != 0;
  });
}

std::int64_t Decoder::integer() {
  return integer_in(std::numeric_limits<std::int64_t>::min(),
                    std::numeric_limits<std::int64_t>::max());
}

std::uint64_t Decoder::natural() {
  return natural_up_to(std::numeric_limits<std::uint64_t>::max());
}

std::int64_t Decoder::integer_in(std::int64_t min, std::int64_t max) {
  return guarded(state(), std::int64_t{0}, [&]() -> std::int64_t {
    const auto value = state().take();
    if (!value) return 0;
    const ValueKind kind = wire::kind_of(*value);
    if (kind != ValueKind::kInteger && kind != ValueKind::kNatural) {
      return state().mismatch("integer", kind), 0;
    }
    const bool is_natural = kind == ValueKind::kNatural;
    const std::int64_t x = as_integer(*value);
    const bool wrapped = is_natural && x < 0;
    if (!wrapped && x >= min && x <= max) return x;
    const std::string found = wrapped ? std::to_string(as_natural(*value)) : std::to_string(x);
    state().fail(ErrorCode::kInvalid,
                 wire::range_text(found, std::to_string(min), std::to_string(max)));
    return 0;
  });
}

std::uint64_t Decoder::natural_up_to(std::uint64_t max) {
  return guarded(state(), std::uint64_t{0}, [&]() -> std::uint64_t {
    const auto value = state().take();
    if (!value) return 0;
    const ValueKind kind = wire::kind_of(*value);
    if (kind != ValueKind::kInteger && kind != ValueKind::kNatural) {
      return state().mismatch("natural", kind), 0;
    }
    const bool is_integer = kind == ValueKind::kInteger;
    const std::uint64_t x = as_natural(*value);
    const bool negative = is_integer && as_integer(*value) < 0;
    if (!negative && x <= max) return x;
    const std::string found = negative ? std::to_string(as_integer(*value)) : std::to_string(x);
    state().fail(ErrorCode::kInvalid, wire::range_text(found, "0", std::to_string(max)));
    return 0;
  });
}

double Decoder::real() {
  return guarded(state(), 0.0, [this]() -> double {
    const auto value = state().take();
    if (!value) return 0;
    switch (wire::kind_of(*value)) {
      case ValueKind::kReal:
        return value->field<double>(kNumber);
      case ValueKind::kInteger:
        return static_cast<double>(as_integer(*value));
      case ValueKind::kNatural:
        return static_cast<double>(as_natural(*value));
      default:
        return state().mismatch("real", wire::kind_of(*value)), 0;
    }
  });
}

std::string_view Decoder::text() {
  return guarded(state(), std::string_view(), [this]() -> std::string_view {
    const auto value = state().take(ValueKind::kText);
    if (!value) return {};
    return state().view.get_text(*value, kPointer);
  });
}

Decoder::BytesView Decoder::bytes() {
  return guarded(state(), BytesView(), [this]() -> BytesView {
    const auto value = state().take(ValueKind::kBytes);
    if (!value) return {};
    return {state().view.get_bytes(*value, kPointer), state().message.owner()};
  });
}

Decoder::ArrayView Decoder::array(ElementType type) {
  return guarded(state(), ArrayView(), [&] { return wire::read_array(state(), type); });
}

std::size_t Decoder::begin_list() {
  wire::DecoderState& s = state();
  const std::size_t before = s.levels.size();
  const std::size_t count = guarded(s, std::size_t{0}, [&]() -> std::size_t {
    const auto value = s.take(ValueKind::kList);
    if (!value) return 0;
    if (s.levels.size() > wire::kValueDepthMax) {
      s.fail(ErrorCode::kInvalid,
             "lists nested deeper than " + std::to_string(wire::kValueDepthMax));
      return 0;
    }
    s.levels.emplace_back(s.view.get_structs(*value, kPointer));
    return s.levels.back().list.count;
  });
  if (s.levels.size() == before) ++s.dead_levels;
  return count;
}

void Decoder::end_list() {
  wire::DecoderState& s = state();
  if (s.dead_levels > 0) {
    --s.dead_levels;
  } else {
    MUSTER_CHECK(s.levels.size() > 1, s.levels.size());
    s.levels.pop_back();
  }
}

ActorRefPtr Decoder::actor() {
  return guarded(state(), ActorRefPtr(), [this]() -> ActorRefPtr {
    const auto value = state().take();
    if (!value || wire::kind_of(*value) == ValueKind::kNone) return nullptr;
    if (wire::kind_of(*value) != ValueKind::kActor) {
      return state().mismatch("actor", wire::kind_of(*value)), nullptr;
    }
    if (state().exchange == nullptr) {
      state().fail(ErrorCode::kInvalid, "an actor reference cannot be received here");
      return nullptr;
    }
    wire::MessageView& view = state().view;
    const wire::StructView actor = view.get_struct(*value, kPointer);
    return state().exchange->import_actor(
        {actor.field<std::uint64_t>(0), actor.field<std::uint64_t>(8),
         actor.field<std::uint64_t>(16), actor.field<std::uint64_t>(24),
         std::string(view.get_text(actor, 0))});
  });
}

// A message of another schema is Cap'n Proto's to read: found again by the places it is in.
void Decoder::message(void* any_pointer_builder) {
  wire::DecoderState& s = state();
  if (!s.take(ValueKind::kMessage)) return;
  try {
    wire::FlatReader reader(s.message.bytes(), s.message.nesting_max() + s.calls_before,
                            s.message.traversal_factor());
    const auto frame = reader.getRoot<protocol::Frame>();
    std::optional<protocol::Value::Reader> value;
    if (!s.is_call) value = frame.getReply().getResult();
    capnp::List<protocol::Value>::Reader arguments;
    if (s.is_call) {
      const auto call = frame.getCall();
      arguments = call.getArguments();
      auto next = call.getNext();
      for (std::uint32_t i = 0; i < s.calls_before; ++i, next = next.getNext()) {
        arguments = next.getArguments();
      }
    }
    for (std::size_t i = s.is_call ? 0 : 1; i < s.levels.size(); ++i) {
      const auto list = value ? value->getList() : arguments;
      value = list[static_cast<unsigned>(s.levels[i].next - 1)];
    }
    const auto found = value->getMessage();
    s.view.walk(found.targetSize().wordCount);  // the reader's own limit is a new one each time
    static_cast<capnp::AnyPointer::Builder*>(any_pointer_builder)->set(found);
  } catch (const wire::Malformed& e) {
    s.fail(ErrorCode::kCorrupt, std::string("cannot be read: ") + e.what());
  } catch (const kj::Exception& e) {
    s.fail(ErrorCode::kCorrupt, std::string("cannot be read: ") + e.getDescription().cStr());
  }
}

void Decoder::skip() {
  guarded(state(), false, [this] { return state().take().has_value(); });
}

ValueKind Decoder::peek() const {
  const wire::DecoderState& s = state();
  if (remaining() == 0) return ValueKind::kNone;
  const auto& level = s.levels.back();
  return wire::kind_of(level.list[level.next]);
}

std::size_t Decoder::remaining() const {
  const wire::DecoderState& s = state();
  if (s.error || s.dead_levels > 0) return 0;
  const auto& level = s.levels.back();
  return level.next < level.list.count ? level.list.count - level.next : 0;
}

void Decoder::fail(std::string text) {
  state().fail(ErrorCode::kInvalid, text);
}
bool Decoder::failed() const noexcept {
  return state().error.has_value();
}
const Error& Decoder::error() const {
  return *state().error;
}

}  // namespace muster
