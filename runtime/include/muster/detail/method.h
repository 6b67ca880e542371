#pragma once
/// From member pointers to messages: what MUSTER_ACTOR and Handle::call expand to. Not for users.

#include <muster/detail/call_message.h>
#include <muster/detail/checkpoint.h>
#include <muster/detail/late.h>
#include <muster/detail/stream_message.h>

namespace muster::detail {

template <class A, auto M>
using MessageOf = std::conditional_t<MemberSignature<decltype(M)>::kIsStream, StreamMessage<A, M>,
                                     CallMessage<A, M>>;

/// The message of a call with `args`, which ends in `caller`: a FutureState, null for a one-way
/// message, or a StreamBuffer.
template <class A, auto M, class Caller, class... Args>
std::unique_ptr<Message> make_call(Caller caller, Args&&... args) {
  using Call = MessageOf<A, M>;
  using Stored = typename MemberSignature<decltype(M)>::Arguments;
  if constexpr (!ArgumentsOf<Stored>::template kAnyLate<Args...>) {
    return std::unique_ptr<Message>(new Call(std::move(caller), std::forward<Args>(args)...));
  } else {
    LateArguments late;
    if constexpr (MemberSignature<decltype(M)>::kIsStream) {
      late.caller = caller->end();
    } else {
      late.caller = caller;
    }
    Call* const call = [&]<std::size_t... I>(std::index_sequence<I...>) {
      return new Call(std::move(caller), now_or_late<std::tuple_element_t<I, Stored>>(
                                             late, I, std::forward<Args>(args))...);
    }
    (std::index_sequence_for<Args...>());
    std::unique_ptr<Message> owned(call);
    late.bind(call->arguments());
    return make_late(std::move(owned), std::move(late));
  }
}

template <class A, auto M>
std::unique_ptr<Message> decode_call(Decoder& decoder, std::unique_ptr<RemoteReply>& reply,
                                     LateArguments* late) {
  if constexpr (kFaultless<MethodFault<A, M>>) {
    auto* const call = new MessageOf<A, M>(decoder, late);
    std::unique_ptr<Message> owned(call);
    if constexpr (MemberSignature<decltype(M)>::kIsStream) {
      auto sink = decode_value<SinkAddress<ResultOf<M>>>(decoder);
      if (!reply || !sink.valid()) decoder.fail("expected where the items go");
      if (decoder.failed()) return nullptr;
      call->answer_to(std::move(sink), std::move(reply));
    } else {
      if (decoder.failed()) return nullptr;
      call->answer_to(std::move(reply));
    }
    if (late != nullptr) late->bind(call->arguments());
    return owned;
  } else {
    refuse_to_compile<MethodFault<A, M>>();
    return nullptr;
  }
}

/// What is known of a class and its methods. The members are defined apart, so that one translation
/// unit may define them for all (see MUSTER_ACTOR_EXTERN), and are not constexpr, which would
/// define them everywhere all the same.
template <class A, class Description>
struct ActorTypeOf;
template <class A, auto... Ms>
struct ActorTypeOf<A, ActorDescription<A, Ms...>> {
  static constinit const std::array<MethodEntry, sizeof...(Ms)> kMethods;
  static constinit const ActorType kType;

  static constexpr bool unique() {
    constexpr std::array<std::uint64_t, sizeof...(Ms)> hashes = {MethodOf<A, Ms>::kHash...};
    for (std::size_t i = 0; i < hashes.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        if (hashes[i] == hashes[j]) return false;
      }
    }
    return true;
  }
  static_assert(unique(), "MUSTER_ACTOR lists a method twice");
};
template <class A, auto... Ms>
constinit const std::array<MethodEntry, sizeof...(Ms)>
    ActorTypeOf<A, ActorDescription<A, Ms...>>::kMethods = {
        MethodEntry{MethodOf<A, Ms>::kName, MethodOf<A, Ms>::kHash, &decode_call<A, Ms>}...};
template <class A, auto... Ms>
constinit const ActorType ActorTypeOf<A, ActorDescription<A, Ms...>>::kType = {
    description_of<A>().name,
    fnv1a(description_of<A>().name),
    kMethods.data(),
    kMethods.size(),
    [](void* object) noexcept { delete static_cast<A*>(object); },
    &typeid(A),
    checkpoint_type<A>()};

template <class A>
constexpr const ActorType& actor_type() {
  return ActorTypeOf<A, decltype(description_of<A>())>::kType;
}

/// A call or send of M to another node; `pending` is null for a one-way message, and a StreamCall
/// where M gives a Stream.
template <auto M, class... Args>
void send_call(ActorRef& ref, OutgoingCall call, boost::intrusive_ptr<PendingReply> pending,
               Args&&... args) {
  using Signature = MemberSignature<decltype(M)>;
  using Stored = typename Signature::Arguments;
  [[maybe_unused]] const auto* caller = pending.get();  // alive while the message is written
  const auto finish = [&]([[maybe_unused]] Encoder& encoder) {
    if constexpr (Signature::kIsStream) {
      encode_value(encoder, static_cast<const StreamCall<ResultOf<M>>*>(caller)->sink());
    }
  };
  call.argument_count = sizeof...(Args) + (Signature::kIsStream ? 1 : 0);
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    if constexpr (ArgumentsOf<Stored>::template kAnyLate<Args...>) {
      static_assert(sizeof...(Args) <= LateArguments::kIndexMax);
      using Wire = typename ArgumentsOf<Stored>::Wire;
      Wire wire{std::tuple_element_t<I, Wire>(ref.domain(), std::forward<Args>(args))...};
      ((call.references |= std::uint64_t{std::get<I>(wire).is_reference()} << I), ...);
      const auto write = [&](Encoder& encoder) {
        (std::get<I>(wire).encode(encoder), ...);
        finish(encoder);
      };
      ref.send_remote(call, write, std::move(pending));
    } else {
      // What the arguments are turned into stays until the message has left: it may hold the last
      // handle to the actor.
      const auto send = [&]<class... S>(S&&... stored) {
        const auto write = [&](Encoder& encoder) {
          (encode_value(encoder, std::forward<S>(stored)), ...);
          finish(encoder);
        };
        ref.send_remote(call, write, std::move(pending));
      };
      send(as_stored<std::tuple_element_t<I, Stored>>(std::forward<Args>(args))...);
    }
  }
  (std::index_sequence_for<Args...>());
}

/// Where another node pushes the items for `buffer`.
template <class T>
Result<HandleRef> make_sink(const boost::intrusive_ptr<StreamBuffer<T>>& buffer) {
  try {
    return spawn_hidden(*buffer->domain(), actor_type<StreamSink<T>>(),
                        [&]() -> void* { return new StreamSink<T>(buffer); });
  } catch (...) {
    return fail(error_from_current_exception());
  }
}

/// What a call gives: a Future of the result, or the Stream of the items.
template <auto M>
using CallResult = std::conditional_t<MemberSignature<decltype(M)>::kIsStream, Stream<ResultOf<M>>,
                                      Future<ResultOf<M>>>;

}  // namespace muster::detail
