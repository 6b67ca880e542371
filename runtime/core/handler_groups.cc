#include "runtime/core/handler_groups.h"

#include <algorithm>

namespace muster::detail {

namespace {

[[noreturn]] void refuse(const std::string& what) {
  throw Exception(Error{ErrorCode::kInvalid, "cannot spawn: " + what, {}});
}

}  // namespace

HandlerGroups::HandlerGroups(const ActorType& type, const SpawnOptions& options,
                             std::size_t reentrant_max)
    : groups_(1 + options.groups.size()), group_of_method_(type.method_count, 0) {
  if (options.groups.size() > kGroupsMax) {
    refuse(std::to_string(options.groups.size()) + " concurrency groups, at most " +
           std::to_string(kGroupsMax) + " are allowed");
  }
  groups_[0].limit = options.reentrant ? reentrant_max : 1;
  for (std::size_t i = 0; i < options.groups.size(); ++i) {
    const ConcurrencyGroup& group = options.groups[i];
    if (group.name.empty()) refuse("a concurrency group has no name");
    if (group.limit == 0) refuse("the concurrency group '" + group.name + "' has the limit 0");
    const std::uint32_t hash = GroupName(group.name).hash();
    if (number_of(hash) != 0) {
      refuse("the names of the concurrency groups '" + group.name + "' and '" +
             groups_[number_of(hash)].name + "' are the same, or cannot be told apart");
    }
    groups_[i + 1].name = group.name;
    groups_[i + 1].hash = hash;
    groups_[i + 1].limit = group.limit;
    assign(type, group, static_cast<std::uint8_t>(i + 1));
  }
}

void HandlerGroups::assign(const ActorType& type, const ConcurrencyGroup& group,
                           std::uint8_t number) {
  for (const MethodId& method : group.methods) {
    const MethodEntry* entry = type.find(method.hash);
    if (entry == nullptr) {
      refuse("the concurrency group '" + group.name + "' names the method " +
             std::string(method.name) + ", which " + std::string(type.name) + " does not have");
    }
    auto& assigned = group_of_method_[static_cast<std::size_t>(entry - type.methods)];
    if (assigned != 0) {
      refuse("the method " + std::string(method.name) + " is in two concurrency groups: '" +
             groups_[assigned].name + "' and '" + group.name + "'");
    }
    assigned = number;
  }
}

std::uint8_t HandlerGroups::number_of(std::uint32_t name) const noexcept {
  for (std::size_t i = 1; i < groups_.size(); ++i) {
    if (groups_[i].hash == name) return static_cast<std::uint8_t>(i);
  }
  return 0;
}

std::string HandlerGroups::names() const {
  std::string list;
  for (std::size_t i = 1; i < groups_.size(); ++i) {
    list += (i > 1 ? ", '" : "'") + groups_[i].name + "'";
  }
  return list.empty() ? "none" : list;
}

HandlerGroups::Group& HandlerGroups::group_of(const Message& message) {
  return groups_[message.group != 0 ? message.group : group_of_method_[message.method_index()]];
}

void HandlerGroups::add(std::unique_ptr<Message> message) {
  if (stop_) {
    after_stop_.push(std::move(message));
  } else if (message->is_stop) {
    stop_ = std::move(message);
  } else {
    Group& group = group_of(*message);
    group.waiting.push(std::move(message));
  }
}

void HandlerGroups::add_urgent(std::unique_ptr<Message> message) {
  Group& group = group_of(*message);
  group.urgent.push(std::move(message));
}

void HandlerGroups::put_back(std::unique_ptr<Message> message) {
  Group& group = group_of(*message);
  group.urgent.push_front(std::move(message));
}

bool HandlerGroups::stop_ready() const noexcept {
  if (!stop_ || serving_ != kNone || !runs_.empty()) return false;
  return std::ranges::all_of(groups_,
                             [](const Group& g) { return g.urgent.empty() && g.waiting.empty(); });
}

bool HandlerGroups::ready() const noexcept {
  return std::ranges::any_of(groups_, &Group::ready) || stop_ready();
}

bool HandlerGroups::open() const noexcept {
  return !stop_ && std::ranges::any_of(groups_, &Group::has_room);
}

std::unique_ptr<Message> HandlerGroups::next() {
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    if (++turn_ >= groups_.size()) turn_ = 0;
    Group& group = groups_[turn_];
    if (!group.ready()) continue;
    ++group.under_way;
    serving_ = turn_;
    return group.urgent.empty() ? group.waiting.pop() : group.urgent.pop();
  }
  return stop_ready() ? std::move(stop_) : nullptr;
}

void HandlerGroups::suspend(std::unique_ptr<Message> message, HandlerRun run) {
  run.frame()->number = ++last_run_;
  const bool late = !message->begun();
  late_ += late ? 1 : 0;
  runs_.emplace(last_run_, Run{std::move(message), std::move(run), serving_, late});
  serving_ = kNone;
}

void HandlerGroups::done() noexcept {
  if (serving_ == kNone) return;
  --groups_[serving_].under_way;
  serving_ = kNone;
}

void HandlerGroups::again(std::size_t group) noexcept {
  ++groups_[group].under_way;
  serving_ = group;
}

HandlerGroups::Run HandlerGroups::take_ended(const CoroutineFrame* frame) {
  const auto found = frame != nullptr ? runs_.find(frame->number) : runs_.end();
  if (found == runs_.end() || found->second.run.suspended()) return {};
  Run ended = std::move(found->second);
  runs_.erase(found);
  --groups_[ended.group].under_way;
  late_ -= ended.late ? 1 : 0;
  return ended;
}

std::unique_ptr<Message> HandlerGroups::take(const CallKey& key) {
  for (Group& group : groups_) {
    if (auto message = group.urgent.take(key)) return message;
    if (auto message = group.waiting.take(key)) return message;
  }
  return after_stop_.take(key);
}

MessageList HandlerGroups::take_own() {
  MessageList own;
  for (Group& group : groups_) own.append(group.waiting.take_own());
  own.append(after_stop_.take_own());
  return own;
}

CoroutineFrame* HandlerGroups::suspended(const CallKey& key) const {
  for (const auto& [number, run] : runs_) {
    if (run.message->key() == key) return run.run.frame();
  }
  return nullptr;
}

const Message* HandlerGroups::oldest_suspended() const {
  return runs_.empty() ? nullptr : runs_.begin()->second.message.get();
}

MessageList HandlerGroups::destroy_runs() {
  MessageList messages;
  // A frame's destruction may end what others wait for, but resumes nothing before it is over.
  for (auto& [number, run] : std::exchange(runs_, {})) {
    run.run = HandlerRun();
    messages.push(std::move(run.message));
  }
  for (Group& group : groups_) group.under_way = 0;
  late_ = 0;
  serving_ = kNone;
  return messages;
}

MessageList HandlerGroups::take_all() {
  MessageList messages;
  for (Group& group : groups_) {
    messages.append(std::move(group.urgent));
    messages.append(std::move(group.waiting));
  }
  messages.append(std::move(after_stop_));
  return messages;
}

}  // namespace muster::detail
