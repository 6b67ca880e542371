#pragma once
// What a probe has been sent and the test has not taken.
//
// Threads: all members from any thread. Invariant: every message that comes is taken, or rejected
// when the inbox is full or closes.

#include <muster/testing/messages.h>

#include <deque>

namespace muster::testing::detail_ {

class Inbox {
 public:
  struct Arrived {
    std::string what;  // "Store.read"
    std::unique_ptr<muster::detail::Message> message;
  };

  void push(Arrived arrived);
  /// What the oldest message is; nothing when there is none.
  std::optional<std::string> peek() const;
  /// The oldest message if `wanted` takes it, else nothing.
  template <class Predicate>
  std::optional<Arrived> take_if(Predicate wanted) {
    const std::scoped_lock lock(mutex_);
    if (messages_.empty() || !wanted(*messages_.front().message)) return std::nullopt;
    Arrived first = std::move(messages_.front());
    messages_.pop_front();
    return first;
  }
  std::size_t size() const;
  /// Opens when a message is there.
  std::shared_ptr<Latch> next();
  /// Rejects what is there.
  void discard();
  /// Rejects what is there and all that comes from now on.
  void close();

 private:
  mutable std::mutex mutex_;
  // Guarded by mutex_:
  std::deque<Arrived> messages_;
  std::shared_ptr<Latch> waiting_;  // null: nobody waits
  bool closed_ = false;
};

}  // namespace muster::testing::detail_
