#pragma once
/// Actors: plain classes whose methods other actors and threads call by message.
///
///     class Counter { public: explicit Counter(int start); int add(int n); };
///     MUSTER_ACTOR(Counter, add);
///
/// A method may take values, const references, std::span<const number> and std::string_view; its
/// result is a value, or a Task of one when the method waits. All have a Codec (<muster/codec.h>).
/// One message is handled at a time; while a Task handler is suspended the next message waits,
/// unless the actor was spawned with other wishes (SpawnOptions::reentrant, groups).
///
/// Threads: an actor's methods never run at the same time, and what one did is visible to the next,
/// whichever threads they ran on.

#include <muster/detail/method.h>
#include <muster/future.h>
#include <muster/handle.h>
#include <muster/ref.h>
#include <muster/task.h>
#include <muster/timer.h>
#include <muster/when.h>

#include <stop_token>

namespace muster {

class Runtime;

/// Waits without blocking a thread: `co_await sleep_for(10ms)`. Inside handlers and tasks only
/// (elsewhere it throws kInvalid). When the runtime shuts down it ends early, in kCancelled, in
/// tasks; in a handler it goes on until drain_timeout, and the actor is killed then.
Future<void> sleep_for(Duration duration);

/// The actor whose handler (or constructor) this thread is running. Every function here requires
/// that there is one.
namespace this_actor {

namespace detail_ {
detail::HandleRef self(const detail::ActorType& expected);
boost::intrusive_ptr<detail::Domain> domain();
void deliver_to_self(std::unique_ptr<detail::Message> message, const detail::ActorType& type);
void link(const detail::HandleRef& other);
}  // namespace detail_

/// A handle to itself. Requires: the actor is an A. An actor that stores it keeps itself alive.
template <class A>
Handle<A> handle() {
  return Handle<A>(detail_::self(detail::actor_type<A>()));
}

/// Sends to itself, at once: the way to work in slices. The message waits its turn in the mailbox.
/// `M` is named by the actor's own class and declared there, not in a base. What an incarnation
/// sent to itself, now or with a delay, goes with it at a restart.
template <auto M, class... Args>
void send(Args&&... args) {
  using A = typename detail::MemberSignature<decltype(M)>::Class;
  if constexpr (detail::kFaultless<detail::SendFault<A, M, Args...>>) {
    detail_::deliver_to_self(detail::make_call<A, M>(nullptr, std::forward<Args>(args)...),
                             detail::actor_type<A>());
  } else {
    detail::refuse_to_compile<detail::SendFault<A, M, Args...>>();
  }
}

/// As Runtime::put.
template <class T>
Ref<std::decay_t<T>> put(T&& value) {
  return detail::put_value<std::decay_t<T>>(detail_::domain(), std::forward<T>(value));
}
template <class T>
Ref<T> put(Future<T>&& future) {
  return detail::put_future<T>(detail_::domain(), std::move(future));
}

ActorId id();
/// The time on the runtime's clock.
TimePoint now();
/// Asked to stop when the call that the running handler handles is cancelled, when its deadline
/// passes, and when the actor is killed or ends otherwise: for handlers that run for long, and for
/// what they start elsewhere. Any thread may ask it.
std::stop_token stop_token();
/// The runtime that the actor lives in.
Runtime& runtime();
/// Ends this actor after the messages already in its mailbox; `why` becomes part of the cause.
void stop(const std::string& why = {});
/// Ends this actor at once, in order: what waits in its mailbox is rejected, the call that is being
/// handled too. In a handler, or what one gave to then(). Throws what must not be caught.
[[noreturn]] void exit(const std::string& why = {});
/// Ends this incarnation at once, as a failed MUSTER_CHECK does: the actor is restarted where it
/// was spawned so, else it ends in kCrashed with `why` as the cause. Throws what must not be
/// caught.
[[noreturn]] void crash(const std::string& why);
/// How manyeth life of the actor this is, from 1.
std::uint64_t incarnation();
/// Saves the state of this actor now, for its next incarnation. Does nothing for one that is never
/// restarted. Throws Exception (kInvalid) when the class is not Checkpointed, and what its save()
/// throws; what was saved before stays then.
void checkpoint();
/// Links this actor with another, both ways: when one of the two ends otherwise than in order (it
/// crashed, was killed, was lost with its node, or went with another link), the other fails too,
/// and is restarted where it was spawned so. Had `other` ended so before, this actor fails at once.
/// A link lasts until one of the two has ended for good. Requires: other.valid().
template <class B>
void link(const Handle<B>& other) {
  detail_::link(other.ref());
}

}  // namespace this_actor

/// Handles travel in messages; the receiver's copy keeps the actor alive while its node stays
/// connected to the actor's.
template <class A>
struct Codec<Handle<A>> {
  static constexpr bool wireable = true;
  static void encode(Encoder& encoder, const Handle<A>& handle) {
    if (!handle.valid()) return encoder.none();
    encoder.actor(std::make_shared<detail::HandleRef>(handle.ref()));
  }
  static Handle<A> decode(Decoder& decoder) {
    const auto ref = std::static_pointer_cast<detail::HandleRef>(decoder.actor());
    return ref ? Handle<A>(*ref) : Handle<A>();
  }
};

}  // namespace muster

