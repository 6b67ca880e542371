#pragma once
/// Runtime: the home of actors in one process, alone or joined with others by TCP.
///
///     muster::Runtime rt;
///     auto counter = rt.spawn<Counter>({.name = "hits"}, 40);
///     int v = counter.call<&Counter::add>(2).get(1s);
///
/// Threads: all members may be called from any thread, from handlers too where not said otherwise.
/// Lifetime: the destructor shuts down (see shutdown()); handles and futures may outlive it.

#include <muster/actor.h>
#include <muster/ids.h>
#include <muster/metrics.h>
#include <muster/observe.h>
#include <muster/options.h>
#include <muster/ref.h>

#include <string>
#include <vector>

namespace muster {

namespace detail {
class RuntimeCore;
class TestDoor;
template <class A, class... Args>
std::function<void*()> repeat(Args&&... args);
HandleRef spawn_supervised(RuntimeCore& core, const ActorType& type, const SpawnOptions& options,
                           std::function<void*()> make, HandleRef* existing = nullptr);
}  // namespace detail

struct RuntimeStats {
  std::size_t actors = 0;          ///< alive now
  std::uint64_t dead_letters = 0;  ///< one-way messages that were not handled
  std::uint64_t restarts = 0;      ///< of actors, ever
  std::uint64_t bytes_sent = 0;    ///< on the wire, framing included, to all peers ever
  std::uint64_t bytes_received = 0;
};

/// A node this one is connected with.
struct PeerInfo {
  NodeId node;
  std::string address;            ///< "host:port" as this side sees it
  std::size_t bytes_waiting = 0;  ///< of messages to it that are not written yet
};

class Runtime {
 public:
  /// Starts the threads and, when asked, listens. Throws Exception: kDenied for a listening address
  /// beyond loopback without a token, kUnavailable when it cannot be bound, kInvalid for one that
  /// does not parse.
  explicit Runtime(RuntimeOptions options = {}, RuntimeSeams seams = {});
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  /// Makes an actor of class A from `args`. The constructor runs on this thread, inside this call.
  /// Throws Exception: kInvalid when the name is taken or the options make no sense, kUnavailable
  /// when the supervisor has ended, kCancelled after shutdown began; what the constructor throws
  /// passes through.
  template <class A, class... Args>
  Handle<A> spawn(const SpawnOptions& options, Args&&... args) {
    return make<A>(options, nullptr, std::forward<Args>(args)...);
  }
  template <class A>
  Handle<A> spawn() {
    return spawn<A>(SpawnOptions{});
  }
  /// The actor of this node that has the name options.name, which may not have ended and may still
  /// be in its constructor; where there is none, as spawn. Of several threads that ask at the same
  /// time one makes it. Throws Exception also with kInvalid: the name is empty, or is that of an
  /// actor of another class.
  template <class A, class... Args>
  Handle<A> get_or_spawn(const SpawnOptions& options, Args&&... args) {
    detail::HandleRef existing;
    auto made = make<A>(options, &existing, std::forward<Args>(args)...);
    return existing.get() != nullptr ? Handle<A>(std::move(existing)) : made;
  }
  /// As spawn, with every exception as an Error.
  template <class A, class... Args>
  Result<Handle<A>> try_spawn(const SpawnOptions& options, Args&&... args) {
    try {
      return spawn<A>(options, std::forward<Args>(args)...);
    } catch (...) {
      return fail(error_from_current_exception());
    }
  }

  /// The actor called `name` on this node or a joined one, waiting for it to appear. kTimeout when
  /// it does not, kInvalid when it is not an A; one on another node is known by the name that its
  /// MUSTER_ACTOR was given, which has no namespace. Blocks: in handlers use find_async.
  template <class A>
  Result<Handle<A>> find(const std::string& name, Duration timeout) {
    return find_async<A>(name, timeout).result();
  }
  template <class A>
  Future<Handle<A>> find_async(const std::string& name, Duration timeout) {
    auto found = find_ref(name, detail::actor_type<A>(), timeout);
    return std::move(found).then(
        [](Result<detail::HandleRef> ref) { return Handle<A>(value_or_throw(std::move(ref))); });
  }

