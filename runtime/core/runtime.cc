#include <muster/runtime.h>

#include <algorithm>

#include "runtime/core/runtime_core.h"
#include "runtime/core/supervision.h"

namespace muster {

std::string_view to_string(DownReason reason) noexcept {
  switch (reason) {
    case DownReason::kStopped:
      return "stopped";
    case DownReason::kReleased:
      return "released";
    case DownReason::kKilled:
      return "killed";
    case DownReason::kCrashed:
      return "crashed";
    case DownReason::kShutdown:
      return "shutdown";
    case DownReason::kNodeLost:
      return "node_lost";
    case DownReason::kLinked:
      return "linked";
  }
  return "unknown";
}

Runtime::Runtime(RuntimeOptions options, RuntimeSeams seams)
    : core_(new detail::RuntimeCore(std::move(options), std::move(seams))) {
  try {
    core_->start(this);
  } catch (...) {
    core_->shutdown();
    throw;
  }
}

Runtime::~Runtime() {
  shutdown();
}

void Runtime::shutdown() {
  MUSTER_CHECK(detail::current_place() == nullptr, "shutdown called from a handler");
  core_->shutdown();
}

detail::HandleRef Runtime::new_cell(const detail::ActorType& type, const SpawnOptions& options,
                                    detail::HandleRef* existing) {
  return core_->new_cell(type, options, existing);
}

void Runtime::construct(detail::ActorRef& cell, detail::FunctionRef<void*()> make) {
  auto& actor = static_cast<detail::ActorCell&>(cell);
  actor.construct(make);
  core_->announce(actor);
}

detail::HandleRef detail::spawn_supervised(RuntimeCore& core, const ActorType& type,
                                           const SpawnOptions& options, std::function<void*()> make,
                                           HandleRef* existing) {
  auto ref = core.new_cell(type, options, existing);
  if (ref.get() == nullptr) return ref;
  auto& actor = static_cast<ActorCell&>(*ref.get());
  Supervision::construct(actor, options, std::move(make));
  core.announce(actor);
  return ref;
}

Future<detail::HandleRef> Runtime::find_ref(const std::string& name, const detail::ActorType& type,
                                            Duration timeout) {
  auto state = boost::intrusive_ptr(new detail::FutureState<detail::HandleRef>(domain()));
  core_->find(core_->full_name(name), {type.hash, std::string(type.name), &type}, timeout, true,
              [state](Result<detail::HandleRef> found) { state->complete(std::move(found)); });
  return Future<detail::HandleRef>(state);
}

Future<Down> Runtime::monitor_ref(const detail::HandleRef& actor) {
  MUSTER_CHECK(actor.get() != nullptr, "the Handle is empty");
  return core_->monitor(actor);
}

boost::intrusive_ptr<detail::Domain> Runtime::domain() const {
  return core_;
}
Result<NodeId> Runtime::join(const std::string& address, Duration timeout) {
  return core_->join(address, timeout);
}
std::string Runtime::listen_address() const {
  return core_->listen_address();
}
NodeId Runtime::node_id() const {
  return core_->node_id();
}
std::vector<PeerInfo> Runtime::peers() const {
  return core_->peers();
}
const Clock& Runtime::clock() const {
  return core_->clock();
}
RuntimeStats Runtime::stats() const {
  return core_->stats();
}
std::vector<ActorInfo> Runtime::actors() const {
  return core_->actors();
}
Metrics Runtime::metrics() const {
  return core_->metrics();
}
DeadLetters Runtime::dead_letters() const {
  return core_->dead_letters().all();
}
Subscription Runtime::on_dead_letter(std::function<void(const DeadLetter&)> hear) {
  return core_->dead_letters().subscribe(std::move(hear));
}

// --- inside handlers -----------------------------------------------------------------------------

namespace {

detail::ActorCell& current_cell() {
  detail::ActorCell* cell = detail::ActorCell::current();
  MUSTER_CHECK(cell != nullptr, "this_actor is used outside an actor's handlers");
  return *cell;
}

}  // namespace

namespace this_actor {

detail::HandleRef detail_::self(const detail::ActorType& expected) {
  detail::ActorCell& cell = current_cell();
  MUSTER_CHECK(cell.type().is(expected), cell.type().name, expected.name);
  return detail::HandleRef(boost::intrusive_ptr<detail::ActorRef>(&cell));
}

boost::intrusive_ptr<detail::Domain> detail_::domain() {
  return current_cell().domain();
}

void detail_::deliver_to_self(std::unique_ptr<detail::Message> message,
                              const detail::ActorType& type) {
  detail::ActorCell& cell = current_cell();
  MUSTER_CHECK(cell.type().is(type), cell.type().name, type.name);
  detail::Supervision::deliver_own(cell, std::move(message));
}

ActorId id() {
  return current_cell().id();
}
TimePoint now() {
  return current_cell().core().clock().now();
}
Runtime& runtime() {
  return *current_cell().core().runtime();
}
void stop(const std::string& why) {
  current_cell().end(DownReason::kStopped, false, why);
}
void crash(const std::string& why) {
  MUSTER_CHECK(detail::ActorCell::current() != nullptr, "this_actor is used outside an actor");
  throw CheckFailure(why);
}
void exit(const std::string& why) {
  MUSTER_CHECK(detail::ActorCell::current() != nullptr, "this_actor is used outside an actor");
  throw detail::ActorExit(why);
}
std::uint64_t incarnation() {
  return current_cell().incarnation();
}

}  // namespace this_actor

namespace {

class SleepState final : public detail::FutureState<void> {
 public:
  using FutureState::FutureState;
  void on_deadline() override { complete(Result<void>()); }
};

}  // namespace

Future<void> sleep_for(Duration duration) {
  detail::Place* place = detail::current_place();
  if (place == nullptr) {
    throw Exception(Error{ErrorCode::kInvalid,
                          "sleep_for is for handlers and tasks: elsewhere there is no runtime",
                          {}});
  }
  auto state = boost::intrusive_ptr(new SleepState(place->domain()));
  if (!state->arm_deadline(std::max(duration, Duration::zero()), "sleep_for")) {
    state->complete_error({ErrorCode::kCancelled, "sleep_for: the runtime shut down", {}});
  }
  return Future<void>(state);
}

}  // namespace muster