#define MUSTER_DETAIL_EXPAND(...) \
  MUSTER_DETAIL_EXPAND4(MUSTER_DETAIL_EXPAND4(MUSTER_DETAIL_EXPAND4(__VA_ARGS__)))
#define MUSTER_DETAIL_EXPAND4(...) \
  MUSTER_DETAIL_EXPAND3(MUSTER_DETAIL_EXPAND3(MUSTER_DETAIL_EXPAND3(__VA_ARGS__)))
#define MUSTER_DETAIL_EXPAND3(...) \
  MUSTER_DETAIL_EXPAND2(MUSTER_DETAIL_EXPAND2(MUSTER_DETAIL_EXPAND2(__VA_ARGS__)))
#define MUSTER_DETAIL_EXPAND2(...) \
  MUSTER_DETAIL_EXPAND1(MUSTER_DETAIL_EXPAND1(MUSTER_DETAIL_EXPAND1(__VA_ARGS__)))
#define MUSTER_DETAIL_EXPAND1(...) __VA_ARGS__
#define MUSTER_DETAIL_PARENS ()
#define MUSTER_DETAIL_METHODS(Class, method, ...)                     \
  , ::muster::detail::MethodName<&Class::method>{#method} __VA_OPT__( \
        MUSTER_DETAIL_METHODS_AGAIN MUSTER_DETAIL_PARENS(Class, __VA_ARGS__))
#define MUSTER_DETAIL_METHODS_AGAIN() MUSTER_DETAIL_METHODS

/// Makes `Class` an actor whose listed public methods can be called: at namespace scope, in the
/// namespace of the class, where users of the class see it. The names of class and methods identify
/// them on the wire. An overloaded method cannot be listed, nor more
/// than 100 of them.
#define MUSTER_ACTOR(Class, ...)                                                             \
  constexpr auto muster_describe_actor([[maybe_unused]] const Class* tag) {                  \
    return ::muster::detail::describe_actor<Class>(                                          \
        #Class __VA_OPT__(MUSTER_DETAIL_EXPAND(MUSTER_DETAIL_METHODS(Class, __VA_ARGS__)))); \
  }                                                                                          \
  static_assert(true, "MUSTER_ACTOR is followed by a semicolon")

/// For a class that many files use: what is known of it, and what takes its messages off the wire,
/// is compiled once, not in each of them; a file that calls a method compiles that method's
/// message. Faults of methods that nobody calls then show in the one file. After MUSTER_ACTOR, at
/// global scope, the class with its namespaces:
///     MUSTER_ACTOR_EXTERN(shop::Cart);       // in the header
///     MUSTER_ACTOR_INSTANTIATE(shop::Cart);  // in one source file, or nothing links
#define MUSTER_ACTOR_EXTERN(Class) extern MUSTER_ACTOR_INSTANTIATE(Class)
#define MUSTER_ACTOR_INSTANTIATE(Class)              \
  template struct muster::detail::ActorTypeOf<Class, \
                                              decltype(::muster::detail::description_of<Class>())>
