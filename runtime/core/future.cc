#include <muster/future.h>

#include <algorithm>
#include <array>

#include "runtime/core/deadline_queue.h"

namespace muster::detail {

Running& running() noexcept {
  thread_local Running running;
  return running;
}
CoroutineFrame*& current_frame() noexcept {
  return running().frame;
}

FutureStateBase::Node* FutureStateBase::closed() noexcept {
  static Node node{{}, nullptr, nullptr};
  return &node;
}

FutureStateBase::~FutureStateBase() {
  Node* node = waiters_.load(std::memory_order_acquire);
  if (node == closed()) return;
  while (node != nullptr) delete std::exchange(node, node->next);
}

void FutureStateBase::subscribe(boost::intrusive_ptr<Waiter> waiter) {
  Node* head = waiters_.load(std::memory_order_acquire);
  if (head != closed()) {
    std::unique_ptr<Node> node(new Node{{}, std::move(waiter), head});
    while (node->next != closed()) {
      if (waiters_.compare_exchange_weak(node->next, node.get(), std::memory_order_acq_rel)) {
        static_cast<void>(node.release());
        return;
      }
    }
    waiter = std::move(node->waiter);
  }
  waiter->ready();
}

FutureStateBase::Node* FutureStateBase::reversed(Node* node) noexcept {
  Node* first = nullptr;
  while (node != nullptr) {
    Node* next = std::exchange(node->next, first);
    first = std::exchange(node, next);
  }
  return first;
}

void FutureStateBase::unsubscribe(const Waiter& waiter) {
  forget([&](const Waiter& other) { return &other == &waiter; });
}
void FutureStateBase::forget_stale() {
  forget([](const Waiter& waiter) { return waiter.stale(); });
}

void FutureStateBase::forget(FunctionRef<bool(const Waiter&)> gone) {
  // A publish() that comes in between finds the whole list or none of it, and calls those who are
  // put back later at once.
  Node* list = waiters_.load(std::memory_order_acquire);
  do {
    if (list == closed()) return;
  } while (!waiters_.compare_exchange_weak(list, nullptr, std::memory_order_acq_rel));
  list = reversed(list);
  while (list != nullptr) {
    const std::unique_ptr<Node> node(std::exchange(list, list->next));
    if (!gone(*node->waiter)) subscribe(std::move(node->waiter));
  }
}

void FutureStateBase::publish() {
  if (has_deadline_.load(std::memory_order_acquire)) domain_->deadlines().remove(*this);
  // A waiter may drop the last reference to this state.
  const boost::intrusive_ptr<FutureStateBase> keep(this);
  // Reversed: in the order of subscription.
  Node* first = reversed(waiters_.exchange(closed(), std::memory_order_acq_rel));
  while (first != nullptr) {
    first->waiter->ready();
    delete std::exchange(first, first->next);
  }
}

bool FutureStateBase::arm_deadline(Duration timeout, std::string_view what) {
  what_ = what;
  timeout_ = timeout;
  if (timeout == kForever) return true;
  has_deadline_.store(true, std::memory_order_release);
  return domain_->deadlines().add(*this, timeout);
}

namespace {

std::string seconds(Duration duration) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%g s", std::chrono::duration<double>(duration).count());
  return text.data();
}

}  // namespace

void FutureStateBase::on_deadline() {
  if (claimed()) return;
  Error late{ErrorCode::kTimeout, describe() + ": no result within " + seconds(timeout_), {}};
  if (complete_error(std::move(late))) on_abandoned(false);
}

bool FutureStateBase::cancel() {
  if (claimed()) return false;
  const std::string what = describe();
  Error cancelled{ErrorCode::kCancelled, what.empty() ? "cancelled" : what + ": cancelled", {}};
  if (!complete_error(std::move(cancelled))) return false;
  on_abandoned(true);
  return true;
}

namespace {

class LatchWaiter final : public Waiter {
 public:
  explicit LatchWaiter(std::size_t count) : left_(count) {}
  void ready() override {
    if (left_.fetch_sub(1, std::memory_order_acq_rel) == 1) latch_.open();
  }
  Latch& latch() noexcept { return latch_; }

 private:
  std::atomic<std::size_t> left_;
  Latch latch_;
};

}  // namespace

Result<void> wait_ready(FutureStateBase& state, Duration timeout) {
  if (state.ready()) return {};
  return wait_count({&state}, 1, timeout).map([](std::size_t) {});
}

