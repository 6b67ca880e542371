// Sessions over every kind of network: messages, order, bounds, ends.

#include "tests/unit/runtime/net/net_fixture.h"

namespace muster::net {
namespace {

class SessionTest : public ::testing::TestWithParam<NetKind> {
 protected:
  std::unique_ptr<TestNet> net = make_net(GetParam());
  Pair pair{*net};

  std::vector<std::uint64_t> ids_at_b() {
    return pair.b_events->with_lock([&] {
      std::vector<std::uint64_t> ids;
      for (const auto& m : pair.b_events->messages) ids.push_back(call_id(m));
      return ids;
    });
  }
  bool wait_for_messages_at_b(std::size_t n) {
    return net->wait(*pair.b_events, [&] { return pair.b_events->count() >= n; });
  }
};

INSTANTIATE_TEST_SUITE_P(Nets, SessionTest,
                         ::testing::Values(NetKind::kSim, NetKind::kLoopback,
                                           NetKind::kThreadedLoopback, NetKind::kTcp),
                         kind_name);

TEST_P(SessionTest, BothBecomeReadyAndKnowEachOther) {
  pair.a_options.listen_address = "a:77";
  pair.connect_and_wait();
  EXPECT_EQ(pair.a_events->peers.at(0).node, (NodeId{2, 2}));
  EXPECT_EQ(pair.b_events->peers.at(0).node, (NodeId{1, 1}));
  EXPECT_EQ(pair.b_events->peers.at(0).listen_address, "a:77");
  EXPECT_EQ(pair.a_events->peers.at(0).address, pair.address);
}

TEST_P(SessionTest, MessagesArriveInOrder) {
  pair.connect_and_wait();
  for (std::uint64_t i = 1; i <= 1000; ++i) {
    ASSERT_TRUE(pair.session_a().send(call(1, i, i % 7 == 0 ? 3000 : 50)));
  }
  ASSERT_TRUE(wait_for_messages_at_b(1000));
  const auto ids = ids_at_b();
  for (std::uint64_t i = 1; i <= 1000; ++i) ASSERT_EQ(ids[i - 1], i);
}

TEST_P(SessionTest, MessagesSentBeforeReadyArrive) {
  pair.connect();
  ASSERT_TRUE(net->wait(*pair.a_events, [&] {
    return pair.a_events->with_lock([&] { return pair.a_session != nullptr; });
  }));
  for (std::uint64_t i = 1; i <= 3; ++i) ASSERT_TRUE(pair.session_a().send(call(1, i)));
  ASSERT_TRUE(wait_for_messages_at_b(3));
  EXPECT_EQ(ids_at_b(), (std::vector<std::uint64_t>{1, 2, 3}));
}

TEST_P(SessionTest, CorkedBurstLeavesInFewWrites) {
  pair.connect_and_wait();
  const auto before = pair.session_a().stats().writes;
  {
    const CorkScope cork(pair.session_a());
    for (std::uint64_t i = 1; i <= 100; ++i) ASSERT_TRUE(pair.session_a().send(call(1, i)));
  }
  ASSERT_TRUE(wait_for_messages_at_b(100));
  EXPECT_LE(pair.session_a().stats().writes - before, 40u);
}

TEST_P(SessionTest, LargeMessageKeepsFlowOrder) {
  pair.a_options.chunk_bytes = 16 * 1024;
  pair.connect_and_wait();
  ASSERT_TRUE(pair.session_a().send(call(1, 1, 3'000'000)));
  for (std::uint64_t i = 2; i <= 50; ++i) ASSERT_TRUE(pair.session_a().send(call(1, i)));
  ASSERT_TRUE(wait_for_messages_at_b(50));
  const auto ids = ids_at_b();
  for (std::uint64_t i = 1; i <= 50; ++i) ASSERT_EQ(ids[i - 1], i);
}

TEST_P(SessionTest, CloseGivesEachSideOneCause) {
  pair.connect_and_wait();
  pair.session_a().close({ErrorCode::kCancelled, "node is shutting down", {}});
  pair.session_a().close({ErrorCode::kInternal, "too late", {}});
  const auto [at_a, at_b] = pair.ends();
  EXPECT_EQ(at_a, (Error{ErrorCode::kCancelled, "node is shutting down", {}}));
  EXPECT_EQ(at_b.code, ErrorCode::kUnavailable);
  EXPECT_EQ(at_b.message, pair.session_b().peer_address() + " left: node is shutting down");
  const auto refused = pair.session_a().send(call(1, 1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), at_a);
  pair.a->stop();
  pair.b->stop();
  EXPECT_EQ(pair.a_events->causes.size(), 1u);
  EXPECT_EQ(pair.b_events->causes.size(), 1u);
}

TEST_P(SessionTest, QueuedMessagesGoBeforeTheGoodbye) {
  pair.connect_and_wait();
  for (std::uint64_t i = 1; i <= 20; ++i) ASSERT_TRUE(pair.session_a().send(call(1, i)));
  pair.session_a().close({ErrorCode::kCancelled, "done", {}});
  pair.ends();
  EXPECT_EQ(ids_at_b().size(), 20u);
}

TEST_P(SessionTest, WrongTokenEndsBothWithOneCause) {
  pair.a_options.token = "guess";
  pair.b_options.token = "secret";
  pair.connect_and_wait();
  const auto [at_a, at_b] = pair.ends();
  EXPECT_EQ(at_a.code, ErrorCode::kDenied);
  EXPECT_EQ(at_a.message,
            pair.address + " refused the connection: authentication failed: the tokens differ");
  EXPECT_EQ(at_b.message, pair.session_b().peer_address() +
                              " failed authentication: its token is not this node's");
  EXPECT_FALSE(pair.a_events->ready());
  EXPECT_FALSE(pair.b_events->ready());
}

TEST_P(SessionTest, SameTokenOpensTheConnection) {
  pair.a_options.token = pair.b_options.token = "secret";
  pair.connect_and_wait();
  EXPECT_TRUE(pair.a_events->ready() && pair.b_events->ready());
}

TEST_P(SessionTest, OtherVersionEndsBothWithOneCause) {
  pair.a_options.version_min = pair.a_options.version_max = 2;
  pair.connect_and_wait();
  const auto [at_a, at_b] = pair.ends();
  EXPECT_EQ(at_a.message, pair.address +
                              " refused the connection: this node speaks protocol version 1, "
                              "you version 2");
  EXPECT_EQ(at_b.message,
            pair.session_b().peer_address() + " speaks protocol version 2, this node version 1");
}

TEST_P(SessionTest, MessageLargerThanThePeerAcceptsIsRefusedHere) {
  pair.b_options.limits.message_bytes_max = 100'000;
  pair.connect_and_wait();
  auto fits = call(1, 1, 90'000);
  ASSERT_TRUE(pair.session_a().send(std::move(fits)));
  auto large = call(1, 2, 100'001);
  const std::size_t size = large.size();
  const auto refused = pair.session_a().send(std::move(large));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalid);
  EXPECT_EQ(refused.error().message, "a message of " + std::to_string(size) + " bytes, " +
                                         pair.address + " accepts at most 100000");
  ASSERT_TRUE(wait_for_messages_at_b(1));
}

TEST_P(SessionTest, StoppedTransportEndsItsSessions) {
  pair.connect_and_wait();
  pair.a->stop();
  ASSERT_TRUE(net->wait(*pair.a_events, [&] { return pair.a_events->closed(); }));
  ASSERT_TRUE(net->wait(*pair.b_events, [&] { return pair.b_events->closed(); }));
  EXPECT_EQ(pair.a_events->causes.at(0).code, ErrorCode::kCancelled);
  EXPECT_EQ(pair.b_events->causes.at(0).code, ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace muster::net
