#include "runtime/net/session.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace muster::net {
namespace {

// How far messages that are never refused may exceed the bound before the peer is given up.
constexpr std::size_t kExemptBytesMax = std::size_t{64} << 20;
// Messages sent within this of the last write are gathered instead of written one by one.
constexpr Duration kGatherWithin = 10us;
// During a burst the transport's thread writes what was gathered about this often: large writes
// cost both sides far less than many small ones.
constexpr Duration kBurstFlush = 50us;
// When this much waits, gathered or corked, it is written at once.
constexpr std::size_t kGatherBytesMax = 64 * 1024;
// Messages dispatched before on_batch_end comes, but for those of one frame.
constexpr std::size_t kMessagesPerTurn = 64;
// How long a session that ended still reads, so that its last words reach the peer.
constexpr Duration kLinger = 500ms;

// For a counter with one writer at a time: no locked instruction.
void add(std::atomic<std::uint64_t>& counter, std::uint64_t count) {
  counter.store(counter.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
}

std::string seconds(Duration d) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f s", std::chrono::duration<double>(d).count());
  return text;
}

}  // namespace

std::shared_ptr<Session> Session::start(std::unique_ptr<ByteStream> stream, Timers& timers,
                                        SessionOptions options,
                                        std::shared_ptr<SessionEvents> events) {
  std::shared_ptr<Session> session(
      new Session(std::move(stream), timers, std::move(options), std::move(events)));
  session->begin();
  return session;
}

Session::Session(std::unique_ptr<ByteStream> stream, Timers& timers, SessionOptions options,
                 std::shared_ptr<SessionEvents> events)
    : stream_(std::move(stream)),
      timers_(timers),
      options_(std::move(options)),
      peer_address_(stream_->peer_address()),
      reader_(kHandshakeLimits),
      handshake_(options_, peer_address_, make_nonce(options_.nonce_seed)),
      events_(std::move(events)),
      queue_(options_.chunk_bytes),
      held_(options_.held_messages_max, options_.max_outstanding_bytes) {}

Session::~Session() = default;

void Session::begin() {
  schedule_in(options_.handshake_timeout, &Session::on_handshake_deadline);
  if (auto hello = handshake_.first()) send_now(std::move(*hello));
  arm_read();
}

// ---- Reading ----

void Session::arm_read() {
  stream_->read_some(reader_.target(), [self = shared_from_this()](Result<std::size_t> count) {
    self->on_read(std::move(count));
  });
}

void Session::on_read(Result<std::size_t> count) {
  if (ended_) return count ? drain_read() : end_stream();
  if (!count) {
    Error cause = std::move(count.error());
    const auto part = reader_.unfinished();
    if (part.have > 0 && cause.code == ErrorCode::kUnavailable) {
      cause.message += " in the middle of a frame (" + std::to_string(part.have) + " bytes of " +
                       (part.total > 0 ? std::to_string(part.total) : "an unknown size") + ")";
    } else if (!ready() && cause.code == ErrorCode::kUnavailable) {
      cause.message += " during the handshake";
    }
    return finish(std::move(cause), Farewell::kNone, {});
  }
  last_heard_.store(timers_.clock().now().time_since_epoch().count(), std::memory_order_relaxed);
  bytes_received_.fetch_add(*count, std::memory_order_relaxed);
  heard_since_write_.store(true, std::memory_order_relaxed);
  parse(*count);
}

// In turns of kMessagesPerTurn: what is received is acted on while it is in the processor's cache.
void Session::parse(std::size_t count) {
  if (ended_) return drain_read();
  batch_ = 0;
  Result<void> parsed;
  std::shared_ptr<SessionEvents> events;
  {
    const std::scoped_lock lock(events_mutex_);
    parsed = reader_.commit(count, [this](const wire::IncomingMessage& message) {
      return on_frame(message) && batch_ < kMessagesPerTurn;
    });
    events = events_;
  }
  if (!parsed) on_bad_bytes(parsed.error());
  const std::size_t batch = batch_;
  if (ended_) {
    drain_read();
  } else if (batch >= kMessagesPerTurn) {
    // Like a read: when what follows takes long, another thread of the transport goes on.
    timers_.schedule(timers_.clock().now(), [self = shared_from_this()] { self->parse(0); });
  } else {
    arm_read();
  }
  // From here on another thread may be in here.
  if (batch > 0 && events) events->on_batch_end();
}

