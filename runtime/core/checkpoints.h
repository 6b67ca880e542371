#pragma once
// The saved state of one restarted actor, and when it is saved next.
//
// Threads: owned by the run of the actor, but for the timer's callback, which only posts to it.
//
// Invariant: the timer runs only while something was handled since the last save.

#include <muster/detail/checkpoint.h>
#include <muster/detail/message.h>
#include <muster/executor.h>
#include <muster/supervision.h>

namespace muster::detail {

class ActorCell;

class Checkpoints {
 public:
  Checkpoints(ActorCell& cell, const CheckpointOptions& options);
  ~Checkpoints();
  Checkpoints(const Checkpoints&) = delete;
  Checkpoints& operator=(const Checkpoints&) = delete;

  /// Throws what the class's save() throws; the state that was saved before stays then.
  void save(const void* object);
  /// Gives the state to a new incarnation, if there is one.
  void restore(void* object) const;
  /// A message was handled by `object`; `calm`: no handler is suspended.
  void handled(const void* object, bool calm);
  /// `object` is null while the actor is down.
  void tick(const void* object, bool calm);
  /// What the incarnation did since the last save is lost.
  void incarnation_ended() noexcept;

 private:
  void save_if_due(const void* object, bool calm);
  void start_timer();
  void stop_timer();

  ActorCell& cell_;
  const CheckpointType* const type_;
  const CheckpointOptions options_;
  std::shared_ptr<const void> saved_;
  std::size_t handled_ = 0;  // since the last save
  bool due_ = false;         // by time
  TimerId timer_ = 0;        // 0: does not run
};

/// Throws Exception (kInvalid) when the options do not fit the class or are for an actor that is
/// never restarted.
void check_options(const ActorType& type, const CheckpointOptions& options, bool restarted);

}  // namespace muster::detail
