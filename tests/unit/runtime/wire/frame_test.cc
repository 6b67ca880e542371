// The byte stream cut into messages: any cut of the stream, limits, chunks, placement.

#include <muster/random.h>

#include <cstring>

#include "tests/unit/runtime/wire/wire_fixture.h"

namespace muster::wire {
namespace {

// Feeds bytes to a reader in pieces of at most `step`; keeps what comes out.
class FrameReaderTest : public ::testing::Test {
 protected:
  Result<void> feed(const std::vector<std::byte>& bytes, std::size_t step = ~std::size_t{0}) {
    std::size_t at = 0;
    while (at < bytes.size()) {
      const auto into = reader.target();
      EXPECT_FALSE(into.empty());
      const std::size_t n = std::min({into.size(), bytes.size() - at, step});
      std::memcpy(into.data(), bytes.data() + at, n);
      at += n;
      auto done = reader.commit(n, [this](const IncomingMessage& m) {
        received.push_back(m);
        return true;
      });
      if (!done) return muster::fail(done.error());
    }
    return {};
  }

  std::vector<std::byte> chunked(const OutgoingMessage& message, std::size_t piece,
                                 std::uint32_t stream = 1) {
    const auto whole = message.to_bytes();
    std::vector<std::byte> out;
    for (std::size_t at = 0; at < whole.size(); at += piece) {
      const std::size_t n = std::min(piece, whole.size() - at);
      const auto chunk = encode_chunk({stream, static_cast<std::uint32_t>(message.align_offset()),
                                       whole.size(), at, Slice(whole).subspan(at, n)});
      const auto bytes = chunk.to_bytes();
      out.insert(out.end(), bytes.begin(), bytes.end());
    }
    return out;
  }

  Limits limits;
  FrameReader reader{limits};
  std::vector<IncomingMessage> received;
};

void append(std::vector<std::byte>& to, const OutgoingMessage& message) {
  const auto bytes = message.to_bytes();
  to.insert(to.end(), bytes.begin(), bytes.end());
}

TEST_F(FrameReaderTest, MessagesComeOutWhateverTheCut) {
  std::vector<std::byte> stream;
  std::vector<std::vector<std::byte>> expected;
  for (const std::size_t size : {0u, 1u, 64u, 5000u, 8000u, 9000u, 20000u, 70000u, 3u}) {
    const auto m = call_with(std::string(size, 'x'));
    append(stream, m);
    expected.push_back(m.to_bytes());
  }
  const auto big = call_with(Array<float>(AlignedVector<float>(50001)), 1);
  append(stream, big);
  expected.push_back(big.to_bytes());
  for (const std::size_t step : {1u, 7u, 4096u, 65536u, 1000000u}) {
    reader = FrameReader(limits);
    received.clear();
    const auto fed = feed(stream, step);
    ASSERT_TRUE(fed) << step << ": " << fed.error().message;
    ASSERT_EQ(received.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const Slice b = received[i].bytes();
      EXPECT_TRUE(std::equal(b.begin(), b.end(), expected[i].begin(), expected[i].end())) << i;
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(b.data()) % 8, 0u);
    }
  }
}

TEST_F(FrameReaderTest, LargeArrayLandsOnAMultipleOf64) {
  for (int lead = 0; lead < 5; ++lead) {  // shifts the place of the array in the message
    const auto m = call_with(std::string(static_cast<std::size_t>(8 * lead), 'y'),
                             Array<double>(AlignedVector<double>(5000, 1.0)));
    ASSERT_TRUE(feed(m.to_bytes(), 1000));
    Decoder decoder = arguments(received.back(), nullptr);
    decode_value<std::string>(decoder);
    const auto array = decode_value<Array<double>>(decoder);
    ASSERT_EQ(array.size(), 5000u);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(array.data()) % 64, 0u);
    EXPECT_EQ(array.owner(), received.back().owner());
  }
}

TEST_F(FrameReaderTest, ChunksArePutTogetherAndPlaced) {
  const auto m = call_with(Array<double>(AlignedVector<double>(50000, 1.5)), std::string("end"));
  for (const std::size_t piece : {64u, 1000u, 8192u, 65536u, 10000000u}) {
    received.clear();
    ASSERT_TRUE(feed(chunked(m, piece), 10000)) << piece;
    ASSERT_EQ(received.size(), 1u) << piece;
    Decoder decoder = arguments(received[0], nullptr);
    const auto array = decode_value<Array<double>>(decoder);
    EXPECT_EQ(decode_value<std::string>(decoder), "end");
    ASSERT_EQ(array.size(), 50000u);
    EXPECT_EQ(array[49999], 1.5);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(array.data()) % 64, 0u) << piece;
  }
}

TEST_F(FrameReaderTest, FramesPassBetweenChunks) {
  const auto m = call_with(std::string(30000, 'x'));
  const auto whole = m.to_bytes();
  std::vector<std::byte> stream;
  for (std::size_t at = 0; at < whole.size(); at += 8192) {
    const std::size_t n = std::min<std::size_t>(8192, whole.size() - at);
    append(stream, encode_chunk({5, 0, whole.size(), at, Slice(whole).subspan(at, n)}));
    append(stream, encode_heartbeat());
  }
  const auto fed = feed(stream, 999);
  ASSERT_TRUE(fed) << fed.error().message;
  ASSERT_EQ(received.size(), 5u);
  EXPECT_EQ(received[3].kind(), FrameKind::kCall);
  EXPECT_EQ(received[4].kind(), FrameKind::kHeartbeat);
}

