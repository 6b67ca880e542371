// Messages that actors send to themselves later.

#include <muster/detail/self_timer.h>

#include "runtime/core/cell_extras.h"
#include "runtime/core/runtime_core.h"

namespace muster::detail {

SelfTimer::~SelfTimer() = default;

ActorCell& SelfTimer::cell() const noexcept {
  return static_cast<ActorCell&>(*cell_);
}

void SelfTimer::start(const boost::intrusive_ptr<SelfTimer>& timer, const ActorType& expected,
                      Duration first, Duration period) {
  ActorCell* cell = ActorCell::current();
  MUSTER_CHECK(cell != nullptr, "this_actor is used outside an actor's handlers");
  MUSTER_CHECK(cell->type().is(expected), cell->type().name, expected.name);
  timer->cell_ = cell;
  timer->period_ = period;
  timer->incarnation_ = cell->incarnation();
  if (!timer->join()) return timer->give_up(cell->down_->cause);
  const std::scoped_lock lock(timer->mutex_);
  const TimePoint now = cell->core().clock().now();
  timer->due_ = first >= TimePoint::max() - now ? TimePoint::max() : now + first;
  timer->arm();
}

void SelfTimer::arm() {
  if (ended()) return;
  timer_ = cell().core().timers().schedule(
      due_, [self = boost::intrusive_ptr<SelfTimer>(this)] { self->fire(); });
}

void SelfTimer::fire() {
  const bool once = period_ == Duration::zero();
  {
    const std::scoped_lock lock(mutex_);
    if (ended()) return;
    timer_ = 0;
    if (once) {
      ended_.store(true, std::memory_order_release);
    } else {
      // What could not be sent in time is left out.
      const Duration late = cell().core().clock().now() - due_;
      due_ += period_ * (1 + late / period_);
      arm();
    }
  }
  if (once) leave();
  // Another thread of the transport may be here with the tick before.
  if (!ticking_.exchange(true, std::memory_order_acq_rel)) send();
}

void SelfTimer::send() {
  std::unique_ptr<Message> message;
  try {
    message = make();
  } catch (...) {  // from a copy of the arguments
    tick_over();
    cell().core().report(cell().describe() + ": a message to itself was not sent: " +
                         error_from_current_exception().describe());
    return;
  }
  Supervision::deliver_late(cell(), incarnation_, std::move(message));
}

void SelfTimer::give_up(const Error& cause) {
  if (end() && period_ == Duration::zero()) cell().drop(*make(), cause);
}

bool SelfTimer::end() noexcept {
  TimerId timer = 0;
  {
    const std::scoped_lock lock(mutex_);
    if (ended_.exchange(true, std::memory_order_acq_rel)) return false;
    timer = std::exchange(timer_, 0);
  }
  if (timer != 0) cell().core().timers().cancel(timer);
  return true;
}

bool SelfTimer::cancel() noexcept {
  if (!end()) return false;
  leave();
  return true;
}

// --- the actor's list ----------------------------------------------------------------------------

bool SelfTimer::join() {
  CellExtras& extras = cell().extras();
  const std::scoped_lock lock(cell().mutex_);
  if (cell().dead_) return false;
  intrusive_ptr_add_ref(this);
  extras.timers.push_back(*this);
  return true;
}

void SelfTimer::leave() {
  {
    const std::scoped_lock lock(cell().mutex_);
    if (!hook_.is_linked()) return;
    auto& timers = cell().extras_->timers;
    timers.erase(timers.iterator_to(*this));
  }
  intrusive_ptr_release(this);
}

void SelfTimer::end_all(ActorCell& cell, const Error& cause) {
  for (;;) {
    boost::intrusive_ptr<SelfTimer> timer;
    {
      const std::scoped_lock lock(cell.mutex_);
      if (cell.extras_ == nullptr || cell.extras_->timers.empty()) return;
      timer.reset(&cell.extras_->timers.front(), false);
      cell.extras_->timers.pop_front();
    }
    timer->give_up(cause);
  }
}

}  // namespace muster::detail
