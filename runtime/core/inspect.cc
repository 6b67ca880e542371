// What Runtime::actors() shows.

#include <algorithm>

#include "runtime/core/cell_extras.h"
#include "runtime/core/runtime_core.h"
#include "runtime/core/waiting_room.h"

namespace muster {

std::string_view to_string(ActorState state) noexcept {
  switch (state) {
    case ActorState::kStarting:
      return "starting";
    case ActorState::kIdle:
      return "idle";
    case ActorState::kReady:
      return "ready";
    case ActorState::kRunning:
      return "running";
    case ActorState::kSuspended:
      return "suspended";
    case ActorState::kRestarting:
      return "restarting";
  }
  return "unknown";
}

std::string_view to_string(EventKind kind) noexcept {
  switch (kind) {
    case EventKind::kSpawned:
      return "spawned";
    case EventKind::kEnded:
      return "ended";
    case EventKind::kRestarted:
      return "restarted";
    case EventKind::kMessageBegun:
      return "message_begun";
    case EventKind::kMessageEnded:
      return "message_ended";
    case EventKind::kStalled:
      return "stalled";
  }
  return "unknown";
}

namespace detail {

std::optional<ActorInfo> ActorCell::inspect() const {
  ActorInfo info{.id = id(), .name = name_, .class_name = std::string(type_.name)};
  std::string_view method;
  bool timed = true;  // the latest message to begin is the one under way
  {
    const std::scoped_lock lock(mutex_);
    if (dead_) return std::nullopt;
    info.state = state();
    info.ending = ending_;
    info.incarnation = incarnation();
    info.processed = handled_.load(std::memory_order_relaxed);
    info.mailbox_depth = accepted_ - info.processed;
    info.mailbox_bytes = held_bytes();
    if (crowded_) info.waiting = room_->size();
    // Nobody runs the cell, nor can anybody begin to while this lock is held.
    if (info.state == ActorState::kSuspended) {
      method = suspended()->method();
      timed = CellWatch::concerns(suspended());
    }
    timed = timed && groups() == nullptr;
  }
  if (watch_) {
    const CellWatch::Seen seen = watch_->see();
    info.busy = seen.busy;
    if (method.empty()) method = seen.method;
    if (!method.empty() && timed) info.under_way = seen.under_way;
  }
  info.method = method;
  info.handles = handle_count();
  return info;
}

void ActorCell::tell(Event event) const {
  const auto& hear = core_->options().on_event;
  if (!hear) return;
  event.when = core_->clock().now();
  event.actor = id();
  event.class_name = type_.name;
  event.name = name_;
  hear(event);
}

ActorState ActorCell::state() const noexcept {
  if (!started_) return ActorState::kStarting;
  if (is_down()) return ActorState::kRestarting;
  if (!scheduled_) return suspended() ? ActorState::kSuspended : ActorState::kIdle;
  return on_thread_.load(std::memory_order_relaxed) ? ActorState::kRunning : ActorState::kReady;
}

std::vector<ActorInfo> RuntimeCore::actors() const {
  std::vector<boost::intrusive_ptr<ActorCell>> cells;
  {
    const std::scoped_lock lock(mutex_);
    cells.reserve(cells_.size());
    for (const auto& [number, cell] : cells_) cells.push_back(cell);
  }
  std::ranges::sort(cells, {}, [](const auto& cell) { return cell->id().number; });
  std::vector<ActorInfo> list;
  list.reserve(cells.size());
  for (const auto& cell : cells) {
    if (auto info = cell->inspect()) list.push_back(std::move(*info));
  }
  return list;
}

}  // namespace detail
}  // namespace muster
