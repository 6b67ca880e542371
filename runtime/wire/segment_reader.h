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
  MessageView(Slice message, std::uint32_t traversal_factor);

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
  Segment segment(std::uint32_t id) const;
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
  void walk(std::size_t words) {
    if (words > left_) malformed("pointers that share what they point at");
    left_ -= words;
  }
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

}  // namespace muster::wire
