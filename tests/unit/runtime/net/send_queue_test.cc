// What leaves in which order, looked at through the reader of the other side.

#include "runtime/net/send_queue.h"

#include <cstring>

#include "tests/unit/runtime/net/net_fixture.h"

namespace muster::net {
namespace {

constexpr std::size_t kChunk = 4096;

wire::OutgoingMessage urgent(std::uint64_t actor, std::uint64_t id, std::size_t payload = 64) {
  return wire::encode_call({.call_id = id, .actor = actor, .urgent = true}, 1, nullptr,
                           [&](Encoder& e) { e.text(std::string(payload, 'x')); });
}

class SendQueueTest : public ::testing::Test {
 protected:
  // Takes one write after the other, feeding the bytes to a reader.
  bool take_one() {
    if (!queue.take(op)) return false;
    while (!op.done()) {
      const wire::Slice s = op.rest().front();
      std::size_t at = 0;
      while (at < s.size()) {
        const auto into = reader.target();
        const std::size_t n = std::min(into.size(), s.size() - at);
        std::memcpy(into.data(), s.data() + at, n);
        at += n;
        EXPECT_TRUE(reader.commit(n, [this](const wire::IncomingMessage& m) {
          order.push_back(m.kind() == wire::FrameKind::kHeartbeat ? 0 : call_id(m));
          if (on_message) on_message(m);
          return true;
        }));
      }
      op.consume(s.size());
    }
    return true;
  }
  void take_all() {
    while (take_one()) {
    }
  }

  SendQueue queue{kChunk};
  WriteOp op;
  wire::FrameReader reader{wire::Limits()};
  std::vector<std::uint64_t> order;  // call ids; 0 is a heartbeat
  std::function<void(const wire::IncomingMessage&)> on_message;
};

using Order = std::vector<std::uint64_t>;

TEST_F(SendQueueTest, EmptyQueueGivesNothing) {
  EXPECT_FALSE(queue.take(op));
  EXPECT_TRUE(op.done());
}

TEST_F(SendQueueTest, SmallMessagesLeaveInOneSlice) {
  for (std::uint64_t i = 1; i <= 100; ++i) queue.push(call(1, i));
  ASSERT_TRUE(queue.take(op));
  EXPECT_EQ(op.rest().size(), 1u);
}

TEST_F(SendQueueTest, ControlOvertakesCallsAndBulk) {
  queue.push(call(1, 1, 20000));
  queue.push(call(2, 2));
  queue.push(wire::encode_heartbeat());
  take_all();
  EXPECT_EQ(order, (Order{0, 2, 1}));
}

TEST_F(SendQueueTest, CallsToOthersOvertakeABulkMessage) {
  queue.push(call(1, 1, 40000));
  ASSERT_TRUE(take_one());
  queue.push(call(2, 2));
  queue.push(wire::encode_heartbeat());
  take_all();
  EXPECT_EQ(order, (Order{0, 2, 1}));
}

TEST_F(SendQueueTest, CallsOfTheSameFlowFollowTheirBulkMessage) {
  queue.push(call(1, 1, 40000));
  queue.push(call(1, 2));
  queue.push(call(2, 3));
  queue.push(call(1, 4, 9000));
  queue.push(call(1, 5));
  take_all();
  EXPECT_EQ(order, (Order{3, 1, 2, 4, 5}));
}

TEST_F(SendQueueTest, FlowLeavesTheBulkLaneOnceDrained) {
  queue.push(call(1, 1, 40000));
  take_all();
  queue.push(call(2, 2, 40000));
  queue.push(call(1, 3));
  take_all();
  EXPECT_EQ(order, (Order{1, 3, 2}));
}

TEST_F(SendQueueTest, UrgentCallsOvertakeCallsAndBulkOfTheirFlowInOrder) {
  queue.push(call(1, 1, 20000));
  queue.push(call(1, 2));
  queue.push(call(2, 3));
  queue.push(urgent(1, 4));
  queue.push(urgent(1, 5));
  take_all();
  EXPECT_EQ(order, (Order{4, 5, 3, 1, 2}));
}

TEST_F(SendQueueTest, UrgentCallsFollowALargeUrgentOneAndSoDoesTheRestOfItsFlow) {
  queue.push(urgent(1, 1, 20000));
  queue.push(wire::encode_heartbeat());
  queue.push(urgent(1, 2));
  queue.push(call(1, 3));
  queue.push(urgent(2, 4));
  queue.push(call(2, 5));
  take_all();
  EXPECT_EQ(order, (Order{0, 4, 5, 1, 2, 3}));
  queue.push(call(1, 6));
  queue.push(urgent(1, 7));  // nothing of its flow is left behind
  take_all();
  EXPECT_EQ(order, (Order{0, 4, 5, 1, 2, 3, 7, 6}));
}

TEST_F(SendQueueTest, FlowOrderHoldsForAnySequence) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Random random(seed);
    order.clear();
    std::map<std::uint64_t, std::uint64_t> last;
    std::uint64_t id = 0, total = 0;
    const auto check = [&] {
      for (const std::uint64_t x : order) {
        const std::uint64_t flow = x % 4 + 1;
        EXPECT_GT(x, last[flow]) << "seed " << seed;
        last[flow] = x;
      }
      total += order.size();
      order.clear();
    };
    for (int i = 0; i < 60; ++i) {
      ++id;
      queue.push(call(id % 4 + 1, id, random.below(3) == 0 ? 3000 + random.below(15000) : 10));
      if (random.below(2) == 0) take_one();
      check();
    }
    take_all();
    check();
    EXPECT_EQ(total, id) << "seed " << seed;
    EXPECT_EQ(queue.bytes(), 0u);
  }
}

