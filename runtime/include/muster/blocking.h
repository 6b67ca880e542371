#pragma once
/// Work that blocks: files, databases, libraries that wait. It runs on threads of its own
/// (RuntimeOptions::blocking_threads), so that however much of it is stuck, every actor goes on.
///
///     Task<std::string> Store::load(std::string path) {
///       auto text = run_blocking([path] { return read_file(path); });
///       co_return co_await text;
///     }
///
/// Two statements, since GCC 12 destroys a lambda with captures that is made inside a co_await
/// expression twice.
///
/// Threads: run_blocking is called in handlers and tasks.

#include <muster/detail/blocking_work.h>
#include <muster/future.h>

namespace muster {

struct BlockingOptions {
  /// The Future ends in kTimeout when the work has not ended by then. What has begun goes on; what
  /// has not does not begin. Unset: RuntimeOptions::call_timeout. kForever: no deadline.
  std::optional<Duration> timeout = {};
};

/// Runs `work()`, or `work(std::stop_token)`, on a thread that may block; the Future ends in what
/// it returns or throws (kFailed). The work runs in no actor and may go on when its actor has
/// ended: it owns what it uses, and this_actor is not for it. It may wait for Futures with get().
/// The token is asked to stop when the Future is cancelled, as it is with the coroutine that awaits
/// it, when the deadline passes, and when the runtime shuts down, which waits for the work to end.
/// kOverloaded when as much waits as RuntimeOptions::blocking_capacity says. In handlers and tasks
/// only (elsewhere it throws kInvalid). On an executor that the program drives, as in tests, the
/// work runs there, when it is its turn.
template <class F>
auto run_blocking(F&& work, BlockingOptions options = {}) {
  using Work = std::decay_t<F>;
  using R = detail::BlockingResult<Work>;
  static_assert(!std::is_reference_v<R>, "run_blocking gives values: return one");
  auto state = boost::intrusive_ptr(
      new detail::BlockingState<R, Work>(detail::blocking_domain(), std::forward<F>(work)));
  detail::start_blocking(*state, *state, options.timeout);
  return Future<R>(std::move(state));
}

}  // namespace muster
