#pragma once
/// What can really be copied. Not for users.

#include <concepts>
#include <tuple>
#include <type_traits>

namespace muster::detail {

/// std::vector says that it can be copied, whatever is in it; this looks inside.
template <class T>
struct Copies : std::bool_constant<std::copy_constructible<T>> {};
template <class T>
inline constexpr bool kCopies = Copies<T>::value;

template <class T>
requires(std::copy_constructible<T> && !std::is_same_v<typename T::value_type, T>) struct Copies<T>
    : Copies<std::remove_cv_t<typename T::value_type>> {
};
template <class... Each>
struct Copies<std::tuple<Each...>> : std::bool_constant<(kCopies<Each> && ...)> {};

}  // namespace muster::detail
