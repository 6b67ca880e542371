#include "runtime/core/runtime_core.h"

#include <muster/net.h>
#include <muster/random.h>

#include <algorithm>
#include <cstdio>
#include <random>
#include <thread>

#include "runtime/core/arena_executor.h"
#include "runtime/core/call_log.h"
#include "runtime/core/intercepted_cell.h"
#include "runtime/core/peer.h"
#include "runtime/core/supervision.h"

namespace muster::detail {

namespace {

constexpr Duration kKilledWithin = 1s;  // actors that run no handler end long before

/// A continuation on its way through the executor.
class PlacedWork final : public Runnable {
 public:
  PlacedWork(boost::intrusive_ptr<Place> place, boost::intrusive_ptr<Continuation> work)
      : place_(std::move(place)), work_(std::move(work)) {}
  void run() override {
    const std::unique_ptr<PlacedWork> self(this);
    const RunningScope scope(place_.get());
    work_->run();
  }

 private:
  boost::intrusive_ptr<Place> place_;
  boost::intrusive_ptr<Continuation> work_;
};

NodeId draw_node_id(std::uint64_t seed) {
  if (seed == 0) {
    std::random_device device;  // the operating system's generator
    const auto word = [&] { return (std::uint64_t{device()} << 32) | device(); };
    return NodeId{word(), word()};
  }
  return NodeId{mix_seed(seed, 0), mix_seed(seed, 1)};
}

std::shared_ptr<Executor> make_executor(unsigned threads, Timers& timers) {
  if (threads == 0) threads = std::max(1U, std::thread::hardware_concurrency());
  return std::make_shared<ArenaExecutor>(threads, timers);
}

}  // namespace

class RuntimeCore::ExecutorPlace final : public Place {
 public:
  explicit ExecutorPlace(RuntimeCore& core) : core_(core) {}
  void resume(boost::intrusive_ptr<Continuation> continuation) override {
    auto work =
        std::make_unique<PlacedWork>(boost::intrusive_ptr<Place>(this), std::move(continuation));
    core_.executor().post(*work.release());  // frees itself when it has run
  }
  boost::intrusive_ptr<Domain> domain() const override { return &core_; }
  void place_add_ref() noexcept override { intrusive_ptr_add_ref(static_cast<Domain*>(&core_)); }
  void place_release() noexcept override { intrusive_ptr_release(static_cast<Domain*>(&core_)); }

