#include "runtime/core/call_log.h"

#include "runtime/core/references.h"

namespace muster::detail {

namespace {

Error unavailable(std::string text) {
  return Error{ErrorCode::kUnavailable, std::move(text), {}};
}

/// Notes that there was a reference to an actor: its count is one connection's.
class NotingExchange final : public ActorExchange {
 public:
  explicit NotingExchange(Peer* peer) : peer_(peer) {}
  WireActor export_actor(const ActorRefPtr& ref) override {
    noted_ = true;
    return peer_ != nullptr ? peer_->export_actor(ref) : WireActor{};
  }
  ActorRefPtr import_actor(const WireActor&) override { return nullptr; }
  bool noted() const noexcept { return noted_; }

 private:
  Peer* const peer_;
  bool noted_ = false;
};

}  // namespace

/// The callee's end of a kept call: answers into the log, once.
class CallLog::Reply final : public RemoteReply {
 public:
  Reply(std::shared_ptr<CallLog> log, std::uint64_t call_id)
      : log_(std::move(log)), call_id_(call_id) {}
  ~Reply() override {
    if (log_) log_->answer(call_id_, Error{ErrorCode::kInternal, "the call was dropped", {}});
  }
  void result(FunctionRef<void(Encoder&)> encode) override {
    if (!log_) return;
    log_->answer(call_id_, encode);  // when it throws, the caller is still to be answered
    log_.reset();
  }
  void error(const Error& error) override {
    if (const auto log = std::move(log_)) log->answer(call_id_, error);
  }
  CallKey key() const noexcept override { return {log_.get(), call_id_}; }

