#pragma once
/// Router<A>: several actors of one class, called as one.
///
///     Router<Renderer> renderers(rt, {.name = "renderers"}, {a, b, c});
///     Image image = renderers.call<&Renderer::draw>(scene).get(1s);  // one of them, in turn
///     renderers.with_key(user).send<&Renderer::warm_up>(user);       // always the same one
///     for (auto& [actor, result] : renderers.call_all<&Renderer::load>(font).get(1s)) ...
///     Image quick = renderers.call_first<&Renderer::draw>(scene).get(1s);
///
/// Routees may live on any node. One that ends is taken out; others are added and removed at any
/// time. A router is a value: copies share the routees, and their handles, which keep the routees
/// alive. It adds no hop: messages go from the caller to the routee, in the order in which one
/// thread or actor sent them to that routee.
///
/// Threads: all members from any thread. Lifetime: it may outlive the Runtime; calls then fail as
/// those through a Handle do.

#include <muster/routes.h>

#include <string>
#include <vector>

namespace muster {

/// Which routee gets a call or send that has no key.
enum class RoutingPolicy : std::uint8_t {
  /// One after another.
  kRoundRobin = 1,
  /// The one with the fewest calls through this router and its copies that have not ended; of
  /// several such, in turn. Calls of others and one-way messages are no load, and a call past its
  /// deadline has ended, whether or not its handler runs on. Takes time in proportion to the number
  /// of routees.
  kLeastLoaded = 2,
};

struct RouterOptions {
  std::string name = {};  ///< in errors
  RoutingPolicy policy = RoutingPolicy::kRoundRobin;
};

template <class A>
class Router : public Routes<A> {
 public:
  explicit Router(Runtime& runtime, const RouterOptions& options = {},
                  const std::vector<Handle<A>>& routees = {})
      : Routes<A>(Routes<A>::make_core(runtime, "router", "routee", options.name,
                                       options.policy == RoutingPolicy::kLeastLoaded
                                           ? detail::Choosing::kLeastLoaded
                                           : detail::Choosing::kInTurn)) {
    for (const auto& routee : routees) add(routee);
  }

  /// False when it is one already. It is taken out when it ends (contract 4.5), of which a router
  /// hears a little later than a call that fails for it. Requires: valid.
  bool add(const Handle<A>& routee) const {
    MUSTER_CHECK(routee.valid(), "the Handle is empty");
    return this->core()->add(routee.ref());
  }
  /// It gets nothing more from here; what was sent before it handles. False when it is none.
  bool remove(const Handle<A>& routee) const { return this->core()->remove(routee.id()); }
};

}  // namespace muster
