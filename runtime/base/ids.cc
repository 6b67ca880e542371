#include <muster/ids.h>

namespace muster {
namespace {

std::string hex(std::uint64_t value, int digits) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (int i = 0; i < digits; ++i) text += kDigits[(value >> (60 - 4 * i)) & 15U];
  return text;
}

}  // namespace

std::string to_string(const NodeId& id) {
  return hex(id.high, 8);
}
std::string to_string(const ActorId& id) {
  return std::to_string(id.number) + "@" + to_string(id.node);
}

}  // namespace muster
