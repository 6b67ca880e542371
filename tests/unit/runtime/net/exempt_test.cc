// What may pass the bound of a connection, and what becomes of a peer that does not read.

#include "tests/unit/runtime/net/net_fixture.h"

namespace muster::net {
namespace {

class ExemptTest : public ::testing::Test {
 protected:
  void SetUp() override {
    pair.a_options.max_outstanding_bytes = kBound;
    pair.a_options.peer_timeout = pair.b_options.peer_timeout = 1h;
    pair.connect_and_wait();
    net.timers.advance(10ms);
    testing::LinkOptions narrow;
    narrow.window_bytes = 1;
    net.network.set_link("a", "b", narrow);
    net.network.partition("a", "b");
  }
  Result<void> send(std::size_t payload, Session::Bound bound) {
    return pair.session_a().send(call(1, ++sent, payload), bound);
  }

  static constexpr std::size_t kBound = 10'000;
  static constexpr std::size_t kExemptBytesMax = std::size_t{64} << 20;
  SimNet net;
  Pair pair{net};
  std::uint64_t sent = 0;
};

// contract 3.2
TEST_F(ExemptTest, ExemptMessagesPassWhereOthersAreRefused) {
  while (send(1000, Session::Bound::kKept)) {
  }
  const std::uint64_t refused = sent;
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(send(1000, Session::Bound::kExempt));
  EXPECT_GT(pair.session_a().outstanding_bytes(), kBound);
  EXPECT_EQ(send(1000, Session::Bound::kKept).error().code, ErrorCode::kOverloaded);
  net.network.set_link("a", "b", {});
  net.network.heal("a", "b");
  EXPECT_TRUE(
      net.timers.run_until([&] { return pair.b_events->count() == refused - 1 + 100; }, 600s));
  EXPECT_FALSE(pair.a_events->closed());
}

// contract 3.2
TEST_F(ExemptTest, PeerThatReadsNothingIsGivenUpWhenExemptMessagesPileUp) {
  constexpr std::size_t kEach = 1 << 20;
  Result<void> last;
  while ((last = send(kEach, Session::Bound::kExempt))) {
    ASSERT_LE(pair.session_a().outstanding_bytes(), kBound + kExemptBytesMax + 2 * kEach);
  }
  EXPECT_GT(pair.session_a().outstanding_bytes(), kBound + kExemptBytesMax);
  const Error cause{ErrorCode::kUnavailable, pair.address + " does not read what it is sent", {}};
  EXPECT_EQ(last.error(), cause);
  ASSERT_TRUE(net.timers.run_until([&] { return pair.a_events->closed(); }));
  EXPECT_EQ(pair.a_events->causes, std::vector<Error>{cause});
  EXPECT_EQ(send(1, Session::Bound::kExempt).error(), cause);
}

}  // namespace
}  // namespace muster::net
