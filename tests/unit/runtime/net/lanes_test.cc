// Heartbeats, lanes and bounds on virtual time, over the simulated network.

#include "tests/unit/runtime/net/net_fixture.h"

namespace muster::net {
namespace {

class VirtualSessionTest : public ::testing::Test {
 protected:
  SimNet net;
  Pair pair{net};
  TimePoint now() const { return net.timers.clock().now(); }
};

TEST_F(VirtualSessionTest, IdleConnectionLivesOnHeartbeats) {
  pair.connect_and_wait();
  net.timers.advance(60s);
  EXPECT_FALSE(pair.a_events->closed() || pair.b_events->closed());
  EXPECT_GE(pair.session_a().stats().heartbeats_received, 59u);
  EXPECT_EQ(pair.a_events->count(), 0u);
}

TEST_F(VirtualSessionTest, CrashedPeerIsFoundByItsSilence) {
  pair.connect_and_wait();
  net.timers.advance(10s);
  net.network.crash("b");
  const TimePoint crashed = now();
  ASSERT_TRUE(net.timers.run_until([&] { return pair.a_events->closed(); }));
  EXPECT_EQ(
      pair.a_events->causes.at(0),
      (Error{ErrorCode::kUnavailable, "no heartbeat from " + pair.address + " for 4.0 s", {}}));
  EXPECT_LE(now() - crashed, 4s + 1ms);
  EXPECT_GE(now() - crashed, 3s - 1ms);
  EXPECT_FALSE(pair.b_events->closed());  // nobody is there to be told
}

TEST_F(VirtualSessionTest, ShortPartitionIsOutlivedAndLongOneEndsBoth) {
  pair.connect_and_wait();
  net.network.partition("a", "b");
  ASSERT_TRUE(pair.session_a().send(call(1, 1)));
  net.timers.advance(2s);
  EXPECT_EQ(pair.b_events->count(), 0u);
  net.network.heal("a", "b");
  ASSERT_TRUE(net.timers.run_until([&] { return pair.b_events->count() == 1; }));
  net.network.partition("a", "b");
  net.timers.advance(6s);
  EXPECT_TRUE(pair.a_events->closed() && pair.b_events->closed());
}

TEST_F(VirtualSessionTest, LostConnectionEndsBothAtOnce) {
  pair.connect_and_wait();
  net.network.drop_connections("a", "b");
  const TimePoint lost = now();
  const auto [at_a, at_b] = pair.ends();
  EXPECT_EQ(at_a.message, "connection to " + pair.address + " lost: connection reset by peer");
  EXPECT_EQ(at_b.code, ErrorCode::kUnavailable);
  EXPECT_EQ(now(), lost);
}

TEST_F(VirtualSessionTest, ExitOfTheProcessIsNoticedAtOnce) {
  pair.connect_and_wait();
  net.network.exit("b");
  ASSERT_TRUE(net.timers.run_until([&] { return pair.a_events->closed(); }));
  EXPECT_EQ(pair.a_events->causes.at(0).code, ErrorCode::kUnavailable);
}

TEST_F(VirtualSessionTest, SilentPeerIsRefusedAtTheHandshakeDeadline) {
  net.network.partition("a", "b");
  net.network.heal("a", "b");
  auto listener = pair.b->listen("b:9", [&](std::unique_ptr<ByteStream> s) {
    pair.b_session = Session::start(std::move(s), pair.b->timers(), pair.b_options, pair.b_events);
  });
  std::unique_ptr<ByteStream> mute;
  pair.a->connect("b:9", 1s, [&](Result<std::unique_ptr<ByteStream>> s) { mute = std::move(*s); });
  ASSERT_TRUE(net.timers.run_until([&] { return pair.b_events->closed(); }));
  EXPECT_EQ(pair.b_events->causes.at(0).code, ErrorCode::kTimeout);
  EXPECT_EQ(pair.b_events->causes.at(0).message,
            pair.b_session->peer_address() + " did not send its hello within 5.0 s");
  mute.reset();
}

// A link that needs seconds for the message: heartbeats must not wait for its end.
TEST_F(VirtualSessionTest, LargeMessageDoesNotDelayHeartbeatsOrOtherCalls) {
  testing::LinkOptions slow;
  slow.bytes_per_second = 1e6;
  net.network.set_link("a", "b", slow);
  pair.a_options.chunk_bytes = 64 * 1024;
  pair.connect_and_wait();
  ASSERT_TRUE(pair.session_a().send(call(1, 1, 16'000'000)));  // 16 s
  ASSERT_TRUE(pair.session_a().send(call(2, 2)));
  const TimePoint start = now();
  ASSERT_TRUE(net.timers.run_until([&] { return pair.b_events->count() >= 1; }));
  EXPECT_EQ(call_id(pair.b_events->messages[0]), 2u);
  EXPECT_LE(now() - start, 500ms);
  ASSERT_TRUE(net.timers.run_until([&] { return pair.b_events->count() >= 2; }));
  EXPECT_GE(now() - start, 15s);
  EXPECT_GE(pair.session_b().stats().heartbeats_received, 14u);
  EXPECT_FALSE(pair.a_events->closed() || pair.b_events->closed());
}

TEST_F(VirtualSessionTest, OutstandingBytesAreBoundedToTheByte) {
  const std::size_t size = call(1, 1, 1000).size();
  pair.a_options.max_outstanding_bytes = 10 * size;
  testing::LinkOptions narrow;
  narrow.window_bytes = 1;
  narrow.partial_probability = 0;
  pair.connect_and_wait();
  net.network.set_link("a", "b", narrow);
  net.network.partition("a", "b");
  std::size_t accepted = 0;
  Result<void> last;
  while ((last = pair.session_a().send(call(1, accepted + 1, 1000)))) {
    ++accepted;
    ASSERT_LE(accepted, 20u);
  }
  EXPECT_EQ(last.error().code, ErrorCode::kOverloaded);
  EXPECT_EQ(accepted, 10u);
  EXPECT_EQ(pair.session_a().outstanding_bytes(), 10 * size);
  EXPECT_EQ(last.error().message, "connection to " + pair.address + ": " +
                                      std::to_string(10 * size) + " bytes wait to be sent, " +
                                      std::to_string(10 * size) + " are allowed");
  net.network.set_link("a", "b", {});
  net.network.heal("a", "b");
  ASSERT_TRUE(net.timers.run_until([&] { return pair.b_events->count() == accepted; }));
  EXPECT_EQ(pair.session_a().outstanding_bytes(), 0u);
}

TEST_F(VirtualSessionTest, OneMessageBeyondTheBoundGoesWhenNothingWaits) {
  pair.a_options.max_outstanding_bytes = 1000;
  pair.connect_and_wait();
  net.timers.advance(10ms);
  ASSERT_TRUE(pair.session_a().send(call(1, 1, 2'000'000)));
  EXPECT_FALSE(pair.session_a().send(call(1, 2)));
  ASSERT_TRUE(net.timers.run_until([&] { return pair.b_events->count() == 1; }));
}

// Flow order and completeness under partial writes, jitter and chunking, by seed.
TEST(LanesSimTest, EveryFlowArrivesInOrderForManySeeds) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    testing::VirtualTimers timers;
    testing::LinkOptions link;
    link.partial_probability = 0.5;
    link.window_bytes = 10'000;
    testing::SimNetwork network(seed, timers, link);
    struct Net final : VirtualNet {
      std::unique_ptr<Transport> transport(const std::string& n) override {
        return network->make_transport(n);
      }
      std::string listen_address(const std::string& n) override { return n + ":0"; }
      bool wait(Recorder&, const std::function<bool()>& done) override {
        return clock->run_until(done);
      }
      testing::SimNetwork* network = nullptr;
      testing::VirtualTimers* clock = nullptr;
    } net;
    net.network = &network;
    net.clock = &timers;
    Pair pair(net);
    pair.a_options.chunk_bytes = 4096;
    pair.connect_and_wait();
    Random random(seed);
    for (std::uint64_t id = 1; id <= 100; ++id) {
      const std::size_t size = random.below(4) == 0 ? random.below(30'000) : random.below(200);
      ASSERT_TRUE(pair.session_a().send(call(id % 5 + 1, id, size)));
      if (random.below(5) == 0) timers.run_next();
    }
    ASSERT_TRUE(timers.run_until([&] { return pair.b_events->count() == 100; }));
    std::map<std::uint64_t, std::uint64_t> last;
    for (const auto& m : pair.b_events->messages) {
      const auto header = wire::parse_call(m);
      EXPECT_GT(header->call_id, last[header->actor]);
      last[header->actor] = header->call_id;
    }
  }
}

TEST(LanesSimTest, SameSeedGivesTheSameRun) {
  const auto run = [](std::uint64_t seed) {
    SimNet net;
    testing::SimNetwork network(seed, net.timers);
    std::vector<std::string> trace;
    auto a = network.make_transport("a");
    auto b = network.make_transport("b");
    auto events = std::make_shared<Recorder>();
    SessionOptions options;
    options.nonce_seed = 3;
    options.node = {1, 1};
    auto listener = b->listen("b:1", [&](std::unique_ptr<ByteStream> s) {
      SessionOptions own;
      own.role = Role::kAcceptor;
      own.node = {2, 2};
      own.nonce_seed = 4;
      Session::start(std::move(s), b->timers(), own, std::make_shared<Recorder>());
    });
    a->connect("b:1", 1s, [&](Result<std::unique_ptr<ByteStream>> s) {
      Session::start(std::move(*s), a->timers(), options, events);
    });
    net.timers.advance(3s);
    network.drop_connections("a", "b");
    net.timers.advance(1s);
    for (const auto& e : network.trace()) {
      trace.push_back(std::to_string(e.when.time_since_epoch().count()) + " " + e.what);
    }
    trace.push_back(std::to_string(network.bytes_delivered()));
    return trace;
  };
  EXPECT_EQ(run(5), run(5));
  EXPECT_NE(run(5), run(6));
}

}  // namespace
}  // namespace muster::net
