#pragma once
/// Codecs of variant, tuple, pair and Result, and of aggregate structs: a list of their fields in
/// order. Fields added at the end by one side only are ignored, or value-initialised, by the other.
/// Included by <muster/codec.h>.

#include <muster/codec.h>

#include <boost/pfr/core.hpp>
#include <boost/pfr/tuple_size.hpp>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace muster {
namespace detail {

template <class T>
concept Aggregate = std::is_class_v<T> && std::is_aggregate_v<T> && !std::is_empty_v<T>;

template <Aggregate T, std::size_t... Is>
constexpr bool fields_wireable(std::index_sequence<Is...>) {
  return (Wireable<boost::pfr::tuple_element_t<Is, T>> && ...);
}

template <class T>
constexpr auto field_indices() {
  return std::make_index_sequence<boost::pfr::tuple_size_v<T>>();
}

}  // namespace detail

template <detail::Aggregate T>
struct Codec<T> {
  static constexpr bool wireable = detail::fields_wireable<T>(detail::field_indices<T>());

  static void encode(Encoder& e, const T& value) {
    e.begin_list(boost::pfr::tuple_size_v<T>);
    boost::pfr::for_each_field(value, [&e](const auto& field) { encode_value(e, field); });
    e.end_list();
  }
  static void encode(Encoder& e, T&& value) {
    e.begin_list(boost::pfr::tuple_size_v<T>);
    boost::pfr::for_each_field(value, [&e](auto& field) { encode_value(e, std::move(field)); });
    e.end_list();
  }
  static T decode(Decoder& d) {
    T value{};
    d.begin_list();
    boost::pfr::for_each_field(value, [&d](auto& field) {
      if (d.remaining() > 0) field = decode_value<std::remove_cvref_t<decltype(field)>>(d);
    });
    d.end_list();
    return value;
  }
};

/// A struct without fields, an empty list.
template <class T>
requires(std::is_class_v<T>&& std::is_aggregate_v<T>&& std::is_empty_v<T>) struct Codec<T> {
  static constexpr bool wireable = true;
  static void encode(Encoder& e, const T&) {
    e.begin_list(0);
    e.end_list();
  }
  static T decode(Decoder& d) {
    d.begin_list();
    d.end_list();
    return T{};
  }
};

/// A list of the index and the value.
template <class... Ts>
struct Codec<std::variant<Ts...>> {
  using V = std::variant<Ts...>;
  static constexpr bool wireable = (Wireable<Ts> && ...);
  template <class U>
  static void encode(Encoder& e, U&& value) {
    MUSTER_CHECK(!value.valueless_by_exception(), value.index());
    e.begin_list(2);
    e.natural(value.index());
    std::visit([&e](auto&& x) { encode_value(e, std::forward<decltype(x)>(x)); },
               std::forward<U>(value));
    e.end_list();
  }
  static V decode(Decoder& d) {
    d.begin_list();
    V value = pick(d, d.natural_up_to(sizeof...(Ts) - 1), std::index_sequence_for<Ts...>());
    d.end_list();
    return value;
  }

 private:
  template <std::size_t... Is>
  static V pick(Decoder& d, std::uint64_t index, std::index_sequence<Is...>) {
    std::optional<V> value;
    (void)((index == Is && (value.emplace(std::in_place_index<Is>, decode_value<Ts>(d)), true)) ||
           ...);
    return std::move(*value);
  }
};

template <class... Ts>
struct Codec<std::tuple<Ts...>> {
  static constexpr bool wireable = (Wireable<Ts> && ...);
  template <class U>
  static void encode(Encoder& e, U&& value) {
    e.begin_list(sizeof...(Ts));
    std::apply([&e](auto&&... xs) { (encode_value(e, std::forward<decltype(xs)>(xs)), ...); },
               std::forward<U>(value));
    e.end_list();
  }
  static std::tuple<Ts...> decode(Decoder& d) {
    d.begin_list();
    std::tuple<Ts...> value{decode_value<Ts>(d)...};  // braces: in order
    d.end_list();
    return value;
  }
};

template <class A, class B>
struct Codec<std::pair<A, B>> {
  static constexpr bool wireable = Wireable<A> && Wireable<B>;
  template <class U>
  static void encode(Encoder& e, U&& value) {
    e.begin_list(2);
    encode_value(e, std::forward<U>(value).first);
    encode_value(e, std::forward<U>(value).second);
    e.end_list();
  }
  static std::pair<A, B> decode(Decoder& d) {
    d.begin_list();
    std::pair<A, B> value{decode_value<A>(d), decode_value<B>(d)};
    d.end_list();
    return value;
  }
};

/// A list of whether there is a value, and the value or the error.
template <class T>
struct Codec<tl::expected<T, Error>> {
  using R = Result<T>;
  static constexpr bool wireable = [] {
    if constexpr (std::is_void_v<T>)
      return true;
    else
      return Wireable<T>;
  }();
  template <class U>
  static void encode(Encoder& e, U&& value) {
    e.begin_list(2);
    e.boolean(value.has_value());
    if (!value) {
      encode_value(e, value.error());
    } else if constexpr (std::is_void_v<T>) {
      e.none();
    } else {
      encode_value(e, *std::forward<U>(value));
    }
    e.end_list();
  }
  static R decode(Decoder& d) {
    d.begin_list();
    R result = d.boolean() ? decode_value_of(d) : R(muster::fail(decode_value<Error>(d)));
    d.end_list();
    return result;
  }

 private:
  static R decode_value_of(Decoder& d) {
    if constexpr (std::is_void_v<T>) {
      d.skip();
      return R();
    } else {
      return R(decode_value<T>(d));
    }
  }
};

}  // namespace muster
