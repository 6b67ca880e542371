// run_blocking: work that blocks, beside the actors.

#include <muster/blocking.h>

#include <atomic>
#include <latch>
#include <semaphore>
#include <thread>

#include "unit/runtime/core/fixture.h"

namespace muster::test {
namespace {

using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// What blocking work of the tests does and waits for.
struct Bench {
  std::counting_semaphore<> begun{0};
  std::counting_semaphore<> gate{0};
  std::counting_semaphore<> stopped{0};
  std::atomic<int> runs{0};
  std::atomic<int> at_once{0};
  std::atomic<int> most{0};
  std::atomic<bool> asked{false};
  /// Blocks its thread until the gate lets it through.
  int work() {
    const int now = ++at_once;
    int most_so_far = most;
    while (most_so_far < now && !most.compare_exchange_weak(most_so_far, now)) {
    }
    begun.release();
    gate.acquire();
    --at_once;
    return ++runs;
  }
};

class Worker {
 public:
  explicit Worker(Bench* bench) : bench_(bench) {}
  Task<int> twice(int n) {
    co_return co_await run_blocking([n] { return 2 * n; });
  }
  Task<int> owned() {
    auto only = std::make_unique<int>(7);
    auto made = run_blocking([only = std::move(only)] { return *only; });
    co_return co_await made;
  }
  Task<> fail_with(std::string text) {
    auto failed = run_blocking([text] { throw std::runtime_error(text); });
    co_await failed;
  }
  Task<int> block() {
    co_return co_await run_blocking([bench = bench_] { return bench->work(); });
  }
  Task<std::string> block_for(milliseconds time) {
    const BlockingOptions options{.timeout = time};
    auto future = run_blocking([bench = bench_] { return bench->work(); }, options);
    const auto result = co_await future.as_result();
    co_return result ? std::to_string(*result) : result.error().describe();
  }
  Task<int> until_stopped() {
    co_return co_await run_blocking([bench = bench_](std::stop_token token) {
      std::binary_semaphore stopped(0);
      const std::stop_callback heard(token, [&] { stopped.release(); });
      bench->begun.release();
      stopped.acquire();
      bench->asked = true;
      bench->stopped.release();
      return ++bench->runs;
    });
  }
  Task<int> ask(Handle<Worker> other, int n) {
    auto asked = run_blocking([other, n] { return other.call<&Worker::twice>(n).get(10s); });
    co_return co_await asked;
  }
  Task<bool> in_no_actor() {
    const auto place = [] {
      try {
        static_cast<void>(sleep_for(1ms));
        return false;
      } catch (const Exception& e) {
        return e.error().code == ErrorCode::kInvalid;
      }
    };
    co_return co_await run_blocking(place);
  }
  int count() { return ++count_; }