  /// Ends in who died and why, once, when the actor does (at once if it is dead).
  template <class A>
  Future<Down> monitor(const Handle<A>& actor) {
    return monitor_ref(actor.ref());
  }

  /// Keeps a value for Refs to read on this node and others, until the last of them goes; or what a
  /// Future will end in.
  template <class T>
  Ref<std::decay_t<T>> put(T&& value) {
    return detail::put_value<std::decay_t<T>>(domain(), std::forward<T>(value));
  }
  template <class T>
  Ref<T> put(Future<T>&& future) {
    return detail::put_future<T>(domain(), std::move(future));
  }

  /// Runs a task on the runtime's threads, in no actor. Requires: valid.
  template <class T>
  Future<T> run(Task<T> task);

  /// Connects to the node that listens at `address` and gives its identity. kUnavailable when
  /// nobody answers, kDenied for a wrong or missing token, kInvalid for another protocol or
  /// version, kCancelled when shutdown begins meanwhile. A node that this one has joined already is
  /// not joined twice: its identity is the answer. A connection that ends is not made again, but
  /// for messages with CallOptions::retry.
  /// Blocks about `timeout` at most; not in handlers.
  Result<NodeId> join(const std::string& address, Duration timeout);

  /// Where this node accepts others, with the real port; empty when it does not.
  std::string listen_address() const;
  NodeId node_id() const;
  std::vector<PeerInfo> peers() const;
  const Clock& clock() const;
  RuntimeStats stats() const;

  /// The living actors of this node, by number; each as it was for an instant of its own. Takes
  /// time in proportion to their number.
  std::vector<ActorInfo> actors() const;
  /// Counters and, with RuntimeOptions::timings, histograms; see to_prometheus(). Takes time in
  /// proportion to the number of actors.
  Metrics metrics() const;
  /// What was not handled so far, and why.
  DeadLetters dead_letters() const;
  /// Calls `hear` for every dead letter from now on, while the Subscription lives, one at a time,
  /// on the thread that gave the message up: it must not block or throw. Of what `hear` itself
  /// makes a dead letter it is not told.
  Subscription on_dead_letter(std::function<void(const DeadLetter&)> hear);

  /// Refuses new work, lets actors finish their mailboxes within `drain_timeout`, ends them, closes
  /// connections and joins all threads. Calls still open end in kCancelled or the cause of death.
  /// Idempotent. Not from handlers.
  void shutdown();

  /// Private door for this library's other parts.
  detail::RuntimeCore& core() const noexcept { return *core_; }

 private:
  friend class detail::TestDoor;
  /// `existing`, unless null, is set instead when there is an actor of that name.
  template <class A, class... Args>
  Handle<A> make(const SpawnOptions& options, detail::HandleRef* existing, Args&&... args) {
    const detail::ActorType& type = detail::actor_type<A>();
    if (options.max_restarts > 0 || options.supervisor.valid()) {
      return Handle<A>(detail::spawn_supervised(
          *core_, type, options, detail::repeat<A>(std::forward<Args>(args)...), existing));
    }
    auto cell = new_cell(type, options, existing);
    if (cell.get() != nullptr) {
      construct(*cell.get(), [&]() -> void* { return new A(std::forward<Args>(args)...); });
    }
    return Handle<A>(std::move(cell));
  }
  detail::HandleRef new_cell(const detail::ActorType& type, const SpawnOptions& options,
                             detail::HandleRef* existing = nullptr);
  void construct(detail::ActorRef& cell, detail::FunctionRef<void*()> make);
  Future<detail::HandleRef> find_ref(const std::string& name, const detail::ActorType& type,
                                     Duration timeout);
  Future<Down> monitor_ref(const detail::HandleRef& actor);
  boost::intrusive_ptr<detail::Domain> domain() const;

  boost::intrusive_ptr<detail::RuntimeCore> core_;
};

}  // namespace muster

#include <muster/detail/repeat.h>
#include <muster/detail/run_task.h>
