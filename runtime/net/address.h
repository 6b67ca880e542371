#pragma once
// Addresses as people write them, and the rule of the door.

#include <muster/error.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace muster::net {

struct HostPort {
  std::string host;  // without brackets
  std::uint16_t port = 0;
  friend bool operator==(const HostPort&, const HostPort&) = default;
};

// "host:port", "127.0.0.1:0", "[::1]:7077". kInvalid says what was found and what was expected.
Result<HostPort> parse_address(std::string_view address);
// The inverse of parse_address.
std::string format_address(std::string_view host, std::uint16_t port);

// True for 127.0.0.0/8, ::1 and "localhost".
bool is_loopback_host(std::string_view host);

// Any node on this machine may use a loopback address; every other address needs a token: kDenied
// without one. Ask before listening and before connecting.
Result<void> check_address_policy(std::string_view address, bool has_token);

// Where to connect to a node that connected from `seen` and announced that it listens at
// `announced`; empty when it cannot be reached there, or may not: what another says of itself goes
// through the door as what a user says.
std::string return_address(std::string_view announced, std::string_view seen, bool has_token);

}  // namespace muster::net
