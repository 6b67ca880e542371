#include "runtime/core/supervision.h"

#include "runtime/core/cell_extras.h"
#include "runtime/core/runtime_core.h"

namespace muster::detail {

/// What an incarnation has sent to itself with a delay, when its time has come.
class Supervision::LateMessage final : public Continuation {
 public:
  LateMessage(ActorCell& cell, std::uint64_t incarnation, std::unique_ptr<Message> message)
      : cell_(cell), incarnation_(incarnation), message_(std::move(message)) {
    for_any_incarnation = true;
  }
  ~LateMessage() override {
    if (message_) cell_.reject(*message_);
  }
  void run() override {
    auto message = std::exchange(message_, nullptr);
    if (!cell_.is_down() && cell_.incarnation() == incarnation_) {
      deliver_own(cell_, std::move(message));
    } else {
      cell_.drop(*message, cell_.supervision()->sender_ended());
    }
  }

 private:
  ActorCell& cell_;
  const std::uint64_t incarnation_;
  std::unique_ptr<Message> message_;
};

void Supervision::construct(ActorCell& cell, const SpawnOptions& options, Factory make) {
  auto supervision = std::make_unique<Supervision>(cell, options, std::move(make));
  {
    const std::scoped_lock lock(cell.mutex_);
    cell.extras_->supervision = std::move(supervision);
    cell.extras_->keep = options.poison_after > 1;
  }
  cell.construct([&cell] { return cell.supervision()->make_(); });
}

void Supervision::end(ActorCell& cell) {
  // It keeps the constructor's arguments, which may be handles: it goes outside the lock.
  std::unique_ptr<Supervision> supervision;
  {
    const std::scoped_lock lock(cell.mutex_);
    supervision.swap(cell.extras_->supervision);
  }
  if (supervision && supervision->child_ != 0) {
    supervision->node_->tell(supervision->child_, EventKind::kGone);
  }
}

void Supervision::deliver_own(ActorCell& cell, std::unique_ptr<Message> message) {
  message->own = cell.restarts_ ? 1 : 0;
  cell.deliver(std::move(message), cell.type());
}

void Supervision::deliver_late(ActorCell& cell, std::uint64_t incarnation,
                               std::unique_ptr<Message> message) {
  if (!cell.restarts_) return cell.deliver(std::move(message), cell.type());
  cell.resume(
      boost::intrusive_ptr<Continuation>(new LateMessage(cell, incarnation, std::move(message))));
}

std::uint64_t ActorCell::incarnation() const noexcept {
  if (supervision() != nullptr) return supervision()->incarnation();
  return down_ ? down_->incarnation : 1;
}

void check_options(const ActorType& type, const SpawnOptions& options) {
  const bool restarted = options.max_restarts > 0 || options.supervisor.valid();
  if (restarted) check_options(options.restart);
  check_options(type, options.checkpoint, restarted);
  if (options.poison_after > 0 && !restarted) {
    throw Exception(Error{ErrorCode::kInvalid,
                          "cannot spawn: poison_after is set, but the actor is never restarted: "
                          "give it max_restarts or a supervisor",
                          {}});
  }
}

namespace {

/// For the calls that a failure ends: their callers may try again.
Error to_callers(const Error& cause) {
  return Error{cause.code, cause.message + " (it may be restarted)", {}};
}

}  // namespace

// --- restarts ------------------------------------------------------------------------------------

Supervision::Supervision(ActorCell& cell, const SpawnOptions& options, Factory make)
    : cell_(cell),
      make_(std::move(make)),
      max_restarts_(options.max_restarts),
      restart_(options.restart),
      node_(options.supervisor.node()),
      suspects_(options.poison_after),
      checkpoints_(cell, options.checkpoint) {}

void Supervision::join() {
  if (max_restarts_ > 0) {
    const SupervisorOptions alone{RestartStrategy::kOneForOne, max_restarts_, restart_};
    node_ = SupervisorNode::make(&cell_.core(), alone, std::move(node_));
  }
  child_ = node_->add(&cell_);
}

void Supervision::failed(DownReason reason, const Error& cause, const std::string& why,
                         std::unique_ptr<Message> culprit) {
  failure_ = Failure{reason, cause};
  std::unique_ptr<Message> again;
  if (culprit && !culprit->own && suspects_.enabled()) {
    if (suspects_.accuse(*culprit, incarnation_, why)) {
      again = std::move(culprit);
    } else {
      end_in_poison(*culprit, cause);
      culprit.reset();
    }
  }
  if (culprit) cell_.current_ = std::move(culprit);
  go_down(to_callers(cause));
  if (again) put_back(std::move(again));
  node_->tell(child_, EventKind::kFailed, cause);
}

void Supervision::end_in_poison(Message& message, const Error& cause) {
  const std::string trace = suspects_.acquit(message);
  const ActorId sender{message.wire_bytes == 0 ? cell_.id().node : NodeId{}, 0};
  cell_.refuse(message,
               {DeadLetterReason::kPoison,
                Error{cause.code, cause.message + " (poison: " + trace + ")", {}}},
               sender, true);
}

void Supervision::put_back(std::unique_ptr<Message> message) {
  {
    const std::scoped_lock lock(cell_.mutex_);
    cell_.count_accepted(*message);  // it was counted as handled when it began
  }
  if (HandlerGroups* groups = cell_.groups()) {
    groups->put_back(std::move(message));
  } else {
    cell_.extras_->urgent.push_front(std::move(message));
  }
}

Error Supervision::sender_ended() const {
  return Error{ErrorCode::kUnavailable,
               "the incarnation of " + cell_.describe() + " that sent it has ended",
               {}};
}

void Supervision::set_down(bool down) {
  const std::scoped_lock lock(cell_.mutex_);
  cell_.extras_->down = down;
}

void Supervision::end_incarnation(const Error& cause) {
  MessageList begun = cell_.destroy_object();
  SelfTimer::end_all(cell_, sender_ended());
  cell_.request_stops(false);
  std::vector<std::unique_ptr<Message>> not_begun;
  while (auto message = begun.pop()) {
    if (!message->begun() && !message->own) {
      not_begun.push_back(std::move(message));
      continue;
    }
    suspects_.acquit(*message);
    if (message->begun()) {
      message->reject(cause);
    } else {
      cell_.drop(*message, sender_ended());
    }
  }
  {
    const std::scoped_lock lock(cell_.mutex_);
    cell_.pending_.append(std::move(cell_.inbox_));
  }
  cell_.sort_pending();
  HandlerGroups* groups = cell_.groups();
  MessageList own = groups != nullptr ? groups->take_own() : cell_.pending_.take_own();
  while (const auto message = own.pop()) {
    cell_.count_handled(*message);
    cell_.drop(*message, sender_ended());
  }
  while (!not_begun.empty()) {  // they waited for their arguments, and go first again
    put_back(std::move(not_begun.back()));
    not_begun.pop_back();
  }
}

void Supervision::handled(const Message& message) {
  if (!message.begun()) return;  // it has its arguments by now
  suspects_.acquit(message);
  if (cell_.object_ != nullptr) checkpoints_.handled(cell_.object_, cell_.suspended() == nullptr);
}

void Supervision::go_down(const Error& cause) {
  checkpoints_.incarnation_ended();
  set_down(true);
  end_incarnation(cause);
}

void Supervision::obey(EventKind command, const Error& cause) {
  if (command == EventKind::kKill) {
    end(cause);
  } else if (cell_.core().stopping()) {
    return;  // which ends it, also when it is down
  } else if (command == EventKind::kStart) {
    start();
  } else if (!cell_.is_down()) {
    go_down(Error{ErrorCode::kUnavailable,
                  cell_.describe() + " is restarted with another: " + cause.message,
                  {}});
    node_->tell(child_, EventKind::kHalted);
  }
}

void Supervision::start() {
  {
    const std::scoped_lock lock(cell_.mutex_);
    ++incarnation_;
  }
  void* object = nullptr;
  try {
    object = make_();
  } catch (...) {
    return not_started("its constructor");
  }
  try {
    checkpoints_.restore(object);
  } catch (...) {
    cell_.type().destroy(object);
    return not_started("its restore()");
  }
  failure_.reset();
  cell_.object_ = object;
  set_down(false);
  cell_.core().count_restart();
  cell_.tell({.kind = muster::EventKind::kRestarted});
  node_->tell(child_, EventKind::kStarted);
}

// Requires: an exception is being handled.
void Supervision::not_started(const std::string& what) {
  const std::string why = what + " threw at the restart: " + error_from_current_exception().message;
  failure_ = Failure{DownReason::kCrashed, cell_.cause_for(DownReason::kCrashed, why)};
  const Error cause = failure_->cause;
  cell_.core().report(cause.message);
  end_incarnation(to_callers(cause));  // what it has sent and begun
  node_->tell(child_, EventKind::kFailed, cause);
}

// The last thing that is done with this object: the cell lets go of it.
void Supervision::end(const Error& cause) {
  if (failure_) {
    const Failure last = *failure_;
    const bool same = cause.message.starts_with(last.cause.message);
    cell_.die(last.reason, same ? cause : last.cause);
  } else if (cause.message.empty()) {
    cell_.die(DownReason::kKilled, cell_.cause_for(DownReason::kKilled, {}));
  } else {
    cell_.die(DownReason::kKilled,
              Error{ErrorCode::kUnavailable,
                    cell_.describe() + " ended with its supervisor: " + cause.message,
                    {}});
  }
}

void command_child(ActorCell& cell, SupervisionPolicy::EventKind command, const Error& cause) {
  if (command == SupervisionPolicy::EventKind::kStop) {
    cell.stop(false);
    return;
  }
  cell.control([&cell, command, cause] {
    if (Supervision* supervision = cell.supervision()) supervision->obey(command, cause);
  });
}

}  // namespace muster::detail
