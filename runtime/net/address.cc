#include "runtime/net/address.h"

#include <charconv>

namespace muster::net {
namespace {

auto malformed(std::string_view address) {
  return fail(ErrorCode::kInvalid, "address \"" + std::string(address) +
                                       "\": expected HOST:PORT, for example " +
                                       "127.0.0.1:7077 or [::1]:7077");
}

}  // namespace

Result<HostPort> parse_address(std::string_view address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return malformed(address);
  std::string_view host = address.substr(0, colon);
  const std::string_view port = address.substr(colon + 1);
  if (host.front() == '[') {
    if (host.back() != ']' || host.size() < 3) return malformed(address);
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return malformed(address);
  }
  unsigned number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error == std::errc::invalid_argument || end != port.data() + port.size() || port.empty()) {
    return malformed(address);
  }
  if (error != std::errc() || number > 65535) {
    return fail(ErrorCode::kInvalid,
                "address \"" + std::string(address) + "\": the port must be from 0 to 65535");
  }
  return HostPort{std::string(host), static_cast<std::uint16_t>(number)};
}

std::string format_address(std::string_view host, std::uint16_t port) {
  const bool brackets = host.find(':') != std::string_view::npos;
  return (brackets ? "[" + std::string(host) + "]" : std::string(host)) + ":" +
         std::to_string(port);
}

bool is_loopback_host(std::string_view host) {
  if (host == "localhost" || host == "::1") return true;
  if (!host.starts_with("127.")) return false;
  // Only a number: "127.example.org" is a name, and resolves to anything.
  int dots = 0;
  for (const char c : host) {
    if (c == '.') {
      ++dots;
    } else if (c < '0' || c > '9') {
      return false;
    }
  }
  return dots == 3 && host.back() != '.';
}

Result<void> check_address_policy(std::string_view address, bool has_token) {
  const auto parsed = parse_address(address);
  if (!parsed) return fail(parsed.error());
  if (has_token || is_loopback_host(parsed->host)) return {};
  return fail(
      ErrorCode::kDenied,
      "address " + std::string(address) +
          " is not a loopback address: a token is needed (RuntimeOptions::token, --token-file)");
}

std::string return_address(std::string_view announced, std::string_view seen, bool has_token) {
  const auto listening = parse_address(announced);
  const auto from = parse_address(seen);
  if (!listening || !from || listening->port == 0) return {};
  // Its loopback is not this machine's.
  if (is_loopback_host(listening->host) && !is_loopback_host(from->host)) return {};
  const bool any = listening->host == "0.0.0.0" || listening->host == "::";
  std::string address = any ? format_address(from->host, listening->port) : std::string(announced);
  if (!check_address_policy(address, has_token)) return {};
  return address;
}

}  // namespace muster::net
