// Peers that are not Muster nodes, or lie: over the loopback network, on virtual time.

#include <cstring>

#include "tests/unit/runtime/net/net_fixture.h"

namespace muster::net {
namespace {

// A raw stream to a node.
class StrangerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto listening = pair.b->listen("b:1", [this](std::unique_ptr<ByteStream> s) {
      pair.b_session =
          Session::start(std::move(s), pair.b->timers(), pair.b_options, pair.b_events);
    });
    pair.listener = std::move(*listening);
    pair.a->connect("b:1", 1s,
                    [this](Result<std::unique_ptr<ByteStream>> s) { stream = std::move(*s); });
    net.timers.run_until([&] { return stream && pair.b_session; });
    read();
  }
  void read() {
    stream->read_some(buffer, [this](Result<std::size_t> n) {
      if (!n) return void(ended = true);
      answer.insert(answer.end(), buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(*n));
      read();
    });
  }
  void say(wire::Slice bytes) { ASSERT_EQ(*stream->try_write(std::span(&bytes, 1)), bytes.size()); }
  void say(std::string_view text) { say(std::as_bytes(std::span(text.data(), text.size()))); }
  Error cause() {
    EXPECT_TRUE(net.timers.run_until([&] { return pair.b_events->closed(); }));
    return pair.b_events->causes.at(0);
  }
  std::string peer() const { return pair.b_session->peer_address(); }
  // The node's answer as its last frame, a reject.
  Error rejection() {
    net.timers.advance(1s);
    wire::FrameReader reader{wire::Limits()};
    std::vector<wire::IncomingMessage> frames;
    std::memcpy(reader.target().data(), answer.data(), answer.size());
    EXPECT_TRUE(reader.commit(answer.size(), [&](const wire::IncomingMessage& m) {
      frames.push_back(m);
      return true;
    }));
    EXPECT_FALSE(frames.empty());
    return frames.empty() ? Error() : wire::parse_error(frames.back()).value_or(Error());
  }
  // Says a hello and a proof by hand.
  void shake_hands() {
    wire::HelloFrame hello;
    hello.nonce.assign(wire::kNonceBytes, std::byte{1});
    hello.message_bytes_max = 1 << 30;
    hello.node_hi = 5;
    say(wire::encode_hello(hello).to_bytes());
    say(wire::encode_proof({}).to_bytes());
    ASSERT_TRUE(net.timers.run_until([&] { return pair.b_events->ready(); }));
    net.timers.advance(1ms);
    answer.clear();
  }

  LoopbackNet net;
  Pair pair{net};
  std::unique_ptr<ByteStream> stream;
  std::vector<std::byte> buffer = std::vector<std::byte>(65536);
  std::vector<std::byte> answer;
  bool ended = false;
};

TEST_F(StrangerTest, WebBrowserIsToldAndNamed) {
  say("GET / HTTP/1.1\r\nHost: b\r\n\r\n");
  EXPECT_EQ(cause(), (Error{ErrorCode::kInvalid,
                            peer() + " does not speak the Muster protocol: it sent \"GET / "
                                     "HTTP/1.1\"",
                            {}}));
  net.timers.advance(1s);
  const std::string_view text(reinterpret_cast<const char*>(answer.data()), answer.size());
  EXPECT_TRUE(text.starts_with("HTTP/1.1 400 Bad Request\r\n")) << text;
  EXPECT_TRUE(text.ends_with("This port is a Muster node's; it does not speak HTTP.\n"));
  EXPECT_TRUE(ended);
}

TEST_F(StrangerTest, OtherProtocolIsToldAndNamed) {
  say("SSH-2.0-OpenSSH_9.2\r\n");
  EXPECT_EQ(cause().message,
            peer() + " does not speak the Muster protocol: it sent \"SSH-2.0-OpenSSH_9.2\"");
  EXPECT_EQ(rejection().message, "this is a Muster node: what you sent is not its protocol");
}

TEST_F(StrangerTest, NothingIsReadBeforeTheHandshake) {
  say(call(1, 1).to_bytes());
  EXPECT_EQ(cause().message, peer() + " broke the handshake: expected a hello frame, found call");
  EXPECT_EQ(pair.b_events->count(), 0u);
}

TEST_F(StrangerTest, LargeFrameBeforeTheHandshakeIsRefused) {
  const std::uint32_t lie[2] = {0, 1 << 20};
  say(std::as_bytes(std::span(lie)));
  EXPECT_EQ(cause().code, ErrorCode::kInvalid);
}

TEST_F(StrangerTest, FrameThatLiesAboutItsSizeEndsOnlyItsConnection) {
  shake_hands();
  const std::uint32_t lie[2] = {0, 0xFFFFFFFF};
  say(std::as_bytes(std::span(lie)));
  const std::string text = "a frame of 34359738368 bytes, at most 4294967296 are allowed";
  EXPECT_EQ(cause(), (Error{ErrorCode::kCorrupt, peer() + " sent a bad frame: " + text, {}}));
  const Error told = rejection();
  EXPECT_EQ(told.code, ErrorCode::kCorrupt);
  EXPECT_EQ(told.message, "bad frame: " + text);
}

TEST_F(StrangerTest, FrameWithoutItsEndIsNamedWhenThePeerGoes) {
  shake_hands();
  auto bytes = call(1, 1, 1000).to_bytes();
  const std::size_t total = bytes.size();
  bytes.resize(100);
  say(bytes);
  net.timers.advance(1ms);
  stream->close();
  EXPECT_EQ(cause(), (Error{ErrorCode::kUnavailable,
                            peer() +
                                " closed the connection in the middle of a frame (100 bytes "
                                "of " +
                                std::to_string(total) + ")",
                            {}}));
}

TEST_F(StrangerTest, FrameWithoutAReadableRootIsRefused) {
  shake_hands();
  const std::uint32_t words[4] = {0, 1, 0x7FFFFFFC, 0xFFFFFFFF};
  say(std::as_bytes(std::span(words)));
  EXPECT_EQ(cause().message, peer() + " sent a bad frame: a frame whose root cannot be read");
}

TEST_F(StrangerTest, SecondHelloIsRefused) {
  shake_hands();
  say(wire::encode_hello({}).to_bytes());
  EXPECT_EQ(cause().message, peer() + " sent a bad frame: a hello frame out of turn");
}

TEST_F(StrangerTest, LeavingDuringTheHandshakeIsNamed) {
  stream->close();
  EXPECT_EQ(cause().message, peer() + " closed the connection during the handshake");
}

// The other way round: this node connects to something that answers in HTTP.
TEST(StrangerServerTest, WebServerIsNamed) {
  LoopbackNet net;
  Pair pair(net);
  std::unique_ptr<ByteStream> server;
  auto listener = pair.b->listen("web:80", [&](std::unique_ptr<ByteStream> s) {
    server = std::move(s);
    const std::string_view text = "HTTP/1.1 400 Bad Request\r\n\r\n";
    const wire::Slice bytes = std::as_bytes(std::span(text.data(), text.size()));
    (void)server->try_write(std::span(&bytes, 1));
  });
  pair.a->connect("web:80", 1s, [&](Result<std::unique_ptr<ByteStream>> s) {
    pair.a_session = Session::start(std::move(*s), pair.a->timers(), pair.a_options, pair.a_events);
  });
  ASSERT_TRUE(net.timers.run_until([&] { return pair.a_events->closed(); }));
  EXPECT_EQ(pair.a_events->causes.at(0).message,
            "web:80 does not speak the Muster protocol: it sent \"HTTP/1.1 400 Bad Request\"");
}

}  // namespace
}  // namespace muster::net
