#include "runtime/core/own_thread.h"

#include <system_error>

namespace muster::detail {

void OwnThread::post(Runnable& work) {
  if (owner_.driven_) return owner_.executor_.post(work);
  {
    const std::scoped_lock lock(mutex_);
    MUSTER_CHECK(work_ == nullptr, "posted twice");
    work_ = &work;
  }
  wake_.notify_one();
}

void OwnThread::finish() {
  {
    const std::scoped_lock lock(mutex_);
    if (std::exchange(finished_, true)) return;
  }
  owner_.finished();
  wake_.notify_one();
}

void OwnThread::run() {
  for (;;) {
    Runnable* work = nullptr;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return work_ != nullptr || finished_; });
      work = std::exchange(work_, nullptr);
    }
    if (work == nullptr) break;
    work->run();
  }
  owner_.ended(*this);
}

OwnThreads::OwnThreads(std::size_t max, Executor& executor)
    : max_(max), executor_(executor), driven_(executor.driven()) {}

boost::intrusive_ptr<OwnThread> OwnThreads::start() {
  const std::scoped_lock lock(mutex_);
  if (stopping_) {
    throw Exception(Error{ErrorCode::kCancelled, "cannot spawn: the runtime is shutting down", {}});
  }
  if (owned_ >= max_) {
    throw Exception(Error{ErrorCode::kOverloaded,
                          "cannot spawn: " + std::to_string(owned_) +
                              " actors have a thread of their own, as many as "
                              "RuntimeOptions::own_threads_max allows",
                          {}});
  }
  boost::intrusive_ptr<OwnThread> thread(new OwnThread(*this));
  if (!driven_) {
    try {
      thread->thread_ = std::thread([thread] { thread->run(); });
    } catch (const std::system_error& e) {
      throw Exception(Error{ErrorCode::kOverloaded,
                            std::string("cannot spawn: no thread can be made: ") + e.what(),
                            {}});
    }
    ++running_;
  }
  ++owned_;
  return thread;
}

void OwnThreads::finished() {
  const std::scoped_lock lock(mutex_);
  --owned_;
}

void OwnThreads::ended(OwnThread& thread) {
  boost::intrusive_ptr<OwnThread> before;
  {
    const std::scoped_lock lock(mutex_);
    before = std::exchange(last_ended_, boost::intrusive_ptr(&thread));
    if (--running_ == 0) quiet_.notify_all();
  }
  if (before) before->thread_.join();
}

void OwnThreads::stop() {
  boost::intrusive_ptr<OwnThread> last;
  {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    quiet_.wait(lock, [this] { return running_ == 0; });
    last = std::move(last_ended_);
  }
  if (last) last->thread_.join();
}

}  // namespace muster::detail
