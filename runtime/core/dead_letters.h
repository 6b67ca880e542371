#pragma once
// The dead letters of one runtime: how many, the latest, and who wants to hear of each.
//
// Threads: all members from any thread. A callback runs on the thread that gave the message up,
// with no lock held but its own listener's, which keeps it to one call at a time and lets a
// Subscription wait for it to return.
//
// Invariants:
//  1. The ring holds at most `kept` letters: of more, the oldest go.
//  2. What a callback itself makes a dead letter is counted and kept, and told to nobody.

#include <muster/observe.h>

#include <deque>
#include <functional>
#include <mutex>

namespace muster::detail {

class DeadLetterBox {
 public:
  using Hear = std::function<void(const DeadLetter&)>;

  explicit DeadLetterBox(std::size_t kept) : kept_(kept) {}

  void add(const DeadLetter& letter);
  DeadLetters all() const;
  std::uint64_t total() const;
  /// The Subscription may outlive the box.
  Subscription subscribe(Hear hear);

 private:
  class Listener;
  struct Listeners {
    std::mutex mutex;
    std::vector<std::shared_ptr<Listener>> list;  // guarded by mutex
  };

  const std::size_t kept_;
  const std::shared_ptr<Listeners> listeners_ = std::make_shared<Listeners>();
  mutable std::mutex mutex_;
  // Guarded by mutex_:
  std::array<std::uint64_t, kDeadLetterReasons> counts_ = {};
  std::deque<DeadLetter> latest_;
};

}  // namespace muster::detail
