#include "runtime/core/poison.h"

#include <algorithm>

namespace muster::detail {

bool Suspects::accuse(const Message& message, std::uint64_t incarnation, const std::string& why) {
  auto found = std::ranges::find(suspects_, &message, &Suspect::message);
  if (found == suspects_.end()) found = suspects_.insert(found, Suspect{&message});
  ++found->times;
  if (!found->trace.empty()) found->trace += "; ";
  found->trace += "incarnation " + std::to_string(incarnation) + ": " + why;
  if (found->times >= poison_after_ || message.given_up()) return false;
  if (!message.repeatable()) found->trace += " (it cannot be handled again)";
  return message.repeatable();
}

std::string Suspects::acquit(const Message& message) {
  const auto found = std::ranges::find(suspects_, &message, &Suspect::message);
  if (found == suspects_.end()) return {};
  std::string trace = std::move(found->trace);
  suspects_.erase(found);
  return trace;
}

}  // namespace muster::detail
