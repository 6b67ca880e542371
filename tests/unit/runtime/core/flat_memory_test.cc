// A slow actor under fast senders: what is in flight stays within its bounds however long it goes
// on, counted by the byte.

#include "unit/runtime/core/fixture.h"

namespace muster::test {

/// Bytes of all Ballasts that exist.
inline std::size_t ballast_bytes = 0;

template <class T>
struct CountingAllocator {
  using value_type = T;
  CountingAllocator() = default;
  template <class U>
  explicit CountingAllocator(const CountingAllocator<U>&) noexcept {}
  T* allocate(std::size_t count) {
    ballast_bytes += count * sizeof(T);
    return std::allocator<T>().allocate(count);
  }
  void deallocate(T* memory, std::size_t count) noexcept {
    ballast_bytes -= count * sizeof(T);
    std::allocator<T>().deallocate(memory, count);
  }
  friend bool operator==(CountingAllocator, CountingAllocator) { return true; }
};

struct Ballast {
  std::vector<std::byte, CountingAllocator<std::byte>> bytes;
};

}  // namespace muster::test

template <>
struct muster::Codec<muster::test::Ballast> {
  static constexpr bool wireable = true;
  static void encode(Encoder& encoder, const test::Ballast& ballast) {
    encoder.bytes(ballast.bytes);
  }
  static test::Ballast decode(Decoder& decoder) {
    const auto view = decoder.bytes();
    return {{view.bytes.begin(), view.bytes.end()}};
  }
};

namespace muster::test {

class SlowActor {
 public:
  Task<> take([[maybe_unused]] Ballast ballast) {
    co_await sleep_for(1ms);
    ++taken_;
  }
  int taken() const { return taken_; }

 private:
  int taken_ = 0;
};
MUSTER_ACTOR(SlowActor, take, taken);

namespace {

constexpr std::size_t kBallast = 1000;
constexpr std::size_t kMailbox = 16;
constexpr std::size_t kConnection = 20'000;

class FlatMemoryTest : public ::testing::TestWithParam<Place> {
 protected:
  FlatMemoryTest()
      : world(test_seed()),
        caller(
            world.start("caller", {.listen = "caller:1", .outstanding_bytes_max = kConnection})) {
    ballast_bytes = 0;
    if (GetParam() == Place::kRemote) {
      home = &world.start("home");
      value_or_throw(home->join("caller:1", 5s));
    }
    made = home->spawn<SlowActor>({.name = "slow", .mailbox_capacity = kMailbox});
    slow = home == &caller ? made : value_or_throw(caller.find<SlowActor>("slow", 5s));
  }
  static Ballast ballast() { return {decltype(Ballast::bytes)(kBallast)}; }
  /// The most that was seen of anything since the last call.
  struct Peak {
    std::size_t bytes = 0, depth = 0, waiting = 0, unsent = 0;
  };
  void look(Peak& peak) const {
    const ActorInfo info = home->actors().front();
    peak.bytes = std::max(peak.bytes, ballast_bytes);
    peak.depth = std::max(peak.depth, info.mailbox_depth);
    peak.waiting = std::max(peak.waiting, info.waiting);
    for (const auto& peer : caller.peers()) peak.unsent = std::max(peak.unsent, peer.bytes_waiting);
  }

  muster::testing::SimWorld world;
  Runtime& caller;
  Runtime* home = &caller;
  Handle<SlowActor> made, slow;
};
INSTANTIATE_TEST_SUITE_P(Places, FlatMemoryTest, ::testing::Values(Place::kLocal, Place::kRemote),
                         place_name);

// contract 3.1, 3.2
TEST_P(FlatMemoryTest, SenderThatDoesNotWaitLosesWhatIsTooMuch) {
  Peak early, late;
  for (int round = 0; round < 100; ++round) {
    Peak& peak = round < 50 ? early : late;
    for (int i = 0; i < 100; ++i) {
      slow.send<&SlowActor::take>(ballast());
      look(peak);
    }
    world.run_for(5ms);
    look(peak);
  }
  // Beside the mailbox there is the one being handled, and the one being sent.
  EXPECT_LE(late.bytes, (kMailbox + 2) * kBallast);
  EXPECT_LE(late.depth, kMailbox);
  EXPECT_LE(late.unsent, kConnection);
  EXPECT_LE(late.bytes, early.bytes);
  EXPECT_LE(late.unsent, early.unsent);
  world.run_for(1s);
  EXPECT_EQ(ballast_bytes, 0U);
  const auto taken = static_cast<std::uint64_t>(slow.call<&SlowActor::taken>().get(1s));
  EXPECT_GE(taken, 400U);  // it was never idle
  EXPECT_EQ(
      taken + caller.dead_letters().total() + (home == &caller ? 0 : home->dead_letters().total()),
      100U * 100U);
}

Task<int> produce(Handle<SlowActor> to, int items) {
  for (int i = 0; i < items; ++i) {
    Ballast ballast{decltype(Ballast::bytes)(kBallast)};
    co_await to.offer<&SlowActor::take>(std::move(ballast));
  }
  co_return items;
}

// contract 3.4, 3.5
TEST_P(FlatMemoryTest, SendersThatWaitLoseNothing) {
  constexpr int kSenders = 8;
  constexpr int kItems = 250;
  const auto patient = slow.with({.timeout = kForever, .when_full = WhenFull::kWait});
  std::vector<Future<int>> senders;
  for (int i = 0; i < kSenders; ++i) senders.push_back(caller.run(produce(patient, kItems)));
  Peak early, late;
  while (!std::ranges::all_of(senders, [](const auto& sender) { return sender.ready(); })) {
    world.run_for(1ms);
    look(world.now() < TimePoint(1h + 1s) ? early : late);
  }
  // Each sender holds what it offers and, between nodes, its copy there.
  EXPECT_LE(late.bytes, (kMailbox + 1 + 2 * kSenders) * kBallast);
  EXPECT_EQ(late.depth, kMailbox);
  EXPECT_LE(late.waiting, std::size_t{kSenders});
  EXPECT_LE(late.bytes, early.bytes);
  EXPECT_LE(late.unsent, kConnection);
  world.run_for(1s);
  EXPECT_EQ(ballast_bytes, 0U);
  EXPECT_EQ(slow.call<&SlowActor::taken>().get(1s), kSenders * kItems);
  EXPECT_EQ(caller.dead_letters().total() + home->dead_letters().total(), 0U);
}

}  // namespace
}  // namespace muster::test
