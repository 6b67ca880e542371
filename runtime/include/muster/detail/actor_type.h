#pragma once
/// What is known of a class of actors and of its methods. Not for users.

#include <muster/error.h>

#include <cstdint>
#include <memory>
#include <string_view>
#include <typeinfo>

namespace muster {
class Decoder;

namespace detail {

class Message;
class RemoteReply;
struct CheckpointType;
struct LateArguments;

struct MethodEntry {
  std::string_view name;
  std::uint64_t hash;
  /// `reply` is null for one-way messages. Consumes it on success only. `late`, if any, says which
  /// arguments are references, and is told where they belong. Null: `arguments` has failed.
  std::unique_ptr<Message> (*decode)(Decoder& arguments, std::unique_ptr<RemoteReply>& reply,
                                     LateArguments* late);
};

struct ActorType {
  std::string_view name;
  std::uint64_t hash;
  const MethodEntry* methods;
  std::size_t method_count;
  void (*destroy)(void* object) noexcept;
  const std::type_info* cpp_type;
  const CheckpointType* checkpoint = nullptr;  // null: it has none
  /// Of the same C++ class: two classes of different namespaces may share a name.
  bool is(const ActorType& other) const noexcept {
    return this == &other || *cpp_type == *other.cpp_type;
  }
  const MethodEntry* find(std::uint64_t method_hash) const noexcept {
    for (std::size_t i = 0; i < method_count; ++i) {
      if (methods[i].hash == method_hash) return &methods[i];
    }
    return nullptr;
  }
};

}  // namespace detail
}  // namespace muster