 private:
  Bench* bench_;
  int count_ = 0;
};
MUSTER_ACTOR(Worker, twice, owned, fail_with, block, block_for, until_stopped, ask, in_no_actor,
             count);

class BlockingTest : public WorldTest {
 protected:
  Handle<Worker> spawn_worker(const std::string& name = "worker", SpawnOptions options = {}) {
    options.name = name;
    const auto made = home->spawn<Worker>(options, &bench);
    return home == &caller ? made : value_or_throw(caller.find<Worker>(name, 5s));
  }
  Bench bench;
};
INSTANTIATE_TEST_SUITE_P(Places, BlockingTest, ::testing::Values(Place::kLocal, Place::kRemote),
                         place_name);

// contract 8.9
TEST_P(BlockingTest, EndsInWhatTheWorkReturnsOrThrows) {
  const auto worker = spawn_worker();
  EXPECT_EQ(worker.call<&Worker::twice>(21).get(1s), 42);
  EXPECT_EQ(worker.call<&Worker::owned>().get(1s), 7);
  EXPECT_EQ(error_of(worker.call<&Worker::fail_with>("no disk")),
            "failed [std::runtime_error]: no disk");
  EXPECT_TRUE(worker.call<&Worker::in_no_actor>().get(1s));
}

// contract 8.9
TEST_P(BlockingTest, WorkMayWaitForFutures) {
  const auto worker = spawn_worker();
  const auto other = spawn_worker("other");
  EXPECT_EQ(worker.call<&Worker::ask>(other, 4).get(1s), 8);
}

// contract 8.9
TEST(BlockingSimTest, IsForHandlersAndTasks) {
  EXPECT_THROW(run_blocking([] { return 1; }), Exception);
  muster::testing::SimWorld world(test_seed());
  auto& node = world.start("node");
  const auto task = []() -> Task<int> { co_return co_await run_blocking([] { return 5; }); };
  EXPECT_EQ(node.run(task()).get(1s), 5);
}

// contract 8.9
TEST(BlockingSimTest, SameSeedGivesTheSameOrder) {
  const auto order = [](std::uint64_t seed) {
    std::vector<int> seen;
    muster::testing::SimWorld world(seed);
    auto& node = world.start("node");
    const auto task = [](std::vector<int>* to, int n) -> Task<> {
      co_await run_blocking([to, n] { to->push_back(n); });
    };
    std::vector<Future<void>> all;
    for (int n = 0; n < 8; ++n) all.push_back(node.run(task(&seen, n)));
    EXPECT_TRUE(wait_all(all, 1s));
    return seen;
  };
  EXPECT_EQ(order(3), order(3));
  EXPECT_NE(order(3), order(4));
}

// contract 8.9: on virtual time, with work that has not had its turn
TEST(BlockingSimTest, WorkWhoseFutureIsCancelledBeforeItsTurnIsNotDone) {
  muster::testing::SimWorld world(test_seed());
  auto& node = world.start("node");
  int done = 0;
  const auto held = std::make_shared<int>(1);
  Future<void> future;
  const auto start = [](Future<void>* to, int* count, std::shared_ptr<int> value) -> Task<> {
    *to = run_blocking([count, value] { ++*count; });
    co_return;
  };
  auto started = node.run(start(&future, &done, held));
  while (!future.valid()) world.scheduler().run_one();
  EXPECT_TRUE(future.cancel());
  world.run_for(1s);
  EXPECT_EQ(done, 0);
  started.get(1s);
  EXPECT_EQ(held.use_count(), 1);  // nothing of it is kept
  EXPECT_EQ(code_of(std::move(future)), ErrorCode::kCancelled);
}

// contract 8.9
TEST(BlockingSimTest, WithoutThreadsOrRoomItIsRefused) {
  muster::testing::SimWorld world(test_seed());
  auto& none = world.start("none", {.blocking_threads = 0});
  auto& small = world.start("small", {.blocking_threads = 2, .blocking_capacity = 3});
  const auto task = []() -> Task<std::string> {
    std::vector<Future<int>> all;
    for (int n = 0; n < 6; ++n) all.push_back(run_blocking([n] { return n; }));
    std::string ends;
    for (auto& future : all) {
      const auto result = co_await future.as_result();
      ends += result ? std::to_string(*result) + ";" : result.error().describe() + ";";
    }
    co_return ends;
  };
  EXPECT_THAT(none.run(task()).get(1s),
              HasSubstr("invalid: run_blocking: RuntimeOptions::blocking_threads is 0;"));
  EXPECT_EQ(small.run(task()).get(1s),
            "0;1;2;3;4;overloaded: run_blocking: 5 others wait for one of 2 threads;");
}

class BlockingThreadsTest : public ::testing::Test {
 protected:
  Handle<Worker> spawn() { return runtime.spawn<Worker>({}, &bench); }
  void begun(int count) {
    for (int i = 0; i < count; ++i) ASSERT_TRUE(bench.begun.try_acquire_for(kPatience));
  }
  Bench bench;
  Runtime runtime{{.threads = 1, .blocking_threads = 2, .blocking_capacity = 2}};
};

// contract 8.9
TEST_F(BlockingThreadsTest, WithEveryBlockingThreadStuckOtherActorsGoOn) {
  const auto other = spawn();
  std::vector<Handle<Worker>> workers;
  std::vector<Future<int>> stuck;
  for (int i = 0; i < 4; ++i) {
    workers.push_back(spawn());
    stuck.push_back(workers.back().call<&Worker::block>());
  }
  begun(2);
  for (int i = 1; i <= 100; ++i) EXPECT_EQ(other.call<&Worker::count>().get(kPatience), i);
  for (const auto& future : stuck) EXPECT_FALSE(future.ready());
  EXPECT_EQ(bench.at_once, 2);
  // Two wait: as much as may.
  EXPECT_THAT(error_of(other.call<&Worker::twice>(1), kPatience),
              AllOf(HasSubstr("overloaded"), HasSubstr("wait for one of 2 threads")));
  bench.gate.release(4);
  EXPECT_TRUE(wait_all(stuck, kPatience));
  EXPECT_EQ(bench.runs, 4);
  EXPECT_EQ(bench.most, 2);
}

// contract 8.9
TEST_F(BlockingThreadsTest, DeadlineEndsTheFutureAndWhatHasNotBegunNeverDoes) {
  std::vector<Handle<Worker>> workers;
  std::vector<Future<std::string>> ends;
  for (int i = 0; i < 4; ++i) {
    workers.push_back(spawn());
    ends.push_back(workers.back().call<&Worker::block_for>(i < 2 ? 60s : 20ms));
    if (i < 2) begun(1);
  }
  EXPECT_EQ(ends[2].get(kPatience), "timeout: run_blocking: no result within 0.02 s");
  EXPECT_EQ(ends[3].get(kPatience), "timeout: run_blocking: no result within 0.02 s");
  // Their room is free again while both threads are still stuck.
  EXPECT_EQ(spawn().call<&Worker::block_for>(20ms).get(kPatience),
            "timeout: run_blocking: no result within 0.02 s");
  bench.gate.release(2);
  ends.resize(2);
  EXPECT_TRUE(wait_all(ends, kPatience));
  EXPECT_EQ(bench.runs, 2);
}

// contract 8.3, 8.9
TEST_F(BlockingThreadsTest, CancellingTheCallAsksTheWorkToStop) {
  const auto worker = spawn();
  auto call = worker.call<&Worker::until_stopped>();
  begun(1);
  EXPECT_TRUE(call.cancel());
  EXPECT_EQ(worker.call<&Worker::count>().get(kPatience), 1);
  EXPECT_TRUE(bench.stopped.try_acquire_for(kPatience));
}

// contract 6.3, 8.9
TEST_F(BlockingThreadsTest, ShutdownAsksWorkToStopAndLeavesNoneBehind) {
  std::atomic<int> reports{0};
  auto running =
      std::make_unique<Runtime>(RuntimeOptions{.threads = 1,
                                               .blocking_threads = 1,
                                               .drain_timeout = 0s,
                                               .on_error = [&](const std::string&) { ++reports; }});
  std::vector<Future<int>> calls;
  std::vector<Handle<Worker>> workers;
  for (int i = 0; i < 3; ++i) {
    workers.push_back(running->spawn<Worker>({}, &bench));
    calls.push_back(workers.back().call<&Worker::until_stopped>());
  }
  begun(1);
  running->shutdown();
  EXPECT_TRUE(bench.asked);
  EXPECT_EQ(bench.runs, 1);
  EXPECT_EQ(reports, 0) << "no handler kept the shutdown waiting";
  for (auto& call : calls) EXPECT_EQ(code_of(std::move(call), 0s), ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace muster::test
