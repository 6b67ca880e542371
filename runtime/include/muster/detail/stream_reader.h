#pragma once
/// The consumer's end of a stream. Not for users; included by <muster/stream.h>.
///
/// Threads: as of Stream.

#include <muster/detail/message.h>
#include <muster/detail/stream_buffer.h>

namespace muster::detail {

/// Takes the items. Gone, it cancels the call.
template <class T>
class StreamReader {
 public:
  using Item = Result<std::optional<T>>;

  StreamReader() = default;
  /// `timeout` is how long to wait for an item; `sink`, if any, is the actor that fills the buffer.
  StreamReader(boost::intrusive_ptr<StreamBuffer<T>> buffer, Duration timeout, HandleRef sink)
      : buffer_(std::move(buffer)), sink_(std::move(sink)), timeout_(timeout) {}
  StreamReader(StreamReader&& other) noexcept { swap(other); }
  StreamReader& operator=(StreamReader&& other) noexcept {
    StreamReader(std::move(other)).swap(*this);
    return *this;
  }
  ~StreamReader() {
    if (!buffer_) return;
    buffer_->drop();
    buffer_->end()->cancel();
    if (sink_.get() != nullptr) sink_.get()->stop(true);
  }

  bool valid() const noexcept { return buffer_ != nullptr; }
  /// An item can be had without a look at what has come.
  bool has_item() const noexcept { return next_ < batch_.size(); }
  /// The next item, the end, or nothing yet.
  std::optional<Item> poll() {
    if (!has_item()) {
      acknowledge();
      const FutureState<void>& end = *buffer_->end();
      const bool ended = end.ready();  // first: what was pushed before it is there
      buffer_->take(batch_);
      next_ = 0;
      if (batch_.empty()) {
        if (!ended) return std::nullopt;
        return end.failure() != nullptr ? Item(fail(*end.failure())) : Item(std::nullopt);
      }
    }
    std::optional<T> item(std::move(batch_[next_++]));
    // In halves of the window, so that neither side waits for the other at each item.
    if (++taken_ >= (buffer_->window() + 1) / 2) acknowledge();
    return Item(std::move(item));
  }
  StreamFlow::Wait arrival() {
    acknowledge();
    return buffer_->arrival(timeout_);
  }
  Item wait_next(Duration timeout) {
    for (;;) {
      if (auto item = poll()) return std::move(*item);
      const auto wait = buffer_->arrival(kForever);
      if (auto waited = wait_ready(*wait, timeout); !waited) return fail(waited.error());
    }
  }

 private:
  void swap(StreamReader& other) noexcept {
    std::swap(buffer_, other.buffer_);
    std::swap(sink_, other.sink_);
    std::swap(timeout_, other.timeout_);
    std::swap(batch_, other.batch_);
    std::swap(next_, other.next_);
    std::swap(taken_, other.taken_);
  }
  void acknowledge() {
    if (taken_ > 0) buffer_->acknowledge(std::exchange(taken_, 0));
  }

  boost::intrusive_ptr<StreamBuffer<T>> buffer_;
  HandleRef sink_;
  Duration timeout_{0};
  std::vector<T> batch_;
  std::size_t next_ = 0;   // of the batch
  std::size_t taken_ = 0;  // and not acknowledged
};

template <class T, bool kAsResult>
class NextAwaiter {
 public:
  using Item = typename StreamReader<T>::Item;

  explicit NextAwaiter(StreamReader<T>& reader) : reader_(reader) {}
  /// False at the end of each batch, ready or not: others want a turn too.
  bool await_ready() const noexcept { return reader_.has_item(); }
  void await_suspend(std::coroutine_handle<> handle) {
    wait_ = reader_.arrival();
    awaiter_.emplace(wait_).await_suspend(handle);  // nothing after it: the coroutine may be gone
  }
  auto await_resume() {
    if (awaiter_) awaiter_->await_resume();
    const Error* error = awaiter_ ? wait_->failure() : nullptr;
    Item item = error ? Item(fail(*error)) : *reader_.poll();
    if constexpr (kAsResult) {
      return item;
    } else {
      return value_or_throw(std::move(item));
    }
  }

 private:
  StreamReader<T>& reader_;
  StreamFlow::Wait wait_;
  std::optional<ReadyAwaiter> awaiter_;
};

}  // namespace muster::detail
