#pragma once
/// Rules on the messages between the actors of a test: lose, delay, duplicate, refuse or forbid
/// them, or count them, by class, method, arguments and actor.
///
///     world.messages().on<&Store::put>([](int key, int) { return key == 3; }).times(1).lose();
///     const auto puts = world.messages().on<&Store::put>();
///     ...
///     EXPECT_TRUE(world.expect(puts, 2, 1s));
///
/// A rule looks at a message on the actor's own node, just before it enters the mailbox; of its
/// sender it knows nothing. The newest rule that matches decides, and counts it; what no rule
/// matches passes. stop(), kill() and the end of handles are no messages. A rule by method does not
/// see those with late arguments, a Future or a Ref in the place of a value.
///
/// A SimWorld has Messages for all of its nodes. A Runtime on real threads takes them as a seam:
///     auto transport = muster::make_tcp_transport();
///     auto messages = std::make_shared<Messages>(transport->timers());
///     Runtime runtime({}, {.transport = std::move(transport), .interceptor = messages});
///
/// Threads: all members from any thread. Predicates and MessageRule::also run on the thread that
/// sends, or on the network's, maybe several at a time.

#include <muster/testing/message_rule.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <tuple>
#include <vector>

namespace muster::testing {

namespace detail_ {
class Inbox;
void crash(muster::detail::ActorRef& actor, const muster::detail::ActorType& type,
           const std::string& why);
}  // namespace detail_

class Messages final : public muster::detail::Interceptor,
                       public std::enable_shared_from_this<Messages> {
 public:
  /// Delayed messages come by `timers`, which outlive this. It is held by a std::shared_ptr.
  explicit Messages(Timers& timers);
  ~Messages() override;
  Messages(const Messages&) = delete;
  Messages& operator=(const Messages&) = delete;

  /// A rule on calls and sends of M whose arguments, as the message keeps them, satisfy
  /// `predicate`. It lets them pass until told otherwise.
  template <auto M, class Predicate>
  auto on(Predicate predicate) {
    using A = typename muster::detail::MemberSignature<decltype(M)>::Class;
    return MethodRule<A, M>(
        *this, add(method_name<A, M>(), [predicate](const detail_::Seen& seen) -> bool {
          const auto* arguments = detail_::arguments_of<A, M>(seen.message);
          return arguments != nullptr && std::apply(predicate, *arguments);
        }));
  }
  /// The same, whatever the arguments.
  template <auto M>
  auto on() {
    return on<M>([](const auto&...) { return true; });
  }
  /// A rule on every message to actors of class A.
  template <class A>
  ClassRule on() {
    const auto& type = muster::detail::actor_type<A>();
    return ClassRule(*this, add(std::string(type.name),
                                [&type](const detail_::Seen& seen) { return seen.type.is(type); }));
  }
  /// A rule on every message.
  ClassRule on_any() {
    return ClassRule(*this, add("any", [](const detail_::Seen&) { return true; }));
  }

  /// Hears of messages that disallow() met. Default: one line on standard error, and abort().
  /// With GoogleTest: `on_disallowed(fail_test)`, of <muster/testing/gtest.h>.
  void on_disallowed(std::function<void(const std::string& line)> report);

  /// Calls M past all rules. Requires: actor.is_local().
  template <auto M, class A, class... Args>
  auto inject(const Handle<A>& actor, Args&&... args) {
    MUSTER_CHECK(actor.is_local(), "inject() is for actors of the handle's own node");
    const Past past;
    return actor.template call<M>(std::forward<Args>(args)...);
  }

  /// Forgets all rules. What is delayed comes now; calls whose message was lost end in kCancelled.
  void clear();

  void intercept(muster::detail::ActorRef& actor, const muster::detail::ActorType& type,
                 const muster::detail::Delivery& delivery,
                 std::unique_ptr<muster::detail::Message>& message) override;

 private:
  friend class MessageRule;
  friend class Probe;
  struct Held {
    boost::intrusive_ptr<muster::detail::ActorRef> actor;
    const muster::detail::ActorType* type = nullptr;
    muster::detail::Delivery delivery = {};
    std::unique_ptr<muster::detail::Message> message;
    TimerId timer = 0;
    void deliver();
  };
  /// While it lives, what this thread delivers passes all rules.
  class Past {
   public:
    Past();
    ~Past();
    Past(const Past&) = delete;
    Past& operator=(const Past&) = delete;
  };

  template <class A, auto M>
  static std::string method_name() {
    return std::string(muster::detail::actor_type<A>().name) + "." +
           std::string(muster::detail::MethodOf<A, M>::kName);
  }
  std::shared_ptr<detail_::RuleState> add(std::string what,
                                          std::function<bool(const detail_::Seen&)> matches);
  /// What the newest rule that matches does, which counts the message; nothing when none matches.
  std::optional<detail_::Effect> decide(const detail_::Seen& seen);
  /// Gives the message to the probe that plays the actor; leaves it when there is none.
  void to_probe(const detail_::Seen& seen, std::unique_ptr<muster::detail::Message>& message);
  void come_late(std::uint64_t number);
  void stand_in(ActorId actor, std::shared_ptr<detail_::Inbox> inbox);
  void stand_in_ended(ActorId actor);

  Timers& timers_;
  std::mutex mutex_;
  // Guarded by mutex_:
  std::vector<std::shared_ptr<detail_::RuleState>> rules_;  // the oldest first
  std::map<std::uint64_t, Held> delayed_;
  std::uint64_t last_delayed_ = 0;
  std::vector<std::unique_ptr<muster::detail::Message>> lost_;  // calls
  std::map<ActorId, std::shared_ptr<detail_::Inbox>> stand_ins_;
  std::function<void(const std::string&)> report_;
};

/// Makes the actor fail, in its turn, as it does when a MUSTER_CHECK does in its handler. Requires:
/// actor.is_local().
template <class A>
void crash(const Handle<A>& actor, const std::string& why) {
  detail_::crash(*actor.ref().get(), muster::detail::actor_type<A>(), why);
}

}  // namespace muster::testing
