#pragma once
/// The message of a call that streams its results. Not for users.
///
/// Threads: as of messages.

#include <muster/detail/call_message.h>
#include <muster/detail/stream_sink.h>

namespace muster::detail {

template <class A, auto M>
class StreamMessage final : public Message {
  using Method = MethodOf<A, M>;
  using Arguments = typename Method::Signature::Arguments;
  using T = typename Method::Signature::Result;

 public:
  template <class... Args>
  explicit StreamMessage(boost::intrusive_ptr<StreamBuffer<T>> buffer, Args&&... args)
      : arguments_(std::forward<Args>(args)...),
        key_{buffer->end().get(), 0},
        buffer_(std::move(buffer)) {}
  /// One from another node; then comes answer_to.
  StreamMessage(Decoder& decoder, LateArguments* late)
      : arguments_(ArgumentsOf<Arguments>::decode(decoder, late)) {}
  void answer_to(SinkAddress<T> sink, std::unique_ptr<RemoteReply> reply) {
    key_ = reply->key();
    sink_ = std::move(sink);
    reply_ = std::move(reply);
  }

  HandlerRun invoke(void* object, HandlerContext&) override {
    if (reply_) {
      const auto domain = current_place()->domain();
      const StreamFlow::Wait end(new FutureState<void>(domain));
      buffer_ = StreamBuffer<T>::make(end, static_cast<std::size_t>(sink_.window));
      run_detached(*domain,
                   StreamForwarder<T>::run(buffer_, std::move(sink_.handle), std::move(reply_)));
    }
    if (given_up()) return {};
    A& actor = *static_cast<A*>(object);
    return drive(*this, actor, *this);
  }
  void reject(const Error& cause) override {
    if (buffer_) buffer_->end()->complete_error(cause);
    if (reply_) reply_->error(cause);
  }
  bool one_way() const noexcept override { return false; }
  std::string_view method() const noexcept override { return Method::kName; }
  std::size_t method_index() const noexcept override { return Method::kIndex; }
  CallKey key() const noexcept override { return key_; }
  bool given_up() const noexcept override { return buffer_ && buffer_->end()->claimed(); }
  Arguments& arguments() noexcept { return arguments_; }
  const Arguments& arguments() const noexcept { return arguments_; }

 private:
  // The message outlives the run: the cell keeps it until the run has ended or was destroyed.
  static HandlerRun drive(StreamMessage& self, A& actor, StreamMessage&) {
    Result<void> end;
    try {
      Stream<T> items = apply_method<M>(actor, self.arguments_, false);
      if (items.producer().valid()) {
        while (co_await items.producer().run_into(*self.buffer_)) {
          if (!co_await self.wait_for_room()) break;
        }
      } else if (items.valid()) {
        while (auto item = co_await items.next()) {
          if (self.buffer_->push(std::move(*item))) continue;
          if (!co_await self.wait_for_room()) break;
        }
      }
    } catch (const CheckFailure&) {
      throw;
    } catch (...) {
      end = fail(error_from_current_exception());
    }
    self.buffer_->end()->complete(std::move(end));
  }

  /// Gives false when nobody wants more items. Suspends in any case, for a kill to be heard of.
  class RoomAwaiter : public ReadyAwaiter {
   public:
    explicit RoomAwaiter(const StreamBuffer<T>& buffer, StreamFlow::Wait room)
        : ReadyAwaiter(std::move(room)), buffer_(buffer) {}
    bool await_ready() const noexcept { return false; }
    bool await_resume() {
      ReadyAwaiter::await_resume();
      return this->state().failure() == nullptr && !buffer_.dropped();
    }

   private:
    const StreamBuffer<T>& buffer_;
  };
  RoomAwaiter wait_for_room() { return RoomAwaiter(*buffer_, buffer_->room()); }

  Arguments arguments_;
  CallKey key_;
  SinkAddress<T> sink_;                 // and
  std::unique_ptr<RemoteReply> reply_;  // of a call from another node that has not begun
  boost::intrusive_ptr<StreamBuffer<T>> buffer_;
};

}  // namespace muster::detail
