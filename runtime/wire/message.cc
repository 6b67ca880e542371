#include "runtime/wire/message.h"

#include <muster/array.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "runtime/wire/flat_reader.h"
#include "runtime/wire/frame.h"

namespace muster::wire {
namespace {

constexpr std::size_t kScratchWords = 1024;
// Small messages are built here; the builder leaves it zeroed, as it found it.
thread_local std::array<capnp::word, kScratchWords> scratch_words{};
thread_local bool scratch_in_use = false;

constexpr std::array<std::byte, 8> kPadding{};

Slice as_slice(kj::ArrayPtr<const capnp::word> segment) {
  return {reinterpret_cast<const std::byte*>(segment.begin()), segment.size() * 8};
}

}  // namespace

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
  large_ = std::move(other.large_);
  heap_ = std::move(other.heap_);
  if (!large_ && !heap_ && size_ > 0) std::memcpy(inline_, other.inline_, size_);
  return *this;
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
  Slice segment;
  if (const auto root = NearStruct::root(bytes_, segment)) {
    kind_ = static_cast<FrameKind>(root->field<std::uint16_t>(0));
    readable_ = true;
    return;
  }
  try {
    FlatReader reader(*this);
    kind_ = static_cast<FrameKind>(reader.getRoot<protocol::Frame>().which());
    readable_ = true;
  } catch (const kj::Exception&) {
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

MessageAssembler::MessageAssembler() : uses_scratch_(!scratch_in_use) {
  if (uses_scratch_) {
    scratch_in_use = true;
    builder_.emplace(kj::arrayPtr(scratch_words.data(), scratch_words.size()));
  } else {
    builder_.emplace();  // encoding a value made another message: rare
  }
}

MessageAssembler::~MessageAssembler() {
  builder_.reset();
  if (uses_scratch_) scratch_in_use = false;
}

OutgoingMessage MessageAssembler::finish(Lane lane, std::uint64_t flow) {
  OutgoingMessage message;
  message.set_route(lane, flow);
  const Segments segments = builder_->getSegmentsForOutput();
  std::size_t words = 0;
  for (const auto& segment : segments) words += segment.size();
  message.size_ = table_bytes(segments.size()) + 8 * words;
  if (!externals_.empty()) {
    gather(segments, message);
  } else if (message.size_ <= OutgoingMessage::kInlineBytes) {
    copy_flat(segments, message.inline_);
  } else {
    message.heap_ = std::make_unique_for_overwrite<std::byte[]>(message.size_);
    copy_flat(segments, message.heap_.get());
  }
  return message;
}

namespace {

std::byte* write_table(const kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>>& segments,
                       std::byte* to) {
  const std::size_t bytes = table_bytes(segments.size());
  std::memset(to + bytes - 8, 0, 8);
  const auto store = [to](std::size_t i, std::size_t value) {
    const auto v = static_cast<std::uint32_t>(value);
    std::memcpy(to + 4 * i, &v, 4);
  };
  store(0, segments.size() - 1);
  for (std::size_t i = 0; i < segments.size(); ++i) store(i + 1, segments[i].size());
  return to + bytes;
}

}  // namespace

void MessageAssembler::copy_flat(const Segments& segments, std::byte* to) {
  to = write_table(segments, to);
  for (const auto& segment : segments) {
    std::memcpy(to, segment.begin(), segment.size() * 8);
    to += segment.size() * 8;
  }
}

// Externals become slices of their own, cut to the user's last byte; all else is copied into one
// buffer, whose pieces lie between them.
void MessageAssembler::gather(const Segments& segments, OutgoingMessage& message) {
  auto large = std::make_unique<OutgoingMessage::Large>();
  std::size_t next = 0;
  const auto is_external = [&](const auto& segment) {
    return next < externals_.size() && as_slice(segment).data() == externals_[next].bytes.data();
  };
  std::size_t owned = table_bytes(segments.size());
  for (const auto& segment : segments) is_external(segment) ? ++next : owned += segment.size() * 8;
  MUSTER_CHECK(next == externals_.size(), next, externals_.size());

  large->owned.resize(owned);
  std::byte* begin = large->owned.data();
  std::byte* at = write_table(segments, begin);
  std::size_t offset = table_bytes(segments.size());
  const auto flush = [&] {
    if (at != begin) large->slices.emplace_back(begin, at);
    begin = at;
  };
  next = 0;
  for (const auto& segment : segments) {
    const Slice bytes = as_slice(segment);
    if (is_external(segment)) {
      flush();
      External& external = externals_[next++];
      if (large->owners.empty()) message.align_offset_ = offset;
      large->slices.push_back(external.bytes);
      const std::size_t padding = bytes.size() - external.bytes.size();
      if (padding > 0) large->slices.emplace_back(kPadding.data(), padding);
      large->owners.push_back(std::move(external.owner));
    } else {
      std::memcpy(at, bytes.data(), bytes.size());
      at += bytes.size();
    }
    offset += bytes.size();
  }
  flush();
  message.large_ = std::move(large);
}

}  // namespace muster::wire
