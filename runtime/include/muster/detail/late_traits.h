#pragma once
/// Which arguments may be late: a Future or a Ref where a method takes what it is to. Not for
/// users.

#include <muster/array.h>

#include <type_traits>
#include <vector>

namespace muster {

template <class T>
class Future;
template <class T>
class Ref;

namespace detail {

/// The message has an S of its own until the value comes, and the value may be shared with others.
template <class S>
inline constexpr bool kMayBeLate =
    std::is_default_constructible_v<S>&& std::is_copy_assignable_v<S>;

/// A Future<U> serves as an S when a U does. It is taken over, so it must be an rvalue.
template <class Arg, class S>
struct LateFuture : std::false_type {};
template <class U, class S>
struct LateFuture<Future<U>, S> : std::bool_constant<std::is_convertible_v<U, S> && kMayBeLate<S>> {
};
template <class S>
struct LateFuture<Future<void>, S> : std::false_type {};

/// A Ref<S> serves as an S, and one to a vector of numbers as an Array. No other conversion: on its
/// way to another node the value stays where it is.
template <class Arg, class S>
struct LateRef : std::false_type {};
template <class S>
struct LateRef<Ref<S>, S> : std::bool_constant<kMayBeLate<S>> {};
template <class T, class A>
struct LateRef<Ref<std::vector<T, A>>, Array<T>> : std::true_type {};

template <class Arg, class S>
inline constexpr bool kLate =
    !std::is_convertible_v<Arg, S> &&
    (LateFuture<Arg, S>::value || LateRef<std::remove_cvref_t<Arg>, S>::value);

/// An Arg may be given where an S is stored.
template <class Arg, class S>
inline constexpr bool kFits = std::is_convertible_v<Arg, S> || kLate<Arg, S>;

/// It would fit if it were moved.
template <class Arg, class S>
inline constexpr bool kNotMoved =
    std::is_lvalue_reference_v<Arg>&& LateFuture<std::remove_cvref_t<Arg>, S>::value;

}  // namespace detail
}  // namespace muster
