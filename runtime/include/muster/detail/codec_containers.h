#pragma once
/// Codecs of optional, variant, tuple, pair, array, vector, maps and Result. Included by
/// <muster/codec.h>.

#include <muster/codec.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>

namespace muster {
namespace detail {

/// A list longer than this is grown as its elements arrive rather than reserved.
inline constexpr std::size_t kReserveMax = 4096;

/// Shares ownership of a vector that is large enough to be written in place; else null.
template <class V>
std::shared_ptr<const V> adopt_if_large(V&& value) {
  if (value.size() * sizeof(typename V::value_type) < kExternalBytesMin) return nullptr;
  return std::make_shared<const V>(std::move(value));
}

/// A value that may travel as none is wrapped into a list of one inside an optional.
template <class T>
struct MayBeNone : std::false_type {};
template <class T>
struct MayBeNone<std::optional<T>> : std::true_type {};
template <>
struct MayBeNone<std::monostate> : std::true_type {};

}  // namespace detail

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
      if (auto owner = detail::adopt_if_large(std::move(value))) return flat(e, *owner, owner);
      flat(e, value, nullptr);
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

/// A list of whether there is a value, and the value or the error.
template <class T>
struct Codec<tl::expected<T, Error>> {
  using R = Result<T>;
  static constexpr bool wireable = [] {
    if constexpr (std::is_void_v<T>) return true;
    else return Wireable<T>;
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
