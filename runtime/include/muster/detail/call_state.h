#pragma once
/// The future of a call: it names its actor, and tells it when nobody waits any more. Not for
/// users.

#include <muster/codec.h>
#include <muster/detail/message.h>

namespace muster::detail {

/// "Counter 'hits' (node:7).add"
std::string describe_call(Domain& domain, const ActorId& actor, std::string_view method);
/// Tells the actor, here or on another node, that nobody waits for the call: it was cancelled, or
/// its deadline has passed. `call_id` is 0 when no frame of it has left.
void abandon_call(FutureStateBase& state, const ActorId& actor, std::uint64_t call_id,
                  bool cancelled);

template <class R>
class CallState final : public FutureState<R> {
 public:
  explicit CallState(const ActorRef& actor) : FutureState<R>(actor.domain()), actor_(actor.id()) {}
  void sent_as(std::uint64_t call_id) noexcept {
    call_id_.store(call_id, std::memory_order_release);
  }

 private:
  std::string describe() const override {
    return describe_call(*this->domain(), actor_, this->what());
  }
  void on_abandoned(bool cancelled) override {
    abandon_call(*this, actor_, call_id_.load(std::memory_order_acquire), cancelled);
  }

  const ActorId actor_;
  std::atomic<std::uint64_t> call_id_{0};  // of its frame, when the actor is on another node
};

/// The caller's end of a call to another node.
template <class R>
class RemoteCall final : public PendingReply {
 public:
  explicit RemoteCall(boost::intrusive_ptr<CallState<R>> state) : state_(std::move(state)) {}
  void on_result(Decoder& result) override {
    if constexpr (std::is_void_v<R>) {
      state_->complete(Result<void>());
    } else {
      R value = decode_value<R>(result);
      if (result.failed()) {
        state_->complete(
            fail(ErrorCode::kCorrupt, "the result does not decode: " + result.error().message));
      } else {
        state_->complete(std::move(value));
      }
    }
  }
  void on_error(Error error) override { state_->complete_error(std::move(error)); }
  void sent_as(std::uint64_t call_id) noexcept override { state_->sent_as(call_id); }
  bool answers(const FutureStateBase& state) const noexcept override {
    return state_.get() == &state;
  }

 private:
  boost::intrusive_ptr<CallState<R>> state_;
};

}  // namespace muster::detail
