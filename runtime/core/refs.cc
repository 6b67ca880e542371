#include "runtime/core/ref_table.h"
#include "runtime/core/runtime_core.h"

namespace muster {
namespace detail {

/// Answers for a value on the node where it was put.
class RefHolder {
 public:
  explicit RefHolder(RefAttempt value) : value_(std::move(value)) {}
  Task<RefValue> fetch() {
    const RefAttempt value = value_;
    co_await ReadyAwaiter(value);
    co_return value_or_throw(Result<RefValue>(value->peek()));
  }

 private:
  const RefAttempt value_;
};

}  // namespace detail

template <>
struct Codec<detail::RefValue> {
  static constexpr bool wireable = true;
  static void encode(Encoder& encoder, const detail::RefValue& value) {
    value.type->encode(encoder, value.value);
  }
};

namespace detail {

constexpr auto muster_describe_actor(const RefHolder*) {
  return describe_actor<RefHolder>("Ref", MethodName<&RefHolder::fetch>{"fetch"});
}

namespace {

using Fetch = MethodOf<RefHolder, &RefHolder::fetch>;

/// The caller's end of a fetch from another node.
class RefReply final : public PendingReply {
 public:
  RefReply(RefAttempt attempt, const RefType& type) : attempt_(std::move(attempt)), type_(type) {}
  void on_result(Decoder& result) override {
    RefValue value{type_.decode(result), &type_};
    if (result.failed()) {
      attempt_->complete(
          fail(ErrorCode::kCorrupt, "the value does not decode: " + result.error().message));
    } else {
      attempt_->complete(std::move(value));
    }
  }
  void on_error(Error error) override { attempt_->complete_error(std::move(error)); }

 private:
  const RefAttempt attempt_;
  const RefType& type_;
};

RefTable& table_of(Domain& domain) {
  return static_cast<RuntimeCore&>(domain).refs();
}

}  // namespace

HandleRef spawn_hidden(Domain& domain, const ActorType& type, FunctionRef<void*()> make) {
  auto cell = static_cast<RuntimeCore&>(domain).new_cell(type, SpawnOptions{});
  static_cast<ActorCell&>(*cell.get()).construct(make);
  return cell;
}

Result<std::shared_ptr<const void>> shared_value(const FutureState<RefValue>& state,
                                                 const RefType& type) {
  const Result<RefValue>& result = state.peek();
  if (!result) return fail(result.error());
  if (*result->type->cpp_type != *type.cpp_type) {
    return fail(ErrorCode::kInvalid, "the Ref is to a " + type_name(*result->type->cpp_type) +
                                         ", not to a " + type_name(*type.cpp_type));
  }
  return result->value;
}

RefState::RefState(boost::intrusive_ptr<Domain> domain, const RefType& type, RefAttempt value)
    : domain_(std::move(domain)), type_(type), owner_(true), attempt_(std::move(value)) {}

RefState::RefState(HandleRef holder, const RefType& type)
    : domain_(holder.get()->domain()), type_(type), owner_(false), holder_(std::move(holder)) {}

RefState::~RefState() {
  if (listed_) table_of(*domain_).forget(*this);
}

std::shared_ptr<RefState> RefState::find(const HandleRef& holder, const RefType& type) {
  return table_of(*holder.get()->domain()).find_or_add(holder, type);
}

std::optional<ActorId> RefState::id() const {
  const std::scoped_lock lock(mutex_);
  if (holder_.get() == nullptr) return std::nullopt;
  return holder_.get()->id();
}

bool RefState::is_usable() const {
  return attempt_ && (owner_ || !attempt_->ready() || attempt_->failure() == nullptr);
}

RefAttempt RefState::current() const {
  const std::scoped_lock lock(mutex_);
  return is_usable() ? attempt_ : nullptr;
}

RefAttempt RefState::value() {
  if (auto usable = current()) return usable;
  RefAttempt fresh(new FutureState<RefValue>(domain_));
  {
    const std::scoped_lock lock(mutex_);
    if (is_usable()) return attempt_;
    attempt_ = fresh;
  }
  fetch(fresh);
  return fresh;
}

void RefState::fetch(const RefAttempt& attempt) const {
  ActorRef& holder = *holder_.get();
  if (holder.is_local()) {
    holder.deliver(std::make_unique<CallMessage<RefHolder, &RefHolder::fetch>>(attempt),
                   actor_type<RefHolder>());
  } else {
    // It ends with the connection at the latest.
    holder.send_remote(
        {.method = Fetch::kHash, .method_name = Fetch::kName}, [](Encoder&) {},
        boost::intrusive_ptr<PendingReply>(new RefReply(attempt, type_)));
  }
}

HandleRef RefState::holder() {
  {
    const std::scoped_lock lock(mutex_);
    if (holder_.get() != nullptr) return holder_;
  }
  auto made = spawn_hidden(*domain_, actor_type<RefHolder>(),
                           [&]() -> void* { return new RefHolder(attempt_); });
  {
    const std::scoped_lock lock(mutex_);
    if (holder_.get() != nullptr) return holder_;  // another thread was first; `made` ends
    holder_ = made;
  }
  // From here a Ref that comes home finds the value instead of asking for it.
  table_of(*domain_).add(*this);
  return made;
}

std::shared_ptr<RefState> RefTable::find_or_add(const HandleRef& holder, const RefType& type) {
  const std::scoped_lock lock(mutex_);
  auto& listed = states_[{holder.get()->id(), *type.cpp_type}];
  auto state = listed.lock();
  if (!state) {
    state = std::make_shared<RefState>(holder, type);
    state->listed_ = true;
    listed = state;
  }
  return state;
}

void RefTable::add(RefState& state) {
  const std::scoped_lock lock(mutex_);
  auto& listed = states_[{state.holder_.get()->id(), *state.type_.cpp_type}];
  if (!listed.expired()) return;
  state.listed_ = true;
  listed = state.weak_from_this();
}

void RefTable::forget(const RefState& state) {
  const std::scoped_lock lock(mutex_);
  const auto found = states_.find({state.holder_.get()->id(), *state.type_.cpp_type});
  if (found != states_.end() && found->second.expired()) states_.erase(found);
}

}  // namespace detail
}  // namespace muster
