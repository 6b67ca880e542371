#include "runtime/core/actor_cell.h"

#include "runtime/core/cell_extras.h"
#include "runtime/core/runtime_core.h"
#include "runtime/core/supervision.h"
#include "runtime/core/waiting_room.h"
#include "runtime/core/watchers.h"

namespace muster::detail {

namespace {

constexpr int kMessagesPerLook = 8;  // asking the time costs as much as a small handler

thread_local ActorCell* current_cell = nullptr;

class FunctionContinuation final : public Continuation {
 public:
  explicit FunctionContinuation(std::function<void()> function) : function_(std::move(function)) {
    for_any_incarnation = true;
  }
  void run() override { function_(); }

 private:
  std::function<void()> function_;
};

/// The method that a continuation may resume; empty when it may be one of several, or none.
std::string_view resumed(const HandlerGroups* groups, const Message* current) {
  if (groups != nullptr) current = groups->only_suspended();
  return current != nullptr ? current->method() : std::string_view();
}

/// The thread acts as the actor while it lives.
class CellScope : private RunningScope {
 public:
  explicit CellScope(ActorCell* cell)
      : RunningScope(cell),
        depth_(handler_depth()),
        outer_cell_(std::exchange(current_cell, cell)) {
    ++depth_;
  }
  ~CellScope() {
    --depth_;
    current_cell = outer_cell_;
  }

 private:
  int& depth_;
  ActorCell* const outer_cell_;
};

}  // namespace

std::string unlike(std::string_view found, std::string_view wanted) {
  const std::string what = "a " + std::string(found);
  if (wanted.empty()) return what;
  return what +
         (found == wanted ? ", but another class of that name" : ", not a " + std::string(wanted));
}

/// Ends the actor in its turn.
class ActorCell::StopMessage final : public Message {
 public:
  StopMessage(ActorCell& cell, DownReason reason, Error cause)
      : cell_(cell), reason_(reason), cause_(std::move(cause)) {
    is_stop = 1;
  }
  HandlerRun invoke(void*, HandlerContext&) override {
    cell_.die(reason_, std::move(cause_));
    return {};
  }
  void reject(const Error&) override {}
  bool one_way() const noexcept override { return false; }
  std::string_view method() const noexcept override { return "stop"; }

