#pragma once
/// The message of a call that streams its results. Not for users.
///
/// As of other calls (call_message.h), what does not depend on the method is in StreamBase,
/// compiled once, or in StreamOf, once a type of item.
///
/// Threads: as of messages.

#include <muster/detail/call_message.h>
#include <muster/detail/stream_sink.h>

namespace muster::detail {

/// The message but for its arguments, its handler and its items.
class StreamBase : public Message {
 public:
  void reject(const Error& cause) final;
  bool one_way() const noexcept final { return false; }
  std::string_view method() const noexcept final { return traits_.name; }
  std::size_t method_index() const noexcept final { return traits_.index; }
  CallKey key() const noexcept final { return key_; }
  bool given_up() const noexcept final { return flow_ && flow_->end()->claimed(); }

 protected:
  StreamBase(const MethodTraits& traits, boost::intrusive_ptr<StreamFlow> flow);
  StreamFlow* flow() const noexcept { return flow_.get(); }
  void answer_to(std::unique_ptr<RemoteReply> reply) noexcept;
  /// Of a call from another node that begins; null for one from here.
  std::unique_ptr<RemoteReply> take_reply() noexcept { return std::move(reply_); }
  void fill(boost::intrusive_ptr<StreamFlow> flow) noexcept { flow_ = std::move(flow); }
  /// Ends the stream in the exception that is being handled; rethrows a CheckFailure instead.
  void end_in_exception();

  /// Gives false when nobody wants more items. Suspends in any case, for a kill to be heard of.
  class RoomAwaiter : public ReadyAwaiter {
   public:
    explicit RoomAwaiter(StreamFlow& flow) : ReadyAwaiter(flow.room()), flow_(flow) {}
    bool await_ready() const noexcept { return false; }
    bool await_resume();

   private:
    const StreamFlow& flow_;
  };

 private:
  const MethodTraits& traits_;  // lives for ever
  CallKey key_;
  std::unique_ptr<RemoteReply> reply_;     // of a call from another node that has not begun
  boost::intrusive_ptr<StreamFlow> flow_;  // of one from here, or that has begun
};

/// The message of a call that streams items of this type.
template <class T>
class StreamOf : public StreamBase {
 public:
  void answer_to(SinkAddress<T> sink, std::unique_ptr<RemoteReply> reply) {
    sink_ = std::move(sink);
    StreamBase::answer_to(std::move(reply));
  }

 protected:
  StreamOf(const MethodTraits& traits, boost::intrusive_ptr<StreamBuffer<T>> buffer)
      : StreamBase(traits, std::move(buffer)) {}

  /// False when nobody waits for it any more.
  bool begin() {
    if (auto reply = this->take_reply()) {
      const auto domain = current_place()->domain();
      const auto buffer = StreamBuffer<T>::make(StreamFlow::Wait(new FutureState<void>(domain)),
                                                static_cast<std::size_t>(sink_.window));
      this->fill(buffer);
      run_detached(*domain,
                   StreamForwarder<T>::run(buffer, std::move(sink_.handle), std::move(reply)));
    }
    return !this->given_up();
  }

  // The message outlives the run: the cell keeps it until the run has ended or was destroyed.
  static HandlerRun drive(StreamOf& self, Stream<T> handler) {
    auto& buffer = static_cast<StreamBuffer<T>&>(*self.flow());
    try {
      Stream<T> items = std::move(handler);  // gone before the end is told, as in CallOf::drive
      if (items.producer().valid()) {
        while (co_await items.producer().run_into(buffer)) {
          if (!co_await RoomAwaiter(buffer)) break;
        }
      } else if (items.valid()) {
        while (auto item = co_await items.next()) {
          if (buffer.push(std::move(*item))) continue;
          if (!co_await RoomAwaiter(buffer)) break;
        }
      }
    } catch (...) {
      self.end_in_exception();
      co_return;
    }
    buffer.end()->complete(Result<void>());
  }

 private:
  SinkAddress<T> sink_;  // of a call from another node that has not begun
};

template <class A, auto M>
class StreamMessage final : public StreamOf<ResultOf<M>> {
  using Method = MethodOf<A, M>;
  using Arguments = typename Method::Signature::Arguments;
  using Base = StreamOf<ResultOf<M>>;
  static constexpr MethodTraits kTraits{Method::kName, Method::kIndex, false};

 public:
  template <class... Args>
  explicit StreamMessage(boost::intrusive_ptr<StreamBuffer<ResultOf<M>>> buffer, Args&&... args)
      : Base(kTraits, std::move(buffer)), arguments_(std::forward<Args>(args)...) {}
  /// One from another node; then comes answer_to.
  StreamMessage(Decoder& decoder, LateArguments* late)
      : Base(kTraits, nullptr), arguments_(ArgumentsOf<Arguments>::decode(decoder, late)) {}

  HandlerRun invoke(void* object, HandlerContext&) override {
    if (!this->begin()) return {};
    try {
      return this->drive(*this, apply_method<M>(*static_cast<A*>(object), arguments_, false));
    } catch (...) {
      this->end_in_exception();
    }
    return {};
  }
  Arguments& arguments() noexcept { return arguments_; }
  const Arguments& arguments() const noexcept { return arguments_; }

 private:
  Arguments arguments_;
};

}  // namespace muster::detail