bool Session::on_frame(const wire::IncomingMessage& message) {
  if (ended_) return false;
  add(messages_received_, 1);
  using wire::FrameKind;
  if (!ready_.load(std::memory_order_relaxed)) {
    on_handshake_frame(message);
    return !ended_;
  }
  switch (message.kind()) {
    case FrameKind::kHeartbeat:
      heartbeats_received_.fetch_add(1, std::memory_order_relaxed);
      break;
    case FrameKind::kReject:
    case FrameKind::kGoodbye: {
      const auto error = wire::parse_error(message);
      const std::string text = error ? error->message : "a reason that cannot be read";
      const bool reject = message.kind() == FrameKind::kReject;
      peer_left_ = !reject;
      finish(Error{ErrorCode::kUnavailable,
                   peer_address_ + (reject ? " refused the connection: " : " left: ") + text,
                   {}},
             Farewell::kNone, {});
      break;
    }
    case FrameKind::kNone:
    case FrameKind::kHello:
    case FrameKind::kChallenge:
    case FrameKind::kProof:
    case FrameKind::kReady: {
      const std::string what = "a " + std::string(to_string(message.kind())) + " frame out of turn";
      on_bad_bytes({ErrorCode::kCorrupt, what, {}});
      break;
    }
    default: {
      if (message.kind() > FrameKind::kGoodbye) break;  // of a newer protocol
      const std::size_t held = events_->on_message(message);
      batch_ += held;
      add(messages_received_, held - 1);
    }
  }
  return !ended_;
}

void Session::on_handshake_frame(const wire::IncomingMessage& message) {
  auto step = handshake_.on_frame(message);
  if (!step) {
    Refusal& refusal = step.error();
    const bool tell = refusal.there.has_value();
    finish(std::move(refusal.here), tell ? Farewell::kReject : Farewell::kNone,
           tell ? refusal.there->message : std::string());
  } else if (step->done) {
    become_ready(std::move(*step));
  } else if (step->answer) {
    send_now(std::move(*step->answer));
  }
}

void Session::become_ready(Handshake::Step step) {
  reader_.set_limits(options_.limits);
  const PeerInfo peer = handshake_.peer();
  {
    const std::scoped_lock lock(mutex_);
    peer_message_bytes_max_ = peer.message_bytes_max;
    queue_.set_frame_bytes_max(peer.message_bytes_max);
    if (step.answer) queue_.push(std::move(*step.answer));
    for (auto& message : before_ready_) queue_.push(std::move(message));
    messages_sent_ += before_ready_.size() + (step.answer ? 1 : 0);
    before_ready_.clear();
    before_ready_bytes_ = 0;
    ready_.store(true, std::memory_order_release);
  }
  const TimePoint now = timers_.clock().now();
  silence_check_due_ = now + options_.peer_timeout;
  schedule_in(options_.peer_timeout, &Session::on_silence_check);
  schedule_in(options_.heartbeat_interval, &Session::on_heartbeat);
  std::unique_lock lock(mutex_);
  start_writing(std::move(lock));
  events_->on_ready(peer);
}

void Session::on_bad_bytes(const Error& error) {
  if (!ready() && messages_received_ == 0 && reader_.unfinished().have > 0) {
    const wire::Slice first = reader_.pending();
    if (const std::string answer = answer_to_stranger(first); !answer.empty()) {
      const wire::Slice bytes = std::as_bytes(std::span(answer.data(), answer.size()));
      (void)stream_->try_write(std::span(&bytes, 1));
      return finish(not_muster(peer_address_, first), Farewell::kNone, {});
    }
    return finish(not_muster(peer_address_, first), Farewell::kReject,
                  "this is a Muster node: what you sent is not its protocol");
  }
  finish(Error{error.code, peer_address_ + " sent a bad frame: " + error.message, {}},
         Farewell::kReject, "bad frame: " + error.message);
}

// After the end: takes and forgets what still comes, until the peer closes or the linger ends.
void Session::drain_read() {
  if (stream_ended_) return;
  auto sink = std::make_shared_for_overwrite<std::byte[]>(16 * 1024);
  const std::span<std::byte> into(sink.get(), 16 * 1024);
  stream_->read_some(into, [self = shared_from_this(), sink](Result<std::size_t> count) {
    count ? self->drain_read() : self->end_stream();
  });
}

// ---- Writing ----

std::size_t Session::unheld_bytes() const {
  return queue_.bytes() + in_flight_bytes_ + before_ready_bytes_;
}

