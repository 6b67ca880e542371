#pragma once
/// Identities of nodes and actors. Values: comparable, hashable, printable; they name things and
/// keep nothing alive.

#include <compare>
#include <cstdint>
#include <functional>
#include <string>

namespace muster {

/// One process that runs a Runtime: 128 random bits, drawn when the Runtime is made.
struct NodeId {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  friend auto operator<=>(const NodeId&, const NodeId&) = default;
};

/// One actor of one node, never used again.
struct ActorId {
  NodeId node;
  std::uint64_t number = 0;
  friend auto operator<=>(const ActorId&, const ActorId&) = default;
};

/// The first 8 hexadecimal digits, enough for people.
std::string to_string(const NodeId& id);
/// "17@1f00a2b3": the actor's number and its node.
std::string to_string(const ActorId& id);

}  // namespace muster

template <>
struct std::hash<muster::NodeId> {
  std::size_t operator()(const muster::NodeId& id) const noexcept {
    return id.low ^ (id.high * 31);
  }
};
