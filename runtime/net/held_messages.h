#pragma once
// Messages that wait for room on a connection: those whose senders are patient, and what must not
// overtake them.
//
// Threads: none of its own; the session's lock guards it.
//
// Invariants:
//  1. Patient messages are at most `count_max`, and of at most `bytes_max` bytes unless there is
//     one alone.
//  2. Messages leave in the order in which they came.

#include <muster/clock.h>

#include <deque>
#include <functional>
#include <unordered_map>
#include <vector>

#include "runtime/wire/message.h"

namespace muster::net {

// How long a message may wait for room.
struct Patience {
  TimePoint until = TimePoint::max();
  // Called, instead of the message's being sent, once it has waited until then and its turn has
  // come; not when the connection ends. No lock of the session is held.
  std::function<void()> expired = {};
};

class HeldMessages {
 public:
  struct Held {
    wire::OutgoingMessage message;
    Patience patience;
    bool patient = false;  // it counts, and is sent when it fits
  };

  HeldMessages(std::size_t count_max, std::size_t bytes_max)
      : count_max_(count_max), bytes_max_(bytes_max) {}
  bool empty() const noexcept { return held_.empty(); }
  // Of all.
  std::size_t bytes() const noexcept { return patient_bytes_ + exempt_bytes_; }
  std::size_t exempt_bytes() const noexcept { return exempt_bytes_; }
  // What is sent in that flow belongs behind what is here. Flow 0 is none.
  bool has_flow(std::uint64_t flow) const { return flow != 0 && flows_.contains(flow); }
  // False when there is no room, even here: then both are left as they were.
  bool hold(wire::OutgoingMessage& message, Patience& patience);
  // Without a bound: for what is never refused.
  void hold_behind(wire::OutgoingMessage&& message);
  // Require: not empty.
  const Held& first() const { return held_.front(); }
  Held take();
  // Ends with none held. Returns how many of them were one-way calls.
  std::size_t clear();

 private:
  const std::size_t count_max_;
  const std::size_t bytes_max_;
  std::deque<Held> held_;
  std::unordered_map<std::uint64_t, std::size_t> flows_;  // messages by flow
  std::size_t patient_ = 0;
  std::size_t patient_bytes_ = 0;
  std::size_t exempt_bytes_ = 0;
};

}  // namespace muster::net
