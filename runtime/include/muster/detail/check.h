#pragma once
/// MUSTER_CHECK: an assertion that stays on in release builds. Included by <muster/error.h>.

#include <sstream>
#include <string>

namespace muster::detail {

template <class... Operands>
std::string format_operands(const Operands&... operands) {
  std::ostringstream out;
  [[maybe_unused]] const char* separator = "";
  ((out << separator << operands, separator = ", "), ...);
  return out.str();
}

}  // namespace muster::detail

/// Requires `condition`, else prints the operands given after it and ends the actor whose handler
/// is running, or the process when there is none. For bugs only, never for input from outside.
#define MUSTER_CHECK(condition, ...)                                            \
  ((condition) ? void(0)                                                        \
               : ::muster::detail::check_failed(__FILE__, __LINE__, #condition, \
                                                ::muster::detail::format_operands(__VA_ARGS__)))
