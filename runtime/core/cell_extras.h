#pragma once
// What few actors need beside what every actor has. A cell makes it when it is first needed.
//
// Threads: see each member.

#include <list>
#include <stop_token>

#include "runtime/core/message_list.h"

namespace muster::detail {

struct CellExtras {
  /// Of a handler that has asked for its stop token.
  struct Stop {
    const Message* message;  // it handles; null outside handlers
    CallKey key;
    std::stop_source source;
  };

  // Owned by the run of the cell:
  MessageList urgent;      // they go before the cell's other messages
  bool stoppable = false;  // `stops` may not be empty

  // Guarded by the cell's mutex:
  std::list<Stop> stops;
};

}  // namespace muster::detail
