#pragma once
// FrameReader: the byte stream of one connection cut into messages. Ask target() for where to put
// the next bytes, then commit() what arrived.
//
// Threads: one at a time.
//
// Invariants:
//  1. A size that the peer claims is checked against the limits before anything is allocated.
//  2. Small messages share the buffer they were read into. A large one has a buffer of its own,
//     which its bytes are read straight into, placed so that its largest segment (for a message in
//     chunks: the byte its sender names) starts at a multiple of 64.
//  3. Chunks are put together here; what comes out is never a chunk.
//  4. After an error the reader accepts nothing more.

#include <muster/array.h>
#include <muster/detail/function_ref.h>
#include <muster/error.h>

#include <memory>
#include <optional>
#include <unordered_map>

#include "runtime/wire/message.h"

namespace muster::wire {

// Size of the frame that starts at `bytes`: 0 when too few bytes are there to tell; kCorrupt when
// its segment table breaks the limits or leaves no room for a root.
Result<std::size_t> check_frame(Slice bytes, const Limits& limits);

class FrameReader {
 public:
  // Called with each whole message in turn, which is lent: a copy keeps it. False stops the
  // parsing.
  using Sink = detail::FunctionRef<bool(const IncomingMessage&)>;

  static constexpr std::size_t kBlockBytes = 256 * 1024;
  static constexpr std::size_t kSmallFrameBytes = 8 * 1024;
  // Messages in chunks that a peer may have under way at a time.
  static constexpr std::size_t kStreamsMax = 4;

  explicit FrameReader(const Limits& limits);

  // For the frames that follow. May be called inside the sink.
  void set_limits(const Limits& limits) { limits_ = limits; }
  // Where the next bytes belong: never empty, valid until the next commit().
  std::span<std::byte> target();
  // `count` bytes were put into target(). Fails with kCorrupt at the first bad frame, whose cause
  // names what was found and what is allowed.
  Result<void> commit(std::size_t count, Sink sink);

  // Gives the buffer kept for the next large message back, when none came since the last call.
  void trim();

  // Bytes of an unfinished frame that have arrived, and of all of it as far as known (0: not yet).
  struct Unfinished {
    std::size_t have = 0;
    std::size_t total = 0;
  };
  Unfinished unfinished() const;
  // The first bytes of an unfinished or refused frame, for messages to people.
  Slice pending() const;

 private:
  struct Block;
  struct Pool;
  struct Buffer {
    std::shared_ptr<void> owner;
    std::byte* begin = nullptr;
  };
  // A message in chunks, on its way.
  struct Stream {
    std::shared_ptr<void> owner;
    std::byte* begin = nullptr;
    std::size_t total = 0;
    std::size_t arrived = 0;
    Limits limits;
  };
  // A frame whose bytes are read straight to their place: a message of its own, or the data of a
  // chunk.
  struct Direct {
    std::shared_ptr<void> owner;  // of a whole message; null for a chunk
    std::byte* begin = nullptr;   // of the message, or of the chunk's data in its stream's buffer
    std::size_t size = 0;
    std::size_t have = 0;
    std::uint32_t stream = 0;
    std::size_t chunk_bytes = 0;  // data of the chunk without padding
  };

  Result<bool> next_frame(Sink sink);
  Result<bool> finish_direct(Sink sink);
  Result<void> start_direct(Slice have, std::size_t size);
  Result<bool> start_chunk(Slice have, std::size_t size);
  Result<bool> deliver(const IncomingMessage& message, Sink sink);
  Result<bool> add_chunk(const IncomingMessage& message, Sink sink);
  Result<Stream*> stream_for(std::uint32_t id, std::uint64_t total, std::uint64_t offset,
                             std::uint32_t align_offset);
  Result<bool> finish_chunk(std::uint32_t id, std::size_t bytes, Sink sink);
  void new_block(Slice keep);

  Limits limits_;
  std::shared_ptr<Pool> pool_;
  std::shared_ptr<Block> block_;
  std::shared_ptr<const void> block_owner_;  // the same, as messages refer to it
  std::size_t begin_ = 0;                    // of the unparsed bytes in the block
  std::size_t end_ = 0;
  std::size_t wanted_ = 0;  // size of the frame at begin_, when known
  std::optional<Direct> direct_;
  std::unordered_map<std::uint32_t, Stream> streams_;
  std::size_t streams_bytes_ = 0;
  bool failed_ = false;
};

}  // namespace muster::wire
