// Actors with a thread of their own.

#include <muster/random.h>

#include <atomic>
#include <semaphore>
#include <thread>

#include "runtime/core/arena_executor.h"
#include "runtime/core/own_thread.h"
#include "support/process_threads.h"
#include "unit/runtime/core/fixture.h"

namespace muster::test {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Ne;

/// On which threads an actor's code ran.
struct Threads {
  std::mutex mutex;
  std::vector<std::thread::id> constructors, others;
  std::counting_semaphore<> begun{0};
  std::counting_semaphore<> gate{0};
  void note(std::vector<std::thread::id>& list) {
    const std::scoped_lock lock(mutex);
    list.push_back(std::this_thread::get_id());
  }
};

class Bound {
 public:
  explicit Bound(Threads* threads) : threads_(*threads) { threads_.note(threads_.constructors); }
  ~Bound() { note(); }
  int plain() {
    note();
    return ++count_;
  }
  Task<int> waits(Handle<Counter> other) {
    note();
    co_await sleep_for(1ms);
    note();
    const int value = co_await other.call<&Counter::add>(1);
    note();
    co_return value;
  }
  void later() {
    this_actor::send_after<&Bound::plain>(1ms);
    ticks_ = this_actor::send_every<&Bound::tick>(1ms);
  }
  void then(Handle<Counter> other) {
    then_ = other.call<&Counter::value>().then([this](Result<int>) { note(); });
  }
  void tick() {
    note();
    ticks_.cancel();
  }
  int block() {
    threads_.begun.release();
    threads_.gate.acquire();
    return ++count_;
  }
  void leave() { this_actor::stop(); }
  void check() { MUSTER_CHECK(count_ < 0, count_); }

 private:
  void note() { threads_.note(threads_.others); }
  Threads& threads_;
  int count_ = 0;
  Timer ticks_;
  Future<void> then_;
};
MUSTER_ACTOR(Bound, plain, waits, later, then, tick, block, leave, check);

/// Leaves its thread something to do when it ends.
class Lingerer {
 public:
  explicit Lingerer(std::atomic<int>* gone) : gone_(gone) {}
  void stay() {
    thread_local Last last;
    last.gone = gone_;
  }

