#pragma once
/// Supervision: what becomes of an actor that fails. Included by <muster/runtime.h>.
///
/// An actor fails when a MUSTER_CHECK in it fails or when it calls this_actor::crash; what a
/// handler throws is its caller's to hear, and no failure. One that was spawned with
/// `max_restarts`, or under a Supervisor, is then restarted: a new incarnation, made by the same
/// constructor from the same arguments, behind the same handles, name, identity and mailbox
/// (docs/contract.md, section 10).
///
///     auto hits = rt.spawn<Counter>({.name = "hits", .max_restarts = 3}, 40);
///
///     Supervisor tree(rt, {.strategy = RestartStrategy::kRestForOne, .max_restarts = 5});
///     auto store = tree.spawn<Store>({.name = "store"}, path);
///     auto index = tree.spawn<Index>({}, store);  // made anew whenever `store` is
///
/// Threads: all members from any thread, from handlers too.

#include <muster/clock.h>
#include <muster/error.h>
#include <muster/ids.h>

#include <concepts>
#include <memory>
#include <string_view>

namespace muster {

template <class A>
class Handle;
class Runtime;
struct SpawnOptions;

namespace detail {
class RuntimeCore;
class SupervisorNode;
}  // namespace detail

enum class DownReason : std::uint8_t {
  kStopped = 1,   ///< stop() by a handle or by itself; or its node has forgotten how it ended
  kReleased = 2,  ///< the last handle went
  kKilled = 3,    ///< kill()
  kCrashed = 4,   ///< a MUSTER_CHECK failed in a handler, or this_actor::crash
  kShutdown = 5,  ///< its runtime shut down
  kNodeLost = 6,  ///< the connection to its node ended
  kLinked = 7,    ///< it failed with an actor that it was linked with
};
inline constexpr std::size_t kDownReasons = 7;
std::string_view to_string(DownReason reason) noexcept;

/// Who died and why.
struct Down {
  ActorId actor = {};
  std::string name = {};  ///< as given at spawn; empty when its node is lost or had forgotten it
  DownReason reason = DownReason::kStopped;
  Error cause = {};
  /// Its last, from 1; 0 when its node is lost or had forgotten it.
  std::uint64_t incarnation = 0;
};

/// How often, and how soon, what failed is started again.
struct RestartOptions {
  /// Within it at most `max_restarts` failures are answered by a restart. The next one escalates:
  /// to the supervisor above, and where there is none the actors end with the cause.
  Duration window = 60s;
  /// The pause before the first restart within the window; it doubles with each that follows.
  Duration backoff_min = 10ms;
  /// The longest pause, before jitter.
  Duration backoff_max = 5s;
  /// Up to this fraction of the pause is added by chance, so that what failed together does not
  /// come back together. From 0 to 1; drawn from RuntimeSeams::seed.
  double jitter = 0.2;
};

/// When the state of a Checkpointed actor is saved by itself, beside this_actor::checkpoint():
/// after a message, when no handler is suspended. One state is kept for each actor, in the memory
/// of its node, while the actor lives.
struct CheckpointOptions {
  /// So long after a message that was handled since the last time; 0: not by time.
  Duration every = Duration::zero();
  /// After so many messages; 0: not by their number.
  std::size_t messages = 0;
};

/// A class whose next incarnation goes on from what was saved last: save() gives a state that can
/// be copied, and restore() takes it, right after the constructor. Nothing is saved unless
/// SpawnOptions::checkpoint or this_actor::checkpoint says when; one that is restarted because
/// another failed goes on from what was saved last, too.
template <class A>
concept Checkpointed = requires(const A& saved, A& restored) {
  restored.restore(saved.save());
  requires std::copyable<std::remove_cvref_t<decltype(saved.save())>>;
};

/// Who is restarted when one child of a supervisor fails. Those that have not failed are ended
/// first, the latest first; all are started in the order in which they were spawned.
enum class RestartStrategy : std::uint8_t {
  kOneForOne = 1,   ///< the one that failed
  kOneForAll = 2,   ///< all children
  kRestForOne = 3,  ///< the one that failed and those spawned after it
};
std::string_view to_string(RestartStrategy strategy) noexcept;

struct SupervisorOptions {
  RestartStrategy strategy = RestartStrategy::kOneForOne;
  /// Of all its children together; see RestartOptions::window. 0: every failure escalates.
  unsigned max_restarts = 3;
  RestartOptions restart = {};
};

/// Restarts its children, which are actors of its node and other supervisors. A value; copies name
/// the same supervisor, which lives as long as a copy or a child does. It keeps no child alive:
/// handles do (or SpawnOptions::detached).
class Supervisor {
 public:
  /// None: only valid(), assignment, comparison and use in SpawnOptions are allowed.
  Supervisor() = default;
  /// The top of a tree. Throws Exception (kInvalid) for options that make no sense.
  explicit Supervisor(Runtime& runtime, const SupervisorOptions& options = {});

  /// A new supervisor that is a child of this one: when it has reached its own limit it ends its
  /// children and is, for this one, a child that failed. Throws Exception: kInvalid as above,
  /// kUnavailable when this one has ended.
  Supervisor supervisor(const SupervisorOptions& options = {}) const;

  /// Runtime::spawn, as a child of this supervisor. The arguments are kept for the restarts: they
  /// can be copied, and the constructor takes const ones. Requires: valid().
  template <class A, class... Args>
  Handle<A> spawn(const SpawnOptions& options, Args&&... args) const;

  /// Ends it and all below it, the latest first, one after the other: each after what is in its
  /// mailbox (stop), or as soon as its handler returns or suspends (kill). Children are no longer
  /// restarted, and none is taken in. Idempotent.
  void stop() const;
  void kill() const;

  bool valid() const noexcept { return node_ != nullptr; }
  friend bool operator==(const Supervisor&, const Supervisor&) = default;
  const std::shared_ptr<detail::SupervisorNode>& node() const noexcept { return node_; }

 private:
  detail::RuntimeCore& core() const;
  explicit Supervisor(std::shared_ptr<detail::SupervisorNode> node) : node_(std::move(node)) {}
  std::shared_ptr<detail::SupervisorNode> node_;
};

}  // namespace muster
