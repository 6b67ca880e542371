#pragma once
/// What Refs share: the value on its own node, or what another node has fetched of it. Not for
/// users; included by <muster/ref.h>.
///
/// The node where a value was put answers for it with a holder, a small actor of its own, from the
/// first time that a Ref leaves the process: handles to it, counted across nodes, keep the value.
///
/// Threads: all members from any thread. Invariants: (1) the attempt of an owner never changes;
/// (2) that of another node changes only when it has failed; (3) a runtime has at most one RefState
/// for a holder and a type.

#include <muster/codec.h>
#include <muster/detail/future_await.h>
#include <muster/detail/message.h>
#include <muster/detail/spin_lock.h>

#include <memory>
#include <optional>
#include <typeindex>
#include <vector>

namespace muster::detail {

/// How values of one type travel; they are shared_ptr<const T>.
struct RefType {
  const std::type_info* cpp_type;
  void (*encode)(Encoder& encoder, const std::shared_ptr<const void>& value);
  std::shared_ptr<const void> (*decode)(Decoder& decoder);
};

template <class T>
struct VectorElement {
  using type = void;
};
template <class T, class A>
struct VectorElement<std::vector<T, A>> {
  using type = T;
};

/// A vector of numbers is written from its own memory, which is shared.
template <class T>
void encode_shared(Encoder& encoder, const std::shared_ptr<const void>& shared) {
  const T& value = *static_cast<const T*>(shared.get());
  using Element = typename VectorElement<T>::type;
  if constexpr (Number<Element>) {
    encoder.array(element_type_of<Element>(), value.data(), value.size(), shared);
  } else if constexpr (std::is_same_v<Element, std::byte>) {
    encoder.bytes(value, shared);
  } else {
    encode_value(encoder, value);
  }
}

template <class T>
inline constexpr RefType kRefType = {&typeid(T), &encode_shared<T>,
                                     [](Decoder& decoder) -> std::shared_ptr<const void> {
                                       return std::make_shared<const T>(decode_value<T>(decoder));
                                     }};

/// A value of `type`.
struct RefValue {
  std::shared_ptr<const void> value;
  const RefType* type = nullptr;
};
using RefAttempt = boost::intrusive_ptr<FutureState<RefValue>>;

/// The value of a state that is ready; kInvalid when it is of another type.
Result<std::shared_ptr<const void>> shared_value(const FutureState<RefValue>& state,
                                                 const RefType& type);
template <class T>
Result<std::shared_ptr<const T>> shared_value(const FutureState<RefValue>& state) {
  return shared_value(state, kRefType<T>).map([](std::shared_ptr<const void>&& value) {
    return std::static_pointer_cast<const T>(std::move(value));
  });
}

class RefState final : public std::enable_shared_from_this<RefState> {
 public:
  /// Where the value was put, or will be.
  RefState(boost::intrusive_ptr<Domain> domain, const RefType& type, RefAttempt value);
  /// Anywhere else. Use find().
  RefState(HandleRef holder, const RefType& type);
  ~RefState();
  RefState(const RefState&) = delete;
  RefState& operator=(const RefState&) = delete;

  /// The one of this node for values of `type` at `holder`; a new one when there is none.
  static std::shared_ptr<RefState> find(const HandleRef& holder, const RefType& type);

  const boost::intrusive_ptr<Domain>& domain() const noexcept { return domain_; }
  const RefType& type() const noexcept { return type_; }
  /// Of its holder; none before a Ref has left the process.
  std::optional<ActorId> id() const;
  /// The value, or where it will be: fetches it unless that is done or under way.
  RefAttempt value();
  /// As value(), or null where that would fetch.
  RefAttempt current() const;
  /// What travels. Throws as Runtime::spawn.
  HandleRef holder();

 private:
  friend class RefTable;
  bool is_usable() const;
  void fetch(const RefAttempt& attempt) const;

  const boost::intrusive_ptr<Domain> domain_;
  const RefType& type_;
  const bool owner_;
  bool listed_ = false;  // in the runtime's table, which guards it
  mutable SpinLock mutex_;
  // Guarded by mutex_:
  RefAttempt attempt_;  // null: not fetched yet
  HandleRef holder_;    // never changes once it is set
};

/// An actor that no user sees, on the runtime of `domain`. Throws as Runtime::spawn.
HandleRef spawn_hidden(Domain& domain, const ActorType& type, FunctionRef<void*()> make);

/// Ready with `awaited`, in its error if it has one, or when whoever waits for it is cancelled:
/// `awaited` goes on then.
inline boost::intrusive_ptr<FutureStateBase> wait_of_ones_own(
    const boost::intrusive_ptr<FutureStateBase>& awaited) {
  if (awaited->ready()) return awaited;
  const auto wait = boost::intrusive_ptr(new FutureState<void>(awaited->domain()));
  when_ready(*awaited, [wait](const FutureStateBase& ready) {
    const Error* error = ready.failure();
    wait->complete(error != nullptr ? Result<void>(fail(*error)) : Result<void>());
  });
  return wait;
}

template <class T, bool kAsResult>
class RefAwaiter : public ReadyAwaiter {
 public:
  explicit RefAwaiter(RefAttempt attempt)
      : ReadyAwaiter(wait_of_ones_own(attempt)), attempt_(std::move(attempt)) {}
  auto await_resume() {
    ReadyAwaiter::await_resume();
    const Error* failure = state().failure();
    auto value =
        failure ? Result<std::shared_ptr<const T>>(fail(*failure)) : shared_value<T>(*attempt_);
    if constexpr (kAsResult) {
      return value;
    } else {
      return value_or_throw(std::move(value));
    }
  }

 private:
  const RefAttempt attempt_;
};

}  // namespace muster::detail
