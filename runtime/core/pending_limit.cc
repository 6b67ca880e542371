#include <muster/detail/pending_limit.h>

namespace muster::detail {

class PendingLimit::Leaving final : public Waiter {
 public:
  explicit Leaving(boost::intrusive_ptr<PendingLimit> limit) : limit_(std::move(limit)) {}
  void ready() override { limit_->under_way_.fetch_sub(1, std::memory_order_relaxed); }

 private:
  const boost::intrusive_ptr<PendingLimit> limit_;
};

bool PendingLimit::enter(FutureStateBase& state, std::string_view what) {
  if (under_way_.fetch_add(1, std::memory_order_relaxed) >= max_) {
    under_way_.fetch_sub(1, std::memory_order_relaxed);
    state.complete_error(Error{ErrorCode::kOverloaded,
                               std::string(what) + ": " + std::to_string(max_) +
                                   " calls of this handle are under way, as many as are allowed",
                               {}});
    return false;
  }
  // Before anybody else waits for it: whoever is resumed by the answer may call again.
  state.subscribe(boost::intrusive_ptr<Waiter>(new Leaving(this)));
  return true;
}

}  // namespace muster::detail
