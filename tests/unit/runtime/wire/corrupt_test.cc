// Bytes from outside: truncated at every byte, flipped at random. Nothing crashes, nothing reads
// outside, and whatever is refused says so.

#include <muster/random.h>

#include <cstring>

#include "tests/unit/runtime/wire/wire_fixture.h"

namespace muster::wire {
namespace {

struct Everything {
  int number = 0;
  std::string text;
  std::vector<double> reals;
  std::optional<int> maybe;
  bool flag = false;
  std::vector<std::string> texts;
};

// Parses as whatever kind it claims to be and decodes all it holds.
void read_all(const IncomingMessage& message) {
  (void)parse_hello(message);
  (void)parse_proof(message);
  (void)parse_error(message);
  (void)parse_call(message);
  (void)parse_reply(message);
  (void)parse_release(message);
  (void)parse_find(message);
  (void)parse_found(message);
  (void)parse_monitor(message);
  (void)parse_down(message);
  (void)parse_stop(message);
  (void)parse_cancel(message);
  (void)parse_chunk(message);
  if (message.kind() == FrameKind::kCall) {
    Decoder decoder = arguments(message, nullptr);
    decode_value<int>(decoder);
    decode_value<std::string>(decoder);
    decode_value<std::vector<double>>(decoder);
    decode_value<std::optional<int>>(decoder);
    decode_value<bool>(decoder);
    decode_value<std::vector<std::string>>(decoder);
    Decoder again = arguments(message, nullptr);
    do {
      while (again.remaining() > 0) again.skip();
      EXPECT_LE(call_bytes(again), message.bytes().size());
    } while (next_call(again) == NextCall::kFound);
  }
  if (message.kind() == FrameKind::kReply) {
    Decoder decoder = result(message, nullptr);
    decode_value<double>(decoder);
  }
}

void feed(const std::vector<std::byte>& bytes) {
  FrameReader reader(Limits{.message_bytes_max = 1 << 20});
  std::size_t at = 0;
  while (at < bytes.size()) {
    const auto into = reader.target();
    const std::size_t n = std::min(into.size(), bytes.size() - at);
    std::memcpy(into.data(), bytes.data() + at, n);
    at += n;
    const auto done = reader.commit(n, [](const IncomingMessage& m) {
      read_all(m);
      return true;
    });
    if (!done) {
      EXPECT_EQ(done.error().code, ErrorCode::kCorrupt);
      EXPECT_FALSE(done.error().message.empty());
      return;
    }
  }
}

TEST(CorruptTest, EveryKindTruncatedAtEveryByteIsIncompleteOrRefused) {
  for (const Sample& sample : samples()) {
    for (std::size_t n = 0; n < sample.bytes.size(); ++n) {
      const std::vector<std::byte> part(sample.bytes.begin(),
                                        sample.bytes.begin() + static_cast<std::ptrdiff_t>(n));
      EXPECT_FALSE(IncomingMessage::copy_of(part)) << sample.name << " at " << n;
      feed(part);
    }
  }
}

TEST(CorruptTest, EveryKindWithEveryBitFlippedIsReadOrRefused) {
  for (const Sample& sample : samples()) {
    for (std::size_t bit = 0; bit < 8 * sample.bytes.size(); ++bit) {
      auto bytes = sample.bytes;
      bytes[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
      feed(bytes);
    }
  }
}

TEST(CorruptTest, RandomBytesAreReadOrRefused) {
  Random random(20240101);
  for (int round = 0; round < 2000; ++round) {
    auto bytes = samples()[6].bytes;  // a call
    const std::size_t edits = 1 + random.below(8);
    for (std::size_t i = 0; i < edits; ++i) {
      bytes[8 + random.below(bytes.size() - 8)] = static_cast<std::byte>(random() & 0xFF);
    }
    feed(bytes);
  }
}

TEST(CorruptTest, ListThatClaimsMoreThanItHoldsIsRefused) {
  // A list pointer of a million empty structs: no bytes on the wire, bounded work here.
  const auto message = encode_call({}, 1, nullptr, [](Encoder& e) {
    e.begin_list(2);
    e.none();
    e.none();
    e.end_list();
  });
  auto bytes = message.to_bytes();
  // The tag of the inner list says how many elements of which size it holds.
  bool found = false;
  for (std::size_t i = bytes.size() - 8; i >= 8 && !found; i -= 8) {  // it is the last such word
    std::uint32_t count_and_kind = 0;
    std::memcpy(&count_and_kind, bytes.data() + i, 4);
    if (count_and_kind == 2 << 2) {
      count_and_kind = (1u << 28) << 2;
      std::memcpy(bytes.data() + i, &count_and_kind, 4);
      const std::uint32_t no_size = 0;
      std::memcpy(bytes.data() + i + 4, &no_size, 4);
      found = true;
    }
  }
  ASSERT_TRUE(found);
  const auto incoming = IncomingMessage::copy_of(bytes);
  ASSERT_TRUE(incoming);
  Decoder decoder = arguments(*incoming, nullptr);
  EXPECT_EQ(decode_value<std::vector<std::monostate>>(decoder).size(), 0u);
  ASSERT_TRUE(decoder.failed());
  EXPECT_EQ(decoder.error().code, ErrorCode::kCorrupt) << decoder.error().message;
}

}  // namespace
}  // namespace muster::wire
