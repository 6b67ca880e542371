// Decoder: values out of a received message, with one sticky error.

#include <muster/codec.h>

#include <cstring>
#include <limits>
#include <new>

#include "runtime/wire/value_state.h"

namespace muster {
namespace wire {

DecoderState::DecoderState(const DecoderSource& source)
    : message(source.message), exchange(source.exchange), is_call(source.is_call), reader(message) {
  try {
    const auto frame = reader.getRoot<protocol::Frame>();
    if (is_call) {
      levels.push_back({frame.getCall().getArguments(), 0});
    } else {
      single = frame.getReply().getResult();
    }
  } catch (const kj::Exception& e) {
    fail(ErrorCode::kCorrupt, e.getDescription().cStr());
  }
}

std::string DecoderState::path() const {
  std::string out;
  for (std::size_t i = 0; i < levels.size(); ++i) {
    const bool top = i == 0 && is_call;
    if (!out.empty()) out += ", ";
    if (i == 0 && !is_call) out += "result, ";
    // A level above the last one has moved past the value it is inside of; so has the last.
    out += (top ? "argument " : "element ") + std::to_string(levels[i].next);
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

std::optional<protocol::Value::Reader> DecoderState::take() {
  if (error) return std::nullopt;
  if (levels.empty()) {
    if (std::exchange(single_used, true)) return fail(ErrorCode::kInvalid, "missing"), std::nullopt;
    return single;
  }
  Level& level = levels.back();
  if (level.next >= level.list.size()) {
    ++level.next;
    return fail(ErrorCode::kInvalid, "missing"), std::nullopt;
  }
  return level.list[level.next++];
}

std::optional<protocol::Value::Reader> DecoderState::take(ValueKind kind) {
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
  } catch (const kj::Exception& e) {
    state.fail(ErrorCode::kCorrupt, std::string("cannot be read: ") + e.getDescription().cStr());
    return otherwise;
  }
}

Slice as_slice(capnp::Data::Reader data) {
  return {reinterpret_cast<const std::byte*>(data.begin()), data.size()};
}

std::string range_text(const std::string& found, const std::string& min, const std::string& max) {
  return "expected a number from " + min + " to " + max + ", found " + found;
}

// The pieces as one: in place when they follow each other in memory, else copied.
Decoder::ArrayView join(Slice first, capnp::List<capnp::Data>::Reader more,
                        const std::shared_ptr<const void>& owner, std::size_t& bytes) {
  bool adjacent = true;
  const std::byte* end = first.data() + first.size();
  bytes = first.size();
  for (const auto piece : more) {
    adjacent = adjacent && as_slice(piece).data() == end;
    end = as_slice(piece).data() + piece.size();
    bytes += piece.size();
  }
  if (adjacent) return {first.data(), 0, owner, {}};
  auto copy = std::make_shared<AlignedVector<std::byte>>();
  copy->reserve(bytes);
  copy->insert(copy->end(), first.begin(), first.end());
  for (const auto piece : more) {
    copy->insert(copy->end(), as_slice(piece).begin(), as_slice(piece).end());
  }
  return {copy->data(), 0, copy, {}};
}

// A shape must multiply up to the count; empty means a vector.
bool read_shape(DecoderState& state, capnp::List<std::uint64_t>::Reader shape,
                Decoder::ArrayView& view) {
  if (shape.size() == 0) return true;
  if (shape.size() > 16) {
    state.fail(ErrorCode::kInvalid, "an array of " + std::to_string(shape.size()) + " dimensions");
    return false;
  }
  std::uint64_t product = 1;
  bool overflow = false;
  for (const std::uint64_t n : shape) {
    view.shape.push_back(n);
    overflow = __builtin_mul_overflow(product, n, &product) || overflow;
  }
  if (!overflow && product == view.count) return true;
  state.fail(ErrorCode::kInvalid,
             "an array whose shape does not match its " + std::to_string(view.count) + " elements");
  return false;
}

Decoder::ArrayView read_array(DecoderState& state, ElementType type) {
  const auto value = state.take(ValueKind::kArray);
  if (!value) return {};
  const auto array = value->getArray();
  const auto found = static_cast<ElementType>(array.getElementType());
  if (found != type) {
    state.fail(ErrorCode::kInvalid, "expected array of " + std::string(to_string(type)) +
                                        ", found array of " + std::string(to_string(found)));
    return {};
  }
  const Slice first = as_slice(array.getData());
  std::size_t bytes = first.size();
  Decoder::ArrayView view;
  if (array.hasLayout()) {
    const auto layout = array.getLayout();
    view = join(first, layout.getMore(), state.message.owner(), bytes);
    view.count = bytes / element_size(type);
    if (!read_shape(state, layout.getShape(), view)) return {};
  } else {
    view.data = first.data();
    view.owner = state.message.owner();
    view.count = bytes / element_size(type);
  }
  if (bytes % element_size(type) != 0) {
    state.fail(ErrorCode::kInvalid, "an array of " + std::string(to_string(type)) + " in " +
                                        std::to_string(bytes) + " bytes");
    return {};
  }
  return view;
}

}  // namespace
}  // namespace wire

using wire::guarded;

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
    return value && value->getBoolean();
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
    const std::int64_t x =
        is_natural ? static_cast<std::int64_t>(value->getNatural()) : value->getInteger();
    const bool wrapped = is_natural && x < 0;
    if (!wrapped && x >= min && x <= max) return x;
    const std::string found = wrapped ? std::to_string(value->getNatural()) : std::to_string(x);
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
    const std::uint64_t x =
        is_integer ? static_cast<std::uint64_t>(value->getInteger()) : value->getNatural();
    const bool negative = is_integer && value->getInteger() < 0;
    if (!negative && x <= max) return x;
    const std::string found = negative ? std::to_string(value->getInteger()) : std::to_string(x);
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
        return value->getReal();
      case ValueKind::kInteger:
        return static_cast<double>(value->getInteger());
      case ValueKind::kNatural:
        return static_cast<double>(value->getNatural());
      default:
        return state().mismatch("real", wire::kind_of(*value)), 0;
    }
  });
}

