#pragma once
/// What lies between the handler that makes a stream's items and the one who takes them. Not for
/// users; included by <muster/stream.h>.
///
/// Threads: all members from any thread, but one producer and one consumer at a time. No lock is
/// held while anything foreign runs. Lifetime: the end, while it is open, keeps the flow.
/// Invariants: (1) items that were pushed and not acknowledged are never more than the window; (2)
/// what was pushed before the end comes before it; (3) after drop() nothing is kept and nobody
/// waits.

#include <muster/detail/future_await.h>

#include <mutex>
#include <optional>
#include <vector>

namespace muster::detail {

/// The waits of both sides, whatever the items are.
class StreamFlow : public Shared<StreamFlow> {
 public:
  using Wait = boost::intrusive_ptr<FutureState<void>>;
  static constexpr std::size_t kWindowMax = 1 << 16;

  virtual ~StreamFlow() = default;
  StreamFlow(const StreamFlow&) = delete;
  StreamFlow& operator=(const StreamFlow&) = delete;

  const boost::intrusive_ptr<Domain>& domain() const noexcept { return end_->domain(); }
  std::size_t window() const noexcept { return window_; }
  /// No item follows when this is complete: with the call that it is of, where that was made.
  const Wait& end() const noexcept { return end_; }

  // The producer's:
  /// Ready when there is room for one more item, or the stream was dropped.
  Wait room();
  bool dropped() const;

  // The consumer's:
  /// Ready when items wait or none will come any more; ends in kTimeout after `timeout`.
  Wait arrival(Duration timeout);
  /// `count` more items need no room any more.
  void acknowledge(std::size_t count);
  /// Of how many that is true.
  std::uint64_t acknowledged() const;

 protected:
  struct Waits {
    Wait first, second;
    void finish() const;
  };
  /// Requires: `window` is at least 1 and at most kWindowMax.
  StreamFlow(Wait end, std::size_t window);
  /// Told of its end from now on. Requires: a reference to it is held.
  void watch_end();
  bool has_room_for(std::size_t count) const noexcept {  // requires mutex_
    return count <= window_ - (pushed_ - acknowledged_);
  }
  /// Requires: mutex_ is held. The caller finishes them without it.
  Waits arrived(std::size_t count) noexcept;
  Waits drop_all() noexcept;

  mutable std::mutex mutex_;
  std::size_t waiting_ = 0;  // guarded by mutex_: items that were pushed and not taken
  bool dropped_ = false;     // guarded by mutex_

 private:
  class ItemWait;
  void ended();

  const Wait end_;
  const std::size_t window_;
  // Guarded by mutex_:
  std::uint64_t pushed_ = 0;
  std::uint64_t acknowledged_ = 0;
  Wait room_;     // the producer waits
  Wait arrival_;  // the consumer waits
};

template <class T>
class StreamBuffer final : public StreamFlow {
 public:
  static boost::intrusive_ptr<StreamBuffer> make(Wait end, std::size_t window) {
    const auto buffer = boost::intrusive_ptr(new StreamBuffer(std::move(end), window));
    buffer->watch_end();
    return buffer;
  }

  /// True when there is room for another; false: wait for room(). Requires: there is room. After
  /// drop() the item is forgotten.
  bool push(T item) {
    Waits waits;
    bool more = false;
    {
      const std::scoped_lock lock(mutex_);
      if (dropped_) return false;
      items_.push_back(std::move(item));
      waits = arrived(1);
      more = has_room_for(1);
    }
    waits.finish();
    return more;
  }
  /// All of them, or false when they do not fit into the window: the other node breaks the rules.
  bool push_all(std::vector<T> items) {
    Waits waits;
    {
      const std::scoped_lock lock(mutex_);
      if (dropped_) return true;
      if (!has_room_for(items.size())) return false;
      for (auto&& item : items) items_.push_back(std::move(item));
      waits = arrived(items.size());
    }
    waits.finish();
    return true;
  }
  /// All that wait, for those of an earlier take(), which keep their memory for the next.
  void take(std::vector<T>& into) {
    into.clear();
    const std::scoped_lock lock(mutex_);
    items_.swap(into);
    waiting_ = 0;
  }
  /// Nobody wants the items any more.
  void drop() {
    std::vector<T> forgotten;
    Waits waits;
    {
      const std::scoped_lock lock(mutex_);
      forgotten.swap(items_);
      waits = drop_all();
    }
    waits.finish();
  }

 private:
  using StreamFlow::StreamFlow;
  std::vector<T> items_;  // guarded by mutex_
};

}  // namespace muster::detail
