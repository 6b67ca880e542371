#pragma once
/// Ref<T>: a value that is put once and read by many, wherever they are.
///
///     muster::Ref<Model> model = runtime.put(read_model());     // or this_actor::put(...)
///     for (const auto& worker : workers) worker.send<&Worker::use>(model);
///
///     Task<> Worker::use(muster::Ref<Model> model) {
///       std::shared_ptr<const Model> here = co_await model;    // elsewhere: model.get(1s)
///     }
///
/// In the process where it was put, reading shares the one value: nothing is copied and nothing
/// sent. Another node fetches it when it is first asked for there, once for all its Refs to it, and
/// keeps what it fetched while it has a Ref.
///
/// Threads: a Ref is a value; distinct copies may be used from any threads. Lifetime: the value
/// lives while a Ref to it exists on any node, as an actor does while handles to it exist
/// (docs/contract.md, 4.2), and no longer than the runtime where it was put. What get() gives
/// outlives both.

#include <muster/detail/ref_state.h>
#include <muster/future.h>

namespace muster {

template <class T>
class Ref {
  static_assert(Wireable<T>, "a type without a Codec cannot be put: it cannot travel");

 public:
  using value_type = T;
  using Value = std::shared_ptr<const T>;

  /// An empty Ref: only valid(), assignment, comparison and sending are allowed.
  Ref() = default;
  explicit Ref(std::shared_ptr<detail::RefState> state) : state_(std::move(state)) {}

  bool valid() const noexcept { return state_ != nullptr; }
  /// True when the value, or the error it ended in, is on this node: get() would not wait.
  bool ready() const {
    const auto value = checked().current();
    return value && value->ready();
  }

  /// The value, which is never null; waits at most `timeout` for it. Throws Exception: kTimeout
  /// when the time passes first, kUnavailable when the node where it was put is lost or shut down,
  /// kInvalid inside handlers and tasks unless ready(), and the error of the Future that was put.
  /// After an error of fetching the next call tries again. Requires: valid().
  Value get(Duration timeout = kForever) const { return value_or_throw(result(timeout)); }
  /// As get(), with the error as a value.
  Result<Value> result(Duration timeout = kForever) const {
    const auto value = checked().value();
    if (auto waited = detail::wait_ready(*value, timeout); !waited) return fail(waited.error());
    return detail::shared_value<T>(*value);
  }
  /// `co_await ref`: the same in handlers and tasks, without a timeout.
  auto operator co_await() const { return detail::RefAwaiter<T, false>(checked().value()); }
  /// `co_await ref.as_result()`: with the error as a value.
  auto as_result() const { return detail::RefAwaiter<T, true>(checked().value()); }
  /// Starts to fetch the value, and gives a Future of it: for when_all, then, or to have it early.
  Future<Value> fetch() const {
    auto future = boost::intrusive_ptr(new detail::FutureState<Value>(checked().domain()));
    const auto value = checked().value();
    detail::when_ready(*value,
                       [future](auto& ready) { future->complete(detail::shared_value<T>(ready)); });
    return Future<Value>(future);
  }

  /// Of the same put. A copy that went to another node and came back is equal.
  friend bool operator==(const Ref& a, const Ref& b) {
    if (a.state_ == b.state_ || !a.state_ || !b.state_) return a.state_ == b.state_;
    const auto id = a.state_->id();
    return id && id == b.state_->id();
  }
  const std::shared_ptr<detail::RefState>& state() const noexcept { return state_; }

 private:
  detail::RefState& checked() const {
    MUSTER_CHECK(state_ != nullptr, "the Ref is empty");
    return *state_;
  }
  std::shared_ptr<detail::RefState> state_;
};

namespace detail {

template <class T>
Ref<T> put_attempt(boost::intrusive_ptr<Domain> domain, RefAttempt value) {
  return Ref<T>(std::make_shared<RefState>(std::move(domain), kRefType<T>, std::move(value)));
}

template <class T>
RefValue ref_value(T&& value) {
  return {std::make_shared<const std::decay_t<T>>(std::forward<T>(value)),
          &kRefType<std::decay_t<T>>};
}

template <class T>
Ref<T> put_value(boost::intrusive_ptr<Domain> domain, T value) {
  RefAttempt put(new FutureState<RefValue>(domain));
  put->complete(ref_value(std::move(value)));
  return put_attempt<T>(std::move(domain), std::move(put));
}

/// A Ref to what `future` will end in, as a T.
template <class T, class U>
Ref<T> put_future(boost::intrusive_ptr<Domain> domain, Future<U> future) {
  MUSTER_CHECK(future.valid(), "the Future is empty");
  RefAttempt put(new FutureState<RefValue>(domain));
  when_ready(static_cast<FutureState<U>&>(*future.state()), [put](FutureState<U>& ready) {
    put->complete(ready.take().map([](U&& value) { return ref_value(T(std::move(value))); }));
  });
  return put_attempt<T>(std::move(domain), std::move(put));
}

}  // namespace detail

/// Refs travel in messages, as references to the value, which stays where it is.
template <class T>
struct Codec<Ref<T>> {
  static constexpr bool wireable = Wireable<T>;
  static void encode(Encoder& encoder, const Ref<T>& ref) {
    if (!ref.valid()) return encoder.none();
    encoder.actor(std::make_shared<detail::HandleRef>(ref.state()->holder()));
  }
  static Ref<T> decode(Decoder& decoder) {
    const auto holder = std::static_pointer_cast<detail::HandleRef>(decoder.actor());
    if (!holder) return Ref<T>();
    return Ref<T>(detail::RefState::find(*holder, detail::kRefType<T>));
  }
};

}  // namespace muster
