#include <muster/testing/messages.h>

#include <cstdio>
#include <cstdlib>

#include "runtime/testing/inbox.h"

namespace muster::testing {
namespace {

using muster::detail::ActorRef;
using muster::detail::ActorType;
using muster::detail::Message;

thread_local int past_rules = 0;

/// Fails in its turn.
class CrashMessage final : public Message {
 public:
  explicit CrashMessage(std::string why) : why_(std::move(why)) {}
  muster::detail::HandlerRun invoke(void*, muster::detail::HandlerContext&) override {
    throw CheckFailure(why_);
  }
  void reject(const Error&) override {}
  bool one_way() const noexcept override { return false; }
  std::string_view method() const noexcept override { return "crash"; }

 private:
  const std::string why_;
};

}  // namespace

void detail_::crash(ActorRef& actor, const ActorType& type, const std::string& why) {
  MUSTER_CHECK(actor.is_local(), "crash() is for actors of the handle's own node");
  actor.deliver(std::make_unique<CrashMessage>(why), type);
}

void MessageRule::change(const std::function<void(detail_::RuleState&)>& how) const {
  const std::scoped_lock lock(messages_->mutex_);
  how(*state_);
}

Messages::Past::Past() {
  ++past_rules;
}
Messages::Past::~Past() {
  --past_rules;
}

Messages::Messages(Timers& timers)
    : timers_(timers), report_([](const std::string& line) {
        std::fprintf(stderr, "muster: %s\n", line.c_str());
        std::abort();
      }) {}

Messages::~Messages() {
  clear();
}

std::shared_ptr<detail_::RuleState> Messages::add(
    std::string what, std::function<bool(const detail_::Seen&)> matches) {
  auto rule = std::make_shared<detail_::RuleState>();
  rule->what = std::move(what);
  rule->matches = std::move(matches);
  const std::scoped_lock lock(mutex_);
  rules_.push_back(rule);
  return rule;
}

void Messages::on_disallowed(std::function<void(const std::string& line)> report) {
  const std::scoped_lock lock(mutex_);
  report_ = std::move(report);
}

std::optional<detail_::Effect> Messages::decide(const detail_::Seen& seen) {
  std::vector<std::shared_ptr<detail_::RuleState>> rules;
  {
    const std::scoped_lock lock(mutex_);
    rules = rules_;
  }
  for (auto at = rules.rbegin(); at != rules.rend(); ++at) {
    detail_::RuleState& rule = **at;
    if (!rule.matches(seen)) continue;
    const std::scoped_lock lock(mutex_);
    if (rule.left == 0 || (rule.actor && *rule.actor != seen.actor.id())) continue;
    if (rule.skip > 0) {
      --rule.skip;
      continue;
    }
    --rule.left;
    ++rule.count;
    return rule.effect;
  }
  return std::nullopt;
}

void Messages::intercept(ActorRef& actor, const ActorType& type,
                         const muster::detail::Delivery& delivery,
                         std::unique_ptr<Message>& message) {
  using detail_::Action;
  if (dynamic_cast<const CrashMessage*>(message.get()) != nullptr) return;
  const detail_::Seen seen{actor, type, *message};
  const auto effect = past_rules > 0 ? std::nullopt : decide(seen);
  if (effect && effect->also) effect->also();
  switch (effect ? effect->action : Action::kAllow) {
    case Action::kAllow:
      break;
    case Action::kLose: {
      auto lost = std::move(message);
      if (lost->one_way()) return;
      const std::scoped_lock lock(mutex_);
      lost_.push_back(std::move(lost));
      return;
    }
    case Action::kRefuse:
      std::exchange(message, nullptr)->reject(effect->error);
      return;
    case Action::kDelay: {
      const std::scoped_lock lock(mutex_);
      const std::uint64_t number = ++last_delayed_;
      const TimerId timer = timers_.schedule(timers_.clock().now() + effect->delay,
                                             [weak = weak_from_this(), number] {
                                               if (const auto self = weak.lock())
                                                 self->come_late(number);
                                             });
      delayed_.emplace(number, Held{&actor, &type, delivery, std::move(message), timer});
      return;
    }
    case Action::kDuplicate: {
      Held second{&actor, &type, delivery, effect->copy(*message), 0};
      Held first{&actor, &type, delivery, std::move(message), 0};
      first.deliver();
      second.deliver();
      return;
    }
    case Action::kDisallow: {
      std::function<void(const std::string&)> report;
      {
        const std::scoped_lock lock(mutex_);
        report = report_;
      }
      const std::string line =
          "a message that the test disallows: " + std::string(message->method()) + " of " +
          actor.describe();
      report(line);
      std::exchange(message, nullptr)->reject(Error{ErrorCode::kInvalid, line, {}});
      return;
    }
  }
  to_probe(seen, message);
}

void Messages::Held::deliver() {
  const Past past;
  if (delivery.plain()) {
    actor->deliver(std::move(message), *type);
  } else {
    actor->deliver_as(delivery, std::move(message), *type);
  }
}

void Messages::come_late(std::uint64_t number) {
  Held held;
  {
    const std::scoped_lock lock(mutex_);
    const auto found = delayed_.find(number);
    if (found == delayed_.end()) return;
    held = std::move(found->second);
    delayed_.erase(found);
  }
  held.deliver();
}

void Messages::clear() {
  std::map<std::uint64_t, Held> delayed;
  std::vector<std::unique_ptr<Message>> lost;
  {
    const std::scoped_lock lock(mutex_);
    rules_.clear();
    delayed.swap(delayed_);
    lost.swap(lost_);
  }
  for (auto& [number, held] : delayed) {
    timers_.cancel(held.timer);
    held.deliver();
  }
  for (const auto& message : lost) {
    message->reject(Error{ErrorCode::kCancelled, "a rule of the test lost the message", {}});
  }
}

// --- probes --------------------------------------------------------------------------------------

void Messages::to_probe(const detail_::Seen& seen, std::unique_ptr<Message>& message) {
  std::shared_ptr<detail_::Inbox> inbox;
  {
    const std::scoped_lock lock(mutex_);
    const auto found = stand_ins_.find(seen.actor.id());
    if (found == stand_ins_.end()) return;
    inbox = found->second;
  }
  std::string what = std::string(seen.type.name) + "." + std::string(message->method());
  inbox->push({std::move(what), std::move(message)});
}

void Messages::stand_in(ActorId actor, std::shared_ptr<detail_::Inbox> inbox) {
  const std::scoped_lock lock(mutex_);
  stand_ins_.emplace(actor, std::move(inbox));
}

void Messages::stand_in_ended(ActorId actor) {
  const std::scoped_lock lock(mutex_);
  stand_ins_.erase(actor);
}

}  // namespace muster::testing