 private:
  struct Last {
    Last() = default;
    Last(const Last&) = delete;
    Last& operator=(const Last&) = delete;
    ~Last() {
      for (int i = 0; i < 10'000; ++i) std::this_thread::yield();
      ++*gone;
    }
    std::atomic<int>* gone = nullptr;
  };
  std::atomic<int>* gone_;
};
MUSTER_ACTOR(Lingerer, stay);

class Unmade {
 public:
  Unmade() { throw std::runtime_error("not today"); }
  void nothing() {}
};
MUSTER_ACTOR(Unmade, nothing);

class OwnThreadTest : public WorldTest {
 protected:
  ~OwnThreadTest() override { world.shutdown(); }  // before what its actors write to
  Handle<Bound> spawn_bound(const std::string& name) {
    const auto made = home->spawn<Bound>({.name = name, .own_thread = true}, &threads);
    return home == &caller ? made : value_or_throw(caller.find<Bound>(name, 5s));
  }
  Threads threads;
};
INSTANTIATE_TEST_SUITE_P(Places, OwnThreadTest, ::testing::Values(Place::kLocal, Place::kRemote),
                         place_name);

// contract 8.10: where the program drives the executor it is an actor like any other
TEST_P(OwnThreadTest, RunsOnTheDrivenExecutorInTests) {
  const auto bound = spawn_bound("bound");
  const auto other = spawn(1, "other");
  EXPECT_EQ(bound.call<&Bound::plain>().get(1s), 1);
  EXPECT_EQ(bound.call<&Bound::waits>(other).get(1s), 2);
  bound.call<&Bound::later>().get(1s);
  world.run_for(10ms);
  EXPECT_EQ(bound.call<&Bound::plain>().get(1s), 3);
  bound.send<&Bound::leave>();
  world.run_for(10ms);
  EXPECT_EQ(code_of(bound.call<&Bound::plain>()), ErrorCode::kUnavailable);
  EXPECT_THAT(threads.others, Each(std::this_thread::get_id()));
}

// contract 8.10
TEST(OwnThreadSimTest, NoMoreLiveThanAreAllowed) {
  Threads threads;
  muster::testing::SimWorld world(test_seed());
  auto& node = world.start("node", {.own_threads_max = 2});
  std::vector<Handle<Bound>> all;
  for (int i = 0; i < 2; ++i) all.push_back(node.spawn<Bound>({.own_thread = true}, &threads));
  const auto third = node.try_spawn<Bound>({.own_thread = true}, &threads);
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error(), (Error{ErrorCode::kOverloaded,
                                  "cannot spawn: 2 actors have a thread of their own, as many as "
                                  "RuntimeOptions::own_threads_max allows",
                                  {}}));
  EXPECT_EQ(node.stats().actors, 2U);
  EXPECT_TRUE(node.try_spawn<Bound>({}, &threads));  // others are not counted
  all[0].send<&Bound::leave>();
  world.run_for(1ms);
  EXPECT_TRUE(node.try_spawn<Bound>({.own_thread = true}, &threads));
}

// contract 8.10
TEST(OwnThreadSimTest, ActorThatWasNotMadeTakesNoThread) {
  Threads threads;
  muster::testing::SimWorld world(test_seed());
  auto& node = world.start("node", {.own_threads_max = 1});
  const auto other = node.spawn<Counter>({.name = "taken"}, 1);
  for (int i = 0; i < 3; ++i) {
    EXPECT_THROW(node.spawn<Unmade>({.own_thread = true}), std::runtime_error);
    const auto named = node.try_spawn<Bound>({.name = "taken", .own_thread = true}, &threads);
    ASSERT_FALSE(named);
    EXPECT_EQ(named.error().code, ErrorCode::kInvalid);
  }
  EXPECT_TRUE(node.try_spawn<Bound>({.own_thread = true}, &threads));
}

// contract 8.10
TEST(OwnThreadThreadsTest, EverythingOfTheActorButItsConstructorRunsOnItsThread) {
  Threads threads;
  Threads other_threads;
  {
    Runtime runtime({.threads = 2});
    const auto counter = runtime.spawn<Counter>({}, 1);
    auto other = runtime.spawn<Bound>({.own_thread = true}, &other_threads);
    auto bound = runtime.spawn<Bound>({.own_thread = true}, &threads);
    auto down = runtime.monitor(bound);
    for (int i = 0; i < 20; ++i) {
      bound.call<&Bound::plain>().get(kPatience);
      bound.call<&Bound::waits>(counter).get(kPatience);
      bound.call<&Bound::then>(counter).get(kPatience);
      bound.call<&Bound::later>().get(kPatience);
      other.call<&Bound::plain>().get(kPatience);
    }
    bound.call<&Bound::waits>(counter).get(kPatience);
    bound = {};
    EXPECT_EQ(down.get(kPatience).reason, DownReason::kReleased);
  }
  ASSERT_GE(threads.others.size(), 100U);
  const auto own = threads.others.front();
  EXPECT_THAT(threads.others, Each(own));
  EXPECT_THAT(threads.constructors, Each(std::this_thread::get_id()));
  EXPECT_THAT(other_threads.others, AllOf(Each(other_threads.others.front()), Each(Ne(own))));
  EXPECT_NE(own, std::this_thread::get_id());
}

// contract 8.10
TEST(OwnThreadThreadsTest, BlockedOnesKeepNobodyElseWaiting) {
  Threads threads;
  Runtime runtime({.threads = 1});
  std::vector<Handle<Bound>> blocked;
  std::vector<Future<int>> calls;
  for (int i = 0; i < 3; ++i) {
    blocked.push_back(runtime.spawn<Bound>({.own_thread = true}, &threads));
    calls.push_back(blocked.back().call<&Bound::block>());
  }
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(threads.begun.try_acquire_for(kPatience));
  const auto counter = runtime.spawn<Counter>({}, 0);
  for (int i = 1; i <= 100; ++i) EXPECT_EQ(counter.call<&Counter::add>(1).get(kPatience), i);
  threads.gate.release(3);
  EXPECT_TRUE(wait_all(calls, kPatience));
}

// contract 6.3, 8.10
TEST(OwnThreadThreadsTest, ThreadEndsWithItsActor) {
  std::thread([] {}).join();  // a sanitizer's own thread starts with the first one
  Threads threads;
  const std::size_t before = threads_that_last();
  Runtime runtime({.threads = 1, .own_threads_max = 1});
  for (int i = 0; i < 100; ++i) {
    auto bound = runtime.spawn<Bound>({.own_thread = true}, &threads);
    auto down = runtime.monitor(bound);
    bound.call<&Bound::plain>().get(kPatience);
    if (i % 2 == 0) bound.kill();
    bound = {};
    ASSERT_TRUE(down.result(kPatience));
  }
  // The executor's, the timers' and the network's beside those that are about to end.
  EXPECT_LE(threads_of_this_process(), before + 8);
  runtime.shutdown();
  EXPECT_LE(threads_down_to(before), before);
}

// contract 6.2, 6.3, 8.10
TEST(OwnThreadThreadsTest, ShutdownWaitsForThoseThatBlock) {
  Threads threads;
  auto runtime = std::make_unique<Runtime>(
      RuntimeOptions{.threads = 1, .drain_timeout = 0s, .on_error = [](const std::string&) {}});
  const auto bound = runtime->spawn<Bound>({.own_thread = true}, &threads);
  const auto idle = runtime->spawn<Bound>({.own_thread = true}, &threads);
  auto call = bound.call<&Bound::block>();
  ASSERT_TRUE(threads.begun.try_acquire_for(kPatience));
  std::thread opener([&] { threads.gate.release(); });
  runtime->shutdown();
  opener.join();
  EXPECT_TRUE(call.ready());
  EXPECT_EQ(threads.others.size(), 2U);  // both were destroyed
}

// contract 6.3, 8.10
TEST(OwnThreadThreadsTest, ShutdownReturnsWhenTheirThreadsHaveEnded) {
  std::atomic<int> gone{0};
  Runtime runtime({.threads = 1});
  std::vector<Handle<Lingerer>> lingerers;
  for (int i = 0; i < 3; ++i) {
    lingerers.push_back(runtime.spawn<Lingerer>({.own_thread = true}, &gone));
    lingerers.back().call<&Lingerer::stay>().get(kPatience);
  }
  runtime.shutdown();
  EXPECT_EQ(gone, 3);
}

/// Takes its time, and says when it is done.
struct Slow final : Runnable {
  void run() override {
    begun.release();
    for (int i = 0; i < 10'000; ++i) std::this_thread::yield();
    done = true;
    thread->finish();
  }
  std::binary_semaphore begun{0};
  std::atomic<bool> done{false};
  boost::intrusive_ptr<detail::OwnThread> thread;
};

// contract 6.3
TEST(OwnThreadsTest, StopWaitsForWhatRunsAndNoneStartsAfterwards) {
  muster::testing::VirtualTimers timers;
  detail::ArenaExecutor executor(1, timers);
  detail::OwnThreads threads(1, executor);
  Slow slow;
  slow.thread = threads.start();
  slow.thread->post(slow);
  ASSERT_TRUE(slow.begun.try_acquire_for(kPatience));
  threads.stop();
  EXPECT_TRUE(slow.done);
  slow.thread = nullptr;
  try {
    threads.start()->finish();
    FAIL() << "a thread after stop()";
  } catch (const Exception& e) {
    EXPECT_EQ(e.error().code, ErrorCode::kCancelled);
  }
}

// Many threads spawn, call and end actors with threads of their own.
TEST(OwnThreadThreadsTest, SpawnsCallsAndDeathsFromManyThreads) {
  std::printf("MUSTER_TEST_SEED=%llu\n", static_cast<unsigned long long>(test_seed()));
  Threads threads;
  Runtime runtime({.threads = 2, .own_threads_max = 8, .on_error = [](const std::string&) {}});
  std::atomic<int> answered{0};
  std::atomic<int> refused{0};
  const auto play = [&](std::uint64_t stream) {
    Random random(mix_seed(test_seed(), stream));
    for (int i = 0; i < 200; ++i) {
      auto made = runtime.try_spawn<Bound>({.own_thread = true}, &threads);
      if (!made) {
        EXPECT_EQ(made.error().code, ErrorCode::kOverloaded);
        ++refused;
        continue;
      }
      auto call = made->call<&Bound::plain>();
      switch (random.below(4)) {
        case 0:
          made->kill();
          break;
        case 1:
          made->send<&Bound::check>();
          break;
        case 2:
          made->send<&Bound::leave>();
          break;
        default:
          break;
      }
      made->send<&Bound::plain>();
      const auto result = call.result(kPatience);
      if (result) ++answered;
      EXPECT_TRUE(result || result.error().code == ErrorCode::kUnavailable);
    }
  };
  std::vector<std::thread> players;
  for (std::uint64_t i = 0; i < 3; ++i) players.emplace_back(play, i);
  for (auto& player : players) player.join();
  runtime.shutdown();
  EXPECT_GT(answered, 100);
  EXPECT_EQ(threads.constructors.size() + static_cast<std::size_t>(refused), 600U);
}

}  // namespace
}  // namespace muster::test
