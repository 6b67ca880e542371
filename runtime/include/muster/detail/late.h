#pragma once
/// Late arguments: a Future or a Ref in the place of a value. The message that carries them waits
/// for them when its turn comes, in its actor's place, and then makes way for the call itself. Not
/// for users.
///
/// Threads: everything here belongs to one message.

#include <muster/detail/late_traits.h>
#include <muster/detail/message.h>
#include <muster/ref.h>

#include <array>
#include <tuple>

namespace muster::detail {

/// One argument that is not there yet.
struct LateSlot {
  std::size_t index = 0;  // of the argument
  boost::intrusive_ptr<FutureStateBase> awaited;
  /// Moves the value out of `awaited`, which is ready in one, to where the argument is stored.
  void (*settle)(FutureStateBase& awaited, void* argument) = nullptr;
  std::shared_ptr<RefState> ref;  // keeps what it fetches: others may wait for it too
  void* argument = nullptr;       // in the message; set by bind()
};

/// The late arguments of one call. Of one from another node, `references` says which they are; of
/// one from here, when `caller` is complete nobody waits for the call any more.
struct LateArguments {
  static constexpr std::size_t kIndexMax = 64;

  std::uint64_t references = 0;
  boost::intrusive_ptr<FutureStateBase> caller = {};  // null: one way, or from another node
  std::vector<LateSlot> slots = {};

  bool is_reference(std::size_t index) const noexcept {
    return index < kIndexMax && (references >> index & 1) != 0;
  }
  /// Requires: the arguments stay where they are.
  template <class... S>
  void bind(std::tuple<S...>& arguments) {
    const auto places = std::apply(
        [](auto&... each) { return std::array<void*, sizeof...(S)>{&each...}; }, arguments);
    bind_to(places.data());
  }
  void bind_to(void* const* places) noexcept {
    for (LateSlot& slot : slots) slot.argument = places[slot.index];
  }
};

/// The message that waits for them and then is `call`, whose arguments they are.
std::unique_ptr<Message> make_late(std::unique_ptr<Message> call, LateArguments late);

/// The vector that serves as an Array, if S is one.
template <class S>
struct VectorOf {
  using type = void;
};
template <class T>
struct VectorOf<Array<T>> {
  using type = std::vector<T>;
};

template <class S, class U>
void settle_future(FutureStateBase& awaited, void* argument) {
  *static_cast<S*>(argument) = S(*static_cast<FutureState<U>&>(awaited).take());
}
/// Throws Exception when the Ref is to another type.
template <class S, class U>
void settle_ref(FutureStateBase& awaited, void* argument) {
  const auto& state = static_cast<FutureState<RefValue>&>(awaited);
  S& place = *static_cast<S*>(argument);
  if constexpr (std::is_same_v<S, U>) {
    using Vector = typename VectorOf<S>::type;
    if constexpr (!std::is_void_v<Vector>) {
      // What another node takes for an Array may be at home where it was put as a vector.
      if (const auto vector = shared_value<Vector>(state)) {
        place = S(std::span(**vector), *vector);
        return;
      }
    }
    place = *value_or_throw(shared_value<U>(state));
  } else {
    const auto vector = value_or_throw(shared_value<U>(state));
    place = S(std::span(*vector), vector);
  }
}

/// Fetches the value, unless that is done or under way.
template <class S, class U>
LateSlot late_ref(std::size_t index, const Ref<U>& ref) {
  MUSTER_CHECK(ref.valid(), "the Ref is empty");
  return {index, ref.state()->value(), &settle_ref<S, U>, ref.state(), nullptr};
}
template <class S, class U>
LateSlot late_future(std::size_t index, const Future<U>& future) {
  MUSTER_CHECK(future.valid(), "the Future is empty");
  return {index, boost::intrusive_ptr<FutureStateBase>(future.state()), &settle_future<S, U>,
          nullptr, nullptr};
}

template <class Arg>
struct IsFuture : std::false_type {};
template <class U>
struct IsFuture<Future<U>> : std::true_type {};

/// `arg` on its way into a message that stores an S; when it is late, an S for now.
template <class S, class Arg>
decltype(auto) now_or_late(LateArguments& late, std::size_t index, Arg&& arg) {
  if constexpr (!kLate<Arg, S>) {
    return std::forward<Arg>(arg);
  } else if constexpr (IsFuture<Arg>::value) {
    const Arg taken = std::forward<Arg>(arg);
    late.slots.push_back(late_future<S>(index, taken));
    return S();
  } else {
    late.slots.push_back(late_ref<S>(index, arg));
    return S();
  }
}

/// The same from the wire. Out of the way of plain arguments.
template <class S>
[[gnu::cold, gnu::noinline]] S decode_reference(Decoder& decoder, LateArguments& late,
                                                std::size_t index) {
  if constexpr (kLate<Ref<S>, S>) {
    const auto ref = decode_value<Ref<S>>(decoder);
    if (ref.valid()) {
      late.slots.push_back(late_ref<S>(index, ref));
      return S();
    }
  }
  decoder.fail("expected a value, or a reference to one that can be copied");
  return decode_value<S>(decoder);
}
template <class S>
S decode_argument(Decoder& decoder, LateArguments* late, std::size_t index) {
  if (late != nullptr && late->is_reference(index)) [[unlikely]] {
    return decode_reference<S>(decoder, *late, index);
  }
  return decode_value<S>(decoder);
}

/// The same on its way to another node: the value, or a Ref that the other node resolves.
template <class S>
class LateWire {
 public:
  template <class Arg>
  LateWire(const boost::intrusive_ptr<Domain>& domain, Arg&& arg) {
    if constexpr (!kLate<Arg, S>) {
      value_.emplace(std::forward<Arg>(arg));
    } else if constexpr (!IsFuture<Arg>::value) {
      MUSTER_CHECK(arg.valid(), "the Ref is empty");
      ref_ = arg.state();
    } else if (arg.ready() && arg.state()->failure() == nullptr) {
      value_.emplace(arg.get());
    } else {
      ref_ = put_future<S>(domain, std::forward<Arg>(arg)).state();
    }
  }
  bool is_reference() const noexcept { return ref_ != nullptr; }
  void encode(Encoder& encoder) {
    if (ref_) {
      encoder.actor(std::make_shared<HandleRef>(ref_->holder()));
    } else {
      encode_value(encoder, std::move(*value_));
    }
  }

 private:
  std::optional<S> value_;
  std::shared_ptr<RefState> ref_;  // else
};

/// What the arguments of a call are to a method that stores them as `Stored`.
template <class Stored>
struct ArgumentsOf;
template <class... S>
struct ArgumentsOf<std::tuple<S...>> {
  using Wire = std::tuple<LateWire<S>...>;
  template <class... Args>
  static constexpr bool kAnyLate = (kLate<Args, S> || ...);
  /// From the wire; see MethodEntry::decode.
  static std::tuple<S...> decode([[maybe_unused]] Decoder& decoder,
                                 [[maybe_unused]] LateArguments* late) {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      // Braces fix the order: left to right.
      return std::tuple<S...>{decode_argument<S>(decoder, late, I)...};
    }
    (std::index_sequence_for<S...>());
  }
};

}  // namespace muster::detail
