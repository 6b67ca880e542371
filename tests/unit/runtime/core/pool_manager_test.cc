// Pools: members come, go and are replaced, here or on another node.

#include <muster/pool.h>

#include <thread>

#include "unit/runtime/core/routing_fixture.h"

namespace muster::test {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

/// Makes Workers on its node, for pools on others.
class Maker {
 public:
  Handle<Worker> make() {
    if (broken_ > 0) {
      --broken_;
      throw std::runtime_error("out of parts");
    }
    ++made_;
    return this_actor::runtime().spawn<Worker>({}, made_);
  }
  void break_down(int times) { broken_ = times; }

 private:
  int made_ = 0;
  int broken_ = 0;
};
MUSTER_ACTOR(Maker, make, break_down);

class PoolTest : public RoutingTest {
 protected:
  PoolTest() : own_(home->spawn<Maker>({.name = "maker"})) {
    maker = remote() ? value_or_throw(caller.find<Maker>("maker", 5s)) : own_;
  }
  Pool<Worker> pool(PoolOptions options = {.min = 1, .max = 4}) {
    options.name = "hands";
    return Pool<Worker>(caller, options, [m = maker] { return m.call<&Maker::make>(); });
  }
  std::vector<Future<int>> work(const Pool<Worker>& p, int calls, std::chrono::milliseconds time) {
    std::vector<Future<int>> futures;
    for (int i = 0; i < calls; ++i) futures.push_back(p.call<&Worker::work>(time));
    return futures;
  }
  /// The pool's size never leaves [low, high] while this runs.
  bool stays_within(const Pool<Worker>& p, std::size_t low, std::size_t high, Duration time) {
    const TimePoint end = world.now() + time;
    return !world.run_until(
        [&] { return world.now() < end && (p.size() < low || p.size() > high); }, time);
  }
  bool reaches(const Pool<Worker>& p, std::size_t size, Duration limit = 5s) {
    return world.run_until([&] { return p.size() == size; }, limit);
  }
  PoolCounts counts(const Pool<Worker>& p) { return p.counts().get(1s); }
  std::size_t workers_alive() const {
    const auto all = home->actors();
    return static_cast<std::size_t>(
        std::ranges::count(all, std::string("Worker"), &ActorInfo::class_name));
  }
  Handle<Maker> maker;

