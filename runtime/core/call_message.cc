#include <muster/detail/call_message.h>

namespace muster::detail {

void CallBase::reject(const Error& cause) {
  if (local_) local_->complete_error(cause);
  if (remote_) remote_->error(cause);
}

CallKey CallBase::key() const noexcept {
  if (local_) return {local_.get(), 0};
  return remote_ ? remote_->key() : CallKey{};
}

void CallBase::end_in_exception(HandlerContext& context) {
  try {
    throw;
  } catch (const CheckFailure&) {
    throw;
  } catch (...) {
    end_in_error(error_from_current_exception(), context);
  }
}

void CallBase::end_in_error(const Error& error, HandlerContext& context) {
  if (one_way()) {
    context.one_way_failed(method(), error);
  } else {
    reject(error);
  }
}

}  // namespace muster::detail
