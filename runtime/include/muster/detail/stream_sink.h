#pragma once
/// The way of a stream's items to another node: the producer's node pushes them, as many as there
/// are, to a sink, a small actor on the consumer's node, whose answer says how many the consumer
/// has taken in all. Not for users.
///
/// Threads: as of messages and actors.

#include <muster/detail/call_state.h>
#include <muster/stream.h>

#include <algorithm>

namespace muster {

template <class A>
class Handle;

namespace detail {

/// Where the items of one stream arrive from another node.
template <class T>
class StreamSink {
 public:
  explicit StreamSink(boost::intrusive_ptr<StreamBuffer<T>> buffer) : buffer_(std::move(buffer)) {}
  /// Takes the items over and, when `ended`, the end. Answers when there is room for more.
  Task<std::uint64_t> push(std::vector<T> items, bool ended, std::optional<Error> error) {
    const auto buffer = buffer_;
    if (!buffer->push_all(std::move(items))) {
      error = Error{ErrorCode::kCorrupt, "the stream's node sent more than the window", {}};
      ended = true;
    }
    if (ended)
      buffer->end()->complete(error ? Result<void>(fail(std::move(*error))) : Result<void>());
    co_await ReadyAwaiter(buffer->room());
    co_return buffer->acknowledged();
  }

 private:
  const boost::intrusive_ptr<StreamBuffer<T>> buffer_;
};
template <class T>
constexpr auto muster_describe_actor(const StreamSink<T>*) {
  return describe_actor<StreamSink<T>>("StreamSink", MethodName<&StreamSink<T>::push>{"push"});
}

/// How the call names its sink, after its arguments.
template <class T>
struct SinkAddress {
  Handle<StreamSink<T>> handle;
  std::uint64_t window = 0;
  bool valid() const { return handle.valid() && window > 0 && window <= StreamFlow::kWindowMax; }
};

/// Runs it on the runtime of `domain`, in no actor.
void run_detached(Domain& domain, Task<> task);

/// The way from the producer to the sink.
template <class T>
class StreamForwarder {
 public:
  /// Moves items from `buffer` to the sink until the stream has ended at either end, then answers
  /// the call.
  static Task<> run(boost::intrusive_ptr<StreamBuffer<T>> buffer, Handle<StreamSink<T>> sink,
                    std::unique_ptr<RemoteReply> reply) {
    std::optional<Error> error;
    try {
      // The consumer may take his time: a push ends with the sink or the connection at the latest.
      co_await push_items(*buffer, sink.with({.timeout = kForever}));
    } catch (...) {
      error = error_from_current_exception();
    }
    buffer->drop();
    if (error) {
      reply->error(*error);
    } else {
      reply->result([](Encoder& encoder) { encoder.none(); });
    }
  }

 private:
  /// Throws when the sink is gone.
  static Task<> push_items(StreamBuffer<T>& buffer, Handle<StreamSink<T>> sink) {
    const FutureState<void>& end = *buffer.end();
    std::uint64_t consumed = 0;
    for (bool ended = false; !ended;) {
      co_await ReadyAwaiter(buffer.arrival(kForever));
      ended = end.ready();  // first: what was pushed before it is there
      std::vector<T> items;
      buffer.take(items);
      std::optional<Error> error;
      if (ended && end.failure() != nullptr) error = *end.failure();
      const std::uint64_t now =
          co_await sink.template call<&StreamSink<T>::push>(std::move(items), ended, error);
      buffer.acknowledge(now - std::min(now, std::exchange(consumed, now)));
    }
  }
};

/// The consumer's end of a call to another node: only its failure says something.
template <class T>
class StreamCall final : public PendingReply {
 public:
  StreamCall(boost::intrusive_ptr<CallState<void>> call,
             boost::intrusive_ptr<StreamBuffer<T>> buffer, HandleRef sink)
      : call_(std::move(call)), buffer_(std::move(buffer)), sink_(std::move(sink)) {}
  SinkAddress<T> sink() const { return {Handle<StreamSink<T>>(sink_), buffer_->window()}; }
  void on_result(Decoder&) override {
    // Answered after the last push; this is for a node that forgot it.
    call_->complete_error({ErrorCode::kCorrupt, "the stream's node did not say how it ended", {}});
  }
  void on_error(Error error) override { call_->complete_error(std::move(error)); }
  void sent_as(std::uint64_t call_id) noexcept override { call_->sent_as(call_id); }
  bool answers(const FutureStateBase& state) const noexcept override {
    return call_.get() == &state;
  }

 private:
  const boost::intrusive_ptr<CallState<void>> call_;
  const boost::intrusive_ptr<StreamBuffer<T>> buffer_;
  const HandleRef sink_;
};

}  // namespace detail
}  // namespace muster
