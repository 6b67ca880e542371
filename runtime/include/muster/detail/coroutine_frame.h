#pragma once
/// What is known of a handler or task that is a coroutine, so that it can be cancelled where it
/// waits. Not for users.
///
/// Invariant: between begin_wait() and end_wait() the state that is waited for is alive.

#include <muster/detail/spin_lock.h>

#include <cstdint>

namespace muster::detail {

class CoroutineFrame;
class FutureStateBase;
class Message;

/// A coroutine's wait for a Future, from its suspension until it goes on or is destroyed.
struct FutureWait {
  FutureStateBase* state = nullptr;
  CoroutineFrame* frame = nullptr;  // of the handler or task; null when it cannot be cancelled
};

/// A handler or task with all the coroutines that it awaits.
class CoroutineFrame {
 public:
  virtual ~CoroutineFrame() = default;
  virtual void begin_wait(FutureWait& wait) = 0;
  virtual void end_wait() noexcept = 0;
  /// Ends the Future that it waits for in kCancelled, or, when it waits for none that is still
  /// open, the next such one. Of two cancels before that the second does nothing.
  virtual void cancel() = 0;
  /// What the handler handles; null for a task.
  virtual Message* message() const noexcept { return nullptr; }

  std::uint64_t number = 0;  // owned by the actor that runs it
};

/// What the thread is running: the frame of the handler or task, if that is a coroutine.
CoroutineFrame*& current_frame() noexcept;

/// Of a handler. Threads: all members in the run of the actor.
class HandlerFrame : public CoroutineFrame {
 public:
  /// Is the current frame from here on.
  explicit HandlerFrame(Message* message) noexcept : message_(message) { current_frame() = this; }
  ~HandlerFrame() override;
  HandlerFrame(const HandlerFrame&) = delete;
  HandlerFrame& operator=(const HandlerFrame&) = delete;

  void begin_wait(FutureWait& wait) override;
  void end_wait() noexcept override { wait_ = nullptr; }
  void cancel() override;
  Message* message() const noexcept override { return message_; }
  /// It was cancelled, and has not waited for anything since that could tell it.
  bool cancel_pending() const noexcept { return cancel_next_; }

 private:
  Message* const message_;
  FutureWait* wait_ = nullptr;
  bool cancel_next_ = false;
};

/// Of a task outside actors. Threads: cancel() from any, the others where the task runs.
class TaskFrame final : public CoroutineFrame {
 public:
  void begin_wait(FutureWait& wait) override;
  void end_wait() noexcept override;
  void cancel() override;

 private:
  SpinLock mutex_;
  // Guarded by mutex_:
  FutureWait* wait_ = nullptr;
  bool cancel_next_ = false;
};

}  // namespace muster::detail
