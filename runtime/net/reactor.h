#pragma once
// Reactor: the threads behind the TCP transport. One of them, the leader, waits for the network and
// runs callbacks. A watcher sleeps beside it; when a callback runs longer than takeover_after the
// watcher becomes the leader, and the late one a sleeper when it returns. While nothing happens
// nobody runs; while callbacks are short, the watcher looks up once in takeover_after and the hot
// path only increments a counter.
//
// Threads: all members from any thread; stop() not from a callback.
//
// Invariants:
//  1. Exactly one thread is the leader (leader_), from start to stop.
//  2. Only the leader waits in the io_context. A thread that lost the lead just when a callback of
//     its own ended may run one more; then nothing is deferred.
//  3. When the watcher becomes the leader, another thread becomes the watcher, made if need be, up
//     to threads_max; with as many callbacks running long, the rest waits.

#include <muster/clock.h>

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "runtime/time/timer_queue.h"

namespace muster::net {

// Something to be started when the callback under way is over, see Reactor::after_callback.
class Deferred {
 public:
  virtual void start() = 0;

 protected:
  ~Deferred() = default;
};

class Reactor final : public Timers {
 public:
  // Marks a callback of the reactor on this thread, for the watcher to see.
  class CallbackScope {
   public:
    explicit CallbackScope(Reactor& reactor);
    ~CallbackScope();
    CallbackScope(const CallbackScope&) = delete;
    CallbackScope& operator=(const CallbackScope&) = delete;

   private:
    Reactor& reactor_;
  };

  Reactor(Duration takeover_after, std::size_t threads_max);
  ~Reactor() override;  // NOLINT(bugprone-exception-escape): see there

  boost::asio::io_context& io() { return io_; }
  const Clock& clock() const override { return steady_clock(); }
  TimerId schedule(TimePoint when, std::function<void()> callback) override;
  bool cancel(TimerId id) override { return queue_.cancel(id); }
  // Starts `work` when the callback under way on this thread ends, or when another thread takes the
  // lead because it does not: what a callback goes on to do comes before what it asked for. Outside
  // callbacks, starts it now.
  void after_callback(std::shared_ptr<Deferred> work);
  // Runs `task` soon on the leader; drops it after drain().
  void post(std::function<void()> task);

  // Ends the threads after their callbacks and joins them. Idempotent.
  void stop();
  // After stop(): runs on this thread what is ready, until nothing is, and drops what is not.
  void drain();
  // Threads it has come to have.
  std::size_t thread_count() const;

 private:
  // Of one thread: odd while a callback runs on it.
  struct alignas(64) Activity {
    std::atomic<std::uint64_t> count{0};
    std::mutex mutex;
    std::vector<std::shared_ptr<Deferred>> deferred;  // guarded by mutex; the leader's alone
  };

  // Starts what `of` deferred; with `next`, makes that thread the leader first.
  void start_deferred(Activity& of, std::optional<std::size_t> next);
  void run(std::size_t me);
  bool watch(std::unique_lock<std::mutex>& lock);
  void take_over(std::size_t me);
  void wake_watcher();
  void arm_timer(TimePoint when);
  void run_timers();

  static thread_local Activity* this_thread_;

  const Duration takeover_after_;
  const std::size_t threads_max_;
  const std::unique_ptr<Activity[]> activity_;  // by thread
  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  TimerQueue queue_;

  std::mutex timer_mutex_;
  // Guarded by timer_mutex_:
  boost::asio::steady_timer timer_;
  std::optional<TimePoint> armed_;

  std::atomic<std::size_t> leader_{0};  // changes under the old leader's Activity::mutex
  std::atomic<bool> watcher_asleep_{false};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> drained_{false};

  mutable std::mutex mutex_;
  // Guarded by mutex_:
  std::condition_variable watcher_wakes_, idlers_wake_;
  bool has_watcher_ = false;
  std::vector<std::thread> threads_;
  std::size_t idle_ = 0;
};

}  // namespace muster::net
