#pragma once
/// What is wrong with a call, found at compile time. One mistake makes one error, which names the
/// method and what does not fit: whoever instantiates a fault instantiates nothing more. Not for
/// users.

#include <muster/detail/late_traits.h>
#include <muster/detail/signature.h>

namespace muster::detail {

struct NoFault {};

/// Why the assertions below fail: the compiler prints its argument.
template <class Fault>
inline constexpr bool kPossible = false;

template <auto Method>
struct NotListed {
  static_assert(kPossible<NotListed>, "the method is not listed in its class's MUSTER_ACTOR");
};
template <class Actor, auto Method>
struct MethodOfAnotherClass {
  static_assert(kPossible<MethodOfAnotherClass>, "the handle's actor is of another class");
};
template <auto Method, std::size_t Number, class Parameter>
struct ParameterHasNoCodec {
  static_assert(kPossible<ParameterHasNoCodec>,
                "a parameter of the method has no Codec: it cannot travel");
};
template <auto Method, class Result>
struct ResultHasNoCodec {
  static_assert(kPossible<ResultHasNoCodec>,
                "the result of the method has no Codec: it cannot travel");
};
template <auto Method, std::size_t Given, std::size_t Expected>
struct WrongNumberOfArguments {
  static_assert(kPossible<WrongNumberOfArguments>, "wrong number of arguments for the method");
};
template <auto Method, std::size_t Number, class Given>
struct FutureNotMoved {
  static_assert(kPossible<FutureNotMoved>,
                "a Future in the place of an argument is taken over: std::move it");
};
template <auto Method, std::size_t Number, class Given, class Expected>
struct WrongArgument {
  static_assert(kPossible<WrongArgument>, "an argument does not convert to the method's parameter");
};

template <auto Method>
struct StreamSentOneWay {
  static_assert(kPossible<StreamSentOneWay>,
                "a method that returns a Stream is called: nobody takes the items of a send");
};

/// Number of the first that is false, from 1; 0: none is.
template <bool... kTruths>
constexpr std::size_t first_false() {
  std::size_t number = 0;
  return ((++number, !kTruths) || ...) ? number : 0;
}

/// What keeps M of A from being called at all: its fault, as a std::type_identity.
template <class A, auto M, class... P>
constexpr auto find_method_fault(std::type_identity<std::tuple<P...>>) {
  using R = ResultOf<M>;
  constexpr std::size_t kNumber = first_false<Wireable<Stored<P>>...>();
  if constexpr (!std::is_base_of_v<typename MemberSignature<decltype(M)>::Class, A>) {
    return std::type_identity<MethodOfAnotherClass<A, M>>();
  } else if constexpr (!MethodOf<A, M>::kListed) {
    return std::type_identity<NotListed<M>>();
  } else if constexpr (kNumber != 0) {
    using Parameter = std::tuple_element_t<kNumber - 1, std::tuple<P...>>;
    return std::type_identity<ParameterHasNoCodec<M, kNumber, Parameter>>();
  } else if constexpr (!std::is_void_v<R> && !Wireable<R>) {
    return std::type_identity<ResultHasNoCodec<M, R>>();
  } else {
    return std::type_identity<NoFault>();
  }
}

template <auto M>
using ParametersOf = std::type_identity<typename MemberSignature<decltype(M)>::Parameters>;

template <class A, auto M>
using MethodFault = typename decltype(find_method_fault<A, M>(ParametersOf<M>()))::type;

template <class A, auto M, class... Args, class... P>
constexpr auto find_call_fault(std::type_identity<std::tuple<P...>>) {
  if constexpr (!std::is_same_v<MethodFault<A, M>, NoFault>) {
    return std::type_identity<MethodFault<A, M>>();
  } else if constexpr (sizeof...(Args) != sizeof...(P)) {
    return std::type_identity<WrongNumberOfArguments<M, sizeof...(Args), sizeof...(P)>>();
  } else {
    constexpr std::size_t kNumber = first_false<kFits<Args, Stored<P>>...>();
    if constexpr (kNumber == 0) {
      return std::type_identity<NoFault>();
    } else {
      using Given = std::tuple_element_t<kNumber - 1, std::tuple<Args...>>;
      using Expected = std::tuple_element_t<kNumber - 1, std::tuple<P...>>;
      if constexpr (kNotMoved<Given, Stored<Expected>>) {
        return std::type_identity<FutureNotMoved<M, kNumber, Given>>();
      } else {
        return std::type_identity<WrongArgument<M, kNumber, Given, Expected>>();
      }
    }
  }
}

/// NoFault, or what keeps M of A from being called with `Args`.
template <class A, auto M, class... Args>
using CallFault = typename decltype(find_call_fault<A, M, Args...>(ParametersOf<M>()))::type;

/// The same for a one-way message.
template <class A, auto M, class... Args>
using SendFault = std::conditional_t<MemberSignature<decltype(M)>::kIsStream, StreamSentOneWay<M>,
                                     CallFault<A, M, Args...>>;

template <class Fault>
inline constexpr bool kFaultless = std::is_same_v<Fault, NoFault>;
/// The fault's error.
template <class Fault>
void refuse_to_compile() {
  static_cast<void>(sizeof(Fault));
}

}  // namespace muster::detail