std::string_view Decoder::text() {
  return guarded(state(), std::string_view(), [this]() -> std::string_view {
    const auto value = state().take(ValueKind::kText);
    if (!value) return {};
    const auto text = value->getText();
    return {text.begin(), text.size()};
  });
}

Decoder::BytesView Decoder::bytes() {
  return guarded(state(), BytesView(), [this]() -> BytesView {
    const auto value = state().take(ValueKind::kBytes);
    if (!value) return {};
    return {wire::as_slice(value->getBytes()), state().message.owner()};
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
    s.levels.push_back({value->getList(), 0});
    return s.levels.back().list.size();
  });
  if (s.levels.size() == before) ++s.dead_levels;
  return count;
}

void Decoder::end_list() {
  wire::DecoderState& s = state();
  if (s.dead_levels > 0) {
    --s.dead_levels;
  } else {
    MUSTER_CHECK(!s.levels.empty(), s.levels.size());
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
    const auto actor = value->getActor();
    return state().exchange->import_actor({actor.getNodeHi(), actor.getNodeLo(), actor.getActor(),
                                           actor.getIncarnation(), actor.getAddress()});
  });
}

void Decoder::message(void* any_pointer_builder) {
  guarded(state(), false, [&] {
    const auto value = state().take(ValueKind::kMessage);
    if (value) {
      static_cast<capnp::AnyPointer::Builder*>(any_pointer_builder)->set(value->getMessage());
    }
    return true;
  });
}

void Decoder::skip() {
  guarded(state(), false, [this] { return state().take().has_value(); });
}

ValueKind Decoder::peek() const {
  const wire::DecoderState& s = state();
  if (remaining() == 0) return ValueKind::kNone;
  return wire::kind_of(s.levels.empty() ? s.single : s.levels.back().list[s.levels.back().next]);
}

std::size_t Decoder::remaining() const {
  const wire::DecoderState& s = state();
  if (s.error || s.dead_levels > 0) return 0;
  if (s.levels.empty()) return s.single_used ? 0 : 1;
  const auto& level = s.levels.back();
  return level.next < level.list.size() ? level.list.size() - level.next : 0;
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
