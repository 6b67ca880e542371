#pragma once
/// MessageRule: what happens to the messages that match it. Made by Messages::on, see
/// <muster/testing/messages.h>.
///
/// Threads: all members from any thread. Lifetime: a rule works until Messages::clear(), however
/// long its MessageRule is kept; the Messages outlive it.

#include <muster/clock.h>
#include <muster/detail/method.h>
#include <muster/handle.h>

#include <atomic>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>

namespace muster::testing {

class Messages;

namespace detail_ {

enum class Action : std::uint8_t { kAllow, kLose, kRefuse, kDelay, kDuplicate, kDisallow };

/// What a rule looks at.
struct Seen {
  muster::detail::ActorRef& actor;
  const muster::detail::ActorType& type;
  const muster::detail::Message& message;
};
using Copy = std::unique_ptr<muster::detail::Message> (*)(const muster::detail::Message&);

/// What a rule does.
struct Effect {
  Action action = Action::kAllow;
  Error error = {};
  Duration delay{};
  Copy copy = nullptr;
  std::function<void()> also = {};
};

struct RuleState {
  std::string what;  // "Store.put", for people
  std::function<bool(const Seen&)> matches;
  std::atomic<std::size_t> count{0};
  // Guarded by the mutex of the Messages:
  std::optional<ActorId> actor;
  std::size_t skip = 0;
  std::size_t left = std::numeric_limits<std::size_t>::max();
  Effect effect;
};

/// The arguments of a message that is a call or send of A's M, or null.
template <class A, auto M>
const auto* arguments_of(const muster::detail::Message& message) {
  const auto* typed = dynamic_cast<const muster::detail::MessageOf<A, M>*>(&message);
  return typed ? &typed->arguments() : nullptr;
}
template <class A, auto M>
std::unique_ptr<muster::detail::Message> copy_of(const muster::detail::Message& message) {
  using Call = muster::detail::CallMessage<A, M>;
  auto arguments = static_cast<const Call&>(message).arguments();
  return std::make_unique<Call>(std::in_place, std::move(arguments));
}

}  // namespace detail_

/// One rule, to say what it does and to ask how often it did. A value; copies name the same rule.
class MessageRule {
 public:
  /// How many messages it decided on so far; those that after() let pass are not counted.
  std::size_t count() const noexcept { return state_->count; }
  const std::string& what() const noexcept { return state_->what; }

 protected:
  MessageRule(Messages& messages, std::shared_ptr<detail_::RuleState> state)
      : messages_(&messages), state_(std::move(state)) {}
  void change(const std::function<void(detail_::RuleState&)>& how) const;

 private:
  friend class Messages;
  Messages* messages_;
  std::shared_ptr<detail_::RuleState> state_;
};

/// As Self is returned by each member: `rules.on<&A::m>().to(actor).times(2).lose()`.
template <class Self>
class MessageRuleOf : public MessageRule {
 public:
  /// Only messages to this actor.
  template <class A>
  Self& to(const Handle<A>& actor) {
    return with([id = actor.id()](auto& rule) { rule.actor = id; });
  }
  /// Lets the next `count` that match pass, before it does anything.
  Self& after(std::size_t count) {
    return with([count](auto& rule) { rule.skip = count; });
  }
  /// Is spent after so many; older rules decide from then on.
  Self& times(std::size_t count) {
    return with([count](auto& rule) { rule.left = count; });
  }
  /// Calls `function` whenever the rule decides, before the message goes on: the place to crash a
  /// node at exactly this message.
  Self& also(std::function<void()> function) {
    return with([&](auto& rule) { rule.effect.also = std::move(function); });
  }

  /// The message passes: what a rule does unless told otherwise.
  Self& allow() { return act(detail_::Action::kAllow); }
  /// It is never handled, and nobody is told: a call ends at its deadline.
  Self& lose() { return act(detail_::Action::kLose); }
  /// It is not handled; a call ends in `error` at once.
  Self& refuse(Error error) {
    return with([&](auto& rule) { rule.effect.error = std::move(error); })
        .act(detail_::Action::kRefuse);
  }
  /// It comes `delay` later; what was sent after it overtakes it.
  Self& delay(Duration delay) {
    return with([delay](auto& rule) { rule.effect.delay = delay; }).act(detail_::Action::kDelay);
  }
  /// It fails the test, see Messages::on_disallowed, and is refused.
  Self& disallow() { return act(detail_::Action::kDisallow); }

 protected:
  using MessageRule::MessageRule;
  Self& with(const std::function<void(detail_::RuleState&)>& how) {
    change(how);
    return static_cast<Self&>(*this);
  }
  Self& act(detail_::Action action) {
    return with([action](auto& rule) { rule.effect.action = action; });
  }
};

/// A rule on messages of a class, or on all.
class ClassRule final : public MessageRuleOf<ClassRule> {
 private:
  friend class Messages;
  using MessageRuleOf::MessageRuleOf;
};

/// A rule on messages of one method.
template <class A, auto M>
class MethodRule final : public MessageRuleOf<MethodRule<A, M>> {
 public:
  /// It is handled a second time, right after the first; nobody hears of the second. Requires:
  /// arguments that can be copied.
  MethodRule& duplicate() {
    static_assert(!muster::detail::MemberSignature<decltype(M)>::kIsStream,
                  "the call of a method that returns a Stream cannot be duplicated");
    return this->with([](auto& rule) { rule.effect.copy = &detail_::copy_of<A, M>; })
        .act(detail_::Action::kDuplicate);
  }

 private:
  friend class Messages;
  using MessageRuleOf<MethodRule>::MessageRuleOf;
};

}  // namespace muster::testing
