#include "runtime/time/timer_queue.h"

namespace muster {

TimerId TimerQueue::schedule(TimePoint when, std::function<void()> callback, bool* earliest) {
  const std::scoped_lock lock(mutex_);
  const TimerId id = ++last_id_;
  const auto position = entries_.emplace(Key{when, id}, std::move(callback)).first;
  when_.emplace(id, when);
  if (earliest != nullptr) *earliest = position == entries_.begin();
  return id;
}

bool TimerQueue::cancel(TimerId id) {
  std::function<void()> doomed;  // destroyed outside the lock: it may own anything
  const std::scoped_lock lock(mutex_);
  const auto found = when_.find(id);
  if (found == when_.end()) return false;
  const auto entry = entries_.find(Key{found->second, id});
  doomed = std::move(entry->second);
  entries_.erase(entry);
  when_.erase(found);
  return true;
}

std::optional<TimePoint> TimerQueue::next() const {
  const std::scoped_lock lock(mutex_);
  if (entries_.empty()) return std::nullopt;
  return entries_.begin()->first.first;
}

std::size_t TimerQueue::run_due(TimePoint now) {
  std::size_t count = 0;
  for (;; ++count) {
    std::function<void()> callback;
    {
      const std::scoped_lock lock(mutex_);
      if (entries_.empty() || entries_.begin()->first.first > now) return count;
      callback = std::move(entries_.begin()->second);
      when_.erase(entries_.begin()->first.second);
      entries_.erase(entries_.begin());
    }
    callback();
  }
}

std::size_t TimerQueue::size() const {
  const std::scoped_lock lock(mutex_);
  return entries_.size();
}

void TimerQueue::clear() {
  std::map<Key, std::function<void()>> doomed;
  const std::scoped_lock lock(mutex_);
  doomed.swap(entries_);
  when_.clear();
}

}  // namespace muster
