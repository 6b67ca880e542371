#pragma once
/// Probe: plays actors, so that a test sees what the actor under test sends to them, and answers.
///
///     Probe probe(world, node);
///     const auto cache = node.spawn<Cache>({}, probe.stand_in<Store>());
///     auto value = cache.call<&Cache::get>(3);
///     auto asked = value_or_throw(probe.expect<&Store::read>());
///     EXPECT_EQ(asked.argument(), 3);
///     asked.reply("three");
///     EXPECT_EQ(value.get(1s), "three");
///     EXPECT_TRUE(probe.expect_nothing());
///
/// One probe may stand in for many actors, of many classes; it keeps what they are sent in the
/// order in which it came. A message counts as handled when the probe has it.
///
/// Threads: one test thread uses a probe, outside handlers. Lifetime: a stand-in lives and ends as
/// its handles say, as every actor; what it was sent stays with the probe. The Messages and the
/// Runtime outlive the probe.

#include <muster/testing/sim_world.h>

#include <tuple>
#include <utility>

namespace muster::testing {

namespace detail_ {

/// A message in the hands of the test. When it goes unanswered its call ends in kUnavailable.
class Taken {
 public:
  Taken(std::string what, std::unique_ptr<muster::detail::Message> message)
      : what_(std::move(what)), message_(std::move(message)) {}
  Taken(Taken&&) = default;
  Taken& operator=(Taken&&) = default;
  ~Taken();

  const std::string& what() const noexcept { return what_; }
  muster::detail::Message* get() const noexcept { return message_.get(); }
  /// To be answered now. Requires: a call, not answered yet.
  muster::detail::Message& to_answer();

 private:
  std::string what_;  // "Store.read"
  std::unique_ptr<muster::detail::Message> message_;
  bool answered_ = false;
};

}  // namespace detail_

/// A call or send of M that a probe took. A call that is not answered by the time this goes ends in
/// kUnavailable.
template <auto M>
class Received {
  using Signature = muster::detail::MemberSignature<decltype(M)>;
  static_assert(!Signature::kIsStream, "a probe cannot play a method that returns a Stream");
  using Call = muster::detail::CallMessage<typename Signature::Class, M>;

 public:
  using Value = typename Signature::Result;

  explicit Received(detail_::Taken taken) : taken_(std::move(taken)) {}

  /// As the message keeps them: a string for a string_view, an Array for a span.
  const typename Signature::Arguments& arguments() const {
    return static_cast<const Call&>(*taken_.get()).arguments();
  }
  template <std::size_t I = 0>
  const auto& argument() const {
    return std::get<I>(arguments());
  }
  /// Nobody waits for an answer.
  bool one_way() const noexcept { return taken_.get()->one_way(); }

  /// Ends the call in a value, as a handler that returns. Requires: a call, not answered yet.
  template <class... Given>
  requires(sizeof...(Given) == (std::is_void_v<Value> ? 0 : 1)) void reply(Given&&... value) {
    static_cast<Call&>(taken_.to_answer()).answer(Result<Value>(std::forward<Given>(value)...));
  }
  /// Ends the call in an error, as a handler that throws. Requires: a call, not answered yet.
  void fail(Error error) {
    static_cast<Call&>(taken_.to_answer()).answer(muster::fail(std::move(error)));
  }

 private:
  detail_::Taken taken_;
};

class Probe {
 public:
  Probe(SimWorld& world, Runtime& runtime) : Probe(world.messages(), runtime) {}
  /// Requires: `messages` is among the seams of `runtime`.
  Probe(Messages& messages, Runtime& runtime);
  /// Kills its stand-ins. Calls that it has not taken end in kUnavailable.
  ~Probe();
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

  /// Makes an actor of class A that this probe plays; no A is made. Throws as Runtime::spawn does.
  template <class A>
  Handle<A> stand_in(const SpawnOptions& options = {}) {
    return Handle<A>(make(stand_in_type<A>(), options));
  }

  /// Takes the next message, waiting for it, which must be a call or send of M. kTimeout when none
  /// comes; kInvalid, with what came, when it is another, which stays the next.
  template <auto M>
  Result<Received<M>> expect(Duration timeout = 1s) {
    using A = typename muster::detail::MemberSignature<decltype(M)>::Class;
    return take(
               [](const muster::detail::Message& message) {
                 return detail_::arguments_of<A, M>(message) != nullptr;
               },
               Messages::method_name<A, M>(), timeout)
        .map([](detail_::Taken taken) { return Received<M>(std::move(taken)); });
  }
  /// Waits for a message and says what it is, "Store.read", leaving it the next. kTimeout when none
  /// comes.
  Result<std::string> peek(Duration timeout = 1s);
  /// Waits in vain. kInvalid, with what came, when a message is there or comes; it stays the next.
  Result<void> expect_nothing(Duration timeout = 100ms);
  /// How many messages wait to be taken.
  std::size_t waiting() const;
  /// Drops what waits, as if taken and not answered.
  void discard();

 private:
  using Wanted = bool (*)(const muster::detail::Message&);

  /// Passes for an A wherever handles and nodes look, and has no A to destroy.
  template <class A>
  static const muster::detail::ActorType& stand_in_type() {
    static const muster::detail::ActorType type = [] {
      muster::detail::ActorType as = muster::detail::actor_type<A>();
      as.destroy = &Probe::destroy;
      return as;
    }();
    return type;
  }

  static void destroy(void* stand_in) noexcept;
  muster::detail::HandleRef make(const muster::detail::ActorType& type,
                                 const SpawnOptions& options);
  Result<detail_::Taken> take(Wanted wanted, const std::string& what, Duration timeout);

  Messages& messages_;
  Runtime& runtime_;
  const std::shared_ptr<detail_::Inbox> inbox_;
  std::vector<boost::intrusive_ptr<muster::detail::ActorRef>> stand_ins_;
};

}  // namespace muster::testing
