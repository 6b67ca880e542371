#pragma once
/// The message of a call or send: its arguments, the handler it runs, and whom it answers. Not for
/// users.

#include <muster/detail/call_fault.h>
#include <muster/detail/call_state.h>
#include <muster/detail/copies.h>

namespace muster::detail {

/// A stored argument as the parameter wants it; a copy of what would be used up where it is to be
/// kept.
template <class P, class S>
decltype(auto) pass(S& stored, bool keep) {
  if constexpr (std::is_lvalue_reference_v<P>) {
    return static_cast<const S&>(stored);
  } else if constexpr (std::is_same_v<P, std::string_view> ||
                       !std::is_same_v<S, std::remove_cvref_t<P>>) {
    return P(stored);
  } else if constexpr (!kCopies<S> || std::is_trivially_copyable_v<S>) {
    return std::move(stored);
  } else {
    return keep ? S(std::as_const(stored)) : S(std::move(stored));
  }
}

/// Runs the method on arguments that it may move from, unless they are to be kept.
template <auto M, class A, class Arguments>
decltype(auto) apply_method(A& actor, Arguments& arguments, [[maybe_unused]] bool keep) {
  using Parameters = typename MemberSignature<decltype(M)>::Parameters;
  return [&]<std::size_t... I>(std::index_sequence<I...>)->decltype(auto) {
    return (actor.*M)(pass<std::tuple_element_t<I, Parameters>>(std::get<I>(arguments), keep)...);
  }
  (std::make_index_sequence<std::tuple_size_v<Arguments>>());
}

template <class A, auto M>
class CallMessage : public Message {
  using Method = MethodOf<A, M>;
  using Signature = typename Method::Signature;
  using R = typename Signature::Result;
  using Arguments = typename Signature::Arguments;

 public:
  template <class... Args>
  explicit CallMessage(boost::intrusive_ptr<FutureState<R>> local, Args&&... args)
      : arguments_(std::forward<Args>(args)...), local_(std::move(local)) {}
  /// One from another node, whose arguments `decode` gives; then comes answer_to.
  template <class Decode>
  CallMessage(std::in_place_t, Decode&& decode) : arguments_(decode()) {}
  void answer_to(std::unique_ptr<RemoteReply> remote) noexcept { remote_ = std::move(remote); }

  HandlerRun invoke(void* object, HandlerContext& context) override {
    A& actor = *static_cast<A*>(object);
    if (given_up()) return {};
    if constexpr (Signature::kIsTask) {
      return drive(*this, actor, context);
    } else {
      try {
        if constexpr (std::is_void_v<R>) {
          apply_method<M>(actor, arguments_, keep != 0);
          reply(Result<void>(), context);
        } else {
          reply(Result<R>(apply_method<M>(actor, arguments_, keep != 0)), context);
        }
      } catch (const CheckFailure&) {
        throw;
      } catch (...) {
        reply(fail(error_from_current_exception()), context);
      }
      return {};
    }
  }

  void reject(const Error& cause) final {
    if (local_) local_->complete(fail(cause));
    if (remote_) remote_->error(cause);
  }
  bool one_way() const noexcept final { return local_ == nullptr && remote_ == nullptr; }
  std::string_view method() const noexcept final { return Method::kName; }
  std::size_t method_index() const noexcept final { return Method::kIndex; }
  CallKey key() const noexcept final {
    if (local_) return {local_.get(), 0};
    return remote_ ? remote_->key() : CallKey{};
  }
  bool repeatable() const noexcept final { return kCopies<Arguments>; }
  bool given_up() const noexcept final { return local_ && local_->claimed(); }
  Arguments& arguments() noexcept { return arguments_; }

  /// For those who play the actor in a test, instead of invoke() and reject().
  const Arguments& arguments() const noexcept { return arguments_; }
  /// Ends the call; false when it is one way.
  bool answer(Result<R> result) {
    if (local_) {
      local_->complete(std::move(result));
      return true;
    }
    if (!remote_) return false;
    if (!result) {
      remote_->error(result.error());
    } else if constexpr (std::is_void_v<R>) {
      remote_->result([](Encoder& encoder) { encoder.none(); });
    } else if constexpr (Wireable<R>) {
      remote_->result([&](Encoder& encoder) { encode_value(encoder, std::move(*result)); });
    }
    return true;
  }

 private:
  // The message outlives the run: the cell keeps it until the run has ended or was destroyed.
  static HandlerRun drive(CallMessage& self, A& actor, HandlerContext& context) {
    std::optional<Result<R>> outcome;
    try {
      if constexpr (std::is_void_v<R>) {
        co_await apply_method<M>(actor, self.arguments_, self.keep != 0);
        outcome.emplace();
      } else {
        outcome.emplace(co_await apply_method<M>(actor, self.arguments_, self.keep != 0));
      }
    } catch (const CheckFailure&) {
      throw;
    } catch (...) {
      outcome.emplace(fail(error_from_current_exception()));
    }
    self.reply(std::move(*outcome), context);
  }

  void reply(Result<R> result, HandlerContext& context) {
    if (one_way()) {
      if (!result) context.one_way_failed(Method::kName, result.error());
    } else {
      answer(std::move(result));
    }
  }

  Arguments arguments_;
  boost::intrusive_ptr<FutureState<R>> local_;
  std::unique_ptr<RemoteReply> remote_;
};

}  // namespace muster::detail
