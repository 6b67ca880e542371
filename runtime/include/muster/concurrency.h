#pragma once
/// Concurrency groups: how many handlers of one actor may be under way at a time.
///
///     auto store = rt.spawn<Store>({.groups = {{.name = "io", .limit = 4,
///                                               .methods = methods<&Store::load,
///                                               &Store::save>()}}});
///     store.call<&Store::load>(key);                      // one of at most 4 loads and saves
///     store.with({.group = "io"}).call<&Store::count>();  // this once it counts among them
///
/// Whatever the groups, two handlers of an actor never run at the same time: what is under way
/// together are coroutines, of which at most one runs while the others are suspended.
///
/// Threads: values.

#include <muster/detail/signature.h>

#include <string>
#include <vector>

namespace muster {

namespace detail {
struct MethodId {
  std::string_view name;
  std::uint64_t hash;
};
}  // namespace detail

/// Names a group in a call. Empty: none.
class GroupName {
 public:
  constexpr GroupName() = default;
  constexpr GroupName(std::string_view name) noexcept : hash_(hash_of(name)) {}
  constexpr GroupName(const char* name) noexcept : GroupName(std::string_view(name)) {}
  GroupName(const std::string& name) noexcept : GroupName(std::string_view(name)) {}

  constexpr std::uint32_t hash() const noexcept { return hash_; }
  friend bool operator==(GroupName, GroupName) = default;

 private:
  static constexpr std::uint32_t hash_of(std::string_view name) noexcept {
    if (name.empty()) return 0;
    const std::uint64_t hash = detail::fnv1a(name);
    const auto folded = static_cast<std::uint32_t>(hash ^ (hash >> 32));
    return folded == 0 ? 1 : folded;
  }
  std::uint32_t hash_ = 0;
};

struct ConcurrencyGroup {
  /// Not empty, and of no other group of the actor.
  std::string name;
  /// Handlers of the group that may be under way at a time, suspended ones included. At least 1.
  std::size_t limit = 1;
  /// methods<...>() of the actor's class, each in one group at most. Those of none are in the
  /// default group, whose limit is 1 unless the actor is reentrant.
  std::vector<detail::MethodId> methods = {};
};

/// `methods<&A::load, &A::save>()`: for ConcurrencyGroup::methods.
template <auto... Ms>
std::vector<detail::MethodId> methods() {
  return {detail::MethodId{
      detail::MethodOf<typename detail::MemberSignature<decltype(Ms)>::Class, Ms>::kName,
      detail::MethodOf<typename detail::MemberSignature<decltype(Ms)>::Class, Ms>::kHash}...};
}

}  // namespace muster
