#include "runtime/core/dead_letters.h"

#include <atomic>
#include <numeric>
#include <thread>

namespace muster {

std::string_view to_string(DeadLetterReason reason) noexcept {
  switch (reason) {
    case DeadLetterReason::kMailboxFull:
      return "mailbox_full";
    case DeadLetterReason::kConnectionFull:
      return "connection_full";
    case DeadLetterReason::kActorEnded:
      return "actor_ended";
    case DeadLetterReason::kUnreachable:
      return "unreachable";
    case DeadLetterReason::kRefused:
      return "refused";
    case DeadLetterReason::kPoison:
      return "poison";
  }
  return "unknown";
}

std::uint64_t DeadLetters::total() const {
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

namespace detail {

namespace {
thread_local bool telling = false;  // a callback of a dead letter runs on this thread
}

class DeadLetterBox::Listener {
 public:
  explicit Listener(Hear hear) : hear_(std::move(hear)) {}

  void tell(const DeadLetter& letter) {
    const std::scoped_lock lock(mutex_);
    if (gone_) return;
    teller_ = std::this_thread::get_id();
    hear_(letter);
    teller_ = std::thread::id();
  }
  void leave() {
    if (teller_ == std::this_thread::get_id()) {
      gone_ = true;  // from inside the callback, which has the lock
      return;
    }
    const std::scoped_lock lock(mutex_);
    gone_ = true;
  }

 private:
  const Hear hear_;
  std::atomic<std::thread::id> teller_{};
  std::mutex mutex_;
  bool gone_ = false;  // guarded by mutex_
};

void DeadLetterBox::add(const DeadLetter& letter) {
  {
    const std::scoped_lock lock(mutex_);
    counts_.at(static_cast<std::size_t>(letter.reason) - 1) += letter.count;
    if (kept_ > 0) {
      if (latest_.size() == kept_) latest_.pop_front();
      latest_.push_back(letter);
    }
  }
  if (telling) return;
  std::vector<std::shared_ptr<Listener>> listeners;
  {
    const std::scoped_lock lock(listeners_->mutex);
    listeners = listeners_->list;
  }
  telling = true;
  for (const auto& listener : listeners) listener->tell(letter);
  telling = false;
}

DeadLetters DeadLetterBox::all() const {
  const std::scoped_lock lock(mutex_);
  return {counts_, {latest_.begin(), latest_.end()}};
}

std::uint64_t DeadLetterBox::total() const {
  const std::scoped_lock lock(mutex_);
  return std::accumulate(counts_.begin(), counts_.end(), std::uint64_t{0});
}

Subscription DeadLetterBox::subscribe(Hear hear) {
  const auto listener = std::make_shared<Listener>(std::move(hear));
  {
    const std::scoped_lock lock(listeners_->mutex);
    listeners_->list.push_back(listener);
  }
  const auto leave = [weak = std::weak_ptr(listeners_), listener](void*) {
    if (const auto listeners = weak.lock()) {
      const std::scoped_lock lock(listeners->mutex);
      std::erase(listeners->list, listener);
    }
    listener->leave();
  };
  return Subscription(std::shared_ptr<void>(listener.get(), leave));
}

}  // namespace detail
}  // namespace muster
