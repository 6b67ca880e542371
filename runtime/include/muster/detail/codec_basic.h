#pragma once
/// Codecs of numbers, enums, text, durations, numeric arrays and optional. Included by
/// <muster/codec.h>.

#include <muster/codec.h>

#include <chrono>
#include <concepts>
#include <limits>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

namespace muster {
namespace detail {

template <class T>
concept Number = std::is_arithmetic_v<T> && !std::same_as<T, bool> &&
                 !std::same_as<T, long double> && sizeof(T) <= 8;

template <Number T>
constexpr ElementType element_type_of() {
  if constexpr (std::floating_point<T>) {
    return sizeof(T) == 4 ? ElementType::kFloat32 : ElementType::kFloat64;
  } else {
    constexpr int log2 = sizeof(T) == 1 ? 0 : sizeof(T) == 2 ? 1 : sizeof(T) == 4 ? 2 : 3;
    return static_cast<ElementType>(2 * log2 + (std::unsigned_integral<T> ? 1 : 0));
  }
}

template <class T>
struct IsDuration : std::false_type {};
template <class Rep, class Period>
struct IsDuration<std::chrono::duration<Rep, Period>> : std::true_type {};

/// A value that may travel as none is wrapped into a list of one inside an optional.
template <class T>
struct MayBeNone : std::false_type {};
template <class T>
struct MayBeNone<std::optional<T>> : std::true_type {};
template <>
struct MayBeNone<std::monostate> : std::true_type {};

/// A received array as an Array<T>: a view of the message, or a copy when it is small.
template <Number T>
Array<T> to_array(Decoder::ArrayView&& view) {
  const std::span<const T> elements(static_cast<const T*>(view.data), view.count);
  if (elements.size_bytes() <= kSmallArrayBytesMax) return Array<T>::copy_of(elements);
  return Array<T>(elements, std::move(view.owner));
}

}  // namespace detail

template <class T>
requires Wireable<T>
void encode_value(Encoder& encoder, T&& value) {
  Codec<std::remove_cvref_t<T>>::encode(encoder, std::forward<T>(value));
}

template <>
struct Codec<bool> {
  static constexpr bool wireable = true;
  static void encode(Encoder& e, const bool& value) { e.boolean(value); }
  static bool decode(Decoder& d) { return d.boolean(); }
};

template <detail::Number T>
struct Codec<T> {
  static constexpr bool wireable = true;
  static void encode(Encoder& e, const T& value) {
    if constexpr (std::floating_point<T>) {
      e.real(static_cast<double>(value));
    } else if constexpr (std::unsigned_integral<T>) {
      e.natural(value);
    } else {
      e.integer(value);
    }
  }
  static T decode(Decoder& d) {
    using Limits = std::numeric_limits<T>;
    if constexpr (std::floating_point<T>) {
      return static_cast<T>(d.real());
    } else if constexpr (std::unsigned_integral<T>) {
      return static_cast<T>(d.natural_up_to(Limits::max()));
    } else {
      return static_cast<T>(d.integer_in(Limits::min(), Limits::max()));
    }
  }
};

/// An enum travels as its number; one that the receiver's enum does not name is kept as it is.
template <class T>
requires(std::is_enum_v<T> && !std::same_as<T, std::byte>) struct Codec<T> {
  using Number = std::underlying_type_t<T>;
  static constexpr bool wireable = true;
  static void encode(Encoder& e, const T& value) {
    Codec<Number>::encode(e, static_cast<Number>(value));
  }
  static T decode(Decoder& d) { return static_cast<T>(Codec<Number>::decode(d)); }
};

template <>
struct Codec<std::byte> {
  static constexpr bool wireable = true;
  static void encode(Encoder& e, const std::byte& value) {
    e.natural(std::to_integer<std::uint64_t>(value));
  }
  static std::byte decode(Decoder& d) { return static_cast<std::byte>(d.natural_up_to(255)); }
};

template <>
struct Codec<std::string> {
  static constexpr bool wireable = true;
  static void encode(Encoder& e, const std::string& value) { e.text(value); }
  static std::string decode(Decoder& d) { return std::string(d.text()); }
};

/// Durations travel as nanoseconds: whole ones as integers, saturating, so that the largest value
/// of one period arrives as the largest of another; others as reals.
template <class Rep, class Period>
struct Codec<std::chrono::duration<Rep, Period>> {
  using D = std::chrono::duration<Rep, Period>;
  static constexpr bool wireable = detail::Number<Rep>;
  static void encode(Encoder& e, const D& value) {
    if constexpr (std::floating_point<Rep>) {
      e.real(std::chrono::duration<double, std::nano>(value).count());
    } else {
      using std::chrono::nanoseconds;
      const double about = std::chrono::duration<double, std::nano>(value).count();
      if (about >= 9.2e18) return e.integer(std::numeric_limits<std::int64_t>::max());
      if (about <= -9.2e18) return e.integer(std::numeric_limits<std::int64_t>::min());
      e.integer(std::chrono::duration_cast<nanoseconds>(value).count());
    }
  }
  static D decode(Decoder& d) {
    if constexpr (std::floating_point<Rep>) {
      return std::chrono::duration_cast<D>(std::chrono::duration<double, std::nano>(d.real()));
    } else {
      const std::int64_t nanos = d.integer();
      if (nanos == std::numeric_limits<std::int64_t>::max()) return D::max();
      if (nanos == std::numeric_limits<std::int64_t>::min()) return D::min();
      return std::chrono::duration_cast<D>(std::chrono::nanoseconds(nanos));
    }
  }
};

/// Arrays are written from their own memory and read in place.
template <class T>
struct Codec<Array<T>> {
  static constexpr bool wireable = detail::Number<T>;
  static void encode(Encoder& e, const Array<T>& value) {
    e.array(detail::element_type_of<T>(), value.data(), value.size(), value.owner());
  }
  static Array<T> decode(Decoder& d) {
    return detail::to_array<T>(d.array(detail::element_type_of<T>()));
  }
};

template <>
struct Codec<std::monostate> {
  static constexpr bool wireable = true;
  static void encode(Encoder& e, const std::monostate&) { e.none(); }
  static std::monostate decode(Decoder& d) { return d.skip(), std::monostate{}; }
};

template <class T>
struct Codec<std::optional<T>> {
  static constexpr bool wireable = Wireable<T>;
  static constexpr bool kWrapped = detail::MayBeNone<T>::value;
  template <class O>
  static void encode(Encoder& e, O&& value) {
    if (!value) return e.none();
    if constexpr (kWrapped) e.begin_list(1);
    encode_value(e, *std::forward<O>(value));
    if constexpr (kWrapped) e.end_list();
  }
  static std::optional<T> decode(Decoder& d) {
    if (d.remaining() > 0 && d.peek() == ValueKind::kNone) return d.skip(), std::nullopt;
    if constexpr (kWrapped) d.begin_list();
    std::optional<T> value(decode_value<T>(d));
    if constexpr (kWrapped) d.end_list();
    return value;
  }
};

}  // namespace muster
