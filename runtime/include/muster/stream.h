#pragma once
/// Stream<T>: the results of one call, one after the other, as they are made.
///
///     muster::Stream<Line> Archive::lines(std::string name) {  // a handler: co_yield and co_await
///       for (...) co_yield line;
///     }
///     muster::Stream<Line> lines = archive.call<&Archive::lines>("a.txt");
///     while (std::optional<Line> line = co_await lines.next()) use(*line);
///     while (std::optional<Line> line = lines.next(1s)) use(*line);  // outside handlers and tasks
///
/// The handler is at most CallOptions::stream_window items ahead of the one who takes them; then it
/// waits at its co_yield. Its actor handles the next message when the handler has returned, as with
/// any handler that waits.
///
/// Threads: a Stream is owned by one thread at a time. Lifetime: when a Stream goes its call is
/// cancelled: a handler that waits at its co_yield, or comes to one, is destroyed there.

#include <muster/detail/stream_producer.h>
#include <muster/detail/stream_reader.h>

namespace muster {

template <class T>
class [[nodiscard]] Stream {
 public:
  using value_type = T;
  using promise_type = detail::StreamPromise<T>;

  Stream() = default;
  explicit Stream(detail::StreamReader<T> reader) : reader_(std::move(reader)) {}
  explicit Stream(detail::StreamProducer<T> producer) : producer_(std::move(producer)) {}

  bool valid() const noexcept { return reader_.valid(); }

  /// `co_await stream.next()`: the next item, or none when the handler has returned. Throws
  /// Exception: after the items before it what the handler threw (kFailed), or what ended its
  /// actor, its node or the call; kTimeout when no item comes within the call's timeout: the Stream
  /// stays as it was. After the end the same answer again. Requires: valid().
  auto next() { return detail::NextAwaiter<T, false>(checked()); }
  /// `co_await stream.next_result()`: the same, with the error as a value.
  auto next_result() { return detail::NextAwaiter<T, true>(checked()); }

  /// The same elsewhere; waits at most `timeout`. Inside handlers and tasks kInvalid, unless there
  /// is nothing to wait for.
  std::optional<T> next(Duration timeout) { return value_or_throw(next_result(timeout)); }
  Result<std::optional<T>> next_result(Duration timeout) { return checked().wait_next(timeout); }

  /// Of a handler's own Stream. Not for users.
  detail::StreamProducer<T>& producer() noexcept { return producer_; }

 private:
  detail::StreamReader<T>& checked() {
    MUSTER_CHECK(reader_.valid(), "the Stream is empty");
    return reader_;
  }
  detail::StreamReader<T> reader_;      // what a call gives
  detail::StreamProducer<T> producer_;  // what a handler returns
};

}  // namespace muster