 private:
  const Handle<Maker> own_;
};
INSTANTIATE_TEST_SUITE_P(Places, PoolTest, ::testing::Values(Place::kLocal, Place::kRemote),
                         place_name);

// contract 11.6
TEST_P(PoolTest, StartsWithTheMinimum) {
  const auto p = pool({.min = 3, .max = 5});
  EXPECT_EQ(p.size(), 3U);
  EXPECT_EQ(workers_alive(), 3U);
  EXPECT_EQ(p.call<&Worker::number>().get(1s), 1);
  EXPECT_TRUE(stays_within(p, 3, 3, 60s));
  EXPECT_EQ(counts(p), (PoolCounts{.made = 3}));
}

// contract 11.6
TEST_P(PoolTest, GrowsWithTheCallsUpToTheMaximum) {
  const auto p = pool({.min = 1, .max = 4, .calls_per_member = 2});
  auto two = work(p, 2, 10s);
  EXPECT_TRUE(stays_within(p, 1, 1, 1s));
  auto third = work(p, 1, 10s);
  ASSERT_TRUE(reaches(p, 2));
  EXPECT_TRUE(stays_within(p, 2, 2, 1s));
  auto more = work(p, 50, 10s);
  ASSERT_TRUE(reaches(p, 4));
  EXPECT_EQ(p.outstanding(), 53U);
  EXPECT_TRUE(stays_within(p, 4, 4, 5s));
  EXPECT_EQ(workers_alive(), 4U);
  EXPECT_EQ(counts(p).made, 4U);
}

// contract 11.6
TEST_P(PoolTest, ShrinksWhenMembersAreIdle) {
  const auto p = pool({.min = 2, .max = 5, .idle_time = 10s});
  auto calls = work(p, 5, 100ms);
  ASSERT_TRUE(reaches(p, 5));
  const auto busy = p.call<&Worker::work>(25s);
  ASSERT_TRUE(wait_all(calls, 10s));
  EXPECT_TRUE(stays_within(p, 5, 5, 9s));
  ASSERT_TRUE(reaches(p, 2, 15s));
  EXPECT_TRUE(stays_within(p, 2, 2, 60s));
  EXPECT_TRUE(busy.ready());
  EXPECT_EQ(workers_alive(), 2U);
  EXPECT_EQ(counts(p), (PoolCounts{.made = 5, .retired = 3}));
}

// contract 11.6
TEST_P(PoolTest, AMemberIsDrainedBeforeItEnds) {
  const auto p = pool({.min = 1, .max = 2, .idle_time = 1s});
  auto calls = work(p, 2, 10ms);
  ASSERT_TRUE(reaches(p, 2));
  ASSERT_TRUE(wait_all(calls, 5s));
  // The one that is let go has a one-way message under way that takes longer.
  p.send_all<&Worker::work>(5s);
  std::vector<Future<Down>> downs;
  for (const auto& member : p.handles()) downs.push_back(caller.monitor(member));
  ASSERT_TRUE(reaches(p, 1, 3s));
  world.run_for(1s);
  EXPECT_EQ(workers_alive(), 2U);
  world.run_for(5s);
  EXPECT_EQ(workers_alive(), 1U);
  const auto gone = std::ranges::find_if(downs, [](const auto& down) { return down.ready(); });
  ASSERT_NE(gone, downs.end());
  EXPECT_EQ(gone->get().reason, DownReason::kReleased);
  EXPECT_EQ(caller.dead_letters().total() + home->dead_letters().total(), 0U);
}

// contract 11.6
TEST_P(PoolTest, LightWorkLeavesTheOthersIdle) {
  const auto p = pool({.min = 1, .max = 3, .idle_time = 2s});
  auto calls = work(p, 3, 10ms);
  ASSERT_TRUE(reaches(p, 3));
  ASSERT_TRUE(wait_all(calls, 5s));
  for (int i = 0; i < 60; ++i) {
    p.call<&Worker::number>().get(1s);
    world.run_for(100ms);
  }
  EXPECT_EQ(p.size(), 1U);
}

// contract 11.7
TEST_P(PoolTest, DeadMembersAreReplaced) {
  const auto p = pool({.min = 3, .max = 3});
  const auto members = p.handles();
  auto doomed = work(p, 3, 10s);
  members[0].kill();
  ASSERT_TRUE(world.run_until([&] { return p.size() == 2; }, 5s));
  ASSERT_TRUE(reaches(p, 3));
  EXPECT_EQ(std::ranges::count(p.handles(), members[0]), 0);
  EXPECT_EQ(code_of(std::move(doomed[0])), ErrorCode::kUnavailable);
  EXPECT_EQ(doomed[1].get(20s), 2);
  EXPECT_EQ(counts(p), (PoolCounts{.made = 4, .lost = 1}));
}

// contract 11.7
TEST_P(PoolTest, MembersThatKeepDyingAreReplacedMoreAndMoreSlowly) {
  const auto p = pool({.min = 1, .max = 2, .retry_min = 1s, .retry_max = 30s});
  const TimePoint start = world.now();
  std::vector<int> seconds;
  for (int i = 0; i < 6; ++i) {
    p.handles().at(0).kill();
    ASSERT_TRUE(reaches(p, 0));
    ASSERT_TRUE(reaches(p, 1, 60s));
    seconds.push_back(static_cast<int>((world.now() - start) / 1s));
  }
  // 0, then 1, 2, 4, 8, 16 later.
  EXPECT_THAT(seconds, ElementsAre(0, 1, 3, 7, 15, 31));
  world.run_for(30s);
  const TimePoint later = world.now();
  p.handles().at(0).kill();
  ASSERT_TRUE(reaches(p, 0));
  ASSERT_TRUE(reaches(p, 1, 60s));
  EXPECT_LT(world.now() - later, 1s);
}

// contract 11.7
TEST_P(PoolTest, WhatCannotBeMadeIsTriedAgainAndSaid) {
  const auto p = pool({.min = 1, .max = 2, .retry_min = 1s});
  maker.call<&Maker::break_down>(3).get(1s);
  p.handles().at(0).kill();
  ASSERT_TRUE(reaches(p, 0));
  world.run_for(500ms);
  EXPECT_EQ(error_of(p.call<&Worker::number>()),
            "unavailable: pool 'hands' has no member: a new member was not made: "
            "failed [std::runtime_error]: out of parts");
  ASSERT_TRUE(reaches(p, 1, 20s));
  EXPECT_TRUE(p.call<&Worker::number>().result(1s));
  EXPECT_EQ(counts(p), (PoolCounts{.made = 2, .failed = 3, .lost = 1}));
}

// contract 11.6
TEST_P(PoolTest, WhatCannotBeMadeAtFirstIsThrown) {
  maker.call<&Maker::break_down>(1).get(1s);
  try {
    pool();
    FAIL() << "it was made";
  } catch (const Exception& e) {
    EXPECT_EQ(e.error().describe(), "failed [std::runtime_error]: out of parts");
  }
  const auto seen = maker.call<&Maker::make>().get(1s);
  EXPECT_THROW(Pool<Worker>(caller, {.min = 2, .max = 2}, [&] { return seen; }), Exception);
  EXPECT_THROW(Pool<Worker>(caller, {}, [] { return Handle<Worker>(); }), Exception);
}

TEST_P(PoolTest, OptionsThatContradictEachOtherAreRefused) {
  for (const PoolOptions& wrong : {PoolOptions{.min = 0}, PoolOptions{.min = 3, .max = 2},
                                   PoolOptions{.calls_per_member = 0}}) {
    try {
      pool(wrong);
      FAIL() << "it was made";
    } catch (const Exception& e) {
      EXPECT_EQ(e.error().code, ErrorCode::kInvalid);
      EXPECT_THAT(e.error().message, HasSubstr("pool 'hands': min is"));
    }
  }
}

// contract 11.8
TEST_P(PoolTest, EndsWithItsLastCopyAndItsMembersAfterWhatTheyWereSent) {
  std::optional<Pool<Worker>> p = pool({.min = 2, .max = 4});
  auto copy = std::make_unique<Pool<Worker>>(*p);
  const auto routes = p->with({.timeout = 1s});
  auto calls = work(*p, 3, 100ms);
  p.reset();
  EXPECT_EQ(copy->call<&Worker::number>().result(1s).has_value(), true);
  ASSERT_TRUE(wait_all(calls, 1s));
  calls = work(*copy, 2, 100ms);
  copy.reset();
  EXPECT_EQ(error_of(routes.call<&Worker::number>()), "unavailable: pool 'hands' has ended");
  ASSERT_TRUE(wait_all(calls, 1s));
  for (auto& call : calls) EXPECT_TRUE(call.result());
  ASSERT_TRUE(world.run_until([&] { return workers_alive() == 0; }, 5s));
  const auto left = caller.actors();
  EXPECT_THAT(left, Each(::testing::Field(&ActorInfo::class_name, ::testing::Ne("Pool"))));
}

// contract 11.6
TEST_P(PoolTest, AtTheMinimumNoTimerIsLeft) {
  const auto p = pool({.min = 1, .max = 3, .idle_time = 1s});
  auto calls = work(p, 3, 10ms);
  ASSERT_TRUE(reaches(p, 3));
  ASSERT_TRUE(reaches(p, 1));
  world.run_for(3s);
  const auto handled = [&] {
    std::uint64_t sum = 0;
    for (const auto& info : caller.actors()) {
      if (info.class_name == "Pool") sum += info.processed;
    }
    return sum;
  };
  const auto before = handled();
  EXPECT_GT(before, 0U);
  world.run_for(60s);
  EXPECT_EQ(handled(), before);
}

TEST_P(PoolTest, IsCalledAsARouterIs) {
  const auto p = pool({.min = 3, .max = 3});
  EXPECT_THAT(p.call_all<&Worker::number>().get(1s), SizeIs(3));
  EXPECT_EQ(p.call_first<&Worker::work_for_number>().get(1s), 1);
  const int owner = p.with_key("ann").call<&Worker::number>().get(1s);
  EXPECT_EQ(p.with_key("ann").call<&Worker::number>().get(1s), owner);
  for (int i = 0; i < 6; ++i) p.send<&Worker::note>(i);
  for (const auto& outcome : p.call_all<&Worker::notes>().get(1s)) {
    EXPECT_THAT(*outcome.result, SizeIs(2));
  }
}

TEST_P(PoolTest, ShutdownEndsItAndLeavesNoDeadLetters) {
  const auto p = pool({.min = 2, .max = 4, .idle_time = 1s});
  auto calls = work(p, 6, 100ms);
  ASSERT_TRUE(reaches(p, 4));
  world.run_for(1s);
  // Its members end with it, and are not replaced.
  caller.shutdown();
  EXPECT_EQ(caller.dead_letters().total(), 0U);
  EXPECT_EQ(caller.stats().actors, 0U);
  EXPECT_EQ(code_of(p.call<&Worker::number>()), ErrorCode::kUnavailable);
}

// On threads: all calls of a burst end, and the bounds hold at every look.
TEST(PoolThreadsTest, GrowsAndShrinksUnderLoadWithinItsBounds) {
  Runtime runtime({.threads = 4});
  std::atomic<int> made{0};
  const Pool<Worker> pool(runtime, {.min = 1, .max = 6, .idle_time = 1ms},
                          [&] { return runtime.spawn<Worker>({}, made.fetch_add(1)); });
  std::atomic<int> bad{0};
  std::atomic<bool> done{false};
  std::thread watcher([&] {
    while (!done) {
      const std::size_t size = pool.size();
      if (size < 1 || size > 6) ++bad;
      std::this_thread::yield();
    }
  });
  std::vector<std::thread> callers;
  for (int t = 0; t < 3; ++t) {
    callers.emplace_back([&] {
      for (int round = 0; round < 30; ++round) {
        std::vector<Future<int>> calls;
        for (int i = 0; i < 8; ++i) calls.push_back(pool.call<&Worker::work>(1ms));
        for (auto& call : calls) bad += call.result(30s).has_value() ? 0 : 1;
      }
    });
  }
  for (auto& caller : callers) caller.join();
  done = true;
  watcher.join();
  EXPECT_EQ(bad, 0);
  EXPECT_EQ(pool.outstanding(), 0U);
  EXPECT_GT(made, 1);
}

}  // namespace
}  // namespace muster::test
