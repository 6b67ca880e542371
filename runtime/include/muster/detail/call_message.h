#pragma once
/// The message of a call or send: its arguments, the handler it runs, and whom it answers. Not for
/// users.
///
/// A program has one CallMessage a method, so what does not depend on the method is not in it: it
/// is in CallBase, compiled once, or in CallOf, once a type of result.

#include <muster/detail/call_fault.h>
#include <muster/detail/call_state.h>
#include <muster/detail/copies.h>
#include <muster/detail/late.h>

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

/// What all messages of one method have in common.
struct MethodTraits {
  std::string_view name;
  std::size_t index;  // in its class
  bool repeatable;    // its arguments can be copied
};

/// The message of a call but for its arguments and its handler.
class CallBase : public Message {
 public:
  void answer_to(std::unique_ptr<RemoteReply> remote) noexcept { remote_ = std::move(remote); }

  void reject(const Error& cause) final;
  bool one_way() const noexcept final { return local_ == nullptr && remote_ == nullptr; }
  std::string_view method() const noexcept final { return traits_.name; }
  std::size_t method_index() const noexcept final { return traits_.index; }
  CallKey key() const noexcept final;
  bool repeatable() const noexcept final { return traits_.repeatable; }
  bool given_up() const noexcept final { return local_ && local_->claimed(); }

 protected:
  CallBase(const MethodTraits& traits, boost::intrusive_ptr<FutureStateBase> local) noexcept
      : traits_(traits), local_(std::move(local)) {}
  ~CallBase() override = default;
  FutureStateBase* local() const noexcept { return local_.get(); }
  RemoteReply* remote() const noexcept { return remote_.get(); }
  /// Ends the call in the exception that is being handled; rethrows a CheckFailure instead.
  void end_in_exception(HandlerContext& context);
  /// Ends the call, or reports what nobody waits for.
  void end_in_error(const Error& error, HandlerContext& context);

 private:
  const MethodTraits& traits_;  // lives for ever
  boost::intrusive_ptr<FutureStateBase> local_;
  std::unique_ptr<RemoteReply> remote_;
};

/// The message of a call with this result.
template <class R>
class CallOf : public CallBase {
 public:
  /// Ends the call; false when it is one way. For those who play the actor in a test too, instead
  /// of invoke() and reject().
  bool answer(Result<R> result) {
    if (this->local() != nullptr) {
      static_cast<FutureState<R>&>(*this->local()).complete(std::move(result));
      return true;
    }
    RemoteReply* const remote = this->remote();
    if (remote == nullptr) return false;
    if (!result) {
      remote->error(result.error());
    } else if constexpr (std::is_void_v<R>) {
      remote->result([](Encoder& encoder) { encoder.none(); });
    } else if constexpr (Wireable<R>) {
      remote->result([&](Encoder& encoder) { encode_value(encoder, std::move(*result)); });
    }
    return true;
  }

 protected:
  CallOf(const MethodTraits& traits, boost::intrusive_ptr<FutureState<R>> local) noexcept
      : CallBase(traits, std::move(local)) {}

  // The message outlives the run: the cell keeps it until the run has ended or was destroyed.
  static HandlerRun drive(CallOf& self, Task<R> task, HandlerContext& context) {
    std::optional<Result<R>> outcome;
    try {
      // Here, what the handler kept is gone before its caller hears of the end, and, when the run
      // is destroyed, before the frame that the handler's waits know of.
      Task<R> own = std::move(task);
      if constexpr (std::is_void_v<R>) {
        co_await std::move(own);
        outcome.emplace();
      } else {
        outcome.emplace(co_await std::move(own));
      }
    } catch (const CheckFailure&) {
      throw;
    } catch (...) {
      outcome.emplace(fail(error_from_current_exception()));
    }
    if (*outcome) {
      self.answer(std::move(*outcome));
    } else {
      self.end_in_error(outcome->error(), context);
    }
  }
};

template <class A, auto M>
class CallMessage : public CallOf<ResultOf<M>> {
  using Method = MethodOf<A, M>;
  using Signature = typename Method::Signature;
  using R = typename Signature::Result;
  using Arguments = typename Signature::Arguments;
  static constexpr MethodTraits kTraits{Method::kName, Method::kIndex, kCopies<Arguments>};

 public:
  template <class... Args>
  explicit CallMessage(boost::intrusive_ptr<FutureState<R>> local, Args&&... args)
      : CallOf<R>(kTraits, std::move(local)), arguments_(std::forward<Args>(args)...) {}
  CallMessage(std::in_place_t, Arguments&& arguments)
      : CallOf<R>(kTraits, nullptr), arguments_(std::move(arguments)) {}
  /// One from another node; then comes answer_to.
  CallMessage(Decoder& decoder, LateArguments* late)
      : CallOf<R>(kTraits, nullptr), arguments_(ArgumentsOf<Arguments>::decode(decoder, late)) {}

  HandlerRun invoke(void* object, HandlerContext& context) override {
    if (this->given_up()) return {};
    A& actor = *static_cast<A*>(object);
    try {
      if constexpr (Signature::kIsTask) {
        return this->drive(*this, apply_method<M>(actor, arguments_, this->keep != 0), context);
      } else if constexpr (std::is_void_v<R>) {
        apply_method<M>(actor, arguments_, this->keep != 0);
        if (!this->one_way()) this->answer(Result<void>());
      } else {
        this->answer(Result<R>(apply_method<M>(actor, arguments_, this->keep != 0)));
      }
    } catch (...) {
      this->end_in_exception(context);
    }
    return {};
  }
  Arguments& arguments() noexcept { return arguments_; }
  const Arguments& arguments() const noexcept { return arguments_; }

 private:
  Arguments arguments_;
};

}  // namespace muster::detail
