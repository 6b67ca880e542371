#pragma once
// Which message of an actor goes next, where several handlers may be under way: one queue for each
// concurrency group, and the suspended handlers of all.
//
// Threads: owned by the run of the actor, but for what is constant after construction.
//
// Invariants:
//  1. under_way of a group counts its suspended handlers and, between next() and suspend() or
//     done(), the one that runs. It never exceeds the group's limit.
//  2. Messages of one group leave in the order of add(), urgent ones first. A stop leaves when all
//     that were added before it have ended; what comes after it, but for urgent ones, never does.

#include <muster/runtime.h>

#include <map>

#include "runtime/core/message_list.h"

namespace muster::detail {

class HandlerGroups {
 public:
  static constexpr std::size_t kGroupsMax = 254;

  /// A suspended handler, or one that was.
  struct Run {
    std::unique_ptr<Message> message;
    HandlerRun run;
    std::size_t group = 0;
    bool late = false;  // the message waits for its arguments
  };

  /// Throws Exception (kInvalid) when the groups do not fit the class or each other. A reentrant
  /// actor's default group has the limit `reentrant_max`.
  HandlerGroups(const ActorType& type, const SpawnOptions& options, std::size_t reentrant_max);

  // Constant: from any thread.
  /// The number of the group of that GroupName; 0: there is none.
  std::uint8_t number_of(std::uint32_t name) const noexcept;
  std::string names() const;

  void add(std::unique_ptr<Message> message);
  void add_urgent(std::unique_ptr<Message> message);
  /// It was taken by next(), and goes first in its group again.
  void put_back(std::unique_ptr<Message> message);
  /// next() gives a message.
  bool ready() const noexcept;
  /// A message that is added may be ready at once.
  bool open() const noexcept;
  /// Takes a message that may be handled now, from one group after the other. Then either suspend()
  /// or done() is called.
  std::unique_ptr<Message> next();
  void suspend(std::unique_ptr<Message> message, HandlerRun run);
  void done() noexcept;
  /// One more message of `group` is handled, in the place of one that take_ended() has given. Then
  /// either suspend() or done() is called.
  void again(std::size_t group) noexcept;
  /// What was suspended with that frame and has ended; an empty one when none has.
  Run take_ended(const CoroutineFrame* frame);

  /// The message that waits, of that call; null when none does.
  std::unique_ptr<Message> take(const CallKey& key);
  /// All that the incarnation of the actor has sent to itself.
  MessageList take_own();
  /// The frame of the suspended handler of that call, or null.
  CoroutineFrame* suspended(const CallKey& key) const;
  bool has_late() const noexcept { return late_ > 0; }
  /// What has been suspended for longest, or null.
  const Message* oldest_suspended() const;
  /// What is suspended, when it is one; else null.
  const Message* only_suspended() const { return runs_.size() == 1 ? oldest_suspended() : nullptr; }

  /// Ends every suspended handler and gives what they handled, in the order of their beginning.
  MessageList destroy_runs();
  /// All that wait, group by group.
  MessageList take_all();

 private:
  struct Group {
    std::string name;
    std::uint32_t hash = 0;
    std::size_t limit = 1;
    std::size_t under_way = 0;
    MessageList urgent;
    MessageList waiting;
    bool has_room() const noexcept { return under_way < limit; }
    bool ready() const noexcept { return has_room() && !(urgent.empty() && waiting.empty()); }
  };
  static constexpr std::size_t kNone = SIZE_MAX;

  Group& group_of(const Message& message);
  bool stop_ready() const noexcept;
  void assign(const ActorType& type, const ConcurrencyGroup& group, std::uint8_t number);

  std::vector<Group> groups_;                  // the default one first; as many for ever
  std::vector<std::uint8_t> group_of_method_;  // by place in the class; constant
  std::size_t turn_ = 0;                       // the group that gave the last message
  std::size_t serving_ = kNone;                // the group of the message that is handled
  std::map<std::uint64_t, Run> runs_;          // by the number of their frames
  std::uint64_t last_run_ = 0;
  std::size_t late_ = 0;  // of runs_
  std::unique_ptr<Message> stop_;
  MessageList after_stop_;
};

}  // namespace muster::detail
