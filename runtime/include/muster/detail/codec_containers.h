#pragma once
/// Codecs of array, vector and maps. Included by <muster/codec.h>.

#include <muster/codec.h>
#include <muster/detail/codec_struct.h>  // Result travels with its Error

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <unordered_map>
#include <utility>

namespace muster {
namespace detail {

/// A list longer than this is grown as its elements arrive rather than reserved.
inline constexpr std::size_t kReserveMax = 4096;

}  // namespace detail

/// Numbers travel as a numeric array, other elements as a list. The length must match.
template <class T, std::size_t N>
struct Codec<std::array<T, N>> {
  static constexpr bool wireable = Wireable<T>;
  static void encode(Encoder& e, const std::array<T, N>& value) {
    if constexpr (detail::Number<T>) {
      e.array(detail::element_type_of<T>(), value.data(), N);
    } else {
      e.begin_list(N);
      for (const T& x : value) encode_value(e, x);
      e.end_list();
    }
  }
  static std::array<T, N> decode(Decoder& d) {
    std::array<T, N> value{};
    if constexpr (detail::Number<T>) {
      const auto view = d.array(detail::element_type_of<T>());
      if (check_length(d, view.count) && N > 0) std::memcpy(value.data(), view.data, N * sizeof(T));
    } else {
      if (check_length(d, d.begin_list())) {
        for (T& x : value) x = decode_value<T>(d);
      }
      d.end_list();
    }
    return value;
  }

 private:
  static bool check_length(Decoder& d, std::size_t found) {
    if (!d.failed() && found != N) {
      d.fail("expected " + std::to_string(N) + " elements, found " + std::to_string(found));
    }
    return !d.failed();
  }
};

/// Numbers travel as a numeric array, std::byte as bytes, other elements as a list. A vector of
/// numbers also accepts a list of numbers.
template <class T, class A>
struct Codec<std::vector<T, A>> {
  using V = std::vector<T, A>;
  static constexpr bool wireable = Wireable<T>;
  static constexpr bool kPlain = detail::Number<T> || std::same_as<T, std::byte>;

  static void encode(Encoder& e, const V& value) {
    if constexpr (kPlain) {
      flat(e, value, nullptr);
    } else {
      e.begin_list(value.size());
      for (const auto& x : value) encode_value(e, static_cast<const T&>(x));
      e.end_list();
    }
  }
  static void encode(Encoder& e, V&& value) {
    if constexpr (kPlain) {
      if (value.size() * sizeof(T) < kExternalBytesMin) return flat(e, value, nullptr);
      const auto owner = std::make_shared<const V>(std::move(value));
      flat(e, *owner, owner);
    } else if constexpr (std::same_as<T, bool>) {
      encode(e, std::as_const(value));
    } else {
      e.begin_list(value.size());
      for (T& x : value) encode_value(e, std::move(x));
      e.end_list();
    }
  }
  static V decode(Decoder& d) {
    if constexpr (std::same_as<T, std::byte>) {
      const auto view = d.bytes();
      return V(view.bytes.begin(), view.bytes.end());
    } else if constexpr (detail::Number<T>) {
      if (d.peek() != ValueKind::kList) {
        const auto view = d.array(detail::element_type_of<T>());
        const T* first = static_cast<const T*>(view.data);
        return V(first, first + view.count);
      }
    }
    V value;
    const std::size_t n = d.begin_list();
    value.reserve(std::min(n, detail::kReserveMax));
    for (std::size_t i = 0; i < n && !d.failed(); ++i) value.push_back(decode_value<T>(d));
    d.end_list();
    return value;
  }

 private:
  static void flat(Encoder& e, const V& value, std::shared_ptr<const void> owner) {
    if constexpr (std::same_as<T, std::byte>) {
      e.bytes(value, std::move(owner));
    } else if constexpr (detail::Number<T>) {
      e.array(detail::element_type_of<T>(), value.data(), value.size(), std::move(owner));
    }
  }
};

namespace detail {

/// A list of key, value, key, value, ...
template <class M>
struct MapCodec {
  using K = typename M::key_type;
  using T = typename M::mapped_type;
  static constexpr bool wireable = Wireable<K> && Wireable<T>;
  static void encode(Encoder& e, const M& value) {
    e.begin_list(2 * value.size());
    for (const auto& [k, v] : value) {
      encode_value(e, k);
      encode_value(e, v);
    }
    e.end_list();
  }
  static M decode(Decoder& d) {
    M value;
    const std::size_t n = d.begin_list();
    if (n % 2 != 0) d.fail("expected keys and values in turn, found " + std::to_string(n));
    for (std::size_t i = 0; i + 1 < n && !d.failed(); i += 2) {
      K key = decode_value<K>(d);
      value.insert_or_assign(std::move(key), decode_value<T>(d));
    }
    d.end_list();
    return value;
  }
};

}  // namespace detail

template <class K, class V, class C, class A>
struct Codec<std::map<K, V, C, A>> : detail::MapCodec<std::map<K, V, C, A>> {};
template <class K, class V, class H, class E, class A>
struct Codec<std::unordered_map<K, V, H, E, A>>
    : detail::MapCodec<std::unordered_map<K, V, H, E, A>> {};

}  // namespace muster
