// Supervision on threads: whatever fails beside whatever else, every call ends and the tree comes
// back. For ThreadSanitizer too.

#include <atomic>
#include <thread>

#include "unit/runtime/core/phoenix.h"

namespace muster::test {
namespace {

/// Fails on demand; knows nothing of the time.
class Brittle {
 public:
  int add(int n) { return value_ += n; }
  void fall() { this_actor::crash("on demand"); }
  void link(const Handle<Brittle>& other) { this_actor::link(other); }
  void note_self() { this_actor::send<&Brittle::add>(1); }
  int save() const { return value_; }
  void restore(int value) { value_ = value; }

 private:
  int value_ = 0;
};
MUSTER_ACTOR(Brittle, add, fall, link, note_self);

constexpr RestartOptions kSoon = {
    .window = 1s, .backoff_min = 100us, .backoff_max = 1ms, .jitter = 1};

/// A node on threads that keeps failures to itself.
RuntimeOptions quiet() {
  return {.threads = 2, .on_error = [](const std::string&) {}};
}

// contract 10.2, 10.6, 10.10, 10.11
TEST(SupervisedThreadsTest, EveryCallEndsWhileTheTreeFailsFromAllSides) {
  Runtime runtime(quiet());
  const Supervisor tree(
      runtime,
      {.strategy = RestartStrategy::kOneForAll, .max_restarts = 1'000'000, .restart = kSoon});
  const Supervisor inner =
      tree.supervisor({.strategy = RestartStrategy::kRestForOne, .max_restarts = 2});
  std::vector<Handle<Brittle>> actors;
  for (int i = 0; i < 6; ++i) {
    SpawnOptions options;
    options.reentrant = i % 2 == 0;
    options.poison_after = i % 3 == 0 ? 2 : 0;
    options.checkpoint = {.every = 1ms, .messages = 10};
    actors.push_back((i < 3 ? tree : inner).spawn<Brittle>(options));
  }
  std::atomic<int> ended{0};
  std::vector<std::thread> threads;
  constexpr int kThreads = 3;
  constexpr int kCalls = 400;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kCalls; ++i) {
        const auto& actor = actors[static_cast<std::size_t>((i * 7 + t) % 6)];
        if (i % 20 == t) {
          actor.send<&Brittle::fall>();
        } else if (i % 5 == 0) {
          actor.send<&Brittle::note_self>();
        }
        ended += actor.call<&Brittle::add>(1).result(30s).has_value() ? 1 : 0;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(ended, kThreads * kCalls);  // none was being handled when its actor failed
  EXPECT_GT(runtime.stats().restarts, 0U);
  EXPECT_EQ(runtime.stats().actors, 6U);
  tree.stop();
}

// contract 10.7, 10.9
TEST(SupervisedThreadsTest, LinksKillsAndShutdownCrossWithoutLeavingAnythingBehind) {
  for (int round = 0; round < 30; ++round) {
    std::vector<Future<Down>> downs;
    {
      Runtime runtime(quiet());
      std::vector<Handle<Brittle>> actors;
      for (int i = 0; i < 8; ++i) {
        actors.push_back(
            runtime.spawn<Brittle>({.max_restarts = i % 2 == 0 ? 3U : 0U, .restart = kSoon}));
        if (i > 0) actors.back().send<&Brittle::link>(actors[static_cast<std::size_t>(i) - 1]);
        downs.push_back(runtime.monitor(actors.back()));
      }
      std::thread other([&] {
        actors[5].send<&Brittle::fall>();
        actors[2].kill();
      });
      actors[7].send<&Brittle::fall>();
      actors[0].send<&Brittle::fall>();
      other.join();
      if (round % 2 == 0) static_cast<void>(wait_any(downs, 5s));
    }
    for (auto& down : downs) EXPECT_TRUE(down.result(5s)) << round;
  }
}

}  // namespace
}  // namespace muster::test