Result<void> Session::send(wire::OutgoingMessage&& message, Bound bound, Patience* patience) {
  std::unique_lock lock(mutex_);
  if (cause_) return fail(*cause_);
  const std::size_t size = message.size();
  const std::size_t waiting = unheld_bytes();
  const std::size_t limit = options_.max_outstanding_bytes;
  if (bound == Bound::kExempt) {
    const std::size_t piled = waiting + held_.exempt_bytes();
    if (piled > limit && piled - limit > kExemptBytesMax) {
      lock.unlock();
      Error cause{ErrorCode::kUnavailable, peer_address_ + " does not read what it is sent", {}};
      finish(cause, Farewell::kNone, {});
      return fail(std::move(cause));
    }
  } else if (waiting > 0 && (message.lane() != wire::Lane::kControl || message.flow() != 0) &&
             size > limit - std::min(waiting, limit)) {
    return hold(std::move(message), bound, patience);
  }
  // Nothing that is ordered among others overtakes what is held.
  if (!held_.empty() && message.flow() != 0 &&
      (bound != Bound::kExempt || held_.has_flow(message.flow()))) {
    return hold(std::move(message), bound, patience);
  }
  if (!ready_.load(std::memory_order_relaxed)) {
    before_ready_.push_back(std::move(message));
    before_ready_bytes_ += size;
    return {};
  }
  if (size > peer_message_bytes_max_) return check_size(message);
  queue_.push(std::move(message));
  add(messages_sent_, 1);
  if (should_write_now()) start_writing(std::move(lock));
  return {};
}

bool Session::should_write_now() {
  if (writing_) return false;
  const bool many = queue_.bytes() >= kGatherBytesMax;
  if (!many && (corks_ > 0 || tail_flush_scheduled_)) return false;
  const TimePoint now = timers_.clock().now();
  // Something came in since the last write: most likely an answer, and this what waits for it.
  const bool sparse =
      heard_since_write_.load(std::memory_order_relaxed) || now - last_write_ >= kGatherWithin;
  if (many || sparse) {
    bursting_ = bursting_ && !sparse;
    return true;
  }
  schedule_tail_flush(now);
  return false;
}

// Requires: the lock. The first message that follows another is written soon, those of a burst in
// turns of kBurstFlush.
void Session::schedule_tail_flush(TimePoint now) {
  if (tail_flush_scheduled_) return;
  tail_flush_scheduled_ = true;
  timers_.schedule(bursting_ ? now + kBurstFlush : now, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->on_tail_flush();
  });
  bursting_ = true;
}

void Session::on_tail_flush() {
  std::unique_lock lock(mutex_);
  tail_flush_scheduled_ = false;
  if (corks_ == 0) start_writing(std::move(lock));
}

void Session::cork() {
  const std::scoped_lock lock(mutex_);
  ++corks_;
}

void Session::uncork() {
  std::unique_lock lock(mutex_);
  MUSTER_CHECK(corks_ > 0, corks_);
  if (--corks_ == 0) start_writing(std::move(lock));
}

// Takes the writer's place unless it is taken, and writes what waits.
void Session::start_writing(std::unique_lock<std::mutex> lock) {
  if (writing_ || stream_ended_ || queue_.empty()) return;
  writing_ = true;
  heard_since_write_.store(false, std::memory_order_relaxed);
  lock.unlock();
  write_loop();
}

// Requires: this thread set writing_, or continues for the one that did.
void Session::write_loop() {
  for (bool first = true;; first = false) {
    if (op_.done()) {
      const std::scoped_lock lock(mutex_);
      if (!held_.empty()) release_held();
      if (!first && bursting_ && !queue_.empty() && queue_.bytes() < kGatherBytesMax && !cause_) {
        in_flight_bytes_ = 0;
        writing_ = false;
        last_write_ = timers_.clock().now();
        return schedule_tail_flush(last_write_);
      }
      if (stream_ended_ || !queue_.take(op_)) {
        in_flight_bytes_ = 0;
        writing_ = false;
        last_write_ = timers_.clock().now();
        break;
      }
      in_flight_bytes_ = op_.payload_bytes();
    }
    const auto count = stream_->try_write(op_.rest());
    writes_.fetch_add(1, std::memory_order_relaxed);
    if (!count) {
      finish(count.error(), Farewell::kNone, {});  // writing_ stays: none again
      return report_unsent(true);
    }
    bytes_sent_.fetch_add(*count, std::memory_order_relaxed);
    op_.consume(*count);
    if (*count == 0) {
      return stream_->wait_writable([self = shared_from_this()] { self->write_loop(); });
    }
  }
  if (stream_ended_) report_unsent(false);
}

// A frame of the handshake or a heartbeat: not counted, never refused.
void Session::send_now(wire::OutgoingMessage&& message) {
  std::unique_lock lock(mutex_);
  if (cause_) return;
  queue_.push(std::move(message));
  add(messages_sent_, 1);
  start_writing(std::move(lock));
}

// ---- Time ----

