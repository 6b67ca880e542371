#pragma once
/// Methods as types: their parameters and results, and the names that MUSTER_ACTOR gave them. Not
/// for users.

#include <muster/array.h>
#include <muster/codec.h>
#include <muster/task.h>

#include <array>
#include <span>
#include <tuple>
#include <type_traits>

namespace muster {

template <class T>
class Stream;

namespace detail {

constexpr std::uint64_t fnv1a(std::string_view text) noexcept {
  std::uint64_t hash = 0xCBF29CE484222325ULL;
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
  }
  return hash;
}

/// How an argument is kept between the call and the handler: owned, always.
template <class P>
struct StoredParameter {
  static_assert(!std::is_lvalue_reference_v<P> || std::is_const_v<std::remove_reference_t<P>>,
                "an actor's method cannot take an argument by non-const reference");
  using type = std::remove_cvref_t<P>;
};
template <class T>
struct StoredParameter<std::span<const T>> {
  using type = Array<T>;
};
template <>
struct StoredParameter<std::string_view> {
  using type = std::string;
};
template <class P>
using Stored = typename StoredParameter<P>::type;

/// An argument on its way into a message: itself when it is of the stored type, else converted.
template <class S, class Arg>
decltype(auto) as_stored(Arg&& arg) {
  if constexpr (!std::is_same_v<std::remove_cvref_t<Arg>, S>) {
    return S(std::forward<Arg>(arg));
  } else if constexpr (std::is_same_v<Arg, S>) {
    return std::move(arg);
  } else {
    return static_cast<const S&>(arg);
  }
}

/// What a method's return type says: a value, a Task of one, or a Stream of them.
template <class T>
struct ReturnOf {
  using type = T;
  static constexpr bool kIsTask = false;
  static constexpr bool kIsStream = false;
};
template <class T>
struct ReturnOf<Task<T>> {
  using type = T;
  static constexpr bool kIsTask = true;
  static constexpr bool kIsStream = false;
};
template <class T>
struct ReturnOf<Stream<T>> {
  using type = T;
  static constexpr bool kIsTask = false;
  static constexpr bool kIsStream = true;
};

template <class M>
struct MemberSignature;
#define MUSTER_DETAIL_SIGNATURE(qualifiers)                         \
  template <class R, class C, class... P>                           \
  struct MemberSignature<R (C::*)(P...) qualifiers> {               \
    using Class = C;                                                \
    using Return = R;                                               \
    using Result = std::remove_cvref_t<typename ReturnOf<R>::type>; \
    static constexpr bool kIsTask = ReturnOf<R>::kIsTask;           \
    static constexpr bool kIsStream = ReturnOf<R>::kIsStream;       \
    using Parameters = std::tuple<P...>;                            \
    using Arguments = std::tuple<Stored<P>...>;                     \
    static constexpr std::size_t kArity = sizeof...(P);             \
  };
MUSTER_DETAIL_SIGNATURE()
MUSTER_DETAIL_SIGNATURE(const)
MUSTER_DETAIL_SIGNATURE(noexcept)
MUSTER_DETAIL_SIGNATURE(const noexcept)
#undef MUSTER_DETAIL_SIGNATURE

/// The result, or a stream's item. Does not need MUSTER_ACTOR, so that a class may call itself
/// before the macro is seen.
template <auto M>
using ResultOf = typename MemberSignature<decltype(M)>::Result;

template <auto M>
struct MethodName {
  std::string_view name;
};

/// Tells values apart by type: GCC does not compare member pointers in constant expressions when it
/// instruments for undefined behaviour.
template <auto V>
struct Constant {};

/// What MUSTER_ACTOR(A, methods...) returns.
template <class A, auto... Ms>
struct ActorDescription {
  std::string_view name;
  std::array<std::string_view, sizeof...(Ms)> methods;

  template <auto M>
  static constexpr std::size_t index() {
    std::size_t found = sizeof...(Ms);
    std::size_t i = 0;
    ((found = std::is_same_v<Constant<M>, Constant<Ms>> ? i : found, ++i), ...);
    return found;
  }
};

template <class A, auto... Ms>
constexpr auto describe_actor(std::string_view name, MethodName<Ms>... methods) {
  return ActorDescription<A, Ms...>{name, {methods.name...}};
}

template <class A>
concept Described = requires {
  muster_describe_actor(static_cast<const A*>(nullptr));
};

template <class A>
constexpr auto description_of() {
  static_assert(Described<A>,
                "this class is not an actor: add MUSTER_ACTOR(Class, methods...) beside it, in the "
                "same namespace");
  if constexpr (Described<A>) return muster_describe_actor(static_cast<const A*>(nullptr));
}

template <class A, auto M>
struct MethodOf {
  static_assert(std::is_member_function_pointer_v<decltype(M)>, "call takes &Class::method");
  using Signature = MemberSignature<decltype(M)>;
  static constexpr auto kDescription = description_of<A>();
  static constexpr std::size_t kIndex = kDescription.template index<M>();
  static constexpr bool kListed = kIndex < kDescription.methods.size();
  static constexpr std::string_view kName = kListed ? kDescription.methods[kIndex] : "";
  static constexpr std::uint64_t kHash = fnv1a(kName);
};

}  // namespace detail
}  // namespace muster
