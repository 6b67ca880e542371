#pragma once
/// What travels: Encoder and Decoder write and read the self-describing values of the wire
/// (docs/wire-format.md), Codec<T> maps a C++ type to them, Wireable<T> says whether one exists.
/// Arithmetic types, enums, strings, optional, variant, tuple, pair, array, vector, map, duration,
/// Array<T>, Result, Error and aggregate structs of these need no code from the user; Eigen types
/// come with <muster/eigen.h>, Cap'n Proto messages with <muster/capnp.h>. For a type of your own
/// specialise Codec with the three members of Codec<bool>.
///
/// Threads: an Encoder or Decoder belongs to one thread. Invariants: (1) an Encoder is given
/// exactly as many values as its message has places; (2) after its first error a Decoder returns
/// zero values only, and memory it makes others allocate is bounded by the message's size.

#include <muster/array.h>
#include <muster/clock.h>
#include <muster/error.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

namespace wire {
struct EncoderState;
struct DecoderState;
struct DecoderSource;
}  // namespace wire

/// Element types of numeric arrays; the numbers cross the wire and never change.
enum class ElementType : std::uint16_t {
  kInt8 = 0,
  kUint8 = 1,
  kInt16 = 2,
  kUint16 = 3,
  kInt32 = 4,
  kUint32 = 5,
  kInt64 = 6,
  kUint64 = 7,
  kFloat32 = 8,
  kFloat64 = 9,
};

/// Bytes of one element; 0 for a number that no type has.
std::size_t element_size(ElementType type) noexcept;
/// "float32", "uint8", ... ; "unknown" for a number that no type has.
std::string_view to_string(ElementType type) noexcept;

/// Kinds of values, in the order of the schema's union.
enum class ValueKind : std::uint16_t {
  kNone = 0,
  kBoolean,
  kInteger,
  kNatural,
  kReal,
  kText,
  kBytes,
  kArray,
  kList,
  kActor,
  kMessage,
  kUnknown = 0xFFFF,  ///< a kind of a newer protocol
};

/// "none", "text", ... as errors name them.
std::string_view to_string(ValueKind kind) noexcept;

/// A reference to an actor, opaque below the actor layer.
using ActorRefPtr = std::shared_ptr<void>;

/// An actor reference as it travels.
struct WireActor {
  std::uint64_t node_hi = 0;
  std::uint64_t node_lo = 0;
  std::uint64_t actor = 0;
  std::uint64_t incarnation = 0;
  std::string address;  ///< where the actor's node listens, "" when it does not
  friend bool operator==(const WireActor&, const WireActor&) = default;
};

/// Turns actor references into their wire form and back; the actor layer implements it.
/// Threads: called on the thread that encodes or decodes, any thread.
class ActorExchange {
 public:
  virtual ~ActorExchange() = default;
  virtual WireActor export_actor(const ActorRefPtr& ref) = 0;
  virtual ActorRefPtr import_actor(const WireActor& actor) = 0;
};

/// From this size on, an array whose owner is given is written to the network from its own memory.
inline constexpr std::size_t kExternalBytesMin = 16 * 1024;
/// Up to this size a decoded array is a copy, so that keeping a few numbers does not keep the
/// receive buffer they came in.
inline constexpr std::size_t kSmallArrayBytesMax = 512;

/// Writes values into the places of one message, first to last. A value that cannot travel (a text
/// of 512 MiB or more, an actor without an exchange) throws Exception with kInvalid.
class Encoder {
 public:
  explicit Encoder(wire::EncoderState& state) noexcept : state_(&state) {}
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;

