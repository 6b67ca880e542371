#pragma once
// Reads Cap'n Proto messages word by word: what a capnp::MessageReader would read, several times
// faster, for the few shapes that calls, replies and values have.
//
// Threads: one. Everything returned is a view of the message.
//
// Invariants: (1) nothing outside the message is read, whatever its pointers say: what breaks the
// format throws Malformed, of which no caller of the wire layer hears; (2) the words walked are
// bounded by the traversal limit, so pointers that share targets cost no more than honest ones.

#include <cstring>
#include <exception>
#include <string_view>

#include "runtime/wire/message.h"
#include "runtime/wire/struct_view.h"

namespace muster::wire {

// How the elements of a list lie: the codes of Cap'n Proto.
inline constexpr std::uint32_t kBytesElement = 2, kWordsElement = 5, kPointersElement = 6,
                               kStructsElement = 7;

class Malformed final : public std::exception {
 public:
  explicit Malformed(const char* what) : what_(what) {}
  const char* what() const noexcept override { return what_; }

 private:
  const char* what_;
};

struct StructList {
  StructView first;  // its segment, place and size; at + i * words for the others
  std::size_t count = 0;
  StructView operator[](std::size_t i) const noexcept {
    StructView element = first;
    element.at += i * (std::size_t{first.data} + first.pointers);
    return element;
  }
};

class MessageView {
 public:
  // Requires: the message's segment table fits its bytes (check_frame).
  explicit MessageView(const IncomingMessage& message)
      : MessageView(message.bytes(), message.traversal_factor()) {}
  MessageView(Slice message, std::uint32_t traversal_factor)
      : message_(message), first_(segment(0)), left_(message.size() / 8 * traversal_factor + 64) {}

  StructView root() {
    check(first_, 0, 1);
    return struct_at(follow(first_, 0));
  }
  // What the struct's pointer `index` points at; null for a null pointer and where the writer's
  // schema had none.
  StructView get_struct(const StructView& in, unsigned index) {
    return struct_at(follow(in, index));
  }
  StructList get_structs(const StructView& in, unsigned index);
  Slice get_bytes(const StructView& in, unsigned index);
  std::string_view get_text(const StructView& in, unsigned index);
  // A List(Data), and a List(UInt64).
  std::vector<Slice> get_byte_lists(const StructView& in, unsigned index);
  std::vector<std::uint64_t> get_naturals(const StructView& in, unsigned index);

  // Counts words against the traversal limit; throws Malformed beyond it.
  void walk(std::size_t words) {
    if (words > left_) malformed("pointers that share what they point at");
    left_ -= words;
  }

 private:
  // A pointer followed to its end: the word its object begins at, and the pointer that says what
  // the object is (0: null).
  struct Target {
    Segment segment;
    std::size_t at = 0;
    std::uint64_t tag = 0;
  };
  struct List {
    Target target;
    std::size_t count = 0;
  };
  Target follow(const StructView& in, unsigned index) const {
    if (index >= in.pointers) return {};
    return follow(in.segment, in.at + in.data + index);
  }
  Target follow(Segment segment, std::size_t at) const {
    const std::uint64_t pointer = load_word(segment, at);
    if ((pointer & 2) != 0) return follow_far(pointer);
    return {segment, near_target(pointer, at), pointer};
  }
  Target follow_far(std::uint64_t pointer) const;
  Segment segment(std::uint32_t id) const {
    const std::uint32_t last = load_u32(message_.data());
    if (last == 0 && id == 0) return {message_.data() + 8, load_u32(message_.data() + 4)};
    return segment_of_many(id, std::size_t{last} + 1);
  }
  Segment segment_of_many(std::uint32_t id, std::size_t count) const;
  StructView struct_at(const Target& target) {
    if (target.tag == 0) return {};
    if ((target.tag & 3) != 0) malformed("a list where a struct belongs");
    const auto data = static_cast<std::uint32_t>(target.tag >> 32 & 0xFFFF);
    const auto pointers = static_cast<std::uint32_t>(target.tag >> 48);
    check(target.segment, target.at, std::size_t{data} + pointers);
    walk(std::size_t{data} + pointers);
    return {target.segment, target.at, data, pointers};
  }
  List list_at(const Target& target, std::uint32_t element, std::size_t element_bytes);
  Slice bytes_at(const Target& target);
  // `words` from `at` on lie in the segment.
  static void check(Segment segment, std::size_t at, std::size_t words) {
    if (at > segment.words || words > segment.words - at) {
      malformed("a pointer to outside the message");
    }
  }
  static std::uint64_t load_word(Segment segment, std::size_t word) noexcept {
    std::uint64_t value;
    std::memcpy(&value, segment.begin + 8 * word, 8);
    return value;
  }
  // The target of a near pointer at `at`; may lie anywhere.
  static std::size_t near_target(std::uint64_t pointer, std::size_t at) noexcept {
    const std::int64_t offset = static_cast<std::int32_t>(static_cast<std::uint32_t>(pointer)) >> 2;
    return static_cast<std::size_t>(static_cast<std::int64_t>(at) + 1 + offset);
  }
  [[noreturn]] static void malformed(const char* what);

  Slice message_;
  Segment first_;
  std::size_t left_;  // words that may still be walked
};

// Inline, all of them: a small call is read in some ten steps.

inline MessageView::List MessageView::list_at(const Target& target, std::uint32_t element,
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

inline Slice MessageView::bytes_at(const Target& target) {
  const List list = list_at(target, kBytesElement, 1);
  if (list.count == 0) return {};
  return {list.target.segment.begin + 8 * list.target.at, list.count};
}

inline StructList MessageView::get_structs(const StructView& in, unsigned index) {
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

inline Slice MessageView::get_bytes(const StructView& in, unsigned index) {
  return bytes_at(follow(in, index));
}

inline std::string_view MessageView::get_text(const StructView& in, unsigned index) {
  const Slice bytes = get_bytes(in, index);
  if (bytes.empty()) return {};
  if (bytes.back() != std::byte{0}) malformed("a text without its end");
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size() - 1};
}

}  // namespace muster::wire
