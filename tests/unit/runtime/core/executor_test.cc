// Actors on real threads: the contract must hold with the production executor and transport too.

#include <muster/net.h>

#include <atomic>
#include <latch>
#include <thread>

#include "runtime/core/arena_executor.h"
#include "unit/runtime/core/fixture.h"

namespace muster::test {
namespace {

class Adder {
 public:
  void add(std::uint64_t n) {
    MUSTER_CHECK(!busy_.exchange(true), "two handlers at a time");
    sum_ += n;
    busy_ = false;
  }
  std::uint64_t sum() const { return sum_; }

 private:
  std::atomic<bool> busy_{false};
  std::uint64_t sum_ = 0;
};
MUSTER_ACTOR(Adder, add, sum);

class Ring {
 public:
  void link(Handle<Ring> next) { next_ = std::move(next); }
  Task<int> pass(int left) {
    if (left == 0) co_return 0;
    next_.send<&Ring::hop>(left - 1);
    co_return left;
  }
  void hop(int left) {
    ++hops_;
    if (left > 0) next_.send<&Ring::hop>(left - 1);
  }
  int hops() const { return hops_; }
  void unlink() { next_ = {}; }

 private:
  Handle<Ring> next_;
  int hops_ = 0;
};
MUSTER_ACTOR(Ring, link, pass, hop, hops, unlink);

class ThreadsTest : public ::testing::TestWithParam<unsigned> {};
INSTANTIATE_TEST_SUITE_P(Threads, ThreadsTest, ::testing::Values(1U, 2U, 4U));

// contract 1.1
TEST_P(ThreadsTest, ManySendersLoseNothingAndHandlersNeverOverlap) {
  Runtime rt({.threads = GetParam(), .mailbox_capacity = 1 << 20});
  const auto adder = rt.spawn<Adder>();
  constexpr int kSenders = 4;
  constexpr std::uint64_t kEach = 20'000;
  {
    std::vector<std::jthread> senders;
    for (int s = 0; s < kSenders; ++s) {
      senders.emplace_back([adder] {
        for (std::uint64_t i = 1; i <= kEach; ++i) adder.send<&Adder::add>(i);
      });
    }
  }
  EXPECT_EQ(adder.call<&Adder::sum>().get(30s), kSenders * kEach * (kEach + 1) / 2);
  EXPECT_EQ(rt.stats().dead_letters, 0U);
}

TEST_P(ThreadsTest, MessagesGoRoundARing) {
  Runtime rt({.threads = GetParam()});
  std::vector<Handle<Ring>> ring;
  for (int i = 0; i < 10; ++i) ring.push_back(rt.spawn<Ring>());
  for (std::size_t i = 0; i < ring.size(); ++i) {
    ring[i].call<&Ring::link>(ring[(i + 1) % ring.size()]).get(10s);
  }
  EXPECT_EQ(ring[0].call<&Ring::pass>(10'000).get(10s), 10'000);
  int hops = 0;
  while (hops < 10'000) {
    hops = 0;
    for (const auto& member : ring) hops += member.call<&Ring::hops>().get(10s);
  }
  EXPECT_EQ(hops, 10'000);
  for (const auto& member : ring) member.call<&Ring::unlink>().get(10s);
}

TEST_P(ThreadsTest, TwoRuntimesTalkOverTcp) {
  Runtime head({.threads = GetParam(), .listen = "127.0.0.1:0"});
  Runtime node({.threads = GetParam()});
  ASSERT_TRUE(node.join(head.listen_address(), 10s));
  const auto local = head.spawn<Adder>({.name = "adder"});
  const auto far = value_or_throw(node.find<Adder>("adder", 10s));
  for (std::uint64_t i = 1; i <= 10'000; ++i) far.send<&Adder::add>(i);
  EXPECT_EQ(far.call<&Adder::sum>().get(30s), 10'000ULL * 10'001 / 2);
}

// contract 5.5
TEST(JoinTest, JoinsOfOneNodeAtATimeMakeOneConnection) {
  Runtime head({.threads = 1, .listen = "127.0.0.1:0"});
  Runtime node({.threads = 1});
  {
    std::vector<std::jthread> joins;
    for (int i = 0; i < 8; ++i) {
      joins.emplace_back([&] {
        const auto joined = node.join(head.listen_address(), 30s);
        ASSERT_TRUE(joined) << joined.error().describe();
        EXPECT_EQ(*joined, head.node_id());
      });
    }
  }
  EXPECT_EQ(node.peers().size(), 1U);
}

TEST(ArenaExecutorTest, BusyThreadDoesNotKeepWorkFromIdleOnes) {
  struct Work : Runnable {
    explicit Work(std::function<void()> f) : function(std::move(f)) {}
    void run() override { function(); }
    std::function<void()> function;
  };
  auto transport = make_tcp_transport();
  detail::ArenaExecutor executor(2, transport->timers());
  std::latch done(1);
  Work inner([&] { done.count_down(); });
  // The outer work posts and then waits for what it posted: only another thread can run it.
  Work outer([&] {
    executor.post(inner);
    done.wait();
  });
  executor.post(outer);
  done.wait();
  transport->stop();
  executor.stop();
}

}  // namespace
}  // namespace muster::test
