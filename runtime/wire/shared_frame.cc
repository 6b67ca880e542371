#include "runtime/wire/shared_frame.h"

#include <cstring>

#include "runtime/wire/segment_writer.h"
#include "runtime/wire/value_state.h"

namespace muster::wire {

void SharedFrame::append(std::vector<std::byte>& buffer, const OutgoingMessage& message) {
  begin_ = buffer.size();
  head_ = message.next_call_at();
  next_ = begin_ + head_ + 8 * kNextPointer;
  calls_ = head_ == 0 ? 0 : 1;
  const Slice bytes = message.bytes();
  buffer.insert(buffer.end(), bytes.begin(), bytes.end());
}

// The message's words from its pointer to the arguments on refer to nothing before them: they are a
// NextCall as they stand.
std::size_t SharedFrame::join(std::vector<std::byte>& buffer, const OutgoingMessage& message,
                              std::size_t frame_bytes_max) {
  constexpr std::size_t kTable = SegmentWriter::kHeadBytes;
  const std::size_t head = message.next_call_at();
  if (calls_ == 0 || head != head_ || calls_ >= kCallsPerFrameMax) return 0;
  const Slice bytes = message.bytes();
  const Slice added = bytes.subspan(head);
  const std::size_t at = buffer.size();
  if (at - begin_ + added.size() > frame_bytes_max) return 0;
  if (std::memcmp(&buffer[begin_ + kTable], &bytes[kTable], head - kTable) != 0) return 0;
  buffer.insert(buffer.end(), added.begin(), added.end());
  const auto words = static_cast<std::uint32_t>((buffer.size() - begin_ - kTable) / 8);
  std::memcpy(&buffer[begin_ + 4], &words, sizeof words);
  const std::uint64_t size = kNextCallSize.pointers << 16 | kNextCallSize.data;
  const std::uint64_t pointer = size << 32 | ((at - next_) / 8 - 1) << 2 | kStructPointer;
  std::memcpy(&buffer[next_], &pointer, sizeof pointer);
  next_ = at + 8 * kNextPointer;
  ++calls_;
  return added.size();
}

}  // namespace muster::wire