 private:
  ActorCell& cell_;
  DownReason reason_;
  Error cause_;
};

ActorCell::ActorCell(boost::intrusive_ptr<RuntimeCore> core, ActorId id, const ActorType& type,
                     const SpawnOptions& options)
    : ActorRef(id, true),
      core_(std::move(core)),
      type_(type),
      name_(core_->full_name(options.name)),
      capacity_(options.mailbox_capacity ? options.mailbox_capacity
                                         : core_->options().mailbox_capacity),
      detached_(options.detached),
      restarts_(options.max_restarts > 0 || options.supervisor.valid()),
      own_thread_(options.own_thread),
      watch_(core_->run_watch() ? new CellWatch(*this, *core_->run_watch()) : nullptr) {
  if (core_->options().timings) time_calls();
  const bool grouped = options.reentrant || !options.groups.empty();
  if (grouped || restarts_ || own_thread_) extras_ = std::make_unique<CellExtras>();
  if (grouped) extras_->groups = std::make_unique<HandlerGroups>(type, options, capacity_);
  if (own_thread_) extras_->thread = core_->own_threads().start();
}

ActorCell::~ActorCell() {
  if (own_thread_) extras_->thread->finish();
}

ActorCell* ActorCell::current() noexcept {
  return current_cell;
}
boost::intrusive_ptr<Domain> ActorCell::domain() const {
  return core_;
}
Duration ActorCell::default_timeout() const {
  return core_->options().call_timeout;
}

std::string ActorCell::describe() const {
  std::string text(type_.name);
  if (!name_.empty()) text += " '" + name_ + "'";
  return text + " (" + to_string(id()) + ")";
}

void ActorCell::construct(FunctionRef<void*()> make) {
  const boost::intrusive_ptr<ActorCell> keep(this);
  try {
    const CellScope scope(this);
    if (restarts_) supervision()->join();
    object_ = make();
  } catch (...) {
    die(DownReason::kCrashed, Error{ErrorCode::kUnavailable,
                                    describe() + " was not made: its constructor threw: " +
                                        error_from_current_exception().message,
                                    {}});
    throw;
  }
  tell({.kind = EventKind::kSpawned});
  if (restarts_) supervision()->constructed();
  // scheduled_ has been true since construction: what came in meanwhile waits for this run.
  intrusive_ptr_add_ref(static_cast<ActorRef*>(this));
  if (!go_idle()) schedule(true);
}

void ActorCell::schedule(bool held) {
  if (!held) intrusive_ptr_add_ref(static_cast<ActorRef*>(this));
  if (own_thread_) {
    extras_->thread->post(*this);
  } else {
    core_->executor().post(*this);
  }
}

void ActorCell::send_remote(const OutgoingCall&, FunctionRef<void(Encoder&)>,
                            boost::intrusive_ptr<PendingReply>) {
  MUSTER_CHECK(false, "send_remote on a local actor");
}

void ActorCell::resume(boost::intrusive_ptr<Continuation> continuation) {
  bool wake = false;
  {
    const std::scoped_lock lock(mutex_);
    if (!dead_) wake = push_urgent(std::move(continuation));
  }
  // A continuation left over here belonged to a dead actor and is destroyed outside the lock.
  if (wake) schedule();
}

bool ActorCell::push_urgent(boost::intrusive_ptr<Continuation> continuation) {
  urgent_inbox_.push_back(std::move(continuation));
  attention_.store(true, std::memory_order_relaxed);
  return !std::exchange(scheduled_, true);
}

void ActorCell::end(DownReason reason, bool kill, const std::string& detail) {
  const auto now = [this, reason, detail] { die(reason, cause_for(reason, detail)); };
  if (kill) {
    request_stops(true);
    control(now);
    return;
  }
  if (restarts_ && reason == DownReason::kShutdown) {
    control([this, now] {
      if (is_down()) now();
    });
  }
  bool wake = false;
  std::unique_ptr<Message> stop =
      std::make_unique<StopMessage>(*this, reason, cause_for(reason, detail));
  {
    const std::scoped_lock lock(mutex_);
    if (dead_ || std::exchange(ending_, true)) return;
    if (!crowded_) wake = let_in(std::move(stop), nullptr);
  }
  if (wake) schedule();
  if (stop) stop_after_waiting(std::move(stop));
}

void ActorCell::control(std::function<void()> function) {
  resume(boost::intrusive_ptr<Continuation>(new FunctionContinuation(std::move(function))));
}

void ActorCell::last_handle_gone() {
  if (!detached_) end(DownReason::kReleased, false);
}

void ActorCell::run() {
  {
    const CellScope scope(this);
    on_thread_.store(true, std::memory_order_relaxed);
    if (watch_) watch_->run_begins();
    int budget = core_->messages_per_run();
    for (;;) {
      while (budget > 0 && step()) {
        --budget;
        if (budget % kMessagesPerLook == 0 && core_->executor().should_yield()) budget = 0;
      }
      const bool more = urgent_next_ < urgent_.size() || has_turn();
      if (!more) {
        if (watch_) watch_->run_ends();
        if (go_idle()) return;
        if (watch_) watch_->run_begins();
      }
      if (budget == 0) break;
    }
  }
  if (watch_) watch_->run_ends();
  on_thread_.store(false, std::memory_order_relaxed);
  schedule(true);
}

bool ActorCell::go_idle() {
  {
    const std::scoped_lock lock(mutex_);
    open_ = !is_down() && (groups() ? groups()->open() : current_ == nullptr);
    const bool work =
        !urgent_inbox_.empty() || (open_ && !inbox_.empty()) || (crowded_ && first_has_room());
    started_ = true;
    if (work) return false;
    scheduled_ = false;
    on_thread_.store(false, std::memory_order_relaxed);
  }
  // From here another thread may run the cell; only the reference of this run is still ours.
  intrusive_ptr_release(static_cast<ActorRef*>(this));
  return true;
}

bool ActorCell::refill() {
  bool crowded = false;
  {
    const std::scoped_lock lock(mutex_);
    urgent_.clear();
    urgent_next_ = 0;
    urgent_.swap(urgent_inbox_);
    crowded = crowded_;
    attention_.store(crowded, std::memory_order_relaxed);
    if (current_ == nullptr && pending_.empty()) pending_ = std::move(inbox_);
  }
  if (crowded) admit_waiting();
  if (extras_ != nullptr) sort_pending();
  return !urgent_.empty() || has_turn();
}

bool ActorCell::has_turn() const noexcept {
  if (extras_ != nullptr) return has_turn_among_extras();
  return current_ == nullptr && !pending_.empty();
}

bool ActorCell::step() {
  const bool look = !has_turn() || attention_.load(std::memory_order_relaxed);
  if (urgent_next_ == urgent_.size() && look && !refill()) return false;
  if (urgent_next_ < urgent_.size()) {
    const auto continuation = std::move(urgent_[urgent_next_++]);
    // Where the actor is dead there is no object either, and nobody's work is for any incarnation.
    if (object_ == nullptr && (dead_ || !continuation->for_any_incarnation)) return true;
    handling_ = nullptr;
    if (watch_) watch_->slice_begins(resumed(groups(), current_.get()));
    try {
      continuation->run();
    } catch (...) {
      crash(std::current_exception(), nullptr);
    }
    const CoroutineFrame* const frame = std::exchange(current_frame(), nullptr);
    if (watch_) watch_->slice_ends(frame != nullptr && CellWatch::concerns(frame->message()));
    after_slice(frame);
    return true;
  }
  if (extras_ != nullptr) {
    take_turn();
  } else if (has_turn()) {
    handle(pending_.pop());
  }
  return true;
}

// Only the run writes these: no locked instruction.
void ActorCell::count_handled(const Message& message) noexcept {
  handled_.store(handled_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  if (message.wire_bytes == 0) return;
  handled_bytes_.store(handled_bytes_.load(std::memory_order_relaxed) + message.wire_bytes,
                       std::memory_order_relaxed);
}

void ActorCell::handle(std::unique_ptr<Message> message) {
  count_handled(*message);
  if (object_ == nullptr) {
    reject(*message);
    return;
  }
  begin(std::move(message));
}

void ActorCell::begin(std::unique_ptr<Message> message) {
  const bool watched = watch_ && CellWatch::concerns(message.get()) && !message->given_up();
  CellWatch* const watch = watched ? watch_.get() : nullptr;
  if (watch) watch->message_begins(*message, processed());
  try {
    handling_ = message.get();
    HandlerRun run = message->invoke(object_, *this);
    if (watch) watch->slice_ends(true);
    if (run.suspended()) {
      current_frame() = nullptr;
      suspend(std::move(message), std::move(run));
    } else if (const auto failure = run.failure()) {
      std::rethrow_exception(failure);
    } else {
      if (extras_ != nullptr) handled(*message);
      if (watch) watch->message_ends(*message);
    }
  } catch (...) {
    if (watch) {
      watch->slice_ends(true);
      watch->message_ends(*message);
    }
    crash(std::current_exception(), std::move(message));
  }
}

void ActorCell::suspend(std::unique_ptr<Message> message, HandlerRun run) {
  if (groups() != nullptr) {
    groups()->suspend(std::move(message), std::move(run));
  } else {
    running_ = std::move(run);
    current_ = std::move(message);
  }
}

void ActorCell::after_slice(const CoroutineFrame* frame) {
  if (groups() != nullptr) {
    auto ended = groups()->take_ended(frame);
    if (!ended.message) return;
    auto call = coroutine_ended(std::move(ended.message), std::move(ended.run));
    if (!call) return;
    groups()->again(ended.group);
    begin(std::move(call));
    groups()->done();
  } else if (current_ != nullptr && !running_.suspended()) {
    auto call = coroutine_ended(std::move(current_), std::exchange(running_, HandlerRun()));
    if (call) begin(std::move(call));
  }
}

std::unique_ptr<Message> ActorCell::coroutine_ended(std::unique_ptr<Message> message,
                                                    HandlerRun run) {
  const auto failure = run.failure();
  run = HandlerRun();  // before the message that it refers to
  if (watch_) watch_->message_ends(*message);
  if (failure) {
    crash(failure, std::move(message));
    return nullptr;
  }
  if (extras_ != nullptr) handled(*message);
  return message->take_call();
}

void ActorCell::crash(std::exception_ptr failure, std::unique_ptr<Message> culprit) {
  std::string text;
  try {
    std::rethrow_exception(failure);
  } catch (const ActorExit& exit) {
    if (culprit) current_ = std::move(culprit);
    die(DownReason::kStopped, cause_for(DownReason::kStopped, exit.what()));
    return;
  } catch (...) {
    text = error_from_current_exception().message;
  }
  fail_with(DownReason::kCrashed, text, std::move(culprit));
}

void ActorCell::fail_with(DownReason reason, const std::string& why, std::unique_ptr<Message> by) {
  if (is_down()) return;  // it has failed already
  const Error cause = cause_for(reason, why);
  core_->report(cause.message);
  handling_ = nullptr;
  if (supervision() != nullptr && !core_->stopping()) {
    supervision()->failed(reason, cause, why, std::move(by));
    return;
  }
  if (by) current_ = std::move(by);  // its caller hears the cause of death
  die(reason, cause);
}

Error ActorCell::cause_for(DownReason reason, const std::string& detail) const {
  std::string what;
  switch (reason) {
    case DownReason::kStopped:
      what = detail.empty() ? " was stopped" : " was stopped: ";
      break;
    case DownReason::kReleased:
      what = " ended: its last handle was dropped";
      break;
    case DownReason::kKilled:
      what = " was killed";
      break;
    case DownReason::kCrashed:
      what = " crashed: ";
      break;
    case DownReason::kShutdown:
      what = " ended: its runtime shut down";
      break;
    case DownReason::kNodeLost:
      what = " is out of reach: ";
      break;
    case DownReason::kLinked:
      what = " failed with an actor that it is linked with: ";
      break;
  }
  return Error{ErrorCode::kUnavailable, describe() + what + detail, {}};
}

MessageList ActorCell::destroy_object() {
  MessageList begun;
  if (auto message = std::move(current_)) begun.push(std::move(message));
  if (groups() != nullptr) begun.append(groups()->destroy_runs());
  running_ = HandlerRun();
  if (void* object = std::exchange(object_, nullptr)) {
    const CellScope scope(this);
    type_.destroy(object);
  }
  if (!watch_) return begun;
  MessageList told;
  while (auto message = begun.pop()) {
    watch_->message_ends(*message);
    told.push(std::move(message));
  }
  return told;
}

void ActorCell::die(DownReason reason, Error cause) {
  const boost::intrusive_ptr<ActorCell> keep(this);
  std::unique_ptr<Watchers> watchers;
  MessageList late;
  std::vector<boost::intrusive_ptr<Continuation>> unheard;
  WaitingRoom in_room;
  bool made = false;
  {
    const std::scoped_lock lock(mutex_);
    if (dead_) return;
    dead_ = true;
    made = started_;
    down_ = std::make_unique<Down>(Down{id(), name_, reason, std::move(cause), incarnation()});
    watchers.swap(watchers_);
    late = std::move(inbox_);
    unheard.swap(urgent_inbox_);
    if (std::exchange(crowded_, false)) in_room.swap(*room_);
  }
  MessageList begun = destroy_object();
  SelfTimer::end_all(*this, down_->cause);
  core_->forget(*this, reason);
  request_stops(true);
  MessageList waiting;
  while (auto message = begun.pop()) {
    if (message->begun()) {
      message->reject(down_->cause);
    } else {
      waiting.push(std::move(message));
    }
  }
  waiting.append(take_waiting());
  waiting.append(std::move(late));
  while (const auto message = waiting.pop()) reject(*message);
  unheard.clear();
  while (const auto one = in_room.pop()) {
    turn_away(*one, {DeadLetterReason::kActorEnded, down_->cause});
  }
  if (own_thread_) extras_->thread->finish();
  if (made) tell({.kind = EventKind::kEnded, .reason = to_string(reason)});
  if (watchers) watchers->tell(*this, *down_);
  if (restarts_) Supervision::end(*this);
  core_->cell_ended();
}

void ActorCell::one_way_failed(std::string_view method, const Error& error) {
  core_->report(describe() + ": " + std::string(method) + " (sent one way) failed: " +
                (error.type.empty() ? "" : error.type + ": ") + error.message);
}

}  // namespace muster::detail
