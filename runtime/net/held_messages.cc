#include "runtime/net/held_messages.h"

#include <algorithm>
#include <utility>

#include "runtime/net/session.h"

namespace muster::net {

bool HeldMessages::hold(wire::OutgoingMessage& message, Patience& patience) {
  const std::size_t size = message.size();
  const bool fits =
      patient_bytes_ == 0 || size <= bytes_max_ - std::min(patient_bytes_, bytes_max_);
  if (patient_ >= count_max_ || !fits) return false;
  ++patient_;
  patient_bytes_ += size;
  if (message.flow() != 0) ++flows_[message.flow()];
  held_.push_back({std::move(message), std::move(patience), true});
  return true;
}

void HeldMessages::hold_behind(wire::OutgoingMessage&& message) {
  ++flows_[message.flow()];
  exempt_bytes_ += message.size();
  held_.push_back({std::move(message), {}, false});
}

HeldMessages::Held HeldMessages::take() {
  Held first = std::move(held_.front());
  held_.pop_front();
  if (first.patient) --patient_;
  (first.patient ? patient_bytes_ : exempt_bytes_) -= first.message.size();
  const auto found = flows_.find(first.message.flow());
  if (found != flows_.end() && --found->second == 0) flows_.erase(found);
  return first;
}

std::size_t HeldMessages::clear() {
  const auto one_way =
      std::ranges::count_if(held_, [](const Held& held) { return held.message.one_way(); });
  held_.clear();
  flows_.clear();
  patient_ = patient_bytes_ = exempt_bytes_ = 0;
  return static_cast<std::size_t>(one_way);
}

// --- the part of Session that fills and empties it -----------------------------------------------

Result<void> Session::check_size(const wire::OutgoingMessage& message) const {
  if (message.size() <= peer_message_bytes_max_) return {};
  return fail(ErrorCode::kInvalid, "a message of " + std::to_string(message.size()) + " bytes, " +
                                       peer_address_ + " accepts at most " +
                                       std::to_string(peer_message_bytes_max_));
}

// Requires: the lock, and that the message must not go now.
Result<void> Session::hold(wire::OutgoingMessage&& message, Bound bound, Patience* patience) {
  if (bound == Bound::kExempt) {
    held_.hold_behind(std::move(message));
    return {};
  }
  if (patience != nullptr && ready_.load(std::memory_order_relaxed)) {
    if (auto fits = check_size(message); !fits) return fits;
    if (held_.hold(message, *patience)) return {};
  }
  return fail(ErrorCode::kOverloaded,
              "connection to " + peer_address_ + ": " + std::to_string(unheld_bytes()) +
                  " bytes wait to be sent, " + std::to_string(options_.max_outstanding_bytes) +
                  " are allowed" + (held_.empty() ? "" : ", and others wait for room"));
}

// Requires: the lock, and that no write is under way.
void Session::release_held() {
  const TimePoint now = timers_.clock().now();
  const std::size_t limit = options_.max_outstanding_bytes;
  std::vector<std::function<void()>> expired;
  while (!held_.empty()) {
    const HeldMessages::Held& first = held_.first();
    const bool late = first.patience.until <= now;
    const std::size_t waiting = queue_.bytes();
    const bool fits = waiting == 0 || first.message.size() <= limit - std::min(waiting, limit);
    if (first.patient && !late && !fits) break;
    HeldMessages::Held next = held_.take();
    if (late) {
      expired.push_back(std::move(next.patience.expired));
    } else {
      queue_.push(std::move(next.message));
      messages_sent_.store(messages_sent_.load(std::memory_order_relaxed) + 1,
                           std::memory_order_relaxed);
    }
  }
  if (expired.empty()) return;
  timers_.schedule(now, [expired = std::move(expired)] {
    for (const auto& tell : expired) tell();
  });
}

}  // namespace muster::net
