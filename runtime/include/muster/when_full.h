#pragma once
/// What a sender chooses for a full mailbox or connection.

#include <cstdint>

namespace muster {

/// What becomes of a message when the actor's mailbox, or the connection to its node, is full. The
/// numbers cross the wire.
enum class WhenFull : std::uint8_t {
  kFail = 0,  ///< rejected at once: a call ends in kOverloaded, a send is a dead letter
  kWait = 1,  ///< it waits for room, in turn with others who wait, until its deadline
  kDrop = 2,  ///< as kFail, and a call is a dead letter too: for callers who ignore the answer
};

}  // namespace muster
