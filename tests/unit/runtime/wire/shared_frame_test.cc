// Calls that share a frame: what is written is what Cap'n Proto writes, what is read is every call
// once, and a frame that claims more is refused.

#include "runtime/wire/shared_frame.h"

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <muster/capnp.h>

#include <algorithm>
#include <cstring>

#include "runtime/wire/protocol.capnp.h"
#include "runtime/wire/segment_reader.h"
#include "tests/unit/runtime/wire/wire_fixture.h"

namespace muster::wire {
namespace {

constexpr std::size_t kAny = 1 << 20;

OutgoingMessage send(int number, const std::string& text,
                     const CallHeader& header = {.actor = 2, .method = 3}) {
  return encode_call(header, 2, nullptr, [&](Encoder& e) {
    encode_value(e, number);
    encode_value(e, text);
  });
}

/// Text of a length that differs from call to call, so that places do too.
std::string text_of(int number) {
  return std::string(static_cast<std::size_t>(number * 7 % 40), 'x');
}

struct Frames {
  std::vector<std::byte> bytes;
  SharedFrame last;
  bool join(const OutgoingMessage& message, std::size_t bytes_max = kAny) {
    const std::size_t before = bytes.size();
    const std::size_t added = last.join(bytes, message, bytes_max);
    EXPECT_EQ(bytes.size(), before + added);
    return added != 0;
  }
};

Frames frame_of(int calls) {
  Frames frames;
  frames.last.append(frames.bytes, send(0, text_of(0)));
  for (int i = 1; i < calls; ++i) EXPECT_TRUE(frames.join(send(i, text_of(i)))) << i;
  return frames;
}

IncomingMessage received(const std::vector<std::byte>& bytes) {
  auto message = IncomingMessage::copy_of(bytes);
  EXPECT_TRUE(message);
  return message ? std::move(*message) : IncomingMessage();
}

constexpr auto kMax = static_cast<int>(kCallsPerFrameMax);

TEST(SharedFrameTest, IsWhatCapnProtoWritesForTheSchema) {
  const auto bytes = frame_of(kMax).bytes;
  auto flat = kj::heapArray<capnp::word>(bytes.size() / sizeof(capnp::word));
  std::ranges::copy(bytes, std::as_writable_bytes(std::span(flat.begin(), flat.size())).begin());
  capnp::FlatArrayMessageReader reader(flat);
  const auto frame = reader.getRoot<protocol::Frame>();
  const auto call = frame.getCall();
  EXPECT_EQ(call.getActor(), 2U);
  EXPECT_EQ(call.getMethod(), 3U);
  auto arguments = call.getArguments();
  auto next = call.getNext();
  for (int i = 0; i < kMax; ++i) {
    ASSERT_EQ(arguments.size(), 2U);
    EXPECT_EQ(arguments[0].getInteger(), i);
    EXPECT_EQ(std::string(arguments[1].getText().cStr()), text_of(i));
    if (i + 1 == kMax) break;
    ASSERT_TRUE(next.hasArguments());
    arguments = next.getArguments();
    EXPECT_EQ(next.hasNext(), i + 2 < kMax);
    next = next.getNext();
  }

  capnp::MallocMessageBuilder builder(1 << 16, capnp::AllocationStrategy::FIXED_SIZE);
  builder.setRoot(frame);
  const auto anew = capnp::messageToFlatArray(builder);
  const auto raw = std::as_bytes(std::span(anew.begin(), anew.size()));
  EXPECT_TRUE(std::ranges::equal(raw, bytes));
}

TEST(SharedFrameTest, EveryCallIsReadOnceAndTheirBytesAreTheFrames) {
  for (int calls = 1; calls <= kMax; ++calls) {
    const auto bytes = frame_of(calls).bytes;
    const IncomingMessage message = received(bytes);
    EXPECT_EQ(*parse_call(message), (CallHeader{.actor = 2, .method = 3}));
    Decoder decoder = arguments(message, nullptr);
    std::size_t counted = 0;
    for (int i = 0; i < calls; ++i) {
      counted += call_bytes(decoder);
      EXPECT_EQ(decoder.remaining(), 2U);
      EXPECT_EQ(decode_value<int>(decoder), i);
      // What is not read is left behind, as what was read is.
      if (i % 2 == 0) {
        EXPECT_EQ(decode_value<std::string>(decoder), text_of(i));
      }
      EXPECT_FALSE(decoder.failed());
      Decoder again = same_arguments(decoder, nullptr);
      EXPECT_EQ(decode_value<int>(again), i);
      EXPECT_EQ(next_call(decoder), i + 1 < calls ? NextCall::kFound : NextCall::kNone);
    }
    EXPECT_EQ(counted, bytes.size());
    EXPECT_EQ(next_call(decoder), NextCall::kNone);
  }
}

TEST(SharedFrameTest, OnlyCallsThatDifferInNothingButArgumentsJoin) {
  const CallHeader same{.actor = 2, .method = 3};
  const auto with = [&same](auto&& change) {
    CallHeader header = same;
    change(header);
    return send(1, "text", header);
  };
  const auto others = {
      with([](CallHeader& h) { h.actor = 9; }),
      with([](CallHeader& h) { h.method = 9; }),
      with([](CallHeader& h) { h.call_id = 9; }),
      with([](CallHeader& h) { h.timeout = 9s; }),
      with([](CallHeader& h) { h.incarnation = 9; }),
      with([](CallHeader& h) { h.urgent = true; }),
      with([](CallHeader& h) { h.group = 9; }),
      with([](CallHeader& h) { h.when_full = WhenFull::kDrop; }),
      with([](CallHeader& h) { h.offer = true; }),
      with([](CallHeader& h) { h.references = 1; }),
      with([](CallHeader& h) { h.call_id = kKeptCall + 1, h.first_open = 1; }),
  };
  for (const OutgoingMessage& other : others) {
    Frames frames = frame_of(1);
    EXPECT_FALSE(frames.join(other));
    // And none joins it that is not alike.
    frames.last.append(frames.bytes, other);
    EXPECT_FALSE(frames.join(with([](CallHeader&) {})));
  }
  Frames calls;
  calls.last.append(calls.bytes, with([](CallHeader& h) { h.call_id = 9; }));
  EXPECT_FALSE(calls.join(with([](CallHeader& h) { h.call_id = 9; }))) << "each has its answer";
  Frames after;
  after.last.append(after.bytes, encode_heartbeat());
  EXPECT_FALSE(after.join(with([](CallHeader&) {})));
}

TEST(SharedFrameTest, CallsThatShareTheirTermsShareAFrame) {
  const CallHeader terms{.actor = 2, .method = 3, .urgent = true, .group = 7, .references = 1};
  Frames frames;
  frames.last.append(frames.bytes, send(0, "a", terms));
  EXPECT_TRUE(frames.join(send(1, "b", terms)));
  const IncomingMessage message = received(frames.bytes);
  EXPECT_EQ(*parse_call(message), terms);
}

TEST(SharedFrameTest, HoldsAsManyCallsAndBytesAsItMay) {
  Frames full = frame_of(kMax);
  EXPECT_FALSE(full.join(send(kMax, "text")));
  // A new one behind it takes more.
  full.last.append(full.bytes, send(kMax, "text"));
  EXPECT_TRUE(full.join(send(kMax + 1, "text")));

  const std::size_t one = frame_of(1).bytes.size();
  const std::size_t two = frame_of(2).bytes.size();
  ASSERT_GT(two, one);
  EXPECT_FALSE(frame_of(1).join(send(1, text_of(1)), two - 1));
  EXPECT_TRUE(frame_of(1).join(send(1, text_of(1)), two));
}

TEST(SharedFrameTest, MessageWithMemoryOfItsOwnStaysAlone) {
  const auto large = [] {
    return encode_call({.actor = 2, .method = 3}, 1, nullptr, [](Encoder& e) {
      encode_value(e, Array<float>(std::vector<float>(40'000, 1.0F)));
    });
  };
  EXPECT_FALSE(large().contiguous());
  EXPECT_EQ(large().next_call_at(), 0U);
  EXPECT_FALSE(frame_of(1).join(large()));
}

TEST(SharedFrameTest, WhatOneCallLacksIsNotMissedInTheNext) {
  const IncomingMessage message = received(frame_of(3).bytes);
  Decoder decoder = arguments(message, nullptr);
  decode_value<std::string>(decoder);  // it is a number
  ASSERT_TRUE(decoder.failed());
  EXPECT_EQ(decoder.error().message, "argument 1: expected text, found integer");
  ASSERT_EQ(next_call(decoder), NextCall::kFound);
  EXPECT_FALSE(decoder.failed());
  EXPECT_EQ(decode_value<int>(decoder), 1);
  EXPECT_EQ(decode_value<std::string>(decoder), text_of(1));
  decoder.begin_list();  // none is left
  ASSERT_TRUE(decoder.failed());
  ASSERT_EQ(next_call(decoder), NextCall::kFound);
  EXPECT_EQ(decode_value<int>(decoder), 2);
  EXPECT_EQ(decode_value<std::string>(decoder), text_of(2));
  EXPECT_FALSE(decoder.failed());
}

TEST(SharedFrameTest, MessagesOfOtherSchemasAreFoundInEachCall) {
  using Message = CapnpMessage<protocol::Cancel>;
  const auto with = [](std::uint64_t id) {
    return encode_call({.actor = 2, .method = 3}, 2, nullptr, [&](Encoder& e) {
      const auto message =
          Message::build([&](protocol::Cancel::Builder builder) { builder.setCallId(id); });
      encode_value(e, message);
      encode_value(e, std::vector<Message>(2, message));
    });
  };
  Frames frames;
  frames.last.append(frames.bytes, with(0));
  for (std::uint64_t i = 1; i < 5; ++i) ASSERT_TRUE(frames.join(with(i)));
  const IncomingMessage message = received(frames.bytes);
  Decoder decoder = arguments(message, nullptr);
  for (std::uint64_t i = 0; i < 5; ++i) {
    EXPECT_EQ(decode_value<Message>(decoder).reader().getCallId(), i);
    const auto list = decode_value<std::vector<Message>>(decoder);
    ASSERT_EQ(list.size(), 2U);
    EXPECT_EQ(list[1].reader().getCallId(), i);
    EXPECT_FALSE(decoder.failed());
    EXPECT_EQ(next_call(decoder), i < 4 ? NextCall::kFound : NextCall::kNone);
  }
}

// However deep the chain of calls before it, a message may be as deep as in a frame of its own.
TEST(SharedFrameTest, DepthOfAMessageDoesNotDependOnItsCallsPlace) {
  using Message = CapnpMessage<protocol::NextCall>;
  constexpr int kDepth = 57;  // of 64, with what is around it
  const auto deep = Message::build([](protocol::NextCall::Builder builder) {
    for (int i = 0; i < kDepth; ++i) builder = builder.initNext();
    builder.initArguments(1)[0].setInteger(7);
  });
  const auto with = [&deep] {
    return encode_call({.actor = 2, .method = 3}, 1, nullptr,
                       [&](Encoder& e) { encode_value(e, deep); });
  };
  Frames frames;
  frames.last.append(frames.bytes, with());
  int calls = 1;
  while (frames.join(with(), kSharedFrameBytesMax)) ++calls;
  EXPECT_GT(calls, 6);
  const IncomingMessage message = received(frames.bytes);
  Decoder decoder = arguments(message, nullptr);
  for (int i = 0; i < calls; ++i) {
    const auto read = decode_value<Message>(decoder);
    ASSERT_FALSE(decoder.failed()) << i << ": " << decoder.error().message;
    auto reader = read.reader();
    for (int level = 0; level < kDepth; ++level) reader = reader.getNext();
    EXPECT_EQ(reader.getArguments()[0].getInteger(), 7);
    next_call(decoder);
  }
}

/// The calls that can be read of a frame, whose end must not be in order.
int calls_before_the_fault(const std::vector<std::byte>& bytes) {
  const IncomingMessage message = received(bytes);
  Decoder decoder = arguments(message, nullptr);
  int calls = 1;
  for (;; ++calls) {
    const NextCall next = next_call(decoder);
    if (next == NextCall::kCorrupt) return calls;
    EXPECT_EQ(next, NextCall::kFound);
    if (next != NextCall::kFound || calls > 1000) return -1;
  }
}

/// The byte of the pointer to the next call in the frame's last call.
std::size_t last_pointer(const std::vector<std::byte>& bytes) {
  const IncomingMessage message = received(bytes);
  MessageView view(message);
  StructView call = message.content();
  for (;;) {
    const StructView next = view.get_struct(call, 1);
    if (next.segment.begin == nullptr) return 8 + 8 * (call.at + call.data + 1);
    call = next;
  }
}

// Or else as many calls as one likes could each hold on to, or walk, the whole of a large frame.
TEST(SharedFrameTest, FrameLargerThanWritersMakeIsRefusedWhenItHasSeveralCalls) {
  const auto large = [] {
    return encode_call({.actor = 2, .method = 3}, 1, nullptr, [](Encoder& e) {
      encode_value(e, std::string(kSharedFrameBytesMax / 2, 'x'));
    });
  };
  Frames frames;
  frames.last.append(frames.bytes, large());
  ASSERT_TRUE(frames.join(large()));
  EXPECT_EQ(calls_before_the_fault(frames.bytes), 1);
}

TEST(SharedFrameTest, CallsInACircleOrTooManyAreRefused) {
  auto bytes = frame_of(4).bytes;
  const std::size_t at = last_pointer(bytes);
  const auto point_back = [&](std::size_t words) {
    const auto low = static_cast<std::uint32_t>(-static_cast<std::int64_t>(words) - 1) << 2;
    const std::uint64_t pointer = std::uint64_t{2} << 48 | low;
    std::memcpy(&bytes[at], &pointer, 8);
  };
  point_back(1);  // its own call
  EXPECT_EQ(calls_before_the_fault(bytes), 4);
  point_back(at / 8 - 1);  // the root
  EXPECT_EQ(calls_before_the_fault(bytes), 4);
  // A call of no words: it would take no room.
  const std::uint64_t nothing = (bytes.size() - at) / 8 - 1;
  const std::uint64_t empty = nothing << 2;
  std::memcpy(&bytes[at], &empty, 8);
  EXPECT_EQ(calls_before_the_fault(bytes), 4);

  // One more than may be, which no writer of ours makes.
  bytes = frame_of(kMax).bytes;
  ASSERT_LT(bytes.size() + 200, kSharedFrameBytesMax);
  const auto more = send(0, "");
  const auto added = more.to_bytes();
  const std::size_t pointer_at = last_pointer(bytes);
  const std::size_t words = (bytes.size() - pointer_at) / 8 - 1;
  const std::uint64_t pointer = std::uint64_t{2} << 48 | words << 2;
  std::memcpy(&bytes[pointer_at], &pointer, 8);
  bytes.insert(bytes.end(), added.begin() + static_cast<std::ptrdiff_t>(more.next_call_at()),
               added.end());
  const auto size = static_cast<std::uint32_t>(bytes.size() / 8 - 1);
  std::memcpy(&bytes[4], &size, 4);
  EXPECT_EQ(calls_before_the_fault(bytes), kMax);
}

TEST(SharedFrameTest, PointerThatLeadsNowhereIsRefused) {
  auto bytes = frame_of(2).bytes;
  const std::size_t at = last_pointer(bytes);
  for (const std::uint64_t pointer : {std::uint64_t{2} << 48 | 1 << 20, std::uint64_t{0xFFFF} << 48,
                                      std::uint64_t{7} << 32 | 2, std::uint64_t{6} << 32 | 1}) {
    std::memcpy(&bytes[at], &pointer, 8);
    EXPECT_EQ(calls_before_the_fault(bytes), 2) << std::hex << pointer;
  }
}

}  // namespace
}  // namespace muster::wire
