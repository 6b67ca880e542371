#pragma once
/// From member pointers to messages: what MUSTER_ACTOR and Handle::call expand to. Not for users.

#include <muster/array.h>
#include <muster/codec.h>
#include <muster/detail/message.h>
#include <muster/task.h>

#include <array>
#include <span>
#include <tuple>
#include <type_traits>

namespace muster::detail {

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

template <class T>
struct UnwrapTask {
  using type = T;
  static constexpr bool kIsTask = false;
};
template <class T>
struct UnwrapTask<Task<T>> {
  using type = T;
  static constexpr bool kIsTask = true;
};

template <class M>
struct MemberSignature;
#define MUSTER_DETAIL_SIGNATURE(qualifiers)                                            \
  template <class R, class C, class... P>                                              \
  struct MemberSignature<R (C::*)(P...) qualifiers> {                                  \
    using Class = C;                                                                   \
    using Return = R;                                                                  \
    using Result = std::remove_cvref_t<typename UnwrapTask<R>::type>;                  \
    static constexpr bool kIsTask = UnwrapTask<R>::kIsTask;                            \
    using Parameters = std::tuple<P...>;                                               \
    using Arguments = std::tuple<Stored<P>...>;                                        \
    static constexpr std::size_t kArity = sizeof...(P);                                \
    template <class... Given>                                                          \
    static constexpr bool kAccepts = (std::is_convertible_v<Given, Stored<P>> && ...); \
    static constexpr bool kTravels =                                                   \
        (Wireable<Stored<P>> && ...) && (std::is_void_v<Result> || Wireable<Result>);  \
  };
MUSTER_DETAIL_SIGNATURE()
MUSTER_DETAIL_SIGNATURE(const)
MUSTER_DETAIL_SIGNATURE(noexcept)
MUSTER_DETAIL_SIGNATURE(const noexcept)
#undef MUSTER_DETAIL_SIGNATURE

/// Does not need MUSTER_ACTOR, so that a class may call itself before the macro is seen.
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
  return muster_describe_actor(static_cast<const A*>(nullptr));
}

template <class A, auto M>
struct MethodOf {
  static_assert(std::is_member_function_pointer_v<decltype(M)>, "call takes &Class::method");
  using Signature = MemberSignature<decltype(M)>;
  static constexpr auto kDescription = description_of<A>();
  static constexpr std::size_t kIndex = kDescription.template index<M>();
  static_assert(kIndex < kDescription.methods.size(),
                "this method is not listed in the class's MUSTER_ACTOR");
  static constexpr std::string_view kName = kDescription.methods[kIndex];
  static constexpr std::uint64_t kHash = fnv1a(kName);
};

/// A stored argument as the parameter wants it.
template <class P, class S>
decltype(auto) pass(S& stored) {
  if constexpr (std::is_lvalue_reference_v<P>) {
    return static_cast<const S&>(stored);
  } else if constexpr (std::is_same_v<P, std::string_view> ||
                       !std::is_same_v<S, std::remove_cvref_t<P>>) {
    return P(stored);
  } else {
    return std::move(stored);
  }
}

template <class A, auto M>
class CallMessage final : public Message {
  using Method = MethodOf<A, M>;
  using Signature = typename Method::Signature;
  using R = typename Signature::Result;
  using Arguments = typename Signature::Arguments;

 public:
  template <class... Args>
  explicit CallMessage(boost::intrusive_ptr<FutureState<R>> local, Args&&... args)
      : arguments_(std::forward<Args>(args)...), local_(std::move(local)) {}
  CallMessage(Arguments arguments, std::unique_ptr<RemoteReply> remote)
      : arguments_(std::move(arguments)), remote_(std::move(remote)) {}

  HandlerRun invoke(void* object, HandlerContext& context) override {
    A& actor = *static_cast<A*>(object);
    if constexpr (Signature::kIsTask) {
      return drive(*this, actor, context);
    } else {
      try {
        if constexpr (std::is_void_v<R>) {
          apply(actor);
          reply(Result<void>(), context);
        } else {
          reply(Result<R>(apply(actor)), context);
        }
      } catch (const CheckFailure&) {
        throw;
      } catch (...) {
        reply(fail(error_from_current_exception()), context);
      }
      return {};
    }
  }

  void reject(const Error& cause) override {
    if (local_) local_->complete(fail(cause));
    if (remote_) remote_->error(cause);
  }
  bool one_way() const noexcept override { return local_ == nullptr && remote_ == nullptr; }
  std::string_view method() const noexcept override { return Method::kName; }

