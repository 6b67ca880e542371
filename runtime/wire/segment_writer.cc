#include "runtime/wire/segment_writer.h"

#include <muster/codec.h>

#include <array>

#include "runtime/wire/flat_reader.h"

namespace muster::wire {
namespace {

template <class T>
constexpr bool has_size(StructSize size) {
  return T::_capnpPrivate::dataWordSize == size.data &&
         T::_capnpPrivate::pointerCount == size.pointers;
}
static_assert(has_size<protocol::Frame>(kFrameSize) && has_size<protocol::Call>(kCallSize) &&
              has_size<protocol::NextCall>(kNextCallSize) &&
              has_size<protocol::Reply>(kReplySize) && has_size<protocol::Chunk>(kChunkSize) &&
              has_size<protocol::Value>(kValueSize) &&
              has_size<protocol::ActorRef>(kActorRefSize) &&
              has_size<protocol::ArrayLayout>(kArrayLayoutSize));

// What does not fit into the message itself begins with this much.
constexpr std::size_t kHeapWords = 512;
// Near pointers reach this far.
constexpr std::size_t kSegmentWordsMax = (std::size_t{1} << 29) - 1;
// Receivers take 64 segments.
constexpr std::size_t kExternalsMax = 60;
constexpr std::array<std::byte, 8> kPadding{};

constexpr std::size_t words_of(std::size_t bytes) {
  return (bytes + 7) / 8;
}

}  // namespace

void SegmentWriter::grow(std::size_t words) {
  if (words > kSegmentWordsMax - used_) {
    throw Exception(Error{
        ErrorCode::kInvalid, "a value cannot travel: its message would be larger than 4 GiB", {}});
  }
  const std::size_t capacity =
      std::min(std::max({kHeapWords, 2 * capacity_, used_ + words}), kSegmentWordsMax);
  auto larger = std::make_unique_for_overwrite<std::byte[]>(kHeadBytes + 8 * capacity);
  std::memcpy(larger.get(), words_, kHeadBytes + 8 * used_);
  message_.heap_ = std::move(larger);
  words_ = message_.heap_.get();
  capacity_ = capacity;
}

SegmentWriter::Position SegmentWriter::add_pointers(Position pointer, std::size_t count) {
  const Position at = allocate(count);
  point(pointer, at, kListPointer, static_cast<std::uint32_t>(count) << 3 | kPointersElement);
  return at;
}

void SegmentWriter::add_naturals(Position pointer, std::span<const std::uint64_t> values) {
  const Position at = allocate(values.size());
  point(pointer, at, kListPointer, static_cast<std::uint32_t>(values.size()) << 3 | kWordsElement);
  std::memcpy(word_at(at), values.data(), values.size_bytes());
}

SegmentWriter::Position SegmentWriter::add_byte_list(Position pointer, std::size_t count) {
  const Position at = reserve(words_of(count));
  if (used_ > at) set(used_ - 1, 0);  // its padding
  point(pointer, at, kListPointer, static_cast<std::uint32_t>(count) << 3 | kBytesElement);
  return at;
}

bool SegmentWriter::takes_external(std::size_t bytes) const noexcept {
  return bytes >= kExternalBytesMin && externals_.size() < kExternalsMax;
}

void SegmentWriter::add_text(Position pointer, std::string_view text) {
  if (takes_external(text.size())) {
    auto copy = std::make_shared<AlignedVector<std::byte>>(text.size() + 1);
    std::memcpy(copy->data(), text.data(), text.size());
    const Slice bytes(*copy);
    return refer(pointer, bytes, std::move(copy));
  }
  const Position at = add_byte_list(pointer, text.size() + 1);  // a zero ends it
  if (!text.empty()) std::memcpy(word_at(at), text.data(), text.size());
}

void SegmentWriter::add_bytes(Position pointer, Slice bytes,
                              const std::shared_ptr<const void>& owner) {
  if (takes_external(bytes.size())) {
    if (owner != nullptr && reinterpret_cast<std::uintptr_t>(bytes.data()) % 8 == 0) {
      return refer(pointer, bytes, owner);
    }
    auto copy = std::make_shared<AlignedVector<std::byte>>(bytes.begin(), bytes.end());
    const Slice copied(*copy);
    return refer(pointer, copied, std::move(copy));
  }
  const Position at = add_byte_list(pointer, bytes.size());
  if (!bytes.empty()) std::memcpy(word_at(at), bytes.data(), bytes.size());
}

// A far pointer to two words here: where the bytes begin, and what they are.
void SegmentWriter::refer(Position pointer, Slice bytes, std::shared_ptr<const void> owner) {
  const Position pad = allocate(2);
  externals_.push_back({bytes, std::move(owner)});
  set(pointer, pad << 3 | 0b110);
  set(pad, std::uint64_t{externals_.size()} << 32 | 0b010);
  set(pad + 1, (std::uint64_t{bytes.size()} << 3 | kBytesElement) << 32 | kListPointer);
}

void SegmentWriter::add_copy(Position pointer, Slice segment) {
  std::uint64_t root = 0;
  std::memcpy(&root, segment.data(), 8);
  if (root == 0) return;
  const Position at = allocate(segment.size() / 8 - 1);
  std::memcpy(word_at(at), segment.data() + 8, segment.size() - 8);
  const auto low = static_cast<std::uint32_t>(root);
  const auto target =
      static_cast<Position>(static_cast<std::int64_t>(at) + (static_cast<std::int32_t>(low) >> 2));
  point(pointer, target, low & 3, static_cast<std::uint32_t>(root >> 32));
}

void SegmentWriter::finish(Lane lane, std::uint64_t flow) {
  message_.set_route(lane, flow);
  const std::size_t table = table_bytes(1 + externals_.size());
  message_.size_ = table + 8 * used_;
  if (!externals_.empty()) return finish_large(table);
  const std::uint64_t head = std::uint64_t{used_} << 32;
  std::memcpy(words_, &head, sizeof head);
}

// The users' bytes become slices of their own, cut to the last byte.
void SegmentWriter::finish_large(std::size_t table) {
  auto large = std::make_unique<OutgoingMessage::Large>();
  large->owned.resize(message_.size_);
  std::byte* to = large->owned.data();
  const auto store = [to](std::size_t i, std::size_t value) {
    const auto v = static_cast<std::uint32_t>(value);
    std::memcpy(to + 4 * i, &v, 4);
  };
  store(0, externals_.size());
  store(1, used_);
  for (std::size_t i = 0; i < externals_.size(); ++i) {
    store(i + 2, words_of(externals_[i].bytes.size()));
  }
  std::memcpy(to + table, word_at(0), used_ * 8);
  message_.align_offset_ = message_.size_;
  large->slices.emplace_back(to, message_.size_);
  for (External& external : externals_) {
    const std::size_t padded = words_of(external.bytes.size()) * 8;
    const std::size_t padding = padded - external.bytes.size();
    large->slices.push_back(external.bytes);
    if (padding > 0) large->slices.emplace_back(kPadding.data(), padding);
    large->owners.push_back(std::move(external.owner));
    message_.size_ += padded;
  }
  message_.large_ = std::move(large);
  message_.heap_.reset();
}

}  // namespace muster::wire
