#include "runtime/core/checkpoints.h"

#include "runtime/core/cell_extras.h"
#include "runtime/core/runtime_core.h"

namespace muster {
namespace detail {

namespace {

[[noreturn]] void cannot_checkpoint(const ActorType& type, const std::string& why) {
  throw Exception(
      Error{ErrorCode::kInvalid, "cannot checkpoint a " + std::string(type.name) + why, {}});
}

}  // namespace

void check_options(const ActorType& type, const CheckpointOptions& options, bool restarted) {
  if (options.every == Duration::zero() && options.messages == 0) return;
  if (options.every < Duration::zero())
    cannot_checkpoint(type, ": CheckpointOptions: every is negative");
  if (type.checkpoint == nullptr) {
    cannot_checkpoint(type, ": it has no save() const and restore() that takes what that gives");
  }
  if (!restarted)
    cannot_checkpoint(type, " that is never restarted: give it max_restarts or a supervisor");
}

Checkpoints::Checkpoints(ActorCell& cell, const CheckpointOptions& options)
    : cell_(cell), type_(cell.type().checkpoint), options_(options) {}

Checkpoints::~Checkpoints() {
  stop_timer();
}

void Checkpoints::save(const void* object) {
  saved_ = type_->save(object);
  handled_ = 0;
  due_ = false;
  stop_timer();
}

void Checkpoints::restore(void* object) const {
  if (saved_) type_->restore(object, saved_.get());
}

void Checkpoints::handled(const void* object, bool calm) {
  ++handled_;
  if (options_.every > Duration::zero() && timer_ == 0 && !due_) start_timer();
  save_if_due(object, calm);
}

void Checkpoints::tick(const void* object, bool calm) {
  timer_ = 0;
  due_ = handled_ > 0;
  if (object != nullptr) save_if_due(object, calm);
}

void Checkpoints::save_if_due(const void* object, bool calm) {
  const bool enough = options_.messages > 0 && handled_ >= options_.messages;
  if (!calm || !(due_ || enough)) return;
  try {
    save(object);
  } catch (const CheckFailure&) {
    cell_.control([failure = std::current_exception()] { std::rethrow_exception(failure); });
  } catch (...) {
    cell_.core().report(cell_.describe() +
                        " could not be saved: " + error_from_current_exception().message);
    handled_ = 0;  // the next try has its time too
    due_ = false;
  }
}

void Checkpoints::incarnation_ended() noexcept {
  handled_ = 0;
  due_ = false;
}

void Checkpoints::start_timer() {
  Timers& timers = cell_.core().timers();
  timer_ = timers.schedule(timers.clock().now() + options_.every,
                           [cell = boost::intrusive_ptr<ActorCell>(&cell_)] {
                             cell->control([&self = *cell] {
                               if (self.supervision()) self.supervision()->checkpoint_is_due();
                             });
                           });
}

void Checkpoints::stop_timer() {
  if (timer_ != 0 && !cell_.core().stopping()) cell_.core().timers().cancel(timer_);
  timer_ = 0;
}

void Supervision::checkpoint() {
  if (cell_.object_ == nullptr) {
    cannot_checkpoint(cell_.type(), " before its constructor has ended");
  }
  checkpoints_.save(cell_.object_);
}

void Supervision::checkpoint_is_due() {
  checkpoints_.tick(cell_.object_, cell_.suspended() == nullptr);
}

}  // namespace detail

void this_actor::checkpoint() {
  detail::ActorCell* cell = detail::ActorCell::current();
  MUSTER_CHECK(cell != nullptr, "this_actor is used outside an actor's handlers");
  if (cell->type().checkpoint == nullptr) {
    detail::cannot_checkpoint(cell->type(),
                              ": it has no save() const and restore() that takes what that gives");
  }
  if (cell->supervision() != nullptr) cell->supervision()->checkpoint();
}

}  // namespace muster
