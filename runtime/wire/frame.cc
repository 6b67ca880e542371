#include "runtime/wire/frame.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>

#include "runtime/wire/flat_reader.h"
#include "runtime/wire/messages.h"

namespace muster::wire {
namespace {

// Frames whose header says "chunk" are read in place when their data has at least this many bytes.
constexpr std::size_t kChunkInPlaceBytes = 4 * 1024;
constexpr std::size_t kChunkHeaderWordsMax = 32;
// A larger buffer goes back to the system at once.
constexpr std::size_t kSpareBytesMax = std::size_t{512} << 20;
// While a chunked message is on its way, reads into the block stop here, so that little of the
// next chunk's data lands where it must be copied from.
constexpr std::size_t kReadAheadBytes = 4 * 1024;

std::string number(std::uint64_t n) {
  return std::to_string(n);
}

// Byte offset of the largest segment of the frame that starts at `bytes`.
std::size_t largest_segment_offset(Slice bytes) {
  const std::size_t count = std::size_t{load_u32(bytes.data())} + 1;
  std::size_t offset = table_bytes(count), best = offset;
  std::uint32_t best_words = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t words = load_u32(bytes.data() + 4 + 4 * i);
    if (words > best_words) best_words = words, best = offset;
    offset += std::size_t{8} * words;
  }
  return best;
}

}  // namespace

struct FrameReader::Block {
  alignas(kArrayAlignment) std::byte bytes[kBlockBytes];
};

// Keeps one block, and one buffer of a large message, that nobody refers to any more for their next
// use: fresh pages cost as much as the copy into them. The last reference may go on any thread.
struct FrameReader::Pool : std::enable_shared_from_this<Pool> {
  struct Large {
    explicit Large(std::size_t size)
        : capacity(size), raw(static_cast<std::byte*>(::operator new(size, kAlign))) {}
    ~Large() { ::operator delete(raw, kAlign); }
    Large(const Large&) = delete;
    Large& operator=(const Large&) = delete;
    static constexpr std::align_val_t kAlign{kArrayAlignment};
    const std::size_t capacity;
    std::byte* const raw;
  };

  ~Pool() {
    delete spare_block.load();
    delete spare_large.load();
  }
  std::shared_ptr<Block> take_block() {
    Block* block = spare_block.exchange(nullptr, std::memory_order_acquire);
    if (block == nullptr) block = new Block;
    return {block, [pool = shared_from_this()](Block* b) {
              delete pool->spare_block.exchange(b, std::memory_order_acq_rel);
            }};
  }
  // `size` bytes of which the one at `offset` lies at a multiple of 64. Not zeroed: pages that are
  // never written are never backed.
  Buffer take_large(std::size_t size, std::size_t offset) {
    const std::size_t shift = (kArrayAlignment - offset % kArrayAlignment) % kArrayAlignment;
    std::unique_ptr<Large> large(spare_large.exchange(nullptr, std::memory_order_acquire));
    used = true;
    const std::size_t needed = size + shift;
    if (!large || large->capacity < needed || large->capacity / 2 > needed) {
      large = std::make_unique<Large>(needed);
    }
    std::byte* begin = large->raw + shift;
    return {std::shared_ptr<void>(large.release(),
                                  [pool = shared_from_this()](Large* l) {
                                    if (l->capacity > kSpareBytesMax) return delete l;
                                    delete pool->spare_large.exchange(l, std::memory_order_acq_rel);
                                  }),
            begin};
  }
  void trim() {
    if (!std::exchange(used, false)) delete spare_large.exchange(nullptr);
  }

  std::atomic<Block*> spare_block{nullptr};
  std::atomic<Large*> spare_large{nullptr};
  bool used = false;  // owned by the reader: a large buffer was taken since the last trim()
};

Result<std::size_t> check_frame(Slice bytes, const Limits& limits) {
  if (bytes.size() < 4) return std::size_t{0};
  const std::uint64_t count = std::uint64_t{load_u32(bytes.data())} + 1;
  if (count > limits.segments_max) {
    return fail(ErrorCode::kCorrupt, "a frame of " + number(count) + " segments, at most " +
                                         number(limits.segments_max) + " are allowed");
  }
  const std::size_t table = table_bytes(count);
  if (bytes.size() < table) return std::size_t{0};
  std::uint64_t size = table;
  for (std::size_t i = 0; i < count; ++i) size += 8 * std::uint64_t{load_u32(&bytes[4 + 4 * i])};
  if (size > limits.message_bytes_max) {
    return fail(ErrorCode::kCorrupt, "a frame of " + number(size) + " bytes, at most " +
                                         number(limits.message_bytes_max) + " are allowed");
  }
  if (load_u32(&bytes[4]) == 0) return fail(ErrorCode::kCorrupt, "a frame without a root");
  return static_cast<std::size_t>(size);
}

FrameReader::FrameReader(const Limits& limits)
    : limits_(limits),
      pool_(std::make_shared<Pool>()),
      block_(pool_->take_block()),
      block_owner_(block_) {}

