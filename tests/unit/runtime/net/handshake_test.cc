// The handshake as a state machine: every way it can end, and the texts on both sides.

#include "runtime/net/handshake.h"

#include <gtest/gtest.h>

namespace muster::net {
namespace {

class HandshakeTest : public ::testing::Test {
 protected:
  HandshakeTest() {
    a_options.node = {1, 1};
    a_options.listen_address = "a:1";
    b_options.node = {2, 2};
    b_options.incarnation = 9;
    b_options.role = Role::kAcceptor;
  }
  void make() {
    a = std::make_unique<Handshake>(a_options, "b:1", std::vector(32, std::byte{1}));
    b = std::make_unique<Handshake>(b_options, "a:5", std::vector(32, std::byte{2}));
  }
  static wire::IncomingMessage over(const wire::OutgoingMessage& m) {
    return *wire::IncomingMessage::copy_of(m.to_bytes(), kHandshakeLimits);
  }
  // Runs it until an end; the refusal and whether it was a's.
  std::optional<std::pair<Refusal, bool>> run() {
    make();
    wire::OutgoingMessage next = *a->first();
    for (bool at_b = true;; at_b = !at_b) {
      auto step = (at_b ? *b : *a).on_frame(over(next));
      if (!step) return std::pair(step.error(), !at_b);
      if (!step->answer) return std::nullopt;
      next = std::move(*step->answer);
    }
  }
  void expect_refused_by(bool by_a, ErrorCode code, const std::string& here,
                         const std::string& there) {
    const auto end = run();
    ASSERT_TRUE(end);
    EXPECT_EQ(end->second, by_a);
    EXPECT_EQ(end->first.here, (Error{code, here, {}}));
    ASSERT_TRUE(end->first.there);
    EXPECT_EQ(end->first.there->message, there);
    // And what the other side makes of it.
    auto told = (by_a ? *b : *a).on_frame(over(wire::encode_reject(*end->first.there)));
    ASSERT_FALSE(told);
    EXPECT_EQ(told.error().here.message,
              std::string(by_a ? "a:5" : "b:1") + " refused the connection: " + there);
    EXPECT_EQ(told.error().here.code, code);
    EXPECT_FALSE(told.error().there);
  }

