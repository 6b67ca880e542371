#pragma once
/// What is behind run_blocking. Not for users.

#include <muster/detail/future_state.h>

#include <boost/intrusive/list.hpp>
#include <concepts>
#include <stop_token>

namespace muster::detail {

/// Work on its way to a thread that may block. The pool holds a reference to its state from
/// submit() until run() or drop() has returned.
class BlockingWork : public boost::intrusive::list_base_hook<> {
 public:
  virtual ~BlockingWork() = default;
  /// Ends the state. On one thread, once.
  virtual void run() noexcept = 0;
  /// Instead of run(): frees what it holds, and ends the state in `cause` if it is still open.
  virtual void drop(Error cause) = 0;
  virtual void ask_to_stop() noexcept = 0;
  virtual FutureStateBase& state() noexcept = 0;

 private:
  friend class BlockingPool;
  enum class Where : std::uint8_t { kNowhere, kWaiting, kRunning };
  Where where_ = Where::kNowhere;  // in which list; guarded by the pool
};

/// Of the running handler or task; throws kInvalid elsewhere.
boost::intrusive_ptr<Domain> blocking_domain();
void start_blocking(FutureStateBase& state, BlockingWork& work, std::optional<Duration> timeout);
/// Nobody waits for the work: if it has not begun it never does.
void withdraw_blocking(Domain& domain, BlockingWork& work);

template <class F>
struct BlockingResultOf {
  using type = std::invoke_result_t<F&>;
};
template <class F>
requires std::invocable<F&, std::stop_token>
struct BlockingResultOf<F> {
  using type = std::invoke_result_t<F&, std::stop_token>;
};
template <class F>
using BlockingResult = typename BlockingResultOf<F>::type;

template <class R, class F>
class BlockingState final : public FutureState<R>, public BlockingWork {
 public:
  template <class Work>
  BlockingState(boost::intrusive_ptr<Domain> domain, Work&& work)
      : FutureState<R>(std::move(domain)), work_(std::forward<Work>(work)) {}

 private:
  void run() noexcept override {
    if (this->claimed()) return work_.reset();
    Result<R> result = outcome();
    work_.reset();  // nothing of it is left when its result is seen
    this->complete(std::move(result));
  }
  Result<R> outcome() noexcept {
    try {
      if constexpr (std::is_void_v<R>) {
        call();
        return {};
      } else {
        return call();
      }
    } catch (...) {
      return fail(error_from_current_exception());
    }
  }
  R call() {
    if constexpr (std::invocable<F&, std::stop_token>) {
      return (*work_)(stop_.get_token());
    } else {
      return (*work_)();
    }
  }
  void drop(Error cause) override {
    work_.reset();
    this->complete_error(std::move(cause));
  }
  void ask_to_stop() noexcept override { stop_.request_stop(); }
  FutureStateBase& state() noexcept override { return *this; }
  void on_abandoned(bool) override {
    withdraw_blocking(*this->domain(), *this);
    ask_to_stop();
  }

  std::optional<F> work_;  // of whoever runs or drops it
  std::stop_source stop_;
};

}  // namespace muster::detail