TEST_F(FrameReaderTest, FrameSizeLimitHoldsToTheWord) {
  const auto m = call_with(std::string(20000, 'x'));
  for (const int delta : {-8, 0, 8}) {
    Limits own;
    own.message_bytes_max = m.size() + static_cast<std::size_t>(delta + 8) - 8;
    reader = FrameReader(own);
    const auto done = feed(m.to_bytes());
    EXPECT_EQ(done.has_value(), delta >= 0) << delta;
    if (!done) {
      EXPECT_EQ(done.error().code, ErrorCode::kCorrupt);
      EXPECT_EQ(done.error().message, "a frame of " + std::to_string(m.size()) +
                                          " bytes, at most " +
                                          std::to_string(own.message_bytes_max) + " are allowed");
    }
  }
}

TEST_F(FrameReaderTest, SegmentLimitHolds) {
  const auto table = [](std::uint32_t count) {
    std::vector<std::byte> bytes((4 + 4 * std::size_t{count} + 7) / 8 * 8, std::byte{0});
    const std::uint32_t stored = count - 1, one = 1;
    std::memcpy(bytes.data(), &stored, 4);
    std::memcpy(bytes.data() + 4, &one, 4);
    bytes.resize(bytes.size() + 8);
    return bytes;
  };
  for (const std::uint32_t count : {63u, 64u, 65u}) {
    const auto size = check_frame(table(count), limits);
    EXPECT_EQ(size.has_value(), count <= 64) << count;
    if (!size) {
      EXPECT_EQ(size.error().message, "a frame of 65 segments, at most 64 are allowed");
    }
  }
}

// contract 3.3
TEST_F(FrameReaderTest, ClaimOfHugeSizeIsRefusedBeforeAllocation) {
  std::vector<std::byte> lie(16);
  const std::uint32_t huge = 0xFFFFFFFF;
  std::memcpy(lie.data() + 4, &huge, 4);
  const auto done = feed(lie);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().message, "a frame of 34359738368 bytes, at most 4294967296 are allowed");
}

TEST_F(FrameReaderTest, BadChunksAreRefused) {
  const std::vector<std::byte> data(64);
  EXPECT_EQ(feed(encode_chunk({1, 0, 1000, 64, data}).to_bytes()).error().message,
            "a chunk at byte 64 of 1000, expected byte 0 of 1000");
  reader = FrameReader(limits);
  EXPECT_EQ(feed(encode_chunk({1, 0, 32, 0, data}).to_bytes()).error().message,
            "a chunk that goes past the end of its message");
  reader = FrameReader(limits);
  EXPECT_EQ(feed(encode_chunk({1, 0, ~std::uint64_t{0}, 0, data}).to_bytes()).error().message,
            "a message of 18446744073709551615 bytes in chunks, at most 4294967296 are allowed");
  reader = FrameReader(limits);
  for (std::uint32_t stream = 1; stream <= 4; ++stream) {
    ASSERT_TRUE(feed(encode_chunk({stream, 0, 1000, 0, data}).to_bytes()));
  }
  EXPECT_EQ(feed(encode_chunk({5, 0, 1000, 0, data}).to_bytes()).error().message,
            "more than 4 messages in chunks at a time");
  reader = FrameReader(limits);
  EXPECT_EQ(feed(encode_chunk({1, 0, 1000, 0, {}}).to_bytes()).error().message,
            "a chunk without bytes");
  reader = FrameReader(limits);
  ASSERT_TRUE(feed(encode_chunk({1, 0, 1000, 0, data}).to_bytes()));
  EXPECT_EQ(feed(encode_chunk({1, 0, 1000, 64, {}}).to_bytes()).error().message,
            "a chunk without bytes");
  reader = FrameReader(limits);
  EXPECT_EQ(feed(encode_chunk({1, 0, 0, 0, {}}).to_bytes()).error().message,
            "a chunk without bytes");
  reader = FrameReader(limits);
  EXPECT_FALSE(feed(chunked(encode_chunk({9, 0, 1000, 0, data}), 64)));  // a chunk in chunks
  EXPECT_FALSE(feed(encode_heartbeat().to_bytes()));                     // nothing after an error
}

TEST_F(FrameReaderTest, UnfinishedFrameTellsItsSize) {
  auto bytes = call_with(std::string(3000, 'x')).to_bytes();
  const std::size_t total = bytes.size();
  bytes.resize(1000);
  ASSERT_TRUE(feed(bytes));
  EXPECT_EQ(reader.unfinished().have, 1000u);
  EXPECT_EQ(reader.unfinished().total, total);
}

TEST_F(FrameReaderTest, MessagesOutliveTheReader) {
  {
    FrameReader local(limits);
    const auto bytes = call_with(std::string("keep")).to_bytes();
    std::memcpy(local.target().data(), bytes.data(), bytes.size());
    ASSERT_TRUE(local.commit(bytes.size(), [this](const IncomingMessage& m) {
      received.push_back(m);
      return true;
    }));
  }
  Decoder decoder = arguments(received[0], nullptr);
  EXPECT_EQ(decode_value<std::string>(decoder), "keep");
}

}  // namespace
}  // namespace muster::wire
