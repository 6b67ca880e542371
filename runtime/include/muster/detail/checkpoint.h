#pragma once
/// How the state of an actor's object is saved and restored. Not for users.

#include <muster/supervision.h>

#include <memory>

namespace muster::detail {

struct CheckpointType {
  /// Throws what the class's save() throws.
  std::shared_ptr<const void> (*save)(const void* object);
  void (*restore)(void* object, const void* saved);
};

template <class A>
struct CheckpointOf {
  using State = std::remove_cvref_t<decltype(std::declval<const A&>().save())>;
  static std::shared_ptr<const void> save(const void* object) {
    return std::make_shared<const State>(static_cast<const A*>(object)->save());
  }
  static void restore(void* object, const void* saved) {
    static_cast<A*>(object)->restore(State(*static_cast<const State*>(saved)));
  }
  static constexpr CheckpointType kType = {&save, &restore};
};

/// Null for a class that has no save() and restore().
template <class A>
constexpr const CheckpointType* checkpoint_type() noexcept {
  if constexpr (Checkpointed<A>) {
    return &CheckpointOf<A>::kType;
  } else {
    return nullptr;
  }
}

}  // namespace muster::detail
