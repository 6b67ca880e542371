// Handlers whose arguments are not there yet: they begin when the last one is.

#include <muster/detail/gathering.h>
#include <muster/detail/late.h>

namespace muster::detail {

namespace {

/// Suspends the handler even when there is nothing to wait for: only a run that was suspended has a
/// successor.
class LateAwaiter : public ReadyAwaiter {
 public:
  using ReadyAwaiter::ReadyAwaiter;
  bool await_ready() const noexcept { return false; }
};

class LateMessage final : public Message {
 public:
  LateMessage(std::unique_ptr<Message> call, LateArguments late)
      : call_(std::move(call)), caller_(std::move(late.caller)), slots_(std::move(late.slots)) {
    wire_bytes = call_->wire_bytes;
  }

  HandlerRun invoke(void*, HandlerContext& context) override {
    if (given_up()) return {};
    return wait(*this, context);
  }
  void reject(const Error& cause) override {
    if (call_) call_->reject(cause);
  }
  bool one_way() const noexcept override { return call_ && call_->one_way(); }
  std::string_view method() const noexcept override { return call_ ? call_->method() : ""; }
  std::size_t method_index() const noexcept override { return call_ ? call_->method_index() : 0; }
  CallKey key() const noexcept override { return call_ ? call_->key() : CallKey{}; }
  bool given_up() const noexcept override { return call_ && call_->given_up(); }
  bool begun() const noexcept override { return call_ == nullptr; }
  bool is_wait() const noexcept override { return true; }
  std::unique_ptr<Message> take_call() noexcept override {
    if (call_) call_->take_marks_of(*this);
    return std::move(call_);
  }

 private:
  // The message outlives the run: the cell keeps it until the run has ended or was destroyed.
  static HandlerRun wait(LateMessage& self, HandlerContext& context) {
    const auto all = self.all_there();
    if (const auto caller = self.caller_) {
      when_ready(*caller, [all](const FutureStateBase&) { all->cancel(); });
    }
    co_await LateAwaiter(all);
    std::optional<Error> error;
    if (all->failure() != nullptr) {
      error = *all->failure();
    } else if (static_cast<const HandlerFrame&>(*current_frame()).cancel_pending()) {
      error = Error{ErrorCode::kCancelled, "the caller does not wait any more", {}};
    } else {
      error = self.settle();
    }
    if (error) self.fail_call(*error, context);
  }
  /// Ready when all are there, or one has failed. To cancel it cancels none of them.
  boost::intrusive_ptr<FutureState<void>> all_there() const {
    StatePtrs waits;
    for (const LateSlot& slot : slots_) waits.push_back(wait_of_ones_own(slot.awaited));
    const auto collect = [](const StatePtrs&) { return Result<void>(); };
    return AllOf<void, decltype(collect)>::start(std::move(waits), collect);
  }
  std::optional<Error> settle() {
    try {
      for (const LateSlot& slot : slots_) slot.settle(*slot.awaited, slot.argument);
    } catch (const CheckFailure&) {
      throw;
    } catch (...) {
      return error_from_current_exception();
    }
    return std::nullopt;
  }
  void fail_call(const Error& error, HandlerContext& context) {
    const auto call = std::move(call_);
    if (call->one_way()) {
      context.one_way_failed(call->method(), error);
    } else {
      call->reject(error);
    }
  }

  std::unique_ptr<Message> call_;  // null when it has been taken or has failed
  boost::intrusive_ptr<FutureStateBase> caller_;
  const std::vector<LateSlot> slots_;
};

}  // namespace

std::unique_ptr<Message> make_late(std::unique_ptr<Message> call, LateArguments late) {
  if (late.slots.empty()) return call;
  return std::make_unique<LateMessage>(std::move(call), std::move(late));
}

}  // namespace muster::detail