  SessionOptions a_options, b_options;
  std::unique_ptr<Handshake> a, b;
};

TEST_F(HandshakeTest, WithoutTokensBothLearnWhoThePeerIs) {
  EXPECT_FALSE(run());
  EXPECT_EQ(a->peer().node, (NodeId{2, 2}));
  EXPECT_EQ(a->peer().incarnation, 9u);
  EXPECT_EQ(b->peer().node, (NodeId{1, 1}));
  EXPECT_EQ(b->peer().listen_address, "a:1");
  EXPECT_EQ(b->peer().version, 1);
}

TEST_F(HandshakeTest, WithTheSameTokenItSucceeds) {
  a_options.token = b_options.token = "secret";
  EXPECT_FALSE(run());
}

TEST_F(HandshakeTest, WrongTokenIsRefusedByTheAcceptor) {
  a_options.token = "guess";
  b_options.token = "secret";
  expect_refused_by(false, ErrorCode::kDenied,
                    "a:5 failed authentication: its token is not this node's",
                    "authentication failed: the tokens differ");
}

TEST_F(HandshakeTest, MissingTokenOfTheInitiatorIsRefused) {
  b_options.token = "secret";
  expect_refused_by(false, ErrorCode::kDenied, "a:5 has no token, this node asks for one",
                    "a token is needed: none was given");
}

TEST_F(HandshakeTest, MissingTokenOfTheAcceptorIsRefused) {
  a_options.token = "secret";
  expect_refused_by(false, ErrorCode::kDenied, "a:5 asks for a token, this node has none",
                    "you ask for a token: this node has none");
}

TEST_F(HandshakeTest, AcceptorWithoutTheTokenCannotPretend) {
  a_options.token = "secret";
  b_options.token = "guess";
  make();
  auto challenge = b->on_frame(over(*a->first()));
  auto proof = a->on_frame(over(*challenge->answer));
  // It sends the initiator's own proof back: the role is part of the MAC.
  const auto mac = wire::parse_proof(over(*proof->answer));
  const auto end = a->on_frame(over(wire::encode_ready(*mac)));
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().here.message, "b:1 failed authentication: its token is not this node's");
}

TEST_F(HandshakeTest, ReflectionToTheSameNodeIsRefused) {
  b_options.node = a_options.node;
  expect_refused_by(false, ErrorCode::kInvalid, "a:5 is this node itself",
                    "you are connected to yourself");
}

TEST_F(HandshakeTest, ChangedHelloFailsAuthentication) {
  a_options.token = b_options.token = "secret";
  make();
  auto hello = wire::parse_hello(over(*a->first()));
  hello->listen_address = "mallory:1";
  auto challenge = b->on_frame(over(wire::encode_hello(*hello)));
  auto proof = a->on_frame(over(*challenge->answer));
  EXPECT_FALSE(b->on_frame(over(*proof->answer)));
}

TEST_F(HandshakeTest, TokenIsNeverSent) {
  a_options.token = b_options.token = "a-very-secret-token";
  make();
  std::string all;
  const auto keep = [&](const wire::OutgoingMessage& m) {
    for (const std::byte x : m.to_bytes()) all += static_cast<char>(x);
  };
  auto hello = a->first();
  auto challenge = b->on_frame(over(*hello));
  auto proof = a->on_frame(over(*challenge->answer));
  auto ready = b->on_frame(over(*proof->answer));
  keep(*hello), keep(*challenge->answer), keep(*proof->answer), keep(*ready->answer);
  EXPECT_EQ(all.find("a-very-secret-token"), std::string::npos);
}

TEST_F(HandshakeTest, VersionsThatDoNotMeetAreRefused) {
  a_options.version_min = 2;
  a_options.version_max = 3;
  expect_refused_by(false, ErrorCode::kInvalid,
                    "a:5 speaks protocol versions 2 to 3, this node version 1",
                    "this node speaks protocol version 1, you versions 2 to 3");
}

TEST_F(HandshakeTest, HighestCommonVersionIsChosen) {
  a_options.version_max = 5;
  b_options.version_max = 3;
  EXPECT_FALSE(run());
  EXPECT_EQ(a->peer().version, 3);
  EXPECT_EQ(b->peer().version, 3);
}

TEST_F(HandshakeTest, AnotherProtocolOnTheSameFramingIsRefused) {
  a_options.protocol_name = "other";
  expect_refused_by(false, ErrorCode::kInvalid,
                    "a:5 speaks protocol \"other\", this node \"muster\"",
                    "this node speaks protocol \"muster\", you \"other\"");
}

TEST_F(HandshakeTest, FrameOutOfTurnIsRefused) {
  make();
  const auto end = b->on_frame(over(wire::encode_heartbeat()));
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().here.message,
            "a:5 broke the handshake: expected a hello frame, found heartbeat");
}

TEST_F(HandshakeTest, ShortNonceIsRefused) {
  make();
  auto hello = wire::parse_hello(over(*a->first()));
  hello->nonce.resize(31);
  const auto end = b->on_frame(over(wire::encode_hello(*hello)));
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().here.message, "a:5 sent a nonce of 31 bytes");
}

TEST(NotMusterTest, FirstBytesAreShownReadably) {
  const auto bytes = [](std::string_view t) {
    return std::as_bytes(std::span(t.data(), t.size()));
  };
  EXPECT_EQ(not_muster("p:1", bytes("GET / HTTP/1.1\r\nHost: x\r\n")).message,
            "p:1 does not speak the Muster protocol: it sent \"GET / HTTP/1.1\"");
  EXPECT_EQ(not_muster("p:1", bytes("\x16\x03\x01\"\\")).message,
            "p:1 does not speak the Muster protocol: it sent \"\\x16\\x03\\x01\\x22\\x5c\"");
  EXPECT_TRUE(answer_to_stranger(bytes("GET / HTTP/1.1")).starts_with("HTTP/1.1 400 "));
  EXPECT_EQ(answer_to_stranger(bytes("SSH-2.0")), "");
}

}  // namespace
}  // namespace muster::net
