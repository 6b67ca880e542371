#include "runtime/core/supervisor_node.h"

#include <array>
#include <cstdio>

#include "runtime/core/runtime_core.h"
#include "runtime/core/supervision.h"

namespace muster {

std::string_view to_string(RestartStrategy strategy) noexcept {
  switch (strategy) {
    case RestartStrategy::kOneForOne:
      return "one_for_one";
    case RestartStrategy::kOneForAll:
      return "one_for_all";
    case RestartStrategy::kRestForOne:
      return "rest_for_one";
  }
  return "unknown";
}

Supervisor::Supervisor(Runtime& runtime, const SupervisorOptions& options)
    : node_(detail::SupervisorNode::make(&runtime.core(), options, nullptr)) {}

detail::RuntimeCore& Supervisor::core() const {
  MUSTER_CHECK(node_ != nullptr, "the Supervisor is empty");
  return node_->core();
}

Supervisor Supervisor::supervisor(const SupervisorOptions& options) const {
  MUSTER_CHECK(node_ != nullptr, "the Supervisor is empty");
  return Supervisor(detail::SupervisorNode::make(&node_->core(), options, node_));
}

void Supervisor::stop() const {
  MUSTER_CHECK(node_ != nullptr, "the Supervisor is empty");
  node_->command(detail::SupervisorNode::EventKind::kStop);
}

void Supervisor::kill() const {
  MUSTER_CHECK(node_ != nullptr, "the Supervisor is empty");
  node_->command(detail::SupervisorNode::EventKind::kKill);
}

namespace detail {

void check_options(const RestartOptions& options) {
  const auto invalid = [](const std::string& text) {
    throw Exception(Error{ErrorCode::kInvalid, "RestartOptions: " + text, {}});
  };
  if (options.window <= Duration::zero()) invalid("window is not positive");
  if (options.backoff_min < Duration::zero()) invalid("backoff_min is negative");
  if (options.backoff_max < options.backoff_min) invalid("backoff_max is less than backoff_min");
  if (!(options.jitter >= 0 && options.jitter <= 1)) {
    invalid("jitter is " + std::to_string(options.jitter) + ", not between 0 and 1");
  }
}

namespace {

std::string limit_text(const SupervisorOptions& options) {
  if (options.max_restarts == 0) return " (its supervisor restarts nothing)";
  std::array<char, 32> seconds{};
  std::snprintf(seconds.data(), seconds.size(), "%g",
                std::chrono::duration<double>(options.restart.window).count());
  return " (after " + std::to_string(options.max_restarts) + " restarts within " + seconds.data() +
         " s)";
}

}  // namespace

std::shared_ptr<SupervisorNode> SupervisorNode::make(boost::intrusive_ptr<RuntimeCore> core,
                                                     const SupervisorOptions& options,
                                                     std::shared_ptr<SupervisorNode> parent) {
  check_options(options.restart);
  std::shared_ptr<SupervisorNode> node(
      new SupervisorNode(std::move(core), options, std::move(parent)));
  if (node->parent_) {
    ChildRef self;
    self.node = node;
    node->parent_->add(std::move(self));
    node->parent_->tell(node->number_, EventKind::kStarted);  // with nobody in it
  }
  return node;
}

SupervisorNode::SupervisorNode(boost::intrusive_ptr<RuntimeCore> core,
                               const SupervisorOptions& options,
                               std::shared_ptr<SupervisorNode> parent)
    : core_(std::move(core)),
      options_(options),
      parent_(std::move(parent)),
      policy_(options, parent_ == nullptr, core_->draw_seed()) {}

SupervisorNode::~SupervisorNode() {
  if (timer_ != 0 && !core_->stopping()) core_->timers().cancel(timer_);
  if (number_ != 0) parent_->tell(number_, EventKind::kGone);
}

ChildId SupervisorNode::add(boost::intrusive_ptr<ActorCell> actor) {
  ChildRef child;
  child.actor = std::move(actor);
  return add(std::move(child));
}

ChildId SupervisorNode::add(ChildRef child) {
  if (core_->stopping()) {
    throw Exception(Error{ErrorCode::kCancelled, "cannot spawn: the runtime is shutting down", {}});
  }
  const std::scoped_lock lock(mutex_);
  const ChildId id = ++last_child_;
  const auto decision = policy_.decide(core_->clock().now(), {EventKind::kAdded, id});
  if (decision.reason == SupervisionPolicy::Reason::kRefused) {
    throw Exception(Error{ErrorCode::kUnavailable, "cannot spawn: the supervisor has ended", {}});
  }
  if (const auto node = child.node.lock()) node->number_ = id;
  children_.emplace(id, std::move(child));
  return id;
}

void SupervisorNode::tell(ChildId child, EventKind event, const Error& cause) {
  decide({event, child}, cause);
}

void SupervisorNode::command(EventKind what, const Error& cause) {
  decide({what, 0}, cause);
}

void SupervisorNode::decide(SupervisionPolicy::Event event, const Error& cause) {
  const auto keep = weak_from_this().lock();  // telling a child may drop the last other reference
  ChildRef gone;                              // let go outside the lock
  const bool stopping = core_->stopping();    // the runtime ends all actors, and the clock may go
  {
    const std::scoped_lock lock(mutex_);
    if (event.kind == EventKind::kGone) {
      const auto found = children_.find(event.child);
      if (found != children_.end()) {
        gone = std::move(found->second);
        children_.erase(found);
      }
    }
    if (stopping) return;
    const auto decision = policy_.decide(core_->clock().now(), event);
    if (event.kind == EventKind::kTick) wake_.reset();
    plan(decision, cause);
    if (std::exchange(working_, true)) return;
  }
  work_off();
}

void SupervisorNode::plan(const SupervisionPolicy::Decision& decision, const Error& cause) {
  using Reason = SupervisionPolicy::Reason;
  if (decision.reason == Reason::kRestart || decision.reason == Reason::kEscalated ||
      decision.reason == Reason::kGaveUp || decision.reason == Reason::kCommanded) {
    cause_ = cause;
    if (decision.reason == Reason::kEscalated || decision.reason == Reason::kGaveUp) {
      cause_.message += limit_text(options_);
    }
  }
  for (const auto& action : decision.actions) {
    const auto child = children_.find(action.child);
    if (child == children_.end()) continue;
    work_.emplace_back(
        [this, what = action.kind, ref = child->second, why = cause_] { apply(what, ref, why); });
  }
  if (decision.report && parent_) {
    work_.emplace_back(
        [this, event = *decision.report, why = cause_] { parent_->tell(number_, event, why); });
  }
  if (decision.wake != wake_) {
    wake_ = decision.wake;
    work_.emplace_back([this, wake = wake_] { arm(wake); });
  }
}

void SupervisorNode::work_off() {
  for (;;) {
    std::vector<std::function<void()>> work;
    {
      const std::scoped_lock lock(mutex_);
      work.swap(work_);
      if (work.empty()) {
        working_ = false;
        return;
      }
    }
    for (const auto& step : work) step();
  }
}

void SupervisorNode::apply(SupervisionPolicy::ActionKind what, const ChildRef& child,
                           const Error& cause) {
  static constexpr EventKind kCommands[] = {EventKind::kHalt, EventKind::kStart, EventKind::kStop,
                                            EventKind::kKill};
  const EventKind command = kCommands[static_cast<std::size_t>(what)];
  if (child.actor) {
    command_child(*child.actor, command, cause);
  } else if (const auto node = child.node.lock()) {
    node->command(command, cause);
  }
}

void SupervisorNode::arm(std::optional<TimePoint> wake) {
  if (timer_ != 0) core_->timers().cancel(std::exchange(timer_, 0));
  if (!wake) return;
  timer_ = core_->timers().schedule(*wake, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->decide({EventKind::kTick, 0}, {});
  });
}

}  // namespace detail
}  // namespace muster
