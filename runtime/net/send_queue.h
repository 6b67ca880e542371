#pragma once
// What waits to be written on one connection, in lanes, and the write under way.
//
// Threads: none of its own; the session's lock guards the queue, its writer owns the WriteOp.
//
// Invariants:
//  1. Control goes before calls, calls before bulk. Inside a lane the order is that of push().
//  2. A message of a flow that has messages in the bulk lane goes to the bulk lane; one of the
//     control lane only when it is preceded there by such of the control lane.
//  3. A message larger than chunk_bytes is in the bulk lane and leaves in chunks (of the control
//  lane
//     only one without a flow leaves whole); all others leave whole. One write op has at most one
//     piece of the bulk lane, its last.
//  4. One-way calls that follow each other in a batch and differ in their arguments only share a
//     frame, as far as SharedFrame lets them.

#include <deque>
#include <unordered_map>
#include <vector>

#include "runtime/wire/message.h"
#include "runtime/wire/shared_frame.h"

namespace muster::net {

// How many one-way messages are written when this byte is.
struct OneWayEnd {
  std::size_t byte = 0;
  std::size_t messages = 1;
};

// One gather write: pieces in order, and how far it is.
class WriteOp {
 public:
  bool done() const { return next_ == slices_.size(); }
  std::span<const wire::Slice> rest() const { return std::span(slices_).subspan(next_); }
  // `count` bytes of rest() were written.
  void consume(std::size_t count);
  // Bytes of messages (not of chunk headers) that this op completes.
  std::size_t payload_bytes() const { return payload_bytes_; }
  // One-way messages of which not every byte was written.
  std::size_t one_way() const;

 private:
  friend class SendQueue;
  void clear();
  void append(const wire::OutgoingMessage& message);
  std::vector<std::vector<std::byte>> batches_;
  std::vector<wire::OutgoingMessage> messages_;
  std::vector<wire::Slice> slices_;
  std::size_t next_ = 0;
  std::size_t payload_bytes_ = 0;
  std::size_t bytes_ = 0;                // of all slices
  std::size_t written_ = 0;              // of them
  std::vector<OneWayEnd> one_way_ends_;  // bytes of bytes_
};

class SendQueue {
 public:
  explicit SendQueue(std::size_t chunk_bytes);
  // The peer takes no larger ones.
  void set_frame_bytes_max(std::size_t bytes);

  void push(wire::OutgoingMessage&& message);
  // Bytes of messages that wait, those of the write under way not counted.
  std::size_t bytes() const { return bytes_; }
  bool empty() const { return bytes_ == 0; }
  // One-way messages that wait, those of the write under way not counted.
  std::size_t one_way() const;
  // Fills `op`, which is done, with what to write next; false when nothing waits.
  bool take(WriteOp& op);

 private:
  // A run of small messages, or one that is not copied.
  struct Piece {
    std::vector<std::byte> batch;
    wire::OutgoingMessage message;
    bool is_batch = false;
    std::vector<OneWayEnd> one_way_ends;  // bytes of the batch
    wire::SharedFrame last;               // of the batch
  };
  struct Bulk {
    wire::OutgoingMessage message;
    std::vector<wire::Slice> slices;  // of the message, when it is in chunks
    std::size_t slice = 0;            // the next byte to send: this slice,
    std::size_t within = 0;           // this byte in it,
    std::size_t sent = 0;             // this byte of the message
    std::uint32_t stream = 0;         // 0: not begun
  };

  // What must not be in the bulk lane if the message is to go elsewhere; 0: nothing.
  static std::uint64_t follows(const wire::OutgoingMessage& message);
  void push_piece(std::deque<Piece>& lane, wire::OutgoingMessage&& message);
  void take_pieces(std::deque<Piece>& lane, WriteOp& op);
  void take_bulk(WriteOp& op);
  void take_chunk(Bulk& bulk, WriteOp& op);
  void finish_bulk();
  std::vector<std::byte> new_batch(std::size_t room);

  const std::size_t chunk_bytes_;
  std::size_t frame_bytes_max_;  // of several calls
  std::deque<Piece> control_, calls_;
  std::deque<std::unique_ptr<Bulk>> bulk_;
  std::unordered_map<std::uint64_t, std::size_t>
      bulk_flows_;  // messages in bulk_ by flow and by what they follow
  std::vector<std::vector<std::byte>> spare_batches_;
  // A message whose last chunk is in the write under way, kept until the next take().
  std::unique_ptr<Bulk> leaving_;
  std::uint32_t last_stream_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace muster::net
