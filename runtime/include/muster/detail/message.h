#pragma once
/// Messages and actor references as handles see them. Not for users.

#include <muster/detail/actor_type.h>
#include <muster/detail/delivery.h>
#include <muster/detail/function_ref.h>
#include <muster/detail/handler_run.h>
#include <muster/detail/pool.h>
#include <muster/ids.h>

#include <memory>
#include <string>
#include <string_view>

namespace muster {
class Encoder;
class Decoder;

namespace detail {

/// Where one-way messages report what their handlers threw.
class HandlerContext {
 public:
  virtual void one_way_failed(std::string_view method, const Error& error) = 0;

 protected:
  ~HandlerContext() = default;
};

/// Names the call that a message belongs to, on the way of a cancel.
struct CallKey {
  const void* caller = nullptr;  // its future, or the connection that it came by
  std::uint64_t id = 0;          // on that connection; 0 without
  friend bool operator==(const CallKey&, const CallKey&) = default;
};

/// One entry of a mailbox. Of invoke and reject exactly one is called, once; but when invoke
/// throws, or its run is destroyed, one of them is called again.
class Message : public Pooled {
 public:
  virtual ~Message() = default;
  /// Runs the handler on `object`. Throws CheckFailure only. When the returned run is suspended the
  /// message must outlive it, and reject() may then still be called to end the call.
  virtual HandlerRun invoke(void* object, HandlerContext& context) = 0;
  virtual void reject(const Error& cause) = 0;
  /// Nobody waits for it: when it is rejected it is a dead letter.
  virtual bool one_way() const noexcept = 0;
  virtual std::string_view method() const noexcept = 0;
  /// The method's place in its class.
  virtual std::size_t method_index() const noexcept { return 0; }
  virtual CallKey key() const noexcept { return {}; }
  /// It can be invoked again, having been invoked with `keep` set, by another object.
  virtual bool repeatable() const noexcept { return false; }
  /// Its caller, which is here, does not wait any more. Invoking it then does nothing.
  virtual bool given_up() const noexcept { return false; }
  /// False while it waits for the arguments of its call, whose handler has not begun.
  virtual bool begun() const noexcept { return true; }
  /// It only ever waits for the arguments of a call, and runs no handler.
  virtual bool is_wait() const noexcept { return false; }
  /// That call, which is handled next, before all others. Asked when the run of this message, which
  /// was suspended, has ended.
  virtual std::unique_ptr<Message> take_call() noexcept { return nullptr; }

  /// What its actor knows of that message it knows of this one.
  void take_marks_of(const Message& other) noexcept {
    group = other.group;
    own = other.own;
    keep = other.keep;
  }

  Message* next = nullptr;            // owned by the mailbox
  std::uint64_t wire_bytes : 48 = 0;  // of the frame it came in and may keep; 0: from this node
  std::uint64_t group : 8 = 0;  // its number among the actor's concurrency groups; 0: its method's
  std::uint64_t is_stop : 1 = 0;     // ends the actor when all before it have ended
  std::uint64_t own : 1 = 0;         // sent by the incarnation with which it goes
  std::uint64_t begin_told : 1 = 0;  // as an event, and its end not yet
  std::uint64_t keep : 1 = 0;        // its arguments, so that it can be invoked again
};

/// The callee's end of a call from another node.
class RemoteReply : public Pooled {
 public:
  virtual ~RemoteReply() = default;
  virtual void result(FunctionRef<void(Encoder&)> encode) = 0;
  virtual void error(const Error& error) = 0;
  virtual CallKey key() const noexcept { return {}; }
};

/// The caller's end of a call to another node.
class PendingReply : public Shared<PendingReply> {
 public:
  virtual ~PendingReply() = default;
  virtual void on_result(Decoder& result) = 0;
  virtual void on_error(Error error) = 0;
  /// The number of its frame, which has not left yet.
  virtual void sent_as([[maybe_unused]] std::uint64_t call_id) noexcept {}
  virtual bool answers([[maybe_unused]] const FutureStateBase& state) const noexcept {
    return false;
  }
};

/// What handles point at: an actor here (a cell) or the proxy of one on another node.
/// Threads: all members from any thread.
class ActorRef : public Shared<ActorRef> {
 public:
  virtual ~ActorRef() = default;
  const ActorId& id() const noexcept { return id_; }
  bool is_local() const noexcept { return local_; }
  /// Calls to it are to be timed.
  bool timed() const noexcept { return timed_; }
  virtual boost::intrusive_ptr<Domain> domain() const = 0;
  virtual std::string describe() const = 0;
  virtual Duration default_timeout() const = 0;

  /// Requires: is_local(). Puts the message, which is for an actor of type `expected`, into the
  /// mailbox, or rejects it: with kInvalid when the actor is of another class (its reference came
  /// from a node that took it for one), kOverloaded, or the cause of death.
  virtual void deliver(std::unique_ptr<Message> message, const ActorType& expected) = 0;
  /// As deliver, for a message that asks for something. `taken` is set for an offer.
  virtual void deliver_as(const Delivery& delivery, std::unique_ptr<Message> message,
                          const ActorType& expected, Taken taken = {}) = 0;
  /// Requires: !is_local(). `pending` null: one way.
  virtual void send_remote(const OutgoingCall& call, FunctionRef<void(Encoder&)> arguments,
                           boost::intrusive_ptr<PendingReply> pending) = 0;
  /// Ends the actor: after what is queued (graceful), or at once.
  virtual void stop(bool kill) = 0;

  void add_handle() noexcept { handles_.fetch_add(1, std::memory_order_relaxed); }
  void drop_handle() {
    if (handles_.fetch_sub(1, std::memory_order_acq_rel) == 1) last_handle_gone();
  }
  std::size_t handle_count() const noexcept { return handles_.load(std::memory_order_relaxed); }

 protected:
  ActorRef(ActorId id, bool local) : id_(id), local_(local) {}
  virtual void last_handle_gone() = 0;
  /// Before the reference is shared.
  void time_calls() noexcept { timed_ = true; }

 private:
  const ActorId id_;
  const bool local_;
  bool timed_ = false;
  std::atomic<std::size_t> handles_{0};
};

/// A counted handle, untyped.
class HandleRef {
 public:
  HandleRef() = default;
  explicit HandleRef(boost::intrusive_ptr<ActorRef> ref) : ref_(std::move(ref)) { add(); }
  HandleRef(const HandleRef& other) : ref_(other.ref_) { add(); }
  HandleRef(HandleRef&& other) noexcept : ref_(std::move(other.ref_)) {}
  HandleRef& operator=(HandleRef other) noexcept {
    ref_.swap(other.ref_);
    return *this;
  }
  ~HandleRef() {
    if (ref_) ref_->drop_handle();
  }
  ActorRef* get() const noexcept { return ref_.get(); }
  const boost::intrusive_ptr<ActorRef>& ref() const noexcept { return ref_; }

 private:
  void add() const noexcept {
    if (ref_) ref_->add_handle();
  }
  boost::intrusive_ptr<ActorRef> ref_;
};

/// Sees each message before it is in a mailbox; for tests, see <muster/testing/messages.h>.
class Interceptor {
 public:
  virtual ~Interceptor() = default;
  /// Leaves `message`, for `actor` of `type`, to be delivered, or takes it over: then invokes
  /// nothing on the actor's object, but delivers, rejects or answers it later. Any thread.
  virtual void intercept(ActorRef& actor, const ActorType& type, const Delivery& delivery,
                         std::unique_ptr<Message>& message) = 0;
};

}  // namespace detail
}  // namespace muster
