#pragma once
/// Waiting for several Futures as for one: `co_await when_all(...)` in handlers and tasks,
/// `when_all(...).get(1s)` elsewhere.
///
///     auto [users, prices] = co_await when_all(a.call<&A::users>(), b.call<&B::prices>());
///
///     Future<Reply> reply = server.call<&Server::ask>(question);
///     Future<void> patience = sleep_for(100ms);
///     if (co_await when_any(reply, patience) == 0) use(co_await reply);
///
/// when_all takes its Futures over; when_any and when_some borrow them, so that what they did not
/// wait for is not lost. Threads: as of Future. No deadline of their own: the calls have theirs.

#include <muster/detail/gathering.h>
#include <muster/future.h>

#include <tuple>
#include <variant>

namespace muster {

namespace detail {
template <class T>
using ValueOrNothing = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

template <class T>
ValueOrNothing<T> value_or_nothing(FutureStateBase& state) {
  if constexpr (std::is_void_v<T>) {
    return {};
  } else {
    return value_of<T>(state);
  }
}

template <class T>
StatePtrs states_of(std::span<Future<T>> futures) {
  StatePtrs states;
  states.reserve(futures.size());
  for (const auto& future : futures) states.emplace_back(future.state());
  check_states(states);
  return states;
}
template <class... Ts>
StatePtrs states_of(const Future<Ts>&... futures) {
  StatePtrs states{boost::intrusive_ptr<FutureStateBase>(futures.state())...};
  check_states(states);
  return states;
}
}  // namespace detail

/// Ends in the values of all, in the order of the arguments (std::monostate for a Future<void>), or
/// in the error of the first that fails, at once: code, text and type as that call's. The other
/// calls go on; what they end in is dropped. Cancelling it cancels all. Requires: all valid.
template <class... Ts>
auto when_all(Future<Ts>&&... futures) {
  using R = std::tuple<detail::ValueOrNothing<Ts>...>;
  const auto collect = [](const detail::StatePtrs& states) {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return R{detail::value_or_nothing<Ts>(*states[I])...};
    }
    (std::index_sequence_for<Ts...>());
  };
  auto states = detail::states_of(futures...);
  (static_cast<void>(Future<Ts>(std::move(futures))), ...);
  return Future<R>(detail::AllOf<R, decltype(collect)>::start(std::move(states), collect));
}

/// The same for any number of one type: a Future of a vector, or of void. At once for none.
template <class T>
auto when_all(std::vector<Future<T>> futures) {
  auto states = detail::states_of(std::span<Future<T>>(futures));
  if constexpr (std::is_void_v<T>) {
    const auto collect = [](const detail::StatePtrs&) { return Result<void>(); };
    return Future<void>(detail::AllOf<void, decltype(collect)>::start(std::move(states), collect));
  } else {
    const auto collect = [](const detail::StatePtrs& all) {
      std::vector<T> values;
      values.reserve(all.size());
      for (const auto& state : all) values.push_back(detail::value_of<T>(*state));
      return values;
    };
    using R = std::vector<T>;
    return Future<R>(detail::AllOf<R, decltype(collect)>::start(std::move(states), collect));
  }
}

/// Ends in the index of the first that is ready, in a value or an error (the lowest, when several
/// are ready now). The futures stay valid, and may be moved meanwhile. Requires: all valid, at
/// least one.
template <class T>
Future<std::size_t> when_any(std::vector<Future<T>>& futures) {
  return Future<std::size_t>(detail::first_of(detail::states_of(std::span<Future<T>>(futures))));
}
template <class T>
Future<std::size_t> when_any(std::span<Future<T>> futures) {
  return Future<std::size_t>(detail::first_of(detail::states_of(futures)));
}
template <class... Ts>
Future<std::size_t> when_any(Future<Ts>&... futures) {
  return Future<std::size_t>(detail::first_of(detail::states_of(futures...)));
}

/// Ends, when `count` of `futures` are ready or `timeout` has passed, in the indices of all that
/// are ready by then, ascending: fewer than `count` only after the timeout. The futures stay valid.
/// Requires: all valid, at least `count`.
template <class T>
Future<std::vector<std::size_t>> when_some(std::vector<Future<T>>& futures, std::size_t count,
                                           Duration timeout = kForever) {
  return Future<std::vector<std::size_t>>(
      detail::some_of(detail::states_of(std::span<Future<T>>(futures)), count, timeout));
}

/// The same outside handlers and tasks (kInvalid there), blocking this thread.
template <class T>
Result<std::vector<std::size_t>> wait_some(std::vector<Future<T>>& futures, std::size_t count,
                                           Duration timeout = kForever) {
  return when_some(futures, count, timeout).result();
}

}  // namespace muster