void FrameReader::new_block(Slice keep) {
  std::shared_ptr<Block> block = pool_->take_block();
  if (!keep.empty()) std::memcpy(block->bytes, keep.data(), keep.size());
  block_ = std::move(block);
  block_owner_ = block_;
  begin_ = 0;
  end_ = keep.size();
}

void FrameReader::trim() {
  pool_->trim();
}

std::span<std::byte> FrameReader::target() {
  if (direct_) return {direct_->begin + direct_->have, direct_->size - direct_->have};
  const std::size_t have = end_ - begin_;
  const std::size_t needed = std::max(wanted_, have + kReadAheadBytes);
  if (begin_ + needed > kBlockBytes) new_block({block_->bytes + begin_, have});
  std::size_t room = kBlockBytes - end_;
  if (!streams_.empty()) room = std::min(room, kReadAheadBytes);
  return {block_->bytes + end_, room};
}

Result<void> FrameReader::commit(std::size_t count, Sink sink) {
  if (failed_) return fail(ErrorCode::kCorrupt, "bytes after a bad frame");
  if (direct_) {
    direct_->have += count;
  } else {
    end_ += count;
  }
  for (;;) {
    auto more = direct_ ? finish_direct(sink) : next_frame(sink);
    if (!more) {
      failed_ = true;
      return fail(std::move(more.error()));
    }
    if (!*more) return {};
  }
}

FrameReader::Unfinished FrameReader::unfinished() const {
  if (direct_) return {direct_->have, direct_->size};
  if (end_ > begin_) return {end_ - begin_, wanted_};
  for (const auto& [id, stream] : streams_) return {stream.arrived, stream.total};
  return {};
}

Slice FrameReader::pending() const {
  return {block_->bytes + begin_, end_ - begin_};
}

// True when there may be more to parse.
Result<bool> FrameReader::next_frame(Sink sink) {
  const Slice have(block_->bytes + begin_, end_ - begin_);
  const auto size = check_frame(have, limits_);
  if (!size) return fail(size.error());
  wanted_ = *size;
  if (*size == 0) return false;
  if (*size <= have.size()) {
    const IncomingMessage message(Lent{block_owner_}, have.first(*size), limits_);
    begin_ += *size;
    wanted_ = 0;
    return deliver(message, sink);
  }
  if (*size <= kSmallFrameBytes) return false;  // the rest will join it in the block
  auto is_chunk = start_chunk(have, *size);
  if (!is_chunk) return fail(std::move(is_chunk.error()));
  if (!*is_chunk) {
    // A chunk's header may still be on its way: its frame tells by its two segments.
    const std::size_t header = table_bytes(2) + 8 * std::size_t{load_u32(&have[4])};
    if (load_u32(have.data()) == 1 && header <= kChunkHeaderWordsMax * 8 && have.size() < header) {
      wanted_ = header;
      return false;
    }
    if (auto started = start_direct(have, *size); !started) return fail(started.error());
  }
  wanted_ = 0;
  begin_ = end_ = (end_ + 7) / 8 * 8;  // frames start at multiples of 8
  return direct_->have == direct_->size;
}

Result<void> FrameReader::start_direct(Slice have, std::size_t size) {
  Buffer buffer = pool_->take_large(size, largest_segment_offset(have));
  std::memcpy(buffer.begin, have.data(), have.size());
  direct_ = Direct{std::move(buffer.owner), buffer.begin, size, have.size(), 0, 0};
  return {};
}

namespace {

// A chunk frame of which only the first segment is there; the second is stood in for by `data`.
class ChunkHeaderReader final : public capnp::MessageReader {
 public:
  ChunkHeaderReader(Slice first, Slice data)
      : capnp::MessageReader(capnp::ReaderOptions{1 << 28, 8}), first_(first), data_(data) {}
  kj::ArrayPtr<const capnp::word> getSegment(uint id) override {
    if (id > 1 || (id == 1 && data_.empty())) return nullptr;
    const Slice segment = id == 0 ? first_ : data_;
    return kj::arrayPtr(reinterpret_cast<const capnp::word*>(segment.data()), segment.size() / 8);
  }

 private:
  Slice first_, data_;
};

}  // namespace

