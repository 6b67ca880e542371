#include <muster/testing/probe.h>

#include "runtime/testing/inbox.h"

namespace muster::detail {

/// What a probe needs of a Runtime that its users do not.
class TestDoor {
 public:
  static HandleRef new_cell(Runtime& runtime, const ActorType& type, const SpawnOptions& options) {
    return runtime.new_cell(type, options);
  }
  static void construct(Runtime& runtime, ActorRef& actor, FunctionRef<void*()> make) {
    runtime.construct(actor, make);
  }
  static Executor& executor(const Runtime& runtime) { return runtime.domain()->executor(); }
};

}  // namespace muster::detail

namespace muster::testing {
namespace {

using muster::detail::TestDoor;

using muster::detail::ActorRef;
using muster::detail::Message;

constexpr std::size_t kInboxMax = 1 << 16;

void leave_unanswered(Message& message, const std::string& what) {
  if (message.one_way()) return;
  message.reject(Error{ErrorCode::kUnavailable, what + ": the test did not answer", {}});
}

/// The object of an actor that a probe plays.
struct StandIn {
  std::weak_ptr<Messages> messages;
  ActorId id;
};

std::string seconds(Duration duration) {
  return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count()) +
         " ms";
}

}  // namespace

// --- what was sent -------------------------------------------------------------------------------

void detail_::Inbox::push(Arrived arrived) {
  std::shared_ptr<Latch> waiting;
  {
    const std::scoped_lock lock(mutex_);
    if (!closed_ && messages_.size() < kInboxMax) {
      messages_.push_back(std::move(arrived));
      waiting = std::exchange(waiting_, nullptr);
    }
  }
  if (waiting) waiting->open();
  if (arrived.message == nullptr) return;
  arrived.message->reject(Error{
      ErrorCode::kUnavailable,
      arrived.what + ": the probe is gone, or holds " + std::to_string(kInboxMax) + " messages",
      {}});
}

std::optional<std::string> detail_::Inbox::peek() const {
  const std::scoped_lock lock(mutex_);
  if (messages_.empty()) return std::nullopt;
  return messages_.front().what;
}

std::size_t detail_::Inbox::size() const {
  const std::scoped_lock lock(mutex_);
  return messages_.size();
}

std::shared_ptr<Latch> detail_::Inbox::next() {
  auto latch = std::make_shared<Latch>();
  const std::scoped_lock lock(mutex_);
  if (messages_.empty()) {
    waiting_ = latch;
  } else {
    latch->open();
  }
  return latch;
}

void detail_::Inbox::discard() {
  std::deque<Arrived> messages;
  {
    const std::scoped_lock lock(mutex_);
    messages.swap(messages_);
  }
  for (const Arrived& arrived : messages) leave_unanswered(*arrived.message, arrived.what);
}

void detail_::Inbox::close() {
  {
    const std::scoped_lock lock(mutex_);
    closed_ = true;
  }
  discard();
}

detail_::Taken::~Taken() {
  if (message_ && !answered_) leave_unanswered(*message_, what_);
}

Message& detail_::Taken::to_answer() {
  MUSTER_CHECK(message_ != nullptr && !answered_, what_, "was answered already");
  MUSTER_CHECK(!message_->one_way(), what_, "was sent one way: nobody waits for an answer");
  answered_ = true;
  return *message_;
}

// --- the probe -----------------------------------------------------------------------------------

Probe::Probe(Messages& messages, Runtime& runtime)
    : messages_(messages), runtime_(runtime), inbox_(std::make_shared<detail_::Inbox>()) {}

Probe::~Probe() {
  inbox_->close();
  for (const auto& actor : stand_ins_) actor->stop(true);
}

muster::detail::HandleRef Probe::make(const muster::detail::ActorType& type,
                                      const SpawnOptions& options) {
  auto cell = TestDoor::new_cell(runtime_, type, options);
  ActorRef& actor = *cell.get();
  messages_.stand_in(actor.id(), inbox_);
  TestDoor::construct(runtime_, actor, [&]() -> void* {
    return new StandIn{messages_.weak_from_this(), actor.id()};
  });
  stand_ins_.emplace_back(&actor);
  return cell;
}

void Probe::destroy(void* stand_in) noexcept {
  const std::unique_ptr<StandIn> ended(static_cast<StandIn*>(stand_in));
  if (const auto messages = ended->messages.lock()) messages->stand_in_ended(ended->id);
}

Result<detail_::Taken> Probe::take(Wanted wanted, const std::string& what, Duration timeout) {
  const auto found = peek(timeout);
  if (!found) {
    return muster::fail(found.error().code, "expected " + what + "; " + found.error().message);
  }
  if (auto arrived = inbox_->take_if(wanted)) {
    return detail_::Taken(std::move(arrived->what), std::move(arrived->message));
  }
  return muster::fail(ErrorCode::kInvalid, "expected " + what + "; found " + *found);
}

Result<std::string> Probe::peek(Duration timeout) {
  const auto latch = inbox_->next();
  if (!TestDoor::executor(runtime_).wait(*latch, timeout)) {
    return muster::fail(ErrorCode::kTimeout, "no message came within " + seconds(timeout));
  }
  return *inbox_->peek();
}

Result<void> Probe::expect_nothing(Duration timeout) {
  const auto found = peek(timeout);
  if (!found) return {};
  return muster::fail(ErrorCode::kInvalid, "expected nothing; found " + *found);
}

std::size_t Probe::waiting() const {
  return inbox_->size();
}

void Probe::discard() {
  inbox_->discard();
}

}  // namespace muster::testing
