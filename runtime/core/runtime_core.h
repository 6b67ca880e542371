#pragma once
// What a Runtime owns: executor, transport, actors, names, peers. Cells, proxies and futures refer
// to it, so it outlives the Runtime object; after shutdown() it only answers that it is gone.
//
// Threads: all members from any thread. Lock order: names and finds (mutex_) before nothing; no
// lock is held while a callback, a completion or a send runs.

#include <muster/runtime.h>

#include <map>
#include <mutex>
#include <unordered_map>

#include "runtime/core/actor_cell.h"
#include "runtime/core/blocking_pool.h"
#include "runtime/core/dead_letters.h"
#include "runtime/core/deadline_queue.h"
#include "runtime/core/meters.h"
#include "runtime/core/own_thread.h"
#include "runtime/core/ref_table.h"
#include "runtime/core/run_watch.h"

namespace muster::detail {

class CallLogs;
class Peer;
class Resenders;

/// "a Counter, not a Ledger", also where two classes share a name.
std::string unlike(std::string_view found, std::string_view wanted);

class RuntimeCore final : public Domain {
 public:
  RuntimeCore(RuntimeOptions options, RuntimeSeams seams);
  ~RuntimeCore() override;

  // Domain:
  Executor& executor() override { return *executor_; }
  Place& place() override;
  DeadlineQueue& deadlines() override { return deadlines_; }
  int messages_per_run() const noexcept { return messages_per_run_; }
  BlockingPool& blocking() noexcept { return blocking_; }
  OwnThreads& own_threads() noexcept { return own_threads_; }
  Interceptor* interceptor() const noexcept { return interceptor_.get(); }

  const RuntimeOptions& options() const noexcept { return options_; }
  Timers& timers() const noexcept { return transport_->timers(); }
  const Clock& clock() const noexcept { return transport_->timers().clock(); }
  NodeId node_id() const noexcept { return node_; }
  std::string listen_address() const;
  RuntimeStats stats() const;
  std::vector<PeerInfo> peers() const;
  std::vector<ActorInfo> actors() const;
  Metrics metrics() const;
  Meters& meters() noexcept { return meters_; }
  /// Null when nothing is to be known of handlers.
  RunWatch* run_watch() const noexcept { return run_watch_.get(); }
  Runtime* runtime() const noexcept { return runtime_; }
  bool stopping() const;

  void start(Runtime* runtime);
  void shutdown();

  // Actors
  /// `existing`, unless null, is set when there is an actor of that name; then an empty ref is
  /// given.
  HandleRef new_cell(const ActorType& type, const SpawnOptions& options,
                     HandleRef* existing = nullptr);
  boost::intrusive_ptr<ActorCell> cell(std::uint64_t number) const;
  void announce(ActorCell& cell);                   // its name can be found from now on
  void forget(ActorCell& cell, DownReason reason);  // the cell died
  void cell_ended();                                // and its death is told
  /// A one-way message was given up now.
  void dead_letter(DeadLetter letter);
  /// Whoever this thread sends for: the actor it runs, or only this node.
  ActorId sender() const noexcept;
  DeadLetterBox& dead_letters() noexcept { return dead_letters_; }
  void count_restart() noexcept { restarts_.fetch_add(1, std::memory_order_relaxed); }
  /// Another one at each call; the same ones in the same order for the same RuntimeSeams::seed.
  std::uint64_t draw_seed() noexcept;
  void report(const std::string& line) const;

  // Names
  /// With the namespace that it has, or else that of this runtime. Elsewhere names are full.
  std::string full_name(const std::string& name) const;
  using Found = std::function<void(Result<HandleRef>)>;
  struct WantedType {
    std::uint64_t hash = 0;  // 0: any
    std::string name;
    const ActorType* here = nullptr;  // null: another node asks, who knows the name alone
  };
  /// Calls `done` once: with the actor when it appears, with kInvalid when it is of another type,
  /// with kTimeout after `timeout`. `everywhere`: on peers too.
  void find(const std::string& name, WantedType type, Duration timeout, bool everywhere,
            Found done);

