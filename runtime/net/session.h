#pragma once
// One connection to a peer node: handshake, lanes, heartbeats and messages above a ByteStream.
//
// Threads: send, cork, uncork, close and the observers from any thread. Events come from the
// transport's threads, see SessionEvents. All timing goes through the Timers.
//
// Invariants:
//  1. Nothing but handshake frames is read before the peer is authenticated.
//  2. on_closed comes exactly once and, but for an on_batch_end under way, last; from then on send
//     fails with the same cause.
//  3. Bytes of one message are written without another's in between; the lanes decide between whole
//     messages and chunks only: control, calls, bulk. Messages of one flow keep their order: while
//     one of them waits in the bulk lane, later ones join it there.
//  4. What waits and is not held (see HeldMessages) is at most max_outstanding_bytes, except for
//     one message sent when nothing waited, and for control messages. While messages are held,
//     something is being written.
//  5. At most one thread writes: the one that set writing_.

#include <muster/transport.h>

#include <atomic>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/net/handshake.h"
#include "runtime/net/held_messages.h"
#include "runtime/net/send_queue.h"
#include "runtime/net/session_options.h"
#include "runtime/wire/frame.h"
#include "runtime/wire/messages.h"

namespace muster::net {

class Session : public std::enable_shared_from_this<Session> {
 public:
  // Starts the handshake. The events are kept alive until on_closed has returned; `timers` must
  // outlive the session. The session lives while its stream does, whether or not the caller keeps
  // the pointer.
  static std::shared_ptr<Session> start(std::unique_ptr<ByteStream> stream, Timers& timers,
                                        SessionOptions options,
                                        std::shared_ptr<SessionEvents> events);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Takes the message over and writes it now, on the calling thread, when nothing waits; else it
  // is queued in its lane. Messages that follow a write at once, with nothing received in between,
  // are gathered and written together, at the latest by the transport's thread 50 microseconds on.
  // kOverloaded when max_outstanding_bytes would be exceeded; kInvalid when the peer accepts no
  // message of that size; the cause when the session has ended: then `message` is left as it was.
  // Before on_ready messages are queued.
  Result<void> send(wire::OutgoingMessage&& message) {
    return send(std::move(message), Bound::kKept);
  }
  // As send, but where there is no room the message waits for it, outside the bound and in turn
  // with others. While any waits, messages of a flow that are not patient are refused, and exempt
  // ones of its flow come after it. At most held_messages_max wait, and of their bytes as many as
  // the bound; one more is refused.
  Result<void> send_patiently(wire::OutgoingMessage&& message, Patience patience) {
    return send(std::move(message), Bound::kKept, &patience);
  }

  // kExempt: a small message that nobody could send again (an answer, a release) is not refused for
  // want of room. A peer for which too much of that piles up is given up: it does not read.
  enum class Bound : std::uint8_t { kKept, kExempt };
  Result<void> send(wire::OutgoingMessage&& message, Bound bound) {
    return send(std::move(message), bound, nullptr);
  }

  // Between cork and uncork (they nest, and count for all threads) messages gather and are written
  // together at the last uncork, on its thread, or earlier when they are many.
  void cork();
  void uncork();

  // Ends the session. `cause` goes to the peer as a goodbye after what was queued, as far as the
  // peer takes it within a moment. on_closed(cause) follows on the transport's thread.
  void close(Error cause);

  // For the owner's end, when the transport has stopped and may have dropped its callbacks:
  // on_closed comes now, inside this call, unless it has come.
  void end_now(Error cause);

  bool ready() const { return ready_.load(std::memory_order_acquire); }
  // The peer ended the session in good order (a goodbye), rather than by a fault.
  bool peer_left() const { return peer_left_; }
  // "host:port" of the stream's other end.
  const std::string& peer_address() const { return peer_address_; }
  std::size_t outstanding_bytes() const;
  SessionStats stats() const;