// Begins to read a chunk's data in place. False when the frame is something else, or a chunk of a
// shape that is read as a whole and copied.
Result<bool> FrameReader::start_chunk(Slice have, std::size_t size) {
  const std::size_t table = table_bytes(2);
  if (load_u32(have.data()) != 1) return false;
  const std::size_t header = 8 * std::size_t{load_u32(&have[4])};
  const std::size_t data = 8 * std::size_t{load_u32(&have[8])};
  if (header > kChunkHeaderWordsMax * 8 || data < kChunkInPlaceBytes) return false;
  if (have.size() < table + header || size != table + header + data) return false;
  const Slice first = have.subspan(table, header);
  ChunkFrame chunk;
  try {
    ChunkHeaderReader reader(first, {});
    const auto frame = reader.getRoot<protocol::Frame>();
    if (!frame.isChunk()) return false;
    const auto in = frame.getChunk();
    chunk = {in.getStream(), in.getAlignOffset(), in.getTotal(), in.getOffset(), {}};
  } catch (const kj::Exception&) {
    return false;
  }
  auto stream = stream_for(chunk.stream, chunk.total, chunk.offset, chunk.align_offset);
  if (!stream) return fail(std::move(stream.error()));
  const std::size_t room = ((*stream)->total + 7) / 8 * 8 - chunk.offset;
  if (chunk.offset % 8 != 0 || data > room) return false;
  std::byte* place = (*stream)->begin + chunk.offset;
  std::size_t bytes = 0;
  try {
    ChunkHeaderReader reader(first, {place, data});
    const auto in = reader.getRoot<protocol::Frame>().getChunk().getData();
    if (reinterpret_cast<const std::byte*>(in.begin()) != place) return false;
    bytes = in.size();
  } catch (const kj::Exception&) {
    return false;
  }
  if ((bytes + 7) / 8 * 8 != data || bytes > (*stream)->total - chunk.offset) return false;
  const Slice arrived = have.subspan(table + header);
  std::memcpy(place, arrived.data(), arrived.size());
  direct_ = Direct{nullptr, place, data, arrived.size(), chunk.stream, bytes};
  return true;
}

Result<bool> FrameReader::finish_direct(Sink sink) {
  if (direct_->have < direct_->size) return false;
  const Direct done = *std::exchange(direct_, std::nullopt);
  if (done.owner == nullptr) return finish_chunk(done.stream, done.chunk_bytes, sink);
  return deliver(IncomingMessage(done.owner, {done.begin, done.size}, limits_), sink);
}

Result<bool> FrameReader::deliver(const IncomingMessage& message, Sink sink) {
  if (!message.readable()) return fail(ErrorCode::kCorrupt, "a frame whose root cannot be read");
  if (message.kind() == FrameKind::kChunk) return add_chunk(message, sink);
  return sink(message);
}

Result<bool> FrameReader::add_chunk(const IncomingMessage& message, Sink sink) {
  const auto chunk = parse_chunk(message);
  if (!chunk) return fail(chunk.error());
  if (chunk->data.empty()) return fail(ErrorCode::kCorrupt, "a chunk without bytes");
  auto stream = stream_for(chunk->stream, chunk->total, chunk->offset, chunk->align_offset);
  if (!stream) return fail(std::move(stream.error()));
  if (chunk->data.size() > (*stream)->total - (*stream)->arrived) {
    return fail(ErrorCode::kCorrupt, "a chunk that goes past the end of its message");
  }
  std::memcpy((*stream)->begin + chunk->offset, chunk->data.data(), chunk->data.size());
  return finish_chunk(chunk->stream, chunk->data.size(), sink);
}

// The stream a chunk belongs to, made when this is its first.
Result<FrameReader::Stream*> FrameReader::stream_for(std::uint32_t id, std::uint64_t total,
                                                     std::uint64_t offset,
                                                     std::uint32_t align_offset) {
  auto found = streams_.find(id);
  if (found == streams_.end()) {
    if (streams_.size() >= kStreamsMax) {
      return fail(ErrorCode::kCorrupt,
                  "more than " + number(kStreamsMax) + " messages in chunks at a time");
    }
    if (total > limits_.message_bytes_max - std::min(streams_bytes_, limits_.message_bytes_max)) {
      return fail(ErrorCode::kCorrupt, "a message of " + number(total) +
                                           " bytes in chunks, at most " +
                                           number(limits_.message_bytes_max) + " are allowed");
    }
    const std::size_t padded = (total + 7) / 8 * 8;
    Buffer buffer = pool_->take_large(padded, align_offset / 8 * 8);
    Stream stream{std::move(buffer.owner), buffer.begin, static_cast<std::size_t>(total), 0,
                  limits_};
    found = streams_.emplace(id, std::move(stream)).first;
    streams_bytes_ += total;
  }
  Stream& stream = found->second;
  if (total != stream.total || offset != stream.arrived) {
    return fail(ErrorCode::kCorrupt, "a chunk at byte " + number(offset) + " of " + number(total) +
                                         ", expected byte " + number(stream.arrived) + " of " +
                                         number(stream.total));
  }
  return &stream;
}

Result<bool> FrameReader::finish_chunk(std::uint32_t id, std::size_t bytes, Sink sink) {
  const auto found = streams_.find(id);
  found->second.arrived += bytes;
  if (found->second.arrived < found->second.total) return true;
  const Stream stream = std::move(found->second);
  streams_.erase(found);
  streams_bytes_ -= stream.total;
  const Slice bytes_of(stream.begin, stream.total);
  const auto size = check_frame(bytes_of, stream.limits);
  if (!size) return fail(size.error());
  if (*size == 0 || *size != stream.total) {
    return fail(ErrorCode::kCorrupt, "a message in chunks of " + number(stream.total) +
                                         " bytes that holds a frame of " + number(*size));
  }
  IncomingMessage message(stream.owner, bytes_of, stream.limits);
  if (message.kind() == FrameKind::kChunk) return fail(ErrorCode::kCorrupt, "a chunk in chunks");
  return deliver(message, sink);
}

}  // namespace muster::wire