  // Peers
  Result<NodeId> join(const std::string& address, Duration timeout);
  /// The same without waiting; `expected`: as in Peer::start.
  void connect(const std::string& address, Duration timeout, std::optional<NodeId> expected,
               std::function<void(Result<NodeId>)> done);
  std::shared_ptr<Peer> peer(const NodeId& node) const;
  void peer_started(const std::shared_ptr<Peer>& peer);
  void peer_ready(const std::shared_ptr<Peer>& peer);
  void peer_closed(const std::shared_ptr<Peer>& peer);
  void peer_found(std::uint64_t find, Result<HandleRef> found);

  Resenders& resenders() noexcept { return *resenders_; }
  CallLogs& call_logs() noexcept { return *call_logs_; }
  RefTable& refs() noexcept { return refs_; }

  Future<Down> monitor(const HandleRef& actor);
  /// Of `actor`, which this thread runs, with another.
  void link(ActorCell& actor, const HandleRef& other);
  /// Has `actor` hear of the end of `other`, an actor of that peer with which it is linked. `tell`:
  /// the peer does not know yet.
  void watch_link(Peer& peer, const ActorId& other, ActorCell& actor, bool tell);
  /// Of calls; see call_state.h.
  std::string describe(const ActorId& actor) const;
  void abandon(FutureStateBase& state, const ActorId& actor, std::uint64_t call_id, bool cancelled);

 private:
  class ExecutorPlace;
  struct Joining;
  struct Find {
    std::string name;
    WantedType type;
    TimePoint deadline{};
    bool everywhere = false;
    TimerId timer = 0;
    Found done;
  };

  void listen();
  void end_joins();  // once stopping_ is set
  void accept(std::unique_ptr<ByteStream> stream);
  Result<HandleRef> checked(ActorCell& cell, const WantedType& type) const;
  void finish_find(std::uint64_t id, Result<HandleRef> result);
  void expire_find(std::uint64_t id);
  void ask(Peer& peer, std::uint64_t id, const Find& find);
  void end_all(DownReason reason, bool kill);
  bool wait_until_empty(Duration timeout);
  void close_peers();

  // Constant after construction:
  RuntimeOptions options_;
  const NodeId node_;
  const std::shared_ptr<Transport> transport_;
  const std::shared_ptr<Executor> executor_;
  const int messages_per_run_;  // of the executor, which is asked once
  const std::shared_ptr<Interceptor> interceptor_;
  DeadlineQueue deadlines_;
  BlockingPool blocking_;
  OwnThreads own_threads_;
  const std::unique_ptr<ExecutorPlace> place_;
  Runtime* runtime_ = nullptr;

  DeadLetterBox dead_letters_;
  std::atomic<std::uint64_t> restarts_{0};
  std::atomic<std::uint64_t> last_seed_{0};
  Meters meters_;
  const std::unique_ptr<RunWatch> run_watch_;
  std::atomic<std::uint64_t> last_actor_{0};
  RefTable refs_;
  const std::unique_ptr<Resenders> resenders_;
  const std::unique_ptr<CallLogs> call_logs_;
  std::atomic<std::size_t> living_{0};  // cells whose end is not told yet
  Latch empty_;
  std::mutex shutdown_mutex_;
  std::atomic<bool> waiting_for_empty_{false};

  mutable std::mutex mutex_;
  // Guarded by mutex_:
  std::unique_ptr<Listener> listener_;
  std::unordered_map<std::uint64_t, boost::intrusive_ptr<ActorCell>> cells_;
  std::unordered_map<std::string, ActorCell*> names_;  // reserved from spawn to death
  std::map<std::uint64_t, Find> finds_;
  std::uint64_t last_find_ = 0;
  std::vector<std::weak_ptr<Joining>> joins_;
  std::uint64_t last_ready_ = 0;              // of the peers' ready_numbers
  std::vector<std::shared_ptr<Peer>> peers_;  // open
  std::vector<std::weak_ptr<Peer>> started_;  // open, opening or closing
  std::uint64_t spawned_ = 0;
  std::array<std::uint64_t, kDownReasons> ended_ = {};  // by DownReason, from 1
  std::uint64_t processed_by_ended_ = 0;                // messages, by actors that have ended
  std::uint64_t closed_bytes_sent_ = 0;
  std::uint64_t closed_bytes_received_ = 0;
  bool stopping_ = false;
};

}  // namespace muster::detail
