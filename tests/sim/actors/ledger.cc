#include "sim/actors/ledger.h"

#include <fmt/format.h>

#include <algorithm>

namespace muster::sim {

// --- who -----------------------------------------------------------------------------------------

Number Ledger::add_sender(const std::string& node) {
  nodes_.emplace(++last_, node);
  return last_;
}

Number Ledger::add_actor(const std::string& node, const SpawnOptions& options) {
  const Number number = add_sender(node);
  Actor& actor = actors_[number];
  actor.node = node;
  actor.name = options.name;
  actor.detached = options.detached;
  actor.restarts = options.max_restarts > 0;
  actor.capacity = options.mailbox_capacity;
  return number;
}

void Ledger::made(Number actor, ActorId id) {
  actors_.at(actor).id = id;
  if (!by_id_.emplace(id, actor).second)
    fault(fmt::format("actor {} has the id of another", actor));
}

void Ledger::born(Number actor, const Member& object) {
  Actor& entry = actors_.at(actor);
  if (entry.lived && (!entry.restarts || entry.object != nullptr || entry.down)) {
    fault(fmt::format("actor {} was made twice", actor));
  }
  restarts_ += entry.lived ? 1 : 0;
  entry.lived = true;
  entry.object = &object;
}

void Ledger::died(Number actor) {
  Actor& entry = actors_.at(actor);
  if (entry.object == nullptr) fault(fmt::format("actor {} died twice", actor));
  if (entry.down) fault(fmt::format("the end of actor {} was told before it was destroyed", actor));
  entry.object = nullptr;
  entry.died_at = clock_.now();
}

void Ledger::doom(Number actor, bool on_its_node) {
  Actor& entry = actors_.at(actor);
  entry.doomed = true;
  entry.must_end |= on_its_node;
}

void Ledger::seen(Number actor, const std::string& node) {
  Actor& entry = actors_.at(actor);
  entry.travelled |= entry.node != node;
}

std::optional<Number> Ledger::find(ActorId id) const {
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return std::nullopt;
  return found->second;
}

void Ledger::heard(Number actor, const std::string& node, const Result<Down>& down) {
  --actors_.at(actor).monitors[node];
  if (!down) {
    fault(fmt::format("a monitor of actor {} ended in {}", actor, down.error().describe()));
    return;
  }
  Actor& entry = actors_.at(actor);
  if (down->actor != entry.id) {
    fault(fmt::format("a monitor of actor {} heard of {}", actor, to_string(down->actor)));
  }
  // Those who lost its node, or asked one that had forgotten it, do not know how it ended.
  if (down->reason == DownReason::kNodeLost || down->name.empty()) return;
  if (entry.object != nullptr) {
    fault(fmt::format("actor {} lives although it {}", actor, to_string(down->reason)));
  }
  if (!entry.down) entry.down = *down;
  if (entry.down->reason != down->reason || entry.down->cause != down->cause) {
    fault(fmt::format("actor {} ended twice: {} and {}", actor, entry.down->cause.message,
                      down->cause.message));
  }
}

// --- messages ------------------------------------------------------------------------------------

Ledger::Message& Ledger::entry(const Stamp& stamp) {
  MUSTER_CHECK(stamp.message > 0 && stamp.message <= messages_.size(), stamp.message);
  Message& message = messages_[stamp.message - 1];
  if (message.order != stamp.order) fault(describe(message) + ": its stamp was changed");
  return message;
}

std::string Ledger::describe(const Message& message) const {
  return fmt::format("{} {} of {} ({}) to {} ({}), its {}th", message.call ? "call" : "send",
                     message.what, message.sender, node_of(message.sender), message.target,
                     node_of(message.target), message.order);
}

Stamp Ledger::add(Message message) {
  message.order = ++sent_orders_[{message.sender, message.target}];
  message.local = node_of(message.sender) == node_of(message.target);
  message.sent_at = clock_.now();
  messages_.push_back(std::move(message));
  return Stamp{messages_.size(), messages_.back().order};
}

Stamp Ledger::send(Number sender, Number target, std::string what) {
  Message message;
  message.sender = sender;
  message.target = target;
  message.what = std::move(what);
  return add(std::move(message));
}

Stamp Ledger::call(Number sender, Number target, Duration timeout, std::string what) {
  Message message;
  message.sender = sender;
  message.target = target;
  message.call = true;
  message.deadline = clock_.now() + timeout;
  message.what = std::move(what);
  const Stamp stamp = add(std::move(message));
  if (messages_.back().local) ++actors_.at(target).waiting;
  return stamp;
}

void Ledger::placed(const Stamp& stamp, bool ready) {
  Message& message = entry(stamp);
  const Actor& actor = actors_.at(message.target);
  if (ready) {
    message.refused = true;
    leave_mailbox(message);
  } else if (message.local && actor.object != nullptr && actor.waiting > actor.capacity) {
    const auto waiting = std::ranges::count_if(messages_, [&](const Message& other) {
      return other.target == message.target && other.call && other.local && !other.begun &&
             !other.refused && !is_over(other);
    });
    if (static_cast<std::size_t>(waiting) <= actor.capacity) return;
    fault(fmt::format("{} of its node's calls wait for actor {}, whose mailbox holds {}", waiting,
                      message.target, actor.capacity));
  }
}

// Past its deadline a call is not handled, whether or not somebody still waited.
bool Ledger::is_over(const Message& message) const {
  return message.ended || (message.abandoned && message.deadline <= clock_.now());
}

void Ledger::leave_mailbox(const Message& message) {
  if (message.call && message.local) --actors_.at(message.target).waiting;
}

void Ledger::begun(const Stamp& stamp, Number actor) {
  Message& message = entry(stamp);
  if (message.target != actor) fault(fmt::format("{} reached {}", describe(message), actor));
  if (actors_.at(actor).object == nullptr) fault(describe(message) + " is handled by the dead");
  if (message.begun) fault(describe(message) + " is handled twice");
  if (message.refused) fault(describe(message) + " was refused and is handled");
  if (message.local && message.error == ErrorCode::kTimeout)
    fault(describe(message) + " is handled after its deadline");
  if (!message.begun && !message.ended) leave_mailbox(message);
  message.begun = true;
  std::uint32_t& last = begun_orders_[{message.sender, message.target}];
  const auto& from = nodes_.at(message.sender);
  const auto& to = actors_.at(message.target).node;
  const bool excused = !kept_senders_.contains(message.sender) &&
                       twice_.contains({std::min(from, to), std::max(from, to)});
  if (message.order <= last && !excused) {
    fault(fmt::format("{} is handled after the {}th", describe(message), last));
  }
  last = message.order;
}

void Ledger::finished(const Stamp& stamp) {
  entry(stamp).finished = true;
  entry(stamp).done_at = clock_.now();
}
void Ledger::threw(const Stamp& stamp) {
  entry(stamp).threw = true;
  entry(stamp).done_at = clock_.now();
}

void Ledger::ended(const Stamp& stamp, const Result<std::uint64_t>& answer) {
  Message& message = entry(stamp);
  if (message.ended) fault(describe(message) + " ended twice");
  if (!message.begun && !message.refused) leave_mailbox(message);
  message.ended = true;
  if (!answer) message.error = answer.error().code;
  message.refused |= !answer && answer.error().code == ErrorCode::kOverloaded;
  check_answer(message, stamp.message, answer);
  if (clock_.now() > message.deadline && !gone_.contains(node_of(message.sender))) {
    fault(describe(message) + " ended after its deadline");
  }
}

void Ledger::check_answer(const Message& message, std::uint64_t number,
                          const Result<std::uint64_t>& answer) {
  const auto wrong = [&](const std::string& why) {
    fault(fmt::format("{} ended in {}: {}", describe(message),
                      answer ? std::to_string(*answer) : answer.error().describe(), why));
  };
  if (answer) {
    if (*answer != number) wrong(fmt::format("{} is its number", number));
    if (!message.finished) wrong("its handler did not return");
    return;
  }
  switch (answer.error().code) {
    case ErrorCode::kFailed:
      if (!message.threw) wrong("its handler did not throw");
      return;
    case ErrorCode::kTimeout:
      if (clock_.now() < message.deadline) wrong("before its deadline");
      check_timeout(message);
      return;
    case ErrorCode::kOverloaded:
      if (message.begun) wrong("its handler ran");
      return;
    case ErrorCode::kUnavailable:
    case ErrorCode::kCancelled:
      return;
    default:
      wrong("nothing was wrong with the call");
  }
}

Ledger::Counts Ledger::counts() const {
  Counts counts;
  counts.sent = messages_.size();
  counts.restarts = restarts_;
  for (const Message& message : messages_) {
    counts.handled += message.begun ? 1 : 0;
    counts.handled_remote += message.begun && !message.local ? 1 : 0;
    if (!message.ended) continue;
    ++counts.ends[message.error ? std::string(to_string(*message.error)) : "value"];
  }
  return counts;
}

Ledger::Counts& Ledger::Counts::operator+=(const Counts& other) {
  sent += other.sent;
  handled += other.handled;
  handled_remote += other.handled_remote;
  restarts += other.restarts;
  for (const auto& [how, count] : other.ends) ends[how] += count;
  return *this;
}

// Deadlines must not hide answers that were lost.
void Ledger::check_timeout(const Message& message) {
  if (!message.local && !travel_) return;
  const Duration travel = message.local ? Duration::zero() : *travel_;
  const Actor& actor = actors_.at(message.target);
  const bool died = actor.lived && actor.object == nullptr && !actor.restarts;
  std::optional<TimePoint> known = message.done_at;
  if (!known && died) known = std::max(actor.died_at, message.sent_at);
  if (known && *known + travel < message.deadline) {
    fault(describe(message) + " ended at its deadline, but was " +
          (message.done_at ? "done" : "hopeless") + " before");
  }
}

// --- what must be true ---------------------------------------------------------------------------

void Ledger::check_calls_ended(bool by_any) {
  for (const Message& message : messages_) {
    if (!message.call || message.ended || message.abandoned) continue;
    if (by_any || !gone_.contains(node_of(message.sender))) {
      fault(describe(message) + " has not ended");
    }
  }
}

void Ledger::check_quiet() {
  for (const Message& message : messages_) {
    if (!message.call || !message.local || message.begun || message.refused) continue;
    const Actor& actor = actors_.at(message.target);
    if (actor.object != nullptr && !is_over(message) && !gone_.contains(actor.node))
      fault(describe(message) + " was lost");
  }
  for (const auto& [number, actor] : actors_) {
    if (!actor.lived || actor.object != nullptr) continue;
    for (const auto& [node, count] : actor.monitors) {
      if (count != 0 && !gone_.contains(node)) {
        fault(fmt::format("{} monitors on {} have not heard of the end of actor {}", count, node,
                          number));
      }
    }
  }
}

void Ledger::check_calls_ended_of(const std::string& node) {
  for (const Message& message : messages_) {
    if (message.call && !message.ended && !message.abandoned && node_of(message.sender) == node) {
      fault(describe(message) + " has not ended although its node shut down");
    }
  }
}

void Ledger::check_one_way(std::uint64_t dead_letters) {
  std::uint64_t lost = 0;
  for (const Message& message : messages_) lost += !message.call && !message.begun;
  if (lost != dead_letters) {
    fault(fmt::format("{} one-way messages were not handled, {} are dead letters", lost,
                      dead_letters));
  }
}

}  // namespace muster::sim
