// Streams of results: how far the one who yields may be ahead, and who waits for whom.

#include <muster/runtime.h>

#include <algorithm>

namespace muster::detail {

/// Says in its errors what the stream is of.
class StreamFlow::ItemWait final : public FutureState<void> {
 public:
  explicit ItemWait(const Wait& end) : FutureState<void>(end->domain()), end_(end) {}
  std::string describe() const override { return end_->describe(); }

 private:
  const Wait end_;
};

StreamFlow::StreamFlow(Wait end, std::size_t window) : end_(std::move(end)), window_(window) {
  MUSTER_CHECK(window > 0 && window <= kWindowMax, window);
}

void StreamFlow::watch_end() {
  when_ready(*end_, [self = boost::intrusive_ptr(this)](auto&) { self->ended(); });
}

void StreamFlow::ended() {
  Wait waiting;
  {
    const std::scoped_lock lock(mutex_);
    waiting = std::exchange(arrival_, nullptr);
  }
  if (waiting) waiting->complete(Result<void>());
}

void StreamFlow::Waits::finish() const {
  if (first) first->complete(Result<void>());
  if (second) second->complete(Result<void>());
}

StreamFlow::Wait StreamFlow::room() {
  Wait wait(new FutureState<void>(domain()));
  {
    const std::scoped_lock lock(mutex_);
    if (!has_room_for(1) && !dropped_) {
      room_ = wait;
      return wait;
    }
  }
  wait->complete(Result<void>());
  return wait;
}

StreamFlow::Waits StreamFlow::arrived(std::size_t count) noexcept {
  pushed_ += count;
  waiting_ += count;
  return {std::exchange(arrival_, nullptr), nullptr};
}

StreamFlow::Waits StreamFlow::drop_all() noexcept {
  dropped_ = true;
  waiting_ = 0;
  return {std::exchange(arrival_, nullptr), std::exchange(room_, nullptr)};
}

bool StreamFlow::dropped() const {
  const std::scoped_lock lock(mutex_);
  return dropped_;
}

StreamFlow::Wait StreamFlow::arrival(Duration timeout) {
  Wait wait(new ItemWait(end_));
  if (!wait->arm_deadline(timeout, end_->what())) {
    wait->complete_error({ErrorCode::kCancelled, end_->describe() + ": the runtime shut down", {}});
  }
  {
    const std::scoped_lock lock(mutex_);
    // ended() comes after the end is ready, and takes what is here then.
    if (waiting_ == 0 && !end_->ready() && !dropped_) {
      arrival_ = wait;  // an earlier one that ended in vain is forgotten
      return wait;
    }
  }
  wait->complete(Result<void>());
  return wait;
}

void StreamFlow::acknowledge(std::size_t count) {
  Wait waiting;
  {
    const std::scoped_lock lock(mutex_);
    acknowledged_ += std::min<std::uint64_t>(count, pushed_ - acknowledged_);
    if (has_room_for(1)) waiting = std::exchange(room_, nullptr);
  }
  if (waiting) waiting->complete(Result<void>());
}

std::uint64_t StreamFlow::acknowledged() const {
  const std::scoped_lock lock(mutex_);
  return acknowledged_;
}

StreamBase::StreamBase(const MethodTraits& traits, boost::intrusive_ptr<StreamFlow> flow)
    : traits_(traits), flow_(std::move(flow)) {
  if (flow_) key_ = {flow_->end().get(), 0};
}

void StreamBase::answer_to(std::unique_ptr<RemoteReply> reply) noexcept {
  key_ = reply->key();
  reply_ = std::move(reply);
}

void StreamBase::reject(const Error& cause) {
  if (flow_) flow_->end()->complete_error(cause);
  if (reply_) reply_->error(cause);
}

void StreamBase::end_in_exception() {
  try {
    throw;
  } catch (const CheckFailure&) {
    throw;
  } catch (...) {
    flow_->end()->complete_error(error_from_current_exception());
  }
}

bool StreamBase::RoomAwaiter::await_resume() {
  ReadyAwaiter::await_resume();
  return state().failure() == nullptr && !flow_.dropped();
}

void run_detached(Domain& domain, Task<> task) {
  const auto state =
      boost::intrusive_ptr(new TaskState<void>(boost::intrusive_ptr<Domain>(&domain)));
  const auto shared = std::make_shared<Task<>>(std::move(task));
  post_to(domain.place(), [shared, state] { run_task(std::move(*shared), state); });
}

}  // namespace muster::detail