 private:
  RuntimeCore& core_;
};

RuntimeCore::RuntimeCore(RuntimeOptions options, RuntimeSeams seams)
    : options_(std::move(options)),
      node_(draw_node_id(seams.seed)),
      transport_(seams.transport ? seams.transport : make_tcp_transport()),
      executor_(seams.executor ? seams.executor
                               : make_executor(options_.threads, transport_->timers())),
      messages_per_run_(executor_->messages_per_run()),
      interceptor_(std::move(seams.interceptor)),
      deadlines_(transport_->timers()),
      blocking_(options_.blocking_threads, options_.blocking_capacity, *executor_),
      own_threads_(options_.own_threads_max, *executor_),
      place_(new ExecutorPlace(*this)),
      dead_letters_(options_.dead_letters_kept),
      run_watch_(RunWatch::make(options_, transport_->timers(), meters_)),
      resenders_(std::make_unique<Resenders>()),
      call_logs_(std::make_unique<CallLogs>()) {
  if (!options_.on_error) {
    options_.on_error = [](const std::string& line) {
      std::fprintf(stderr, "muster: %s\n", line.c_str());
    };
  }
}

RuntimeCore::~RuntimeCore() = default;

Place& RuntimeCore::place() {
  return *place_;
}

void RuntimeCore::start(Runtime* runtime) {
  runtime_ = runtime;
  if (!options_.listen.empty()) listen();
}

void RuntimeCore::dead_letter(DeadLetter letter) {
  meters_.count_rejected(letter.reason, letter.count);
  letter.when = clock().now();
  dead_letters_.add(letter);
}

ActorId RuntimeCore::sender() const noexcept {
  const ActorCell* actor = ActorCell::current();
  return actor ? actor->id() : ActorId{node_, 0};
}

std::uint64_t RuntimeCore::draw_seed() noexcept {
  return mix_seed(node_.high ^ node_.low, last_seed_.fetch_add(1, std::memory_order_relaxed) + 1);
}

void RuntimeCore::report(const std::string& line) const {
  options_.on_error(line);
}

RuntimeStats RuntimeCore::stats() const {
  RuntimeStats stats;
  stats.dead_letters = dead_letters_.total();
  stats.restarts = restarts_.load(std::memory_order_relaxed);
  const std::scoped_lock lock(mutex_);
  stats.actors = cells_.size();
  stats.bytes_sent = closed_bytes_sent_;
  stats.bytes_received = closed_bytes_received_;
  for (const auto& peer : peers_) {
    const net::SessionStats session = peer->stats();
    stats.bytes_sent += session.bytes_sent;
    stats.bytes_received += session.bytes_received;
  }
  return stats;
}

HandleRef RuntimeCore::new_cell(const ActorType& type, const SpawnOptions& options,
                                HandleRef* existing) {
  check_options(type, options);
  if (existing != nullptr && options.name.empty()) {
    throw Exception(Error{ErrorCode::kInvalid, "cannot get or spawn an actor without a name", {}});
  }
  const ActorId id{node_, last_actor_.fetch_add(1, std::memory_order_relaxed) + 1};
  const boost::intrusive_ptr<RuntimeCore> self(this);
  const boost::intrusive_ptr<ActorCell> cell(interceptor_
                                                 ? new InterceptedCell(self, id, type, options)
                                                 : new ActorCell(self, id, type, options));
  const std::scoped_lock lock(mutex_);
  if (stopping_) {
    throw Exception(Error{ErrorCode::kCancelled, "cannot spawn: the runtime is shutting down", {}});
  }
  if (!cell->name().empty()) {
    const auto [named, free] = names_.emplace(cell->name(), cell.get());
    if (!free && existing != nullptr) {
      *existing =
          value_or_throw(checked(*named->second, {type.hash, std::string(type.name), &type}));
      return {};
    }
    if (!free) {
      throw Exception(Error{
          ErrorCode::kInvalid,
          "cannot spawn: the name '" + cell->name() + "' is taken by " + named->second->describe(),
          {}});
    }
  }
  cells_.emplace(id.number, cell);
  ++spawned_;
  living_.fetch_add(1, std::memory_order_relaxed);
  return HandleRef(cell);
}

boost::intrusive_ptr<ActorCell> RuntimeCore::cell(std::uint64_t number) const {
  const std::scoped_lock lock(mutex_);
  const auto found = cells_.find(number);
  return found == cells_.end() ? nullptr : found->second;
}

void RuntimeCore::announce(ActorCell& cell) {
  if (cell.name().empty()) return;
  std::vector<std::pair<std::uint64_t, Result<HandleRef>>> found;
  {
    const std::scoped_lock lock(mutex_);
    for (const auto& [id, find] : finds_) {
      if (find.name == cell.name()) {
        found.emplace_back(id, checked(cell, find.type));
      }
    }
  }
  for (auto& [id, result] : found) finish_find(id, std::move(result));
}

void RuntimeCore::forget(ActorCell& cell, DownReason reason) {
  boost::intrusive_ptr<ActorCell> last;  // released outside the lock
  const std::scoped_lock lock(mutex_);
  const auto name = names_.find(cell.name());
  if (name != names_.end() && name->second == &cell) names_.erase(name);
  const auto entry = cells_.find(cell.id().number);
  if (entry == cells_.end()) return;
  ++ended_.at(static_cast<std::size_t>(reason) - 1);
  processed_by_ended_ += cell.processed();
  last = std::move(entry->second);
  cells_.erase(entry);
}

void RuntimeCore::cell_ended() {
  if (living_.fetch_sub(1, std::memory_order_acq_rel) == 1 && waiting_for_empty_.exchange(false)) {
    empty_.open();
  }
}

// --- names ---------------------------------------------------------------------------------------

Result<HandleRef> RuntimeCore::checked(ActorCell& cell, const WantedType& type) const {
  const bool fits = type.here != nullptr ? cell.type().is(*type.here)
                                         : type.hash == 0 || cell.type().hash == type.hash;
  if (!fits) {
    return fail(ErrorCode::kInvalid,
                "the actor '" + cell.name() + "' is " + unlike(cell.type().name, type.name));
  }
  return HandleRef(boost::intrusive_ptr<ActorRef>(&cell));
}

std::string RuntimeCore::full_name(const std::string& name) const {
  const bool has_namespace = name.empty() || name.find('/') != std::string::npos;
  return has_namespace || options_.name_space.empty() ? name : options_.name_space + "/" + name;
}

void RuntimeCore::find(const std::string& name, WantedType type, Duration timeout, bool everywhere,
                       Found done) {
  const TimePoint now = clock().now();
  Find find{name,
            std::move(type),
            timeout >= TimePoint::max() - now ? TimePoint::max() : now + timeout,
            everywhere,
            0,
            std::move(done)};
  std::optional<Result<HandleRef>> at_once;
  std::vector<std::shared_ptr<Peer>> peers;
  std::uint64_t id = 0;
  {
    const std::scoped_lock lock(mutex_);
    const auto named = names_.find(name);
    if (stopping_) {
      at_once = fail(ErrorCode::kCancelled,
                     "cannot look up '" + name + "': the runtime is shutting down");
    } else if (named != names_.end()) {
      at_once = checked(*named->second, find.type);
    } else {
      id = ++last_find_;
      if (everywhere) peers = peers_;
      find.timer = timers().schedule(find.deadline, [this, id] { expire_find(id); });
      finds_.emplace(id, find);
    }
  }
  if (at_once) {
    find.done(std::move(*at_once));
    return;
  }
  for (const auto& peer : peers) ask(*peer, id, find);
}

void RuntimeCore::ask(Peer& peer, std::uint64_t id, const Find& find) {
  if (!peer.ready()) return;  // asked when it becomes ready
  const TimePoint now = clock().now();
  if (find.deadline > now) peer.find(id, find.name, find.type.hash, find.deadline - now);
}

void RuntimeCore::finish_find(std::uint64_t id, Result<HandleRef> result) {
  Found done;
  {
    const std::scoped_lock lock(mutex_);
    const auto found = finds_.find(id);
    if (found == finds_.end()) return;
    timers().cancel(found->second.timer);
    done = std::move(found->second.done);
    finds_.erase(found);
  }
  done(std::move(result));
}

void RuntimeCore::expire_find(std::uint64_t id) {
  std::string text;
  {
    const std::scoped_lock lock(mutex_);
    const auto found = finds_.find(id);
    if (found == finds_.end()) return;
    text = "no actor called '" + found->second.name + "' on this node";
    if (found->second.everywhere) {
      text += " or the " + std::to_string(peers_.size()) + " joined with it";
    }
  }
  finish_find(id, fail(ErrorCode::kTimeout, std::move(text)));
}

void RuntimeCore::peer_found(std::uint64_t find, Result<HandleRef> found) {
  // Only what no other node can do better ends the search: another may have the actor yet.
  if (!found && found.error().code != ErrorCode::kInvalid) return;
  if (!found) {  // of another class: the other node knows the hash of this one's name only
    const std::scoped_lock lock(mutex_);
    const auto asked = finds_.find(find);
    constexpr std::string_view kNot = ", not a ";
    std::string& text = found.error().message;
    if (asked != finds_.end() && text.find(kNot) == std::string::npos) {
      text.append(kNot).append(asked->second.type.name);
    }
  }
  finish_find(find, std::move(found));
}

// --- the end -------------------------------------------------------------------------------------

void RuntimeCore::end_all(DownReason reason, bool kill) {
  std::vector<boost::intrusive_ptr<ActorCell>> cells;
  {
    const std::scoped_lock lock(mutex_);
    for (const auto& [number, cell] : cells_) cells.push_back(cell);
  }
  for (const auto& cell : cells) cell->end(reason, kill);
}

bool RuntimeCore::wait_until_empty(Duration timeout) {
  waiting_for_empty_.store(true);
  if (living_.load() == 0) {
    if (!waiting_for_empty_.exchange(false)) empty_.wait_for(kForever);  // being opened now
    return true;
  }
  if (executor_->wait(empty_, timeout)) return true;
  if (waiting_for_empty_.exchange(false)) return false;
  return empty_.wait_for(kForever);
}

void RuntimeCore::shutdown() {
  const std::scoped_lock serial(shutdown_mutex_);  // a second caller returns when all is done
  std::unique_ptr<Listener> listener;
  std::map<std::uint64_t, Find> finds;
  {
    const std::scoped_lock lock(mutex_);
    if (std::exchange(stopping_, true)) return;
    listener = std::move(listener_);
    finds.swap(finds_);
  }
  end_joins();
  listener.reset();
  for (auto& [id, find] : finds) {
    timers().cancel(find.timer);
    find.done(fail(ErrorCode::kCancelled, "the runtime shut down"));
  }
  end_all(DownReason::kShutdown, false);
  if (!wait_until_empty(options_.drain_timeout)) {
    end_all(DownReason::kShutdown, true);
    if (!wait_until_empty(std::max(options_.drain_timeout, kKilledWithin))) {
      report("shutdown waits for " + std::to_string(living_.load()) +
             " actors whose handlers do not return");
    }
  }
  resenders_->end({ErrorCode::kCancelled, "the runtime shut down", {}});
  close_peers();
  deadlines_.stop();
  if (run_watch_) run_watch_->stop();
  transport_->stop();
  blocking_.stop();
  own_threads_.stop();
  executor_->stop();
  std::vector<std::weak_ptr<Peer>> started;
  {
    const std::scoped_lock lock(mutex_);
    started.swap(started_);
  }
  for (const auto& weak : started) {
    if (const auto peer = weak.lock()) peer->end_now();
  }
  transport_->stop();  // whatever ended only now leaves its last callbacks behind
  call_logs_->clear();
}

bool RuntimeCore::stopping() const {
  const std::scoped_lock lock(mutex_);
  return stopping_;
}

}  // namespace muster::detail