void Session::schedule_in(Duration delay, void (Session::*callback)()) {
  timers_.schedule(timers_.clock().now() + delay, [weak = weak_from_this(), callback] {
    if (const auto self = weak.lock()) (self.get()->*callback)();
  });
}

void Session::on_handshake_deadline() {
  if (ready() || ended_) return;
  std::string awaited;
  {
    const std::scoped_lock lock(events_mutex_);
    awaited = handshake_.awaited();
  }
  if (ready()) return;
  finish(Error{ErrorCode::kTimeout,
               peer_address_ + " did not send its " + awaited + " within " +
                   seconds(options_.handshake_timeout),
               {}},
         Farewell::kReject, "no " + awaited + " within " + seconds(options_.handshake_timeout));
}

void Session::on_heartbeat() {
  if (ended_) return;
  send_now(wire::encode_heartbeat());
  schedule_in(options_.heartbeat_interval, &Session::on_heartbeat);
}

void Session::on_silence_check() {
  if (ended_) return;
  {
    const std::scoped_lock lock(events_mutex_);  // the reader's
    reader_.trim();
  }
  const TimePoint now = timers_.clock().now();
  const TimePoint heard{Duration(last_heard_.load(std::memory_order_relaxed))};
  TimePoint deadline = heard + options_.peer_timeout;
  // This process itself stood still (stopped, suspended): what the peer sent meanwhile is still
  // to be read.
  if (now - silence_check_due_ > options_.peer_timeout / 4) {
    deadline = now + options_.peer_timeout;
    last_heard_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
  }
  if (now >= deadline) {
    return finish(
        Error{ErrorCode::kUnavailable,
              "no heartbeat from " + peer_address_ + " for " + seconds(options_.peer_timeout),
              {}},
        Farewell::kReject, "no heartbeat from you for " + seconds(options_.peer_timeout));
  }
  silence_check_due_ = deadline;
  schedule_in(deadline - now, &Session::on_silence_check);
}

// ---- Ending ----

void Session::close(Error cause) {
  std::string reason = cause.message;
  finish(std::move(cause), Farewell::kGoodbye, std::move(reason));
}

void Session::end_now(Error cause) {
  finish(std::move(cause), Farewell::kNone, {});
  report_closed();
}

void Session::finish(Error cause, Farewell farewell, std::string reason_for_peer) {
  const ErrorCode code = cause.code;
  {
    std::unique_lock lock(mutex_);
    if (cause_) return;
    cause_ = std::move(cause);
    ended_ = true;
    for (const auto& message : before_ready_) one_way_before_ready_ += message.one_way();
    one_way_before_ready_ += held_.clear();
    before_ready_.clear();
    before_ready_bytes_ = 0;
    if (farewell != Farewell::kNone) {
      Error reason{code, std::move(reason_for_peer), {}};
      auto last = farewell == Farewell::kReject ? wire::encode_reject(reason)
                                                : wire::encode_goodbye(reason);
      if (farewell == Farewell::kGoodbye) last.set_route(wire::Lane::kBulk, 0);
      queue_.push(std::move(last));
      start_writing(std::move(lock));
    }
  }
  timers_.schedule(timers_.clock().now(), [self = shared_from_this()] { self->report_closed(); });
  if (farewell == Farewell::kNone) {
    end_stream();
  } else {
    timers_.schedule(timers_.clock().now() + kLinger,
                     [self = shared_from_this()] { self->on_linger_end(); });
  }
}

void Session::report_closed() {
  std::shared_ptr<SessionEvents> events;
  const std::scoped_lock lock(events_mutex_);
  events.swap(events_);
  if (events) events->on_closed(*cause_);
}

void Session::on_linger_end() {
  end_stream();
}

void Session::end_stream() {
  if (stream_ended_.exchange(true)) return;
  stream_->close();
  report_unsent(false);
}

// The writer, which may be in the middle of a write, reports instead of others.
void Session::report_unsent(bool is_writer) {
  std::size_t one_way = 0;
  {
    const std::scoped_lock lock(mutex_);
    if ((writing_ && !is_writer) || std::exchange(unsent_reported_, true)) return;
    one_way = one_way_before_ready_ + queue_.one_way() + op_.one_way();
  }
  if (one_way > 0 && options_.on_unsent) options_.on_unsent(one_way);
}

std::size_t Session::outstanding_bytes() const {
  const std::scoped_lock lock(mutex_);
  return unheld_bytes() + held_.bytes();
}

SessionStats Session::stats() const {
  return {bytes_sent_,        bytes_received_, messages_sent_,
          messages_received_, writes_,         heartbeats_received_};
}

}  // namespace muster::net