 private:
  std::shared_ptr<CallLog> log_;
  const std::uint64_t call_id_;
};

// --- one caller ----------------------------------------------------------------------------------

void CallLog::drop_before(std::uint64_t first_open) {
  if (first_open <= first_open_) return;
  first_open_ = first_open;
  while (!calls_.empty() && calls_.begin()->first < first_open) {
    answer_bytes_ -= calls_.begin()->second.answer.size();
    calls_.erase(calls_.begin());
  }
}

Result<std::unique_ptr<RemoteReply>> CallLog::admit(const wire::CallHeader& call,
                                                    const std::shared_ptr<Peer>& peer) {
  std::vector<std::byte> answer;
  {
    const std::scoped_lock lock(mutex_);
    use(peer);
    drop_before(call.first_open);
    if (call.call_id < first_open_) return nullptr;
    const auto found = calls_.find(call.call_id);
    if (found == calls_.end()) {
      if (calls_.size() >= kKeptCallsMax) {
        return fail(ErrorCode::kOverloaded, std::to_string(kKeptCallsMax) +
                                                " later calls of the node have come since its "
                                                "oldest that is not answered");
      }
      calls_.emplace(call.call_id, Entry{});
      return std::make_unique<Reply>(shared_from_this(), call.call_id);
    }
    if (!found->second.done) return nullptr;
    answer = found->second.answer;
  }
  send(*peer, call.call_id, answer);
  return nullptr;
}

// Frames of an older connection may be read after those of a later one: no answer goes there.
void CallLog::use(const std::shared_ptr<Peer>& peer) {
  const auto now = connection_.lock();
  if (!now || !now->ready() || now->ready_number < peer->ready_number) connection_ = peer;
}

bool CallLog::connected() const {
  const std::scoped_lock lock(mutex_);
  const auto now = connection_.lock();
  return now && now->ready();
}

void CallLog::send(Peer& peer, std::uint64_t call_id, const std::vector<std::byte>& answer) {
  if (answer.empty()) {
    peer.reply_error(call_id, unavailable("the call was handled, and ended; what it ended in was "
                                          "not kept"));
  } else {
    peer.send_result(call_id, wire::OutgoingMessage::of_bytes(answer, wire::Lane::kCalls, 0, 0),
                     {});
  }
}

void CallLog::moved(const Peer& from, const std::shared_ptr<Peer>& to) {
  std::vector<std::pair<std::uint64_t, std::vector<std::byte>>> answers;
  {
    const std::scoped_lock lock(mutex_);
    // Even if a later call has told of the other connection: what was answered before went here.
    if (connection_.lock().get() == &from) connection_ = to;
    for (const auto& [id, entry] : calls_) {
      if (entry.done) answers.emplace_back(id, entry.answer);
    }
  }
  for (const auto& [id, answer] : answers) send(*to, id, answer);
}

bool CallLog::record(std::uint64_t call_id, std::vector<std::byte> answer) {
  const auto found = calls_.find(call_id);
  if (found == calls_.end()) return false;
  Entry& entry = found->second;
  entry.done = true;
  answer_bytes_ += answer.size();
  entry.answer = std::move(answer);
  for (auto& [id, older] : calls_) {
    if (answer_bytes_ <= kKeptAnswerBytes) break;
    if (&older != &entry) answer_bytes_ -= std::exchange(older.answer, {}).size();
  }
  return true;
}

void CallLog::answer(std::uint64_t call_id, FunctionRef<void(Encoder&)> encode) {
  std::shared_ptr<Peer> peer;
  {
    const std::scoped_lock lock(mutex_);
    peer = connection_.lock();
  }
  NotingExchange exchange(peer.get());
  ExportScope exported;
  const auto take_back = [&] {
    if (peer) peer->take_back(exported.actors);
  };
  std::shared_ptr<Peer> now;
  std::optional<wire::OutgoingMessage> message;
  try {
    message = wire::encode_result(call_id, &exchange, encode);
  } catch (const Exception& e) {
    take_back();
    return answer(call_id, unavailable("the handler ran, but its result could not be sent back: " +
                                       e.error().message));
  } catch (...) {
    take_back();
    throw;
  }
  bool wanted = false;
  {
    const std::scoped_lock lock(mutex_);
    now = connection_.lock();
    const bool kept = !exchange.noted() && message->size() <= kKeptAnswerBytes;
    wanted = record(call_id, kept ? message->to_bytes() : std::vector<std::byte>());
  }
  if (!wanted || !now || (exchange.noted() && now != peer)) {
    take_back();
    if (wanted && now) {
      now->reply_error(call_id, unavailable("the call was handled; its result, which has handles, "
                                            "was not kept when the connection ended"));
    }
    return;
  }
  now->send_result(call_id, std::move(*message), exported.actors);
}

void CallLog::answer(std::uint64_t call_id, const Error& error) {
  std::shared_ptr<Peer> peer;
  {
    const std::scoped_lock lock(mutex_);
    peer = connection_.lock();
    if (!record(call_id, wire::encode_error(call_id, error).to_bytes())) return;
  }
  if (peer) peer->reply_error(call_id, error);
}

// --- all callers ---------------------------------------------------------------------------------

Result<std::shared_ptr<CallLog>> CallLogs::get(const NodeId& caller, const wire::CallHeader& call,
                                               TimePoint now) {
  if ((call.call_id & wire::kKeptCall) == 0 || call.first_open > call.call_id) {
    return fail(ErrorCode::kInvalid, "a call to be kept with number " +
                                         std::to_string(call.call_id) + ", the first open one " +
                                         std::to_string(call.first_open));
  }
  const std::scoped_lock lock(mutex_);
  auto found = callers_.find(caller);
  if (found == callers_.end() && forgotten_.contains(caller) && call.again) {
    return fail(
        unavailable("its node has forgotten the caller, which was away for too long: "
                    "whether the call was handled is not known"));
  }
  if (found == callers_.end()) {
    if (callers_.size() >= kCallersMax) forget_old(now);
    if (callers_.size() >= kCallersMax) {
      return fail(ErrorCode::kOverloaded,
                  std::to_string(kCallersMax) + " nodes keep calls to this one");
    }
    found = callers_.emplace(caller, Caller{std::make_shared<CallLog>(), {}}).first;
  }
  found->second.lost.reset();
  return found->second.log;
}

std::shared_ptr<CallLog> CallLogs::find(const NodeId& caller) const {
  const std::scoped_lock lock(mutex_);
  const auto found = callers_.find(caller);
  return found == callers_.end() ? nullptr : found->second.log;
}

void CallLogs::lost(const NodeId& caller, const Peer& peer, const std::shared_ptr<Peer>& other,
                    TimePoint now) {
  std::shared_ptr<CallLog> log;
  {
    const std::scoped_lock lock(mutex_);
    forget_old(now);
    const auto found = callers_.find(caller);
    if (found == callers_.end()) return;
    log = found->second.log;
    if (!other) found->second.lost = now;
  }
  if (other) log->moved(peer, other);
}

void CallLogs::clear() {
  std::map<NodeId, Caller> all;
  const std::scoped_lock lock(mutex_);
  all.swap(callers_);
}

void CallLogs::forget_old(TimePoint now) {
  std::erase_if(callers_, [&](const auto& one) {
    const auto& lost = one.second.lost;
    if (!lost || now - *lost <= kCallerForgottenAfter || one.second.log->connected()) return false;
    if (forgotten_.insert(one.first).second) forgotten_order_.push_back(one.first);
    return true;
  });
  for (; forgotten_order_.size() > kForgottenMax; forgotten_order_.pop_front()) {
    forgotten_.erase(forgotten_order_.front());
  }
}

}  // namespace muster::detail
