#pragma once
/// Constructors that are run again at a restart. Included by <muster/runtime.h>; not for users.

#include <muster/detail/copies.h>
#include <muster/detail/signature.h>
#include <muster/runtime.h>

#include <concepts>

namespace muster {
namespace detail {

/// An argument as it is kept: owned, like those of messages.
template <class Arg>
using Kept = Stored<std::decay_t<Arg>>;

template <class A, class... Args>
inline constexpr bool kRepeatable =
    (std::is_constructible_v<Kept<Args>, Args> && ...) &&
    (kCopies<Kept<Args>> && ...) && std::is_constructible_v<A, const Kept<Args>&...>;

template <class A, class... Args>
struct CannotBeRestarted {
  static_assert(kRepeatable<A, Args...>,
                "the constructor cannot be repeated at a restart: an argument cannot be copied, or "
                "the constructor wants to move or change it");
};

/// Makes an A from copies of `args`, as often as it is called.
template <class A, class... Args>
std::function<void*()> repeat(Args&&... args) {
  if constexpr (kRepeatable<A, Args...>) {
    return [kept = std::tuple<Kept<Args>...>(std::forward<Args>(args)...)]() -> void* {
      return std::apply([](const Kept<Args>&... each) { return new A(each...); }, kept);
    };
  } else {
    throw Exception(Error{ErrorCode::kInvalid,
                          "cannot spawn a " + std::string(actor_type<A>().name) +
                              " that is restarted: an argument of its constructor cannot be "
                              "copied, or the constructor wants to move or change it",
                          {}});
  }
}

}  // namespace detail

template <class A, class... Args>
Handle<A> Supervisor::spawn(const SpawnOptions& options, Args&&... args) const {
  if constexpr (detail::kRepeatable<A, Args...>) {
    SpawnOptions supervised = options;
    supervised.supervisor = *this;
    return Handle<A>(detail::spawn_supervised(core(), detail::actor_type<A>(), supervised,
                                              detail::repeat<A>(std::forward<Args>(args)...)));
  } else {
    static_cast<void>(sizeof(detail::CannotBeRestarted<A, Args...>));
    return {};
  }
}

}  // namespace muster
