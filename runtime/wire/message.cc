#include "runtime/wire/message.h"

#include <muster/array.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "runtime/wire/flat_reader.h"
#include "runtime/wire/frame.h"
#include "runtime/wire/segment_reader.h"

namespace muster::wire {

std::string_view to_string(FrameKind kind) noexcept {
  static constexpr std::array<std::string_view, 18> kNames = {
      "none",      "hello", "challenge", "proof",   "ready", "reject",
      "heartbeat", "call",  "reply",     "release", "find",  "found",
      "monitor",   "down",  "stop",      "cancel",  "chunk", "goodbye"};
  const auto i = static_cast<std::size_t>(kind);
  return i < kNames.size() ? kNames[i] : "unknown";
}

OutgoingMessage& OutgoingMessage::operator=(OutgoingMessage&& other) noexcept {
  size_ = std::exchange(other.size_, 0);
  flow_ = other.flow_;
  align_offset_ = other.align_offset_;
  lane_ = other.lane_;
  one_way_ = other.one_way_;
  next_call_at_ = other.next_call_at_;
  large_ = std::move(other.large_);
  heap_ = std::move(other.heap_);
  if (!large_ && !heap_ && size_ > 0) std::memcpy(inline_, other.inline_, size_);
  return *this;
}

OutgoingMessage OutgoingMessage::of_bytes(Slice bytes, Lane lane, std::uint64_t flow,
                                          std::size_t align_offset) {
  OutgoingMessage message;
  message.set_route(lane, flow);
  message.size_ = bytes.size();
  message.align_offset_ = align_offset;
  std::byte* to = message.inline_;
  if (bytes.size() > kInlineBytes) {
    message.heap_ = std::make_unique_for_overwrite<std::byte[]>(bytes.size());
    to = message.heap_.get();
  }
  std::memcpy(to, bytes.data(), bytes.size());
  return message;
}

Slice OutgoingMessage::bytes() const noexcept {
  return {heap_ ? heap_.get() : inline_, size_};
}

void OutgoingMessage::append_slices(std::vector<Slice>& out) const {
  if (contiguous()) {
    out.push_back(bytes());
  } else {
    out.insert(out.end(), large_->slices.begin(), large_->slices.end());
  }
}

std::vector<std::byte> OutgoingMessage::to_bytes() const {
  std::vector<Slice> slices;
  append_slices(slices);
  std::vector<std::byte> out;
  out.reserve(size_);
  for (const Slice& s : slices) out.insert(out.end(), s.begin(), s.end());
  return out;
}

IncomingMessage::IncomingMessage(std::shared_ptr<const void> owner, Slice bytes,
                                 const Limits& limits)
    : owner_(std::move(owner)),
      bytes_(bytes),
      nesting_max_(limits.nesting_max),
      traversal_factor_(limits.traversal_factor) {
  read_root();
}

IncomingMessage::IncomingMessage(Lent lent, Slice bytes, const Limits& limits)
    : owner_(lent),
      bytes_(bytes),
      nesting_max_(limits.nesting_max),
      traversal_factor_(limits.traversal_factor) {
  read_root();
}

void IncomingMessage::read_root() {
  try {
    MessageView view(*this);
    const StructView root = view.root();
    const auto kind = static_cast<FrameKind>(root.field<std::uint16_t>(0));
    if (kind == FrameKind::kCall || kind == FrameKind::kReply) content_ = view.get_struct(root, 0);
    kind_ = kind;
    readable_ = true;
  } catch (const Malformed&) {
    kind_ = FrameKind::kNone;
  }
}

Result<IncomingMessage> IncomingMessage::copy_of(Slice bytes, const Limits& limits) {
  const auto size = check_frame(bytes, limits);
  if (!size) return muster::fail(size.error());
  if (*size == 0 || *size != bytes.size()) {
    return muster::fail(ErrorCode::kCorrupt,
                        std::to_string(bytes.size()) + " bytes that are not one whole message");
  }
  auto buffer = std::make_shared<AlignedVector<std::byte>>(bytes.begin(), bytes.end());
  const Slice copy(buffer->data(), buffer->size());
  IncomingMessage message(std::move(buffer), copy, limits);
  if (!message.readable()) return muster::fail(ErrorCode::kCorrupt, "a message without a root");
  return message;
}

MessageAssembler::MessageAssembler() = default;
MessageAssembler::~MessageAssembler() = default;

OutgoingMessage MessageAssembler::finish(Lane lane, std::uint64_t flow) {
  OutgoingMessage message;
  message.set_route(lane, flow);
  const auto segments = builder_.getSegmentsForOutput();
  const std::size_t table = table_bytes(segments.size());
  std::size_t words = 0;
  for (const auto& segment : segments) words += segment.size();
  message.size_ = table + 8 * words;
  std::byte* to = message.inline_;
  if (message.size_ > OutgoingMessage::kInlineBytes) {
    message.heap_ = std::make_unique_for_overwrite<std::byte[]>(message.size_);
    to = message.heap_.get();
  }
  std::memset(to, 0, table);
  const auto store = [to](std::size_t i, std::size_t value) {
    const auto v = static_cast<std::uint32_t>(value);
    std::memcpy(to + 4 * i, &v, 4);
  };
  store(0, segments.size() - 1);
  for (std::size_t i = 0; i < segments.size(); ++i) store(i + 1, segments[i].size());
  to += table;
  for (const auto& segment : segments) {
    std::memcpy(to, segment.begin(), segment.size() * 8);
    to += segment.size() * 8;
  }
  return message;
}

}  // namespace muster::wire
