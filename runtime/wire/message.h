#pragma once
// Messages as bytes: OutgoingMessage, a Cap'n Proto stream message ready to be gathered to the
// network, and IncomingMessage, one that was received.
//
// Threads: values; one thread at a time. Distinct IncomingMessages may share a buffer.
//
// Invariants:
//  1. The slices of an OutgoingMessage, in order, are exactly one stream message of size() bytes;
//     none of them reaches past the end of the memory it refers to (padding is its own slice).
//  2. The bytes of an IncomingMessage are one complete stream message within the limits it was read
//     under, start at a multiple of 8, and live as long as its owner.

#include <muster/error.h>
#include <cstddef>
#include <cstdint>

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "runtime/wire/limits.h"
#include "runtime/wire/struct_view.h"

namespace muster::wire {

using Slice = std::span<const std::byte>;

// The union of Frame, in its order. Numbers the schema gained later are kept as they are.
enum class FrameKind : std::uint16_t {
  kNone = 0,
  kHello,
  kChallenge,
  kProof,
  kReady,
  kReject,
  kHeartbeat,
  kCall,
  kReply,
  kRelease,
  kFind,
  kFound,
  kMonitor,
  kDown,
  kStop,
  kCancel,
  kChunk,
  kGoodbye,
};
std::string_view to_string(FrameKind kind) noexcept;

// What may overtake what on a connection: earlier lanes go first.
enum class Lane : std::uint8_t { kControl = 0, kCalls = 1, kBulk = 2 };

class OutgoingMessage {
 public:
  static constexpr std::size_t kInlineBytes = 320;

  OutgoingMessage() = default;
  OutgoingMessage(OutgoingMessage&& other) noexcept { *this = std::move(other); }
  OutgoingMessage& operator=(OutgoingMessage&& other) noexcept;
  // A copy of what to_bytes() gave.
  static OutgoingMessage of_bytes(Slice bytes, Lane lane, std::uint64_t flow,
                                  std::size_t align_offset);

  std::size_t size() const noexcept { return size_; }
  Lane lane() const noexcept { return lane_; }
  // Messages of one flow (not 0) keep their order whatever their size and lane.
  std::uint64_t flow() const noexcept { return flow_; }
  void set_route(Lane lane, std::uint64_t flow) noexcept { lane_ = lane, flow_ = flow; }
  // A call that nobody waits for.
  bool one_way() const noexcept { return one_way_; }
  void set_one_way(bool one_way) noexcept { one_way_ = one_way; }
  // The byte from which a call without an id could be put behind another one in the other's frame,
  // when all between the first word and here is the same in both: its NextCall. 0: it could not.
  std::size_t next_call_at() const noexcept { return next_call_at_; }
  void set_next_call_at(std::size_t byte) noexcept {
    next_call_at_ = static_cast<std::uint32_t>(byte);
  }
  // Byte of the message that a receiver should place at a multiple of 64.
  std::size_t align_offset() const noexcept { return align_offset_; }

  // True when the whole message is one contiguous piece owned by this object.
  bool contiguous() const noexcept { return large_ == nullptr; }
  // Requires: contiguous().
  Slice bytes() const noexcept;
  // The pieces in order; valid while this object is neither moved nor destroyed.
  void append_slices(std::vector<Slice>& out) const;
  // The whole message, copied.
  std::vector<std::byte> to_bytes() const;

 private:
  friend class MessageAssembler;
  friend class SegmentWriter;
  struct Large {
    std::vector<std::byte> owned;  // segment table and the segments that were copied
    std::vector<Slice> slices;
    std::vector<std::shared_ptr<const void>> owners;
  };

  std::size_t size_ = 0;
  std::uint64_t flow_ = 0;
  std::size_t align_offset_ = 0;
  std::unique_ptr<Large> large_;
  std::unique_ptr<std::byte[]> heap_;  // contiguous, when inline_ is too small
  std::uint32_t next_call_at_ = 0;
  Lane lane_ = Lane::kCalls;
  bool one_way_ = false;
  alignas(8) std::byte inline_[kInlineBytes];
};

// What a message's bytes live by, lent by the reader that found it: copies own a share of it.
struct Lent {
  const std::shared_ptr<const void>& owner;
};

class IncomingMessage {
 public:
  IncomingMessage() = default;
  // Valid while the lender neither changes nor goes.
  IncomingMessage(Lent lent, Slice bytes, const Limits& limits);
  // Requires: invariant 2, and `limits` those that the bytes were checked against.
  IncomingMessage(std::shared_ptr<const void> owner, Slice bytes, const Limits& limits);
  // A message whose bytes are copied into a buffer of its own; kCorrupt when `bytes` are not one
  // complete message within `limits`.
  static Result<IncomingMessage> copy_of(Slice bytes, const Limits& limits = {});

  FrameKind kind() const noexcept { return kind_; }
  Slice bytes() const noexcept { return bytes_; }
  const std::shared_ptr<const void>& owner() const noexcept { return owner_.get(); }
  // The limits under which it may be walked.
  std::uint32_t nesting_max() const noexcept { return nesting_max_; }
  std::uint32_t traversal_factor() const noexcept { return traversal_factor_; }
  // Of a call or a reply: what its frame holds.
  const StructView& content() const noexcept { return content_; }
  // True when root and content could be read; kind() is kNone otherwise.
  bool readable() const noexcept { return readable_; }

 private:
  class Owner {
   public:
    Owner() = default;
    explicit Owner(Lent lent) noexcept : lent_(&lent.owner) {}
    explicit Owner(std::shared_ptr<const void> own) noexcept : own_(std::move(own)) {}
    Owner(const Owner& other) : own_(other.get()) {}
    Owner& operator=(Owner other) noexcept {  // a copy is never lent
      own_ = std::move(other.own_);
      lent_ = nullptr;
      return *this;
    }
    const std::shared_ptr<const void>& get() const noexcept { return lent_ ? *lent_ : own_; }

   private:
    std::shared_ptr<const void> own_;
    const std::shared_ptr<const void>* lent_ = nullptr;
  };
  void read_root();

  Owner owner_;
  Slice bytes_;
  StructView content_;
  FrameKind kind_ = FrameKind::kNone;
  bool readable_ = false;
  std::uint32_t nesting_max_ = 0;
  std::uint32_t traversal_factor_ = 0;
};

}  // namespace muster::wire