  void none();
  void boolean(bool value);
  void integer(std::int64_t value);
  void natural(std::uint64_t value);
  void real(double value);
  void text(std::string_view value);
  /// With an owner and kExternalBytesMin bytes or more nothing is copied: `value` must not change
  /// until the message is gone. Without one the bytes are copied now.
  void bytes(std::span<const std::byte> value, std::shared_ptr<const void> owner = nullptr);
  /// A numeric array; the owner rule of bytes(). A copy is also made when `data` does not start at
  /// a multiple of 8. `shape` is empty for a plain vector; else its product is `count`, first index
  /// fastest.
  void array(ElementType type, const void* data, std::size_t count,
             std::shared_ptr<const void> owner = nullptr,
             std::span<const std::uint64_t> shape = {});
  /// Opens a list of exactly `count` values in the next place; end_list() closes it.
  void begin_list(std::size_t count);
  void end_list();
  void actor(const ActorRefPtr& ref);
  /// `any_pointer_reader` points at a capnp::AnyPointer::Reader, which is copied into the message.
  void message(const void* any_pointer_reader);

 private:
  wire::EncoderState* state_;
};

/// Reads the values of one message, first to last. The first mismatch is kept as its error
/// ("argument 2: expected text, found list"); later reads return zero values.
class Decoder {
 public:
  static constexpr std::size_t kStateBytes = 2560;
  /// A received array: `data` lives as long as `owner`.
  struct ArrayView {
    const void* data = nullptr;
    std::size_t count = 0;
    std::shared_ptr<const void> owner;
    std::vector<std::uint64_t> shape;
  };
  struct BytesView {
    std::span<const std::byte> bytes;
    std::shared_ptr<const void> owner;
  };

  /// Made by the wire layer, and returned by value: it neither moves nor copies.
  explicit Decoder(const wire::DecoderSource& source);
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
  ~Decoder();

  bool boolean();
  /// Accepts integers and naturals in range.
  std::int64_t integer();
  std::uint64_t natural();
  /// The same, and an error when the value is outside [min, max].
  std::int64_t integer_in(std::int64_t min, std::int64_t max);
  std::uint64_t natural_up_to(std::uint64_t max);
  /// Accepts reals, integers and naturals.
  double real();
  /// Valid while the Decoder lives.
  std::string_view text();
  BytesView bytes();
  /// Requires elements of `type`; an error otherwise. Never copies: `owner` is the message.
  ArrayView array(ElementType type);
  /// Enters the list in the next place and returns its length, 0 on error; end_list() leaves it,
  /// values not read are skipped. Every call is paired with end_list(), after an error too.
  std::size_t begin_list();
  void end_list();
  /// Null after an error or when the value is none.
  ActorRefPtr actor();
  /// Copies the message in the next place into the capnp::AnyPointer::Builder pointed at.
  void message(void* any_pointer_builder);
  void skip();
  /// Kind of the value in the next place; kNone when no place is left or after an error.
  ValueKind peek() const;
  /// Values left in the list entered last; outside any, in the message. 0 after an error.
  std::size_t remaining() const;
  /// Keeps `text` as the error of the place read last, unless there is one already.
  void fail(std::string text);
  bool failed() const noexcept;
  /// Requires: failed().
  const Error& error() const;

 private:
  friend struct wire::DecoderState;
  wire::DecoderState& state() noexcept;
  const wire::DecoderState& state() const noexcept;
  alignas(16) std::byte storage_[kStateBytes];  // in place: decoding allocates nothing
};

/// How T travels: a specialisation has `static constexpr bool wireable`, `static void
/// encode(Encoder&, const T&)` that writes exactly one value, and `static T decode(Decoder&)` that
/// reads exactly one and returns any T after an error. It may add `encode(Encoder&, T&&)`, which
/// takes over what it can write without a copy.
template <class T>
struct Codec {
  static constexpr bool wireable = false;
};

/// True when values of T can be arguments and results of actor calls.
template <class T>
concept Wireable = Codec<std::remove_cvref_t<T>>::wireable;

/// Writes one value; an rvalue vector is taken over rather than copied.
template <class T>
requires Wireable<T>
void encode_value(Encoder& encoder, T&& value);

/// Reads one value.
template <class T>
requires Wireable<T> T decode_value(Decoder& decoder) {
  return Codec<T>::decode(decoder);
}

}  // namespace muster

#include <muster/detail/codec_basic.h>
#include <muster/detail/codec_containers.h>
#include <muster/detail/codec_struct.h>
