#pragma once
// Threads that belong to one actor each.
//
// Threads: all members from any thread.
//
// Invariants:
//  1. Of an OwnThread at most one Runnable is posted and not begun: the actor, which the poster
//     posts once at a time.
//  2. A thread that has ended is joined by the next that ends, or by stop(): one is left at most.

#include <muster/detail/future_state.h>

#include <condition_variable>
#include <mutex>
#include <thread>

namespace muster::detail {

class OwnThreads;

/// The thread of one actor; on a driven executor, what stands for it there.
class OwnThread : public Shared<OwnThread> {
 public:
  void post(Runnable& work);
  /// The next actor may have a thread from here on; this one ends when what is posted has run. At
  /// least once, before the last reference goes.
  void finish();

 private:
  friend class OwnThreads;
  explicit OwnThread(OwnThreads& owner) : owner_(owner) {}
  void run();

  OwnThreads& owner_;
  std::thread thread_;  // guarded by the owner's mutex, until it is joined

  std::mutex mutex_;
  std::condition_variable wake_;
  // Guarded by mutex_:
  Runnable* work_ = nullptr;
  bool finished_ = false;
};

class OwnThreads {
 public:
  OwnThreads(std::size_t max, Executor& executor);
  ~OwnThreads() { stop(); }

  /// Throws Exception: kOverloaded when there are `max`, or the system gives no thread; kCancelled
  /// after stop().
  boost::intrusive_ptr<OwnThread> start();
  /// Returns when every thread has finished. On a driven executor it waits for nothing. Idempotent.
  void stop();

 private:
  friend class OwnThread;
  void finished();
  void ended(OwnThread& thread);

  const std::size_t max_;
  Executor& executor_;
  const bool driven_;

  std::mutex mutex_;
  std::condition_variable quiet_;  // running_ == 0
  // Guarded by mutex_:
  std::size_t owned_ = 0;                       // not finished
  std::size_t running_ = 0;                     // threads that have not ended
  boost::intrusive_ptr<OwnThread> last_ended_;  // its thread is not joined yet
  bool stopping_ = false;
};

}  // namespace muster::detail
