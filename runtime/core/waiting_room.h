#pragma once
// Messages that wait for room in a mailbox (WhenFull::kWait).
//
// Threads: the room and what is in it are guarded by the cell's mutex.
//
// Invariants:
//  1. A message is in one room at most. Whoever takes it out, under the mutex, decides its fate and
//     then ends the WaitingMessage, which disarms its deadline.
//  2. Urgent ones leave first; else they leave in the order in which they came, but for those whose
//     deadline passes and calls that are cancelled.

#include <muster/detail/message.h>

#include <boost/intrusive/list.hpp>

namespace muster::detail {

class ActorCell;

/// One of them. As a future state it ends when the message leaves the room; only its deadline is of
/// interest, `taken` is what senders see.
class WaitingMessage final : public FutureState<void> {
 public:
  WaitingMessage(boost::intrusive_ptr<ActorCell> cell, std::unique_ptr<Message> message,
                 Taken taken, ActorId sender, boost::intrusive_ptr<Continuation> urgent);
  ~WaitingMessage() override;
  void on_deadline() override;
  /// It has left the room.
  void end(const Result<void>& outcome);

  const boost::intrusive_ptr<ActorCell> cell;
  const Taken taken;
  const ActorId sender;
  std::unique_ptr<Message> message;
  boost::intrusive_ptr<Continuation> urgent;  // what is to bring it in; null: it is not urgent
  bool exempt = false;                        // from the number of messages: a stop
  bool in_room = false;                       // while the actor lives
  boost::intrusive::list_member_hook<> hook;
};

class WaitingRoom {
 public:
  using Hook = boost::intrusive::member_hook<WaitingMessage, boost::intrusive::list_member_hook<>,
                                             &WaitingMessage::hook>;
  using List = boost::intrusive::list<WaitingMessage, Hook>;

  bool empty() const noexcept { return urgent_.empty() && plain_.empty(); }
  std::size_t size() const noexcept { return urgent_.size() + plain_.size(); }
  /// Of those that came from other nodes.
  std::size_t bytes() const noexcept { return bytes_; }
  /// Requires: not empty.
  const WaitingMessage& first() const noexcept {
    return (urgent_.empty() ? plain_ : urgent_).front();
  }
  /// The room refers to it until it leaves.
  void enter(WaitingMessage& waiting);
  /// Requires: it is in here.
  boost::intrusive_ptr<WaitingMessage> leave(WaitingMessage& waiting);
  /// The one that is a call of that key, or an offer of this node, or null.
  WaitingMessage* find(const CallKey& key) noexcept;
  /// The first leaves; null: there is none.
  boost::intrusive_ptr<WaitingMessage> pop();
  void swap(WaitingRoom& other) noexcept;

 private:
  List urgent_, plain_;
  std::size_t bytes_ = 0;
};

}  // namespace muster::detail
