// The part of ActorCell that decides which message goes next, where that is not the oldest.

#include "runtime/core/cell_extras.h"
#include "runtime/core/runtime_core.h"

namespace muster::detail {

CellExtras& ActorCell::extras() {
  if (!extras_) {
    auto made = std::make_unique<CellExtras>();
    const std::scoped_lock lock(mutex_);
    extras_ = std::move(made);
  }
  return *extras_;
}

const Message* ActorCell::suspended() const noexcept {
  return groups() != nullptr ? groups()->oldest_suspended() : current_.get();
}

bool ActorCell::has_turn_among_extras() const noexcept {
  if (extras_->down) return false;
  if (groups() != nullptr) return groups()->ready();
  return current_ == nullptr && !(pending_.empty() && extras_->urgent.empty());
}

void ActorCell::sort_pending() {
  if (groups() == nullptr) return;
  while (auto message = pending_.pop()) groups()->add(std::move(message));
}

void ActorCell::take_turn() {
  if (groups() != nullptr) {
    if (auto message = groups()->next()) {
      message->keep = extras_->keep ? 1 : 0;
      handle(std::move(message));
    }
    groups()->done();
  } else if (has_turn()) {
    auto message = extras_->urgent.empty() ? pending_.pop() : extras_->urgent.pop();
    message->keep = extras_->keep ? 1 : 0;
    handle(std::move(message));
  }
}

MessageList ActorCell::take_waiting() {
  MessageList waiting;
  if (extras_ != nullptr) waiting = std::move(extras_->urgent);
  if (groups() != nullptr) waiting.append(groups()->take_all());
  waiting.append(std::move(pending_));
  return waiting;
}

}  // namespace muster::detail
