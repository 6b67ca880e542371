#include "runtime/wire/segment_reader.h"

#include "runtime/wire/flat_reader.h"

namespace muster::wire {
namespace {

constexpr std::uint32_t kBytesElement = 2, kWordsElement = 5, kPointersElement = 6,
                        kStructsElement = 7;

constexpr std::uint32_t far_segment(std::uint64_t pointer) {
  return static_cast<std::uint32_t>(pointer >> 32);
}
constexpr std::size_t far_word(std::uint64_t pointer) {
  return (pointer >> 3) & 0x1FFF'FFFF;
}

}  // namespace

MessageView::MessageView(Slice message, std::uint32_t traversal_factor)
    : message_(message), first_(segment(0)), left_(message.size() / 8 * traversal_factor + 64) {}

Segment MessageView::segment(std::uint32_t id) const {
  const std::size_t count = std::size_t{load_u32(message_.data())} + 1;
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

MessageView::List MessageView::list_at(const Target& target, std::uint32_t element,
                                       std::size_t element_bytes) {
  if (target.tag == 0) return {};
  if ((target.tag & 3) != 1 || (target.tag >> 32 & 7) != element) {
    malformed("something else where a list of another kind belongs");
  }
  const std::size_t count = target.tag >> 35;
  const std::size_t words = (count * element_bytes + 7) / 8;
  check(target.segment, target.at, words);
  walk(words);
  return {target, count};
}

Slice MessageView::bytes_at(const Target& target) {
  const List list = list_at(target, kBytesElement, 1);
  if (list.count == 0) return {};
  return {list.target.segment.begin + 8 * list.target.at, list.count};
}

StructList MessageView::get_structs(const StructView& in, unsigned index) {
  // The list's count is one of words; the word before the first says of how many structs.
  const List list = list_at(follow(in, index), kStructsElement, 8);
  if (list.target.tag == 0) return {};
  check(list.target.segment, list.target.at, list.count + 1);
  const std::uint64_t tag = load_word(list.target.segment, list.target.at);
  StructList out;
  out.count = static_cast<std::uint32_t>(tag) >> 2;
  out.first = {list.target.segment, list.target.at + 1,
               static_cast<std::uint32_t>(tag >> 32 & 0xFFFF),
               static_cast<std::uint32_t>(tag >> 48)};
  const std::size_t each = std::size_t{out.first.data} + out.first.pointers;
  if ((tag & 3) != 0 || out.count * each > list.count) {
    malformed("a list that claims more than it holds");
  }
  if (each == 0) walk(out.count);  // they take no room, but reading them takes time
  return out;
}

Slice MessageView::get_bytes(const StructView& in, unsigned index) {
  return bytes_at(follow(in, index));
}

std::string_view MessageView::get_text(const StructView& in, unsigned index) {
  const Slice bytes = get_bytes(in, index);
  if (bytes.empty()) return {};
  if (bytes.back() != std::byte{0}) malformed("a text without its end");
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size() - 1};
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