// One-way messages of a flow, each with its number as its argument, some too large for the lane.
TEST_F(SendQueueTest, OneWayCallsShareFramesAndKeepTheirOrder) {
  const auto one_way = [](std::uint64_t actor, std::uint64_t number, std::size_t payload) {
    return wire::encode_call({.actor = actor}, 2, nullptr, [&](Encoder& e) {
      e.natural(number);
      e.text(std::string(payload, 'x'));
    });
  };
  std::size_t frames = 0;
  std::map<std::uint64_t, std::uint64_t> last;
  std::uint64_t total = 0;
  std::uint64_t seed = 0;
  on_message = [&](const wire::IncomingMessage& m) {
    ++frames;
    const std::uint64_t actor = wire::parse_call(m)->actor;
    Decoder calls = wire::arguments(m, nullptr);
    do {
      const std::uint64_t number = calls.natural();
      EXPECT_GT(number, std::exchange(last[actor], number)) << "seed " << seed;
      ++total;
    } while (wire::next_call(calls) == wire::NextCall::kFound);
  };
  for (seed = 1; seed <= 200; ++seed) {
    Random random(seed);
    total = 0;
    last.clear();
    for (std::uint64_t i = 1; i <= 200; ++i) {
      const std::size_t payload = random.below(100) == 0 ? 3000 + random.below(9000) : 10;
      queue.push(one_way(1 + random.below(10) / 9, i, payload));
      EXPECT_EQ(queue.one_way(), i - total) << "seed " << seed;
      if (random.below(20) == 0) take_one();
    }
    take_all();
    EXPECT_EQ(total, 200U) << "seed " << seed;
    EXPECT_EQ(queue.bytes(), 0U);
    EXPECT_EQ(queue.one_way(), 0U);
  }
  EXPECT_LT(frames, 200U * 200U * 3 / 4);
}

TEST_F(SendQueueTest, FramesOfSeveralCallsAreNoLargerThanThePeerTakes) {
  const auto one_way = [] {
    return wire::encode_call({.actor = 1}, 1, nullptr,
                             [](Encoder& e) { e.text(std::string(64, 'x')); });
  };
  for (const std::size_t allowed : {std::size_t{200}, std::size_t{1000}, std::size_t{1} << 30}) {
    queue.set_frame_bytes_max(allowed);
    std::size_t largest = 0;
    on_message = [&](const wire::IncomingMessage& m) {
      largest = std::max(largest, m.bytes().size());
    };
    for (int i = 0; i < 100; ++i) queue.push(one_way());
    take_all();
    EXPECT_LE(largest, std::min(allowed, kChunk));
    EXPECT_GT(largest, std::min(allowed, kChunk) - 200);
  }
}

// What the connection has not taken to the last byte was not sent: a frame is whole or nothing.
TEST_F(SendQueueTest, PartOfAFrameCountsAsNoneOfItsCalls) {
  for (int i = 0; i < 5; ++i) queue.push(wire::encode_call({.actor = 1}, 0, nullptr, [](auto&) {}));
  queue.push(wire::encode_call({.actor = 2}, 0, nullptr, [](auto&) {}));
  EXPECT_EQ(queue.one_way(), 6U);
  ASSERT_TRUE(queue.take(op));
  const std::size_t all = op.rest().front().size();
  const std::size_t second = wire::encode_call({.actor = 2}, 0, nullptr, [](auto&) {}).size();
  EXPECT_EQ(op.one_way(), 6U);
  op.consume(all - second - 1);
  EXPECT_EQ(op.one_way(), 6U);
  op.consume(1);
  EXPECT_EQ(op.one_way(), 1U);
  op.consume(second);
  EXPECT_EQ(op.one_way(), 0U);
}

TEST_F(SendQueueTest, ChunkSizeLimitHoldsToTheWord) {
  for (const int delta : {-8, 0, 8}) {
    const std::size_t overhead = call(1, 1, 800).size() - 808;
    const auto payload = static_cast<std::size_t>(static_cast<int>(kChunk - overhead) + delta) - 8;
    auto message = call(1, 1, payload);
    const bool bulk = message.size() > kChunk;
    EXPECT_EQ(bulk, delta > 0) << message.size();
    queue.push(std::move(message));
    queue.push(call(2, 2));
    order.clear();
    take_all();
    EXPECT_EQ(order, bulk ? (Order{2, 1}) : (Order{1, 2}));
  }
}

TEST_F(SendQueueTest, ExternalMemoryIsNotCopied) {
  const Array<float> array(AlignedVector<float>(100000));
  queue.push(
      wire::encode_call({.call_id = 1}, 1, nullptr, [&](Encoder& e) { encode_value(e, array); }));
  SendQueue big(1 << 20);
  big.push(
      wire::encode_call({.call_id = 1}, 1, nullptr, [&](Encoder& e) { encode_value(e, array); }));
  ASSERT_TRUE(big.take(op));
  bool found = false;
  for (const auto& s : op.rest()) {
    found |= s.data() == reinterpret_cast<const std::byte*>(array.data());
  }
  EXPECT_TRUE(found);
}

}  // namespace
}  // namespace muster::net
