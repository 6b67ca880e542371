#pragma once
// What few actors need beside what every actor has. A cell makes it when it is first needed.
//
// Threads: owned by the run of the cell.

#include "runtime/core/message_list.h"

namespace muster::detail {

struct CellExtras {
  MessageList urgent;  // they go before the cell's other messages
};

}  // namespace muster::detail
