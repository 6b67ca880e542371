// The simulated network by itself: what its faults do to the bytes of its connections.

#include <muster/testing/sim_network.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

namespace muster::testing {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;

std::uint64_t test_seed() {
  const char* text = std::getenv("MUSTER_TEST_SEED");
  return text ? std::strtoull(text, nullptr, 10) : 1;
}

/// Two connections from "a" to "b:1"; each message is one byte, and `arrived` lists the messages of
/// both as "b" reads them.
class TwoConnections {
 public:
  TwoConnections(std::uint64_t seed, LinkOptions link) : network(seed, timers, link) {
    a_ = network.make_transport("a");
    b_ = network.make_transport("b");
    listener_ = value_or_throw(b_->listen("b:1", [this](std::unique_ptr<ByteStream> stream) {
      readers_.push_back(std::make_unique<Reader>());
      readers_.back()->stream = std::move(stream);
      read(*readers_.back());
    }));
    for (int i = 0; i < 2; ++i) {
      a_->connect("b:1", 1s, [this](Result<std::unique_ptr<ByteStream>> stream) {
        writers_.push_back(value_or_throw(std::move(stream)));
      });
    }
    MUSTER_CHECK(timers.run_until([this] { return writers_.size() == 2 && readers_.size() == 2; }));
  }

  /// Message `n` leaves over connection `n` mod 2, 100 us after the one before.
  void send(std::uint8_t n) {
    const std::byte byte{n};
    const ByteStream::Slice slice(&byte, 1);
    MUSTER_CHECK(value_or_throw(writers_[n % 2]->try_write({&slice, 1})) == 1, n);
    timers.advance(100us);
  }

  std::vector<int> trace_of(std::uint8_t count) {
    for (std::uint8_t n = 0; n < count; ++n) send(n);
    MUSTER_CHECK(timers.run_until([&] { return arrived.size() == count; }), arrived.size());
    return arrived;
  }
  std::vector<std::string> faults() const {
    std::vector<std::string> out;
    for (const SimEvent& event : network.trace()) out.push_back(event.what);
    return out;
  }

  VirtualTimers timers;
  SimNetwork network;
  std::vector<int> arrived;

 private:
  struct Reader {
    std::unique_ptr<ByteStream> stream;
    std::byte byte{};
  };
  void read(Reader& reader) {
    reader.stream->read_some({&reader.byte, 1}, [this, &reader](Result<std::size_t> count) {
      if (!count) return;
      arrived.push_back(std::to_integer<int>(reader.byte));
      read(reader);
    });
  }

  std::unique_ptr<Transport> a_, b_;
  std::unique_ptr<Listener> listener_;
  std::vector<std::unique_ptr<Reader>> readers_;
  std::vector<std::unique_ptr<ByteStream>> writers_;
};

std::vector<int> of_connection(const std::vector<int>& arrived, int connection) {
  std::vector<int> out;
  std::ranges::copy_if(arrived, std::back_inserter(out),
                       [&](int n) { return n % 2 == connection; });
  return out;
}

constexpr LinkOptions kSteady{.latency_min = 1ms, .latency_max = 1ms, .partial_probability = 0};

TEST(SimNetworkTest, WithoutReorderingMessagesOfTwoConnectionsArriveAsTheyWereSent) {
  TwoConnections two(test_seed(), kSteady);
  EXPECT_TRUE(std::ranges::is_sorted(two.trace_of(60)));
  EXPECT_THAT(two.faults(), Each(Not(HasSubstr("reorder"))));
}

TEST(SimNetworkTest, ReorderingMixesTwoConnectionsAndKeepsTheOrderOfEach) {
  LinkOptions link = kSteady;
  link.reorder_probability = 0.1;
  link.reorder_delay = 2ms;
  for (std::uint64_t seed = test_seed(); seed < test_seed() + 50; ++seed) {
    SCOPED_TRACE("MUSTER_TEST_SEED=" + std::to_string(seed));
    TwoConnections two(seed, link);
    const auto arrived = two.trace_of(200);
    ASSERT_FALSE(std::ranges::is_sorted(arrived));
    ASSERT_TRUE(std::ranges::is_sorted(of_connection(arrived, 0)));
    ASSERT_TRUE(std::ranges::is_sorted(of_connection(arrived, 1)));
    ASSERT_THAT(two.faults(), Contains("reorder a:50001 -> b:1"));
    ASSERT_THAT(two.faults(), Contains("reorder a:50002 -> b:1"));
  }
}

TEST(SimNetworkTest, ReorderingIsDrawnFromTheSeed) {
  LinkOptions link = kSteady;
  link.reorder_probability = 0.1;
  const auto run = [&](std::uint64_t seed) { return TwoConnections(seed, link).trace_of(100); };
  EXPECT_EQ(run(5), run(5));
  EXPECT_NE(run(5), run(6));
}

}  // namespace
}  // namespace muster::testing
