// Values written word by word are what Cap'n Proto writes, and values that Cap'n Proto laid out
// otherwise (in many segments, with far pointers) are read word by word.

#include <gmock/gmock.h>

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <muster/capnp.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cstring>

#include "runtime/wire/protocol.capnp.h"
#include "runtime/wire/segment_reader.h"
#include "tests/unit/runtime/wire/wire_fixture.h"

namespace muster::wire {
namespace {

using Values = std::tuple<std::vector<std::string>, std::map<int, std::vector<double>>, bool,
                          std::vector<std::uint8_t>, std::int64_t>;

OutgoingMessage message_with(const Values& values) {
  return encode_call({.call_id = 1, .actor = 2, .method = 3}, 1, nullptr,
                     [&](Encoder& e) { encode_value(e, values); });
}

/// The same message as Cap'n Proto lays it out with segments of `words` words.
std::vector<std::byte> laid_out_anew(const std::vector<std::byte>& bytes, unsigned words) {
  // The reader wants words; copies keep the test's bytes where they are.
  auto flat = kj::heapArray<capnp::word>(bytes.size() / sizeof(capnp::word));
  std::ranges::copy(bytes, std::as_writable_bytes(std::span(flat.begin(), flat.size())).begin());
  capnp::FlatArrayMessageReader reader(flat);
  capnp::MallocMessageBuilder builder(words, capnp::AllocationStrategy::FIXED_SIZE);
  builder.setRoot(reader.getRoot<protocol::Frame>());
  const auto out = capnp::messageToFlatArray(builder);
  const auto raw = std::as_bytes(std::span(out.begin(), out.size()));
  return {raw.begin(), raw.end()};
}

Values decode(const std::vector<std::byte>& bytes) {
  const auto message = IncomingMessage::copy_of(bytes, Limits{.segments_max = 4096});
  RC_ASSERT(message.has_value());
  RC_ASSERT(parse_call(*message)->method == 3u);
  Decoder decoder = arguments(*message, nullptr);
  auto out = decode_value<Values>(decoder);
  if (decoder.failed()) RC_FAIL(decoder.error().message);
  return out;
}

TEST(LayoutTest, WordByWordIsWhatCapnProtoWritesInOneSegment) {
  EXPECT_TRUE(rc::check("one segment", [](const Values& values) {
    const auto ours = message_with(values).to_bytes();
    RC_ASSERT(laid_out_anew(ours, 1 << 16) == ours);
  }));
}

TEST(LayoutTest, CallsWithAndWithoutChoicesAreTheSchemas) {
  std::size_t size = 0;
  // From the one with the fewest fields, which is the shortest.
  for (const auto& [call_id, timeout, urgent, group, references] :
       {std::tuple(0u, 0s, false, 0u, 0u), std::tuple(1u, 2s, false, 0u, 0u),
        std::tuple(1u, 2s, true, 7u, 0u), std::tuple(1u, 2s, false, 0u, 6u)}) {
    const auto bytes = encode_call({.call_id = call_id,
                                    .actor = 2,
                                    .method = 3,
                                    .timeout = timeout,
                                    .urgent = urgent,
                                    .group = group,
                                    .references = references},
                                   1, nullptr, [](Encoder& e) { encode_value(e, 42); })
                           .to_bytes();
    // A one-way call has a pointer to the next instead.
    EXPECT_GE(bytes.size(), std::exchange(size, bytes.size()));
    EXPECT_EQ(laid_out_anew(bytes, 1 << 16), bytes);
    auto flat = kj::heapArray<capnp::word>(bytes.size() / sizeof(capnp::word));
    std::ranges::copy(bytes, std::as_writable_bytes(std::span(flat.begin(), flat.size())).begin());
    capnp::FlatArrayMessageReader reader(flat);
    const auto call = reader.getRoot<protocol::Frame>().getCall();
    EXPECT_EQ(call.getUrgent(), urgent);
    EXPECT_EQ(call.getReferences(), references);
    EXPECT_EQ(call.getCallId(), call_id);
    EXPECT_EQ(call.getGroup(), group);
    EXPECT_EQ(call.getMethod(), 3u);
    EXPECT_EQ(call.getTimeoutMicros(), static_cast<std::uint64_t>(timeout.count()) * 1'000'000);
    EXPECT_EQ(call.getArguments()[0].getInteger(), 42);
  }
}

TEST(LayoutTest, ManySegmentsAndFarPointersAreReadTheSame) {
  EXPECT_TRUE(rc::check("segments", [](const Values& values) {
    const auto ours = message_with(values).to_bytes();
    const auto words = static_cast<unsigned>(*rc::gen::inRange<int>(1, 40));
    RC_ASSERT(decode(laid_out_anew(ours, words)) == values);
  }));
}

TEST(LayoutTest, CapnProtoReadsWhatWasReferredToInPlace) {
  const std::size_t size = 40'000;
  std::vector<float> numbers(size);
  for (std::size_t i = 0; i < size; ++i) numbers[i] = static_cast<float>(i);
  const auto bytes =
      call_with(1, Array<float>(std::vector(numbers)), std::string(30'000, 'x')).to_bytes();
  std::uint32_t segments = 0;
  std::memcpy(&segments, bytes.data(), 4);
  EXPECT_EQ(segments + 1, 3u);
  const auto message = IncomingMessage::copy_of(laid_out_anew(bytes, 1 << 20));
  ASSERT_TRUE(message);
  Decoder decoder = arguments(*message, nullptr);
  EXPECT_EQ(decode_value<int>(decoder), 1);
  EXPECT_EQ(decode_value<std::vector<float>>(decoder), numbers);
  EXPECT_EQ(decode_value<std::string>(decoder), std::string(30'000, 'x'));
  EXPECT_FALSE(decoder.failed());
}

// A few bytes a value, each the whole: memory is bounded by the message all the same.
TEST(LayoutTest, MessagesThatShareOneTargetAreRefused) {
  using Message = CapnpMessage<protocol::Hello>;
  const auto large = Message::build(
      [](protocol::Hello::Builder builder) { builder.setNonce(kj::heapArray<kj::byte>(12'000)); });
  auto bytes = call_with(std::vector<Message>(40, large)).to_bytes();
  const auto first = IncomingMessage::copy_of(bytes);
  ASSERT_TRUE(first);
  MessageView view(*first);
  const StructView argument = view.get_structs(first->content(), 0)[0];
  const StructList values = view.get_structs(argument, 0);
  ASSERT_EQ(values.count, 40u);
  const auto pointer_of = [&](std::size_t i) { return values[i].at + values[i].data; };
  const auto offset_of = [](std::size_t word) { return 8 + 8 * word; };  // behind the table
  std::uint64_t pointer = 0;
  std::memcpy(&pointer, &bytes[offset_of(pointer_of(0))], 8);
  for (std::size_t i = 1; i < values.count; ++i) {
    const auto back = static_cast<std::int64_t>(pointer_of(i) - pointer_of(0));
    const auto low = static_cast<std::uint32_t>(pointer) - static_cast<std::uint32_t>(back << 2);
    std::memcpy(&bytes[offset_of(pointer_of(i))], &low, 4);
  }
  // Nothing but the first target is left.
  const std::size_t words = pointer_of(39) + 2 + 12'000 / 8 + 16;
  bytes.resize(8 + 8 * words);
  const auto count = static_cast<std::uint32_t>(words);
  std::memcpy(&bytes[4], &count, 4);
  const auto shared = IncomingMessage::copy_of(bytes);
  ASSERT_TRUE(shared) << shared.error().message;
  Decoder decoder = arguments(*shared, nullptr);
  decode_value<std::vector<Message>>(decoder);
  ASSERT_TRUE(decoder.failed());
  EXPECT_THAT(decoder.error().message,
              ::testing::EndsWith("pointers that share what they point at"));
}

TEST(LayoutTest, MoreLargeArraysThanSegmentsAreAllowedStillTravel) {
  std::vector<Array<double>> arrays;
  for (int i = 0; i < 100; ++i) arrays.emplace_back(std::vector<double>(4'000, i));
  const auto out = travel_as<std::vector<Array<double>>>(arrays);
  ASSERT_TRUE(out) << out.error().message;
  ASSERT_EQ(out->size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ((*out)[static_cast<std::size_t>(i)][3'999], i);
}

TEST(LayoutTest, AMessageOfAnotherSchemaStandsInsideLists) {
  using Message = CapnpMessage<protocol::Hello>;
  const auto hello = Message::build([](protocol::Hello::Builder builder) {
    builder.setProtocol("inside");
    builder.setNodeHi(7);
    builder.setNonce(kj::heapArray<kj::byte>(100'000));
  });
  const std::vector<std::vector<Message>> values{{Message()}, {hello, Message(), hello}};
  const auto out = travel_as<std::vector<std::vector<Message>>>(values);
  ASSERT_TRUE(out) << out.error().message;
  ASSERT_EQ(out->size(), 2u);
  ASSERT_EQ((*out)[1].size(), 3u);
  EXPECT_FALSE((*out)[0][0]);
  for (const std::size_t i : {0u, 2u}) {
    EXPECT_STREQ((*out)[1][i].reader().getProtocol().cStr(), "inside");
    EXPECT_EQ((*out)[1][i].reader().getNodeHi(), 7u);
    EXPECT_EQ((*out)[1][i].reader().getNonce().size(), 100'000u);
  }
}

}  // namespace
}  // namespace muster::wire
