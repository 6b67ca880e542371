#pragma once
// SharedFrame: the last frame of a run of frames in one buffer, while calls can be put into it.
//
// Threads: one at a time; the buffer is the caller's.
//
// Invariant: between the calls of its members the buffer holds whole frames.

#include <vector>

#include "runtime/wire/limits.h"
#include "runtime/wire/message.h"

namespace muster::wire {

class SharedFrame {
 public:
  // `message` is put behind what is in `buffer`; it may share its frame with calls that follow.
  void append(std::vector<std::byte>& buffer, const OutgoingMessage& message);
  // Puts a call without an id into the frame put there last, when that is of such calls too, of
  // which only the arguments are others, and has room: at most kCallsPerFrameMax calls and
  // `frame_bytes_max`. Returns the bytes that were added; 0: it must have a frame of its own.
  std::size_t join(std::vector<std::byte>& buffer, const OutgoingMessage& message,
                   std::size_t frame_bytes_max);

 private:
  std::size_t begin_ = 0;  // byte of the buffer
  std::size_t head_ = 0;   // bytes before its first NextCall
  std::size_t next_ = 0;   // byte of the buffer: the pointer to the NextCall to come
  std::size_t calls_ = 0;  // 0: nothing can be put into it
};

}  // namespace muster::wire
