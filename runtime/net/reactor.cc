#include "runtime/net/reactor.h"

#include <algorithm>
#include <boost/asio/post.hpp>

namespace muster::net {
namespace {

// Looks without news after which the watcher goes to sleep.
constexpr int kQuietLooks = 2;

}  // namespace

thread_local Reactor::Activity* Reactor::this_thread_ = nullptr;

Reactor::CallbackScope::CallbackScope(Reactor& reactor) : reactor_(reactor) {
  if (this_thread_ == nullptr) return;  // draining
  this_thread_->count.fetch_add(1);
  if (reactor.watcher_asleep_) reactor.wake_watcher();
}

Reactor::CallbackScope::~CallbackScope() {
  if (this_thread_ == nullptr) return;
  reactor_.start_deferred(*this_thread_, {});
  this_thread_->count.fetch_add(1);
}

void Reactor::start_deferred(Activity& of, std::optional<std::size_t> next) {
  std::vector<std::shared_ptr<Deferred>> ready;
  {
    const std::scoped_lock lock(of.mutex);
    ready.swap(of.deferred);
    if (next) leader_ = *next;
  }
  for (const auto& work : ready) work->start();
}

void Reactor::after_callback(std::shared_ptr<Deferred> work) {
  if (this_thread_ != nullptr && this_thread_->count.load(std::memory_order_relaxed) % 2 == 1) {
    const std::scoped_lock lock(this_thread_->mutex);
    if (this_thread_ == &activity_[leader_]) {
      this_thread_->deferred.push_back(std::move(work));
      return;
    }
  }
  work->start();
}

Reactor::Reactor(Duration takeover_after, std::size_t threads_max)
    : takeover_after_(takeover_after),
      threads_max_(std::max<std::size_t>(threads_max, 2)),
      activity_(std::make_unique<Activity[]>(threads_max_)),
      work_(io_.get_executor()),
      timer_(io_) {
  const std::scoped_lock lock(mutex_);
  for (std::size_t i = 0; i < 2; ++i) threads_.emplace_back([this, i] { run(i); });
}

// NOLINTNEXTLINE(bugprone-exception-escape): what a callback throws ends the program, as elsewhere
Reactor::~Reactor() {
  stop();
  drain();
}

void Reactor::run(std::size_t me) {
  this_thread_ = &activity_[me];
  while (!stopping_) {
    // One callback at a time, so that a thread whose place was taken learns it at once.
    while (!stopping_ && leader_.load(std::memory_order_relaxed) == me) io_.run_one();
    std::unique_lock lock(mutex_);
    if (stopping_) break;
    if (has_watcher_) {
      ++idle_;
      idlers_wake_.wait(lock, [&] { return stopping_ || !has_watcher_; });
      --idle_;
      continue;
    }
    has_watcher_ = true;
    const bool late = watch(lock);
    has_watcher_ = false;
    if (late) take_over(me);
  }
  this_thread_ = nullptr;
}

// Requires: this thread is the watcher. Returns true when the leader is late, false at the stop.
bool Reactor::watch(std::unique_lock<std::mutex>& lock) {
  const auto& seen = activity_[leader_].count;
  std::uint64_t last = seen;
  int quiet = 0;
  while (!stopping_) {
    if (quiet >= kQuietLooks) {
      watcher_asleep_ = true;
      // A callback that began before the flag was seen does not wake this thread: look once more.
      if (seen == last) {
        watcher_wakes_.wait(lock, [&] { return stopping_ || !watcher_asleep_; });
      }
      watcher_asleep_ = false;
      quiet = 0;
      last = seen;
    }
    watcher_wakes_.wait_for(lock, takeover_after_, [&] { return stopping_.load(); });
    const std::uint64_t now = seen;
    if (now != last) {
      last = now;
      quiet = 0;
    } else if (now % 2 == 1) {
      return !stopping_;  // the same callback as at the last look
    } else {
      ++quiet;
    }
  }
  return false;
}

// Requires: the lock, and that the leader is late.
void Reactor::take_over(std::size_t me) {
  if (idle_ > 0) {
    idlers_wake_.notify_one();
  } else if (threads_.size() < threads_max_) {
    const std::size_t next = threads_.size();
    threads_.emplace_back([this, next] { run(next); });
  }
  start_deferred(activity_[leader_], me);
  // The late callback may be a timer's, with others due behind it.
  boost::asio::post(io_, [this] { run_timers(); });
}

void Reactor::wake_watcher() {
  const std::scoped_lock lock(mutex_);
  watcher_asleep_ = false;
  watcher_wakes_.notify_one();
}

TimerId Reactor::schedule(TimePoint when, std::function<void()> callback) {
  if (drained_) return 0;
  bool earliest = false;
  const TimerId id = queue_.schedule(when, std::move(callback), &earliest);
  if (earliest) arm_timer(when);
  return id;
}

void Reactor::post(std::function<void()> task) {
  if (drained_) return;
  boost::asio::post(io_, [this, task = std::move(task)] {
    const CallbackScope scope(*this);
    task();
  });
}

void Reactor::arm_timer(TimePoint when) {
  const Duration left = when - clock().now();
  if (left <= Duration::zero()) {
    boost::asio::post(io_, [this] { run_timers(); });
    return;
  }
  const std::scoped_lock lock(timer_mutex_);
  if (armed_ && *armed_ <= when) return;
  armed_ = when;
  timer_.expires_after(left);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;  // armed anew, or the end
    {
      const std::scoped_lock inner(timer_mutex_);
      armed_.reset();
    }
    run_timers();
  });
}

void Reactor::run_timers() {
  {
    const CallbackScope scope(*this);
    queue_.run_due(clock().now());
  }
  if (const auto next = queue_.next()) arm_timer(*next);
}

void Reactor::stop() {
  std::vector<std::thread> threads;
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
    threads.swap(threads_);
    watcher_wakes_.notify_all();
    idlers_wake_.notify_all();
  }
  work_.reset();
  io_.stop();
  for (std::thread& thread : threads) thread.join();
}

void Reactor::drain() {
  io_.restart();
  {
    const std::scoped_lock lock(timer_mutex_);
    timer_.cancel();
  }
  while (io_.poll() + queue_.run_due(clock().now()) > 0) io_.restart();
  drained_ = true;
  queue_.clear();
}

std::size_t Reactor::thread_count() const {
  const std::scoped_lock lock(mutex_);
  return threads_.size();
}

}  // namespace muster::net
