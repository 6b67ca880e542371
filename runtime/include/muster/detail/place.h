#pragma once
/// Where work runs: places, and what they have of their runtime. Not for users; included by
/// <muster/detail/future_state.h>.

#include <muster/clock.h>
#include <muster/detail/coroutine_frame.h>
#include <muster/detail/pool.h>
#include <muster/executor.h>

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <cstdint>
#include <utility>

namespace muster::detail {

template <class Derived>
struct Shared : Pooled, boost::intrusive_ref_counter<Derived, boost::thread_safe_counter> {};

/// Work that runs once, in the place it was made for.
class Continuation : public Shared<Continuation> {
 public:
  virtual ~Continuation() = default;
  virtual void run() = 0;

  /// Runs also while the place, an actor, has no object.
  bool for_any_incarnation = false;
};

class Domain;

/// Where continuations run: an actor (one at a time with its handlers) or an executor.
class Place {
 public:
  virtual void resume(boost::intrusive_ptr<Continuation> continuation) = 0;
  virtual boost::intrusive_ptr<Domain> domain() const = 0;
  /// Of the actor; work that was left for another one does not run. In the place only.
  virtual std::uint64_t incarnation() const noexcept { return 0; }
  virtual void place_add_ref() noexcept = 0;
  virtual void place_release() noexcept = 0;
  friend void intrusive_ptr_add_ref(Place* place) noexcept { place->place_add_ref(); }
  friend void intrusive_ptr_release(Place* place) noexcept { place->place_release(); }

 protected:
  virtual ~Place() = default;
};

class DeadlineQueue;

/// What a Future needs of its Runtime. Outlives every incomplete Future.
class Domain : public Shared<Domain> {
 public:
  virtual ~Domain() = default;
  virtual Executor& executor() = 0;
  /// The place of plain tasks and of then() outside actors.
  virtual Place& place() = 0;
  virtual DeadlineQueue& deadlines() = 0;
};

/// What a thread is running: the place of the handler or task, and its frame if it is a coroutine.
struct Running {
  Place* place = nullptr;
  CoroutineFrame* frame = nullptr;
};
Running& running() noexcept;
/// The place of the handler or task that this thread is running, or null.
inline Place*& current_place() noexcept {
  return running().place;
}

/// This thread runs what belongs to `place`, or to no runtime, while it lives.
class RunningScope {
 public:
  explicit RunningScope(Place* place) noexcept
      : running_(running()), outer_(std::exchange(running_, {place, nullptr})) {}
  ~RunningScope() { running_ = outer_; }
  RunningScope(const RunningScope&) = delete;
  RunningScope& operator=(const RunningScope&) = delete;

 private:
  Running& running_;
  const Running outer_;
};

}  // namespace muster::detail
