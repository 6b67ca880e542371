#pragma once
// What few actors need beside what every actor has. A cell makes it when it is first needed.
//
// Threads: see each member.

#include <muster/detail/self_timer.h>

#include <list>
#include <stop_token>

#include "runtime/core/actor_cell.h"
#include "runtime/core/handler_groups.h"
#include "runtime/core/own_thread.h"
#include "runtime/core/supervision.h"

namespace muster::detail {

struct CellExtras {
  /// Of a handler that has asked for its stop token.
  struct Stop {
    const Message* message;  // it handles; null outside handlers
    CallKey key;
    std::stop_source source;
  };

  // Constant after construction; what it points to is owned by the run of the cell:
  std::unique_ptr<HandlerGroups> groups;   // null: one handler at a time
  boost::intrusive_ptr<OwnThread> thread;  // null: it runs on the executor

  // Set with the cell's mutex, before the cell's first run, and reset at its death:
  std::unique_ptr<Supervision> supervision;  // null: the actor is not restarted

  // Written by the run, with the cell's mutex:
  bool down = false;  // between two incarnations

  // Owned by the run of the cell:
  MessageList urgent;      // they go before the cell's other messages
  bool keep = false;       // the arguments of messages, to handle them again
  bool stoppable = false;  // `stops` may not be empty

  // Guarded by the cell's mutex:
  std::list<Stop> stops;
  SelfTimer::List timers;  // that have not ended; a reference each
};

inline HandlerGroups* ActorCell::groups() const noexcept {
  return extras_ != nullptr ? extras_->groups.get() : nullptr;
}

inline Supervision* ActorCell::supervision() const noexcept {
  return extras_ != nullptr ? extras_->supervision.get() : nullptr;
}

inline bool ActorCell::is_down() const noexcept {
  return extras_ != nullptr && extras_->down;
}

}  // namespace muster::detail
