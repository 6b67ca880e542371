// Messages of released versions, committed as bytes: they must be readable for ever, and this
// version must still write them. MUSTER_WRITE_GOLDEN=1 writes those that are missing.

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/unit/runtime/wire/wire_fixture.h"

namespace muster::wire {
namespace {

std::filesystem::path path_of(const std::string& name) {
  return std::filesystem::path(MUSTER_GOLDEN_DIR) / ("v1_" + name + ".bin");
}

std::vector<std::byte> read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  const auto bytes = std::as_bytes(std::span(text.data(), text.size()));
  return {bytes.begin(), bytes.end()};
}

TEST(GoldenTest, ThisVersionStillWritesVersion1) {
  for (const Sample& sample : samples()) {
    const auto path = path_of(sample.name);
    if (std::getenv("MUSTER_WRITE_GOLDEN") != nullptr && !std::filesystem::exists(path)) {
      std::ofstream out(path, std::ios::binary);
      out.write(reinterpret_cast<const char*>(sample.bytes.data()),
                static_cast<std::streamsize>(sample.bytes.size()));
    }
    ASSERT_TRUE(std::filesystem::exists(path)) << path;
    EXPECT_EQ(read_file(path), sample.bytes) << sample.name;
  }
}

TEST(GoldenTest, Version1CallIsReadToTheLastValue) {
  const auto message = IncomingMessage::copy_of(read_file(path_of("call")));
  ASSERT_TRUE(message);
  const auto header = parse_call(*message);
  ASSERT_TRUE(header);
  EXPECT_EQ(*header, (CallHeader{9, 8, 7, 1500us, 2}));
  Decoder decoder = arguments(*message, nullptr);
  EXPECT_EQ(decode_value<int>(decoder), 42);
  EXPECT_EQ(decode_value<std::string>(decoder), "text");
  EXPECT_EQ(decode_value<std::vector<double>>(decoder), (std::vector<double>{1.5, -2.5}));
  EXPECT_EQ(decode_value<std::optional<int>>(decoder), std::nullopt);
  EXPECT_EQ(decode_value<bool>(decoder), true);
  EXPECT_EQ(decode_value<std::vector<std::string>>(decoder), (std::vector<std::string>{"a", "b"}));
  EXPECT_FALSE(decoder.failed());
}

TEST(GoldenTest, Version1FrameOfTwoCallsIsRead) {
  const auto message = IncomingMessage::copy_of(read_file(path_of("shared_call")));
  ASSERT_TRUE(message);
  EXPECT_EQ(*parse_call(*message), (CallHeader{.actor = 8, .method = 7}));
  Decoder decoder = arguments(*message, nullptr);
  EXPECT_EQ(decode_value<int>(decoder), 42);
  ASSERT_EQ(next_call(decoder), NextCall::kFound);
  EXPECT_EQ(decode_value<int>(decoder), 43);
  EXPECT_EQ(next_call(decoder), NextCall::kNone);
}

TEST(GoldenTest, Version1MonitorThatLinksNobodyIsRead) {
  const auto message = IncomingMessage::copy_of(read_file(path_of("monitor")));
  ASSERT_TRUE(message);
  EXPECT_EQ(*parse_monitor(*message), (MonitorFrame{6, 7, 0}));
}

TEST(GoldenTest, Version1CancelThatNamesNoActorIsRead) {
  const auto message = IncomingMessage::copy_of(read_file(path_of("cancel")));
  ASSERT_TRUE(message);
  EXPECT_EQ(*parse_cancel(*message), (CancelFrame{12, 0, false}));
}

}  // namespace
}  // namespace muster::wire
