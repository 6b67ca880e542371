#include "runtime/wire/segment_reader.h"

#include "runtime/wire/flat_reader.h"

namespace muster::wire {
namespace {

constexpr std::uint32_t far_segment(std::uint64_t pointer) {
  return static_cast<std::uint32_t>(pointer >> 32);
}
constexpr std::size_t far_word(std::uint64_t pointer) {
  return (pointer >> 3) & 0x1FFF'FFFF;
}

}  // namespace

Segment MessageView::segment_of_many(std::uint32_t id, std::size_t count) const {
  if (id >= count) malformed("a pointer to a segment that is not there");
  std::size_t offset = table_bytes(count);
  for (std::size_t i = 0; i < id; ++i) {
    offset += std::size_t{8} * load_u32(message_.data() + 4 + 4 * i);
  }
  return {message_.data() + offset, load_u32(message_.data() + 4 + 4 * std::size_t{id})};
}

void MessageView::malformed(const char* what) {
  throw Malformed(what);
}

MessageView::Target MessageView::follow_far(std::uint64_t pointer) const {
  if ((pointer & 1) != 0) malformed("a pointer of a kind that values do not have");
  const Segment pad = segment(far_segment(pointer));
  const std::size_t at = far_word(pointer);
  if ((pointer & 4) == 0) {
    check(pad, at, 1);
    const std::uint64_t landed = load_word(pad, at);
    if ((landed & 2) != 0) malformed("a far pointer to another");
    return {pad, near_target(landed, at), landed};
  }
  check(pad, at, 2);
  const std::uint64_t place = load_word(pad, at);
  const std::uint64_t tag = load_word(pad, at + 1);
  if ((place & 7) != 2 || (tag & 2) != 0) malformed("a far pointer to no landing pad");
  return {segment(far_segment(place)), far_word(place), tag};
}

std::vector<Slice> MessageView::get_byte_lists(const StructView& in, unsigned index) {
  const List list = list_at(follow(in, index), kPointersElement, 8);
  std::vector<Slice> out;
  for (std::size_t i = 0; i < list.count; ++i) {
    out.push_back(bytes_at(follow(list.target.segment, list.target.at + i)));
  }
  return out;
}

std::vector<std::uint64_t> MessageView::get_naturals(const StructView& in, unsigned index) {
  const List list = list_at(follow(in, index), kWordsElement, 8);
  std::vector<std::uint64_t> out(list.count);
  if (!out.empty()) {
    std::memcpy(out.data(), list.target.segment.begin + 8 * list.target.at, 8 * out.size());
  }
  return out;
}

}  // namespace muster::wire
