#include "runtime/net/send_queue.h"

#include <muster/error.h>

#include <algorithm>

#include "runtime/wire/messages.h"

namespace muster::net {
namespace {

// Contiguous messages up to this size are copied into batches.
constexpr std::size_t kBatchedBytesMax = 16 * 1024;
constexpr std::size_t kBatchBytes = 64 * 1024;
constexpr std::size_t kFirstBatchBytes = 4 * 1024;
// A write takes at most about this much from the lanes above bulk.
constexpr std::size_t kWriteBytes = 256 * 1024;
constexpr std::size_t kSpareBatchesMax = 16;
// Gather lists stay below what one system call takes.
constexpr std::size_t kWriteSlicesMax = 64;

}  // namespace

void WriteOp::consume(std::size_t count) {
  while (count > 0) {
    wire::Slice& slice = slices_[next_];
    const std::size_t part = std::min(count, slice.size());
    written_ += part;
    slice = slice.subspan(part);
    count -= part;
    if (slice.empty()) ++next_;
  }
}

std::size_t WriteOp::one_way() const {
  std::size_t count = 0;
  for (const OneWayEnd& end : one_way_ends_) count += end.byte > written_ ? end.messages : 0;
  return count;
}

// Requires: the message is in messages_ and nothing is put there any more that moves it.
void WriteOp::append(const wire::OutgoingMessage& message) {
  message.append_slices(slices_);
  bytes_ += message.size();
  if (message.one_way()) one_way_ends_.push_back({bytes_});
}

void WriteOp::clear() {
  batches_.clear();
  messages_.clear();
  slices_.clear();
  next_ = 0;
  payload_bytes_ = 0;
  bytes_ = 0;
  written_ = 0;
  one_way_ends_.clear();
}

std::size_t SendQueue::one_way() const {
  std::size_t count = 0;
  for (const auto* lane : {&control_, &calls_}) {
    for (const Piece& piece : *lane) {
      for (const OneWayEnd& end : piece.one_way_ends) count += end.messages;
      count += piece.message.one_way();
    }
  }
  for (const auto& bulk : bulk_) count += bulk->message.one_way();
  return count;
}

std::uint64_t SendQueue::follows(const wire::OutgoingMessage& message) {
  constexpr std::uint64_t kUrgent = std::uint64_t{1} << 63;  // no actor's number has it
  const std::uint64_t flow = message.flow();
  return flow != 0 && message.lane() == wire::Lane::kControl ? flow | kUrgent : flow;
}

SendQueue::SendQueue(std::size_t chunk_bytes)
    : chunk_bytes_(chunk_bytes / 64 * 64),
      frame_bytes_max_(std::min(wire::kSharedFrameBytesMax, chunk_bytes_)) {}

void SendQueue::set_frame_bytes_max(std::size_t bytes) {
  frame_bytes_max_ = std::min({wire::kSharedFrameBytesMax, chunk_bytes_, bytes});
}

void SendQueue::push(wire::OutgoingMessage&& message) {
  const bool control = message.lane() == wire::Lane::kControl;
  const std::uint64_t flow = message.flow();
  if (control && flow == 0) return push_piece(control_, std::move(message));
  const std::uint64_t followed = follows(message);
  const bool behind = followed != 0 && !bulk_flows_.empty() && bulk_flows_.contains(followed);
  if (message.lane() != wire::Lane::kBulk && message.size() <= chunk_bytes_ && !behind) {
    return push_piece(control ? control_ : calls_, std::move(message));
  }
  bytes_ += message.size();
  if (flow != 0) ++bulk_flows_[flow];
  if (followed != flow) ++bulk_flows_[followed];
  auto bulk = std::make_unique<Bulk>();
  bulk->message = std::move(message);
  bulk_.push_back(std::move(bulk));
}

void SendQueue::push_piece(std::deque<Piece>& lane, wire::OutgoingMessage&& message) {
  if (!message.contiguous() || message.size() > kBatchedBytesMax) {
    bytes_ += message.size();
    lane.push_back({{}, std::move(message), false, {}, {}});
    return;
  }
  const std::size_t size = message.size();
  const bool open =
      !lane.empty() && lane.back().is_batch && lane.back().batch.size() + size <= kBatchBytes;
  if (!open) {
    // The first may stay small; where one is full already, the next will be.
    lane.push_back({new_batch(lane.empty() ? kFirstBatchBytes : kBatchBytes), {}, true, {}, {}});
  }
  Piece& piece = lane.back();
  if (const std::size_t added = piece.last.join(piece.batch, message, frame_bytes_max_)) {
    bytes_ += added;
    piece.one_way_ends.back().byte += added;
    ++piece.one_way_ends.back().messages;
    return;
  }
  piece.last.append(piece.batch, message);
  bytes_ += size;
  if (message.one_way()) piece.one_way_ends.push_back({piece.batch.size()});
}

std::vector<std::byte> SendQueue::new_batch(std::size_t room) {
  std::vector<std::byte> batch;
  if (!spare_batches_.empty()) {
    batch = std::move(spare_batches_.back());
    spare_batches_.pop_back();
  }
  batch.reserve(room);
  return batch;
}

bool SendQueue::take(WriteOp& op) {
  for (auto& batch : op.batches_) {
    if (spare_batches_.size() >= kSpareBatchesMax) break;
    batch.clear();
    spare_batches_.push_back(std::move(batch));
  }
  op.clear();
  leaving_.reset();
  // Moving a message moves its inline bytes: the slices are taken when all are in place.
  op.messages_.reserve(kWriteSlicesMax);
  take_pieces(control_, op);
  take_pieces(calls_, op);
  if (!bulk_.empty()) take_bulk(op);
  bytes_ -= op.payload_bytes_;
  return !op.slices_.empty();
}

void SendQueue::take_pieces(std::deque<Piece>& lane, WriteOp& op) {
  while (!lane.empty() && op.payload_bytes_ < kWriteBytes &&
         op.messages_.size() + op.batches_.size() < kWriteSlicesMax / 2) {
    Piece& piece = lane.front();
    if (piece.is_batch) {
      op.payload_bytes_ += piece.batch.size();
      op.slices_.emplace_back(piece.batch);
      for (const OneWayEnd& end : piece.one_way_ends) {
        op.one_way_ends_.push_back({op.bytes_ + end.byte, end.messages});
      }
      op.bytes_ += piece.batch.size();
      op.batches_.push_back(std::move(piece.batch));
    } else {
      op.payload_bytes_ += piece.message.size();
      op.messages_.push_back(std::move(piece.message));
      op.append(op.messages_.back());
    }
    lane.pop_front();
  }
}

void SendQueue::take_bulk(WriteOp& op) {
  Bulk& bulk = *bulk_.front();
  if (bulk.message.size() <= chunk_bytes_) {
    op.payload_bytes_ += bulk.message.size();
    op.messages_.push_back(std::move(bulk.message));
    op.append(op.messages_.back());
    finish_bulk();
    return;
  }
  if (bulk.stream == 0) {
    if (++last_stream_ == 0) ++last_stream_;
    bulk.stream = last_stream_;
    bulk.message.append_slices(bulk.slices);
  }
  take_chunk(bulk, op);
  if (bulk.sent < bulk.message.size()) return;
  if (bulk.message.one_way()) op.one_way_ends_.push_back({op.bytes_});
  finish_bulk();
}

// A chunk never spans two slices, so that its data can be written from where it lies.
void SendQueue::take_chunk(Bulk& bulk, WriteOp& op) {
  const wire::Slice slice = bulk.slices[bulk.slice];
  const std::size_t size = std::min(chunk_bytes_, slice.size() - bulk.within);
  const auto align = bulk.message.align_offset() % 64;
  op.messages_.push_back(
      wire::encode_chunk({bulk.stream, static_cast<std::uint32_t>(align), bulk.message.size(),
                          bulk.sent, slice.subspan(bulk.within, size)}));
  op.append(op.messages_.back());
  op.payload_bytes_ += size;
  bulk.sent += size;
  bulk.within += size;
  if (bulk.within == slice.size()) ++bulk.slice, bulk.within = 0;
}

void SendQueue::finish_bulk() {
  leaving_ = std::move(bulk_.front());
  bulk_.pop_front();
  const auto left = [this](std::uint64_t flow) {
    const auto found = bulk_flows_.find(flow);
    if (flow != 0 && --found->second == 0) bulk_flows_.erase(found);
  };
  const std::uint64_t flow = leaving_->message.flow(), followed = follows(leaving_->message);
  left(flow);
  if (followed != flow) left(followed);
}

}  // namespace muster::net
