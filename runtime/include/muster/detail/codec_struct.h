#pragma once
/// Codec of aggregate structs: a list of their fields in order. Fields added at the end by one side
/// only are ignored, or value-initialised, by the other. Included by <muster/codec.h>.

#include <muster/codec.h>

#include <boost/pfr/core.hpp>
#include <boost/pfr/tuple_size.hpp>
#include <type_traits>
#include <utility>

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
  requires(std::is_class_v<T> && std::is_aggregate_v<T> && std::is_empty_v<T>)
struct Codec<T> {
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

}  // namespace muster