 private:
  decltype(auto) apply(A& actor) {
    return [&]<std::size_t... I>(std::index_sequence<I...>)->decltype(auto) {
      return (actor.*M)(pass<std::tuple_element_t<I, typename Signature::Parameters>>(
          std::get<I>(arguments_))...);
    }
    (std::make_index_sequence<Signature::kArity>());
  }

  // The message outlives the run: the cell keeps it until the run has ended or was destroyed.
  static HandlerRun drive(CallMessage& self, A& actor, HandlerContext& context) {
    std::optional<Result<R>> outcome;
    try {
      if constexpr (std::is_void_v<R>) {
        co_await self.apply(actor);
        outcome.emplace();
      } else {
        outcome.emplace(co_await self.apply(actor));
      }
    } catch (const CheckFailure&) {
      throw;
    } catch (...) {
      outcome.emplace(fail(error_from_current_exception()));
    }
    self.reply(std::move(*outcome), context);
  }

  void reply(Result<R> result, HandlerContext& context) {
    if (local_) {
      local_->complete(std::move(result));
    } else if (remote_) {
      if (!result) {
        remote_->error(result.error());
      } else if constexpr (std::is_void_v<R>) {
        remote_->result([](Encoder& encoder) { encoder.none(); });
      } else if constexpr (Wireable<R>) {
        remote_->result([&](Encoder& encoder) { encode_value(encoder, std::move(*result)); });
      }
    } else if (!result) {
      context.one_way_failed(Method::kName, result.error());
    }
  }

  Arguments arguments_;
  boost::intrusive_ptr<FutureState<R>> local_;
  std::unique_ptr<RemoteReply> remote_;
};

template <class A, auto M>
Result<std::unique_ptr<Message>> decode_call(Decoder& decoder,
                                             std::unique_ptr<RemoteReply>& reply) {
  using Method = MethodOf<A, M>;
  using Signature = typename Method::Signature;
  if constexpr (Signature::kTravels) {
    // Braces fix the order: left to right.
    typename Signature::Arguments arguments = [&]<std::size_t... I>(std::index_sequence<I...>) {
      return typename Signature::Arguments{
          decode_value<std::tuple_element_t<I, typename Signature::Arguments>>(decoder)...};
    }
    (std::make_index_sequence<Signature::kArity>());
    if (decoder.failed()) return fail(decoder.error());
    return std::make_unique<CallMessage<A, M>>(std::move(arguments), std::move(reply));
  } else {
    return fail(ErrorCode::kInvalid, std::string(Method::kName) +
                                         " takes or returns a type that cannot leave its process");
  }
}

template <class A, class Description>
struct ActorTypeOf;
template <class A, auto... Ms>
struct ActorTypeOf<A, ActorDescription<A, Ms...>> {
  static constexpr auto kDescription = description_of<A>();
  static constexpr std::array<MethodEntry, sizeof...(Ms)> kMethods = {
      MethodEntry{MethodOf<A, Ms>::kName, MethodOf<A, Ms>::kHash, &decode_call<A, Ms>}...};
  static constexpr bool unique() {
    for (std::size_t i = 0; i < kMethods.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        if (kMethods[i].hash == kMethods[j].hash) return false;
      }
    }
    return true;
  }
  static_assert(unique(), "MUSTER_ACTOR lists a method twice");
  static constexpr ActorType kType = {
      kDescription.name, fnv1a(kDescription.name), kMethods.data(), kMethods.size(),
      [](void* object) noexcept { delete static_cast<A*>(object); }};
};

template <class A>
constexpr const ActorType& actor_type() {
  return ActorTypeOf<A, decltype(description_of<A>())>::kType;
}

template <class R>
class RemoteCall final : public PendingReply {
 public:
  explicit RemoteCall(boost::intrusive_ptr<FutureState<R>> state) : state_(std::move(state)) {}
  void on_result(Decoder& result) override {
    if constexpr (std::is_void_v<R>) {
      state_->complete(Result<void>());
    } else {
      R value = decode_value<R>(result);
      if (result.failed()) {
        state_->complete(
            fail(ErrorCode::kCorrupt, "the result does not decode: " + result.error().message));
      } else {
        state_->complete(std::move(value));
      }
    }
  }
  void on_error(Error error) override { state_->complete_error(std::move(error)); }

 private:
  boost::intrusive_ptr<FutureState<R>> state_;
};

}  // namespace muster::detail