 private:
  enum class Farewell : std::uint8_t { kNone, kReject, kGoodbye };

  Session(std::unique_ptr<ByteStream> stream, Timers& timers, SessionOptions options,
          std::shared_ptr<SessionEvents> events);
  void begin();

  // Reading; one thread at a time, since the next read is armed last.
  void arm_read();
  void on_read(Result<std::size_t> count);
  void parse(std::size_t count);
  bool on_frame(const wire::IncomingMessage& message);
  void on_handshake_frame(const wire::IncomingMessage& message);
  void become_ready(Handshake::Step step);
  void on_bad_bytes(const Error& error);
  void drain_read();

  // Writing.
  Result<void> send(wire::OutgoingMessage&& message, Bound bound, Patience* patience);
  Result<void> check_size(const wire::OutgoingMessage& message) const;
  std::size_t unheld_bytes() const;  // Requires: the lock
  Result<void> hold(wire::OutgoingMessage&& message, Bound bound, Patience* patience);
  void release_held();
  bool should_write_now();  // Requires: the lock
  void schedule_tail_flush(TimePoint now);
  void start_writing(std::unique_lock<std::mutex> lock);
  void write_loop();
  void send_now(wire::OutgoingMessage&& message);

  // Time.
  void schedule_in(Duration delay, void (Session::*callback)());
  void on_handshake_deadline();
  void on_heartbeat();
  void on_silence_check();
  void on_tail_flush();
  void on_linger_end();

  // Ending. finish() is idempotent; the first cause counts.
  void finish(Error cause, Farewell farewell, std::string reason_for_peer);
  void report_closed();
  void end_stream();
  void report_unsent(bool is_writer);

  // Constant after construction:
  const std::unique_ptr<ByteStream> stream_;
  Timers& timers_;
  const SessionOptions options_;
  const std::string peer_address_;

  // Owned by whoever reads:
  wire::FrameReader reader_;
  Handshake handshake_;
  std::size_t batch_ = 0;  // messages of this turn

  // Held while an event (but on_batch_end) runs; taken before mutex_ when both are.
  std::mutex events_mutex_;
  std::shared_ptr<SessionEvents> events_;

  // Guarded by mutex_:
  mutable std::mutex mutex_;
  SendQueue queue_;
  HeldMessages held_;
  std::vector<wire::OutgoingMessage> before_ready_;
  std::size_t before_ready_bytes_ = 0;
  std::size_t in_flight_bytes_ = 0;
  bool writing_ = false;
  bool tail_flush_scheduled_ = false;
  bool bursting_ = false;  // the last messages came within kGatherWithin of a write
  int corks_ = 0;
  TimePoint last_write_{};
  std::optional<Error> cause_;
  std::size_t one_way_before_ready_ = 0;
  bool unsent_reported_ = false;
  std::uint64_t peer_message_bytes_max_ = 0;

  // Owned by whoever set writing_:
  WriteOp op_;

  std::atomic<bool> ready_{false};
  std::atomic<bool> peer_left_{false};  // set before the cause
  std::atomic<bool> ended_{false};      // cause_ is set
  std::atomic<bool> stream_ended_{false};
  std::atomic<bool> heard_since_write_{false};
  std::atomic<Duration::rep> last_heard_{0};
  TimePoint silence_check_due_{};  // owned by the silence timer
  std::atomic<std::uint64_t> bytes_sent_{0}, bytes_received_{0}, messages_sent_{0},
      messages_received_{0}, writes_{0}, heartbeats_received_{0};
};

// Corks a session for a scope.
class CorkScope {
 public:
  explicit CorkScope(Session& session) : session_(session) { session_.cork(); }
  ~CorkScope() { session_.uncork(); }
  CorkScope(const CorkScope&) = delete;
  CorkScope& operator=(const CorkScope&) = delete;

 private:
  Session& session_;
};

}  // namespace muster::net
