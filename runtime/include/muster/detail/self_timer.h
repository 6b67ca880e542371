#pragma once
/// What is behind send_after and send_every. Not for users.
///
/// Threads: all members from any thread, where not said otherwise.
/// Invariant: while it has not ended its actor lists it, and ends it with its own incarnation.

#include <muster/detail/message.h>

#include <boost/intrusive/list.hpp>
#include <mutex>

namespace muster::detail {

class ActorCell;

class SelfTimer : public Shared<SelfTimer> {
 public:
  virtual ~SelfTimer();
  SelfTimer(const SelfTimer&) = delete;
  SelfTimer& operator=(const SelfTimer&) = delete;

  /// For the actor that this thread runs, which must be of type `expected`. A `period` of 0: once.
  static void start(const boost::intrusive_ptr<SelfTimer>& timer, const ActorType& expected,
                    Duration first, Duration period);
  /// Of an incarnation that has ended; `cause` is said of what was still to be sent.
  static void end_all(ActorCell& cell, const Error& cause);
  /// Nothing is sent from here on. True when it had not ended, nor, if it sends once, sent.
  bool cancel() noexcept;
  bool ended() const noexcept { return ended_.load(std::memory_order_acquire); }
  /// The last tick is not under way any more.
  void tick_over() noexcept { ticking_.store(false, std::memory_order_release); }

 protected:
  SelfTimer() = default;
  /// Called for one tick at a time.
  virtual std::unique_ptr<Message> make() = 0;

 private:
  bool join();   // its actor's list; false when the actor is dead
  void leave();  // that list
  void arm();    // requires mutex_
  void fire();
  void send();  // requires that it has set ticking_
  void give_up(const Error& cause);
  /// True when it had not ended.
  bool end() noexcept;

  ActorCell& cell() const noexcept;

  boost::intrusive_ptr<ActorRef> cell_;  // set by start()
  Duration period_{0};                   // the same
  std::uint64_t incarnation_ = 0;        // the same: the actor's
  std::atomic<bool> ended_{false};       // written under mutex_
  std::atomic<bool> ticking_{false};     // a tick is under way

  std::mutex mutex_;  // no other is taken under it but that of the timers
  // Guarded by mutex_:
  TimePoint due_{};
  TimerId timer_ = 0;

  // Guarded by the cell's mutex:
  boost::intrusive::list_member_hook<> hook_;

 public:
  using List = boost::intrusive::list<
      SelfTimer, boost::intrusive::member_hook<SelfTimer, boost::intrusive::list_member_hook<>,
                                               &SelfTimer::hook_>>;
};

}  // namespace muster::detail