Result<std::size_t> wait_count(const std::vector<FutureStateBase*>& states, std::size_t count,
                               Duration timeout) {
  MUSTER_CHECK(!states.empty() || count == 0, "there is nothing to wait for");
  if (states.empty()) return 0;
  MUSTER_CHECK(std::ranges::find(states, nullptr) == states.end(), "one of the Futures is empty");
  const auto first_ready = [&]() -> std::size_t {
    return static_cast<std::size_t>(
        std::ranges::find_if(states, [](auto* s) { return s->ready(); }) - states.begin());
  };
  const auto ready_count =
      static_cast<std::size_t>(std::ranges::count_if(states, [](auto* s) { return s->ready(); }));
  if (ready_count >= count) return first_ready();
  if (current_place() != nullptr) {
    return fail(ErrorCode::kInvalid,
                "waiting for a Future here would block a thread of the runtime: co_await it");
  }
  const auto* waiting =
      *std::ranges::find_if(states, [](auto* s) { return s->domain() != nullptr; });
  auto waiter = boost::intrusive_ptr(new LatchWaiter(count));
  for (auto* state : states) state->subscribe(waiter);
  const bool in_time = waiting->domain()->executor().wait(waiter->latch(), timeout);
  for (auto* state : states) state->unsubscribe(*waiter);
  if (!in_time) {
    std::string what = states.size() == 1 ? states.front()->describe() : "";
    if (!what.empty()) what += ": ";
    return fail(ErrorCode::kTimeout, timeout == kForever
                                         ? what + "no result, and nothing left that could bring one"
                                         : what + "no result yet after " + seconds(timeout));
  }
  return first_ready();
}

class CoroutineWaiter::Resumption final : public Continuation, private FutureWait {
 public:
  Resumption(std::coroutine_handle<> handle, FutureStateBase& awaited)
      : FutureWait{&awaited, current_frame()}, handle_(handle) {
    if (frame != nullptr) frame->begin_wait(*this);
  }
  void run() override {
    if (!handle_) return;
    current_frame() = frame;
    std::exchange(handle_, nullptr).resume();
  }
  void disarm() noexcept {
    handle_ = nullptr;
    if (frame != nullptr) std::exchange(frame, nullptr)->end_wait();
  }

 private:
  std::coroutine_handle<> handle_;
};

CoroutineWaiter::CoroutineWaiter(std::coroutine_handle<> handle, boost::intrusive_ptr<Place> place,
                                 FutureStateBase& state)
    : resumption_(new Resumption(handle, state)), place_(std::move(place)) {}
void CoroutineWaiter::ready() {
  place_->resume(resumption_);
}
void CoroutineWaiter::disarm() noexcept {
  resumption_->disarm();
}

boost::intrusive_ptr<Place> place_for(const FutureStateBase& state) {
  Place* place = current_place();
  if (place == nullptr && state.domain()) place = &state.domain()->place();
  return boost::intrusive_ptr<Place>(place);
}

namespace {

/// Runs in the incarnation of the place that left it, which may be what it refers to; else never.
class FunctionContinuation final : public Continuation {
 public:
  FunctionContinuation(const Place& place, std::function<void()> function)
      : place_(place), incarnation_(place.incarnation()), function_(std::move(function)) {}
  void run() override {
    const auto function = std::exchange(function_, nullptr);
    if (place_.incarnation() == incarnation_) function();
  }

 private:
  const Place& place_;
  const std::uint64_t incarnation_;
  std::function<void()> function_;
};

class PlaceWaiter final : public Waiter {
 public:
  PlaceWaiter(boost::intrusive_ptr<Place> place, boost::intrusive_ptr<Continuation> work)
      : place_(std::move(place)), work_(std::move(work)) {}
  void ready() override { place_->resume(std::move(work_)); }

 private:
  boost::intrusive_ptr<Place> place_;
  boost::intrusive_ptr<Continuation> work_;
};

}  // namespace

void run_when_ready(FutureStateBase& state, boost::intrusive_ptr<Place> place,
                    std::function<void()> function) {
  if (!place) return function();
  const boost::intrusive_ptr<Continuation> work(
      new FunctionContinuation(*place, std::move(function)));
  state.subscribe(boost::intrusive_ptr<Waiter>(new PlaceWaiter(std::move(place), work)));
}

void post_to(Place& place, std::function<void()> work) {
  place.resume(
      boost::intrusive_ptr<Continuation>(new FunctionContinuation(place, std::move(work))));
}

}  // namespace muster::detail
