// The end of runtimes and actors, on virtual time and on real threads.

#include <muster/net.h>

#include <array>
#include <atomic>
#include <future>
#include <semaphore>
#include <thread>

#include "support/process_threads.h"
#include "unit/runtime/core/fixture.h"

namespace muster::test {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

// contract 6.1
TEST(ShutdownTest, RefusesNewActorsAndLookUpsFromItsStart) {
  muster::testing::SimWorld world(test_seed());
  auto& node = world.start("node");
  const auto counter = node.spawn<Counter>({.name = "here"}, 1);
  auto napping = counter.call<&Counter::nap>(500ms);
  auto waiting = node.find_async<Counter>("nobody", 1h);
  std::optional<Result<Handle<Counter>>> spawned;
  Future<Handle<Counter>> found, found_none;
  std::size_t living = 0;
  world.timers().schedule_in(100ms, [&] {
    living = node.stats().actors;
    spawned = node.try_spawn<Counter>({}, 1);
    found = node.find_async<Counter>("here", 1s);
    found_none = node.find_async<Counter>("nobody", 1s);
  });
  world.shutdown("node");
  EXPECT_EQ(living, 1U);  // shutdown was waiting for the nap
  EXPECT_EQ(napping.get(), 1);
  EXPECT_EQ(code_of(std::move(waiting)), ErrorCode::kCancelled);
  ASSERT_TRUE(spawned && !*spawned);
  EXPECT_EQ(spawned->error(),
            (Error{ErrorCode::kCancelled, "cannot spawn: the runtime is shutting down", {}}));
  EXPECT_EQ(error_of(std::move(found)),
            "cancelled: cannot look up 'here': the runtime is shutting down");
  EXPECT_EQ(code_of(std::move(found_none)), ErrorCode::kCancelled);
}

// contract 6.1
TEST(ShutdownTest, RefusesJoinsFromItsStart) {
  muster::testing::SimWorld world(test_seed());
  auto& head = world.start("head", {.listen = "head:1"});
  auto& node = world.start("node");
  const auto counter = node.spawn<Counter>({}, 1);
  auto napping = counter.call<&Counter::nap>(500ms);
  std::optional<Result<NodeId>> joined;
  world.timers().schedule_in(100ms, [&] { joined = node.join("head:1", 1s); });
  world.shutdown("node");
  EXPECT_EQ(napping.get(), 1);
  ASSERT_TRUE(joined && !*joined);
  EXPECT_EQ(joined->error(),
            (Error{ErrorCode::kCancelled, "cannot join: the runtime is shutting down", {}}));
  EXPECT_TRUE(head.peers().empty());
}

// contract 6.1
TEST(ShutdownTest, AcceptsNoConnectionFromItsStart) {
  muster::testing::SimWorld world(test_seed());
  auto& head = world.start("head", {.listen = "head:1"});
  const auto other = world.network().make_transport("other");
  const auto counter = head.spawn<Counter>({}, 1);
  auto napping = counter.call<&Counter::nap>(500ms);
  std::vector<bool> connected;
  const auto connect = [&] {
    other->connect("head:1", 50ms, [&](const auto& stream) { connected.push_back(!!stream); });
  };
  connect();
  world.run_for(100ms);
  world.timers().schedule_in(100ms, connect);
  world.shutdown("head");
  EXPECT_EQ(napping.get(), 1);
  EXPECT_EQ(connected, (std::vector<bool>{true, false}));
  other->stop();
}

// contract 2.3, 6.3
TEST(ShutdownTest, TellsOtherNodesWhyItsConnectionsEnd) {
  muster::testing::SimWorld world(test_seed());
  auto& head = world.start("head", {.listen = "head:1"});
  auto& node = world.start("node");
  value_or_throw(node.join("head:1", 5s));
  const auto kept = head.spawn<Counter>({.name = "counter"}, 1);
  const auto counter = value_or_throw(node.find<Counter>("counter", 5s));
  world.shutdown("head");
  world.run_for(10ms);
  EXPECT_THAT(error_of(counter.call<&Counter::value>()), HasSubstr("left: the node shut down"));
}

// contract 6.3
TEST(ShutdownTest, EndsCallsToOtherNodesBeforeItReturns) {
  muster::testing::SimWorld world(test_seed());
  auto& head = world.start("head", {.listen = "head:1"});
  auto& node = world.start("node");
  value_or_throw(node.join("head:1", 5s));
  const auto near = head.spawn<Counter>({.name = "counter"}, 1);
  const auto far = value_or_throw(node.find<Counter>("counter", 5s));
  auto nap = far.with({.timeout = 24h}).call<&Counter::nap>(1h);
  world.run_for(1s);
  world.network().partition("head", "node");
  auto down = node.monitor(far);
  world.shutdown("node");
  ASSERT_TRUE(nap.ready() && down.ready());
  EXPECT_EQ(code_of(std::move(nap)), ErrorCode::kCancelled);
  EXPECT_EQ(down.get().reason, DownReason::kNodeLost);
}

// contract 6.3
TEST(ShutdownTest, LeavesNoTimer) {
  muster::testing::SimWorld world(test_seed());
  auto& head = world.start("head", {.listen = "head:1", .stall_budget = 24h});
  auto& node = world.start("node", {.stall_budget = 24h});
  value_or_throw(node.join("head:1", 5s));
  const auto near = head.spawn<Counter>({.name = "counter"}, 1);
  const auto far = value_or_throw(node.find<Counter>("counter", 5s));
  auto nap = far.with({.timeout = 24h}).call<&Counter::nap>(1h);
  auto kept = far.with({.timeout = 24h, .retry = true}).call<&Counter::value>();
  auto look_up = node.find_async<Counter>("nobody", 24h);
  world.run_for(1s);
  EXPECT_FALSE(nap.ready() || kept.ready());
  world.shutdown("node");
  world.shutdown("head");
  world.run_for(1s);
  EXPECT_EQ(world.timers().pending(), 0U);
}

// contract 6.3
TEST(ShutdownThreadsTest, LeavesNoThreadNoHandlerAndNoOpenCall) {
  std::thread([] {}).join();  // a sanitizer's own thread starts with the first one
  const std::size_t before = threads_that_last();
  Runtime head({.threads = 2, .listen = "127.0.0.1:0", .drain_timeout = 10ms});
  Runtime node({.threads = 2, .drain_timeout = 10ms});
  ASSERT_TRUE(node.join(head.listen_address(), 30s));
  const auto near = head.spawn<Counter>({.name = "near"}, 1);
  const auto far = value_or_throw(node.find<Counter>("near", 30s));
  EXPECT_EQ(far.call<&Counter::value>().get(30s), 1);
  EXPECT_GE(threads_of_this_process(), before + 4);
  std::vector<Future<int>> calls;
  calls.push_back(near.call<&Counter::nap>(1h));
  calls.push_back(far.call<&Counter::nap>(1h));
  calls.push_back(near.call<&Counter::add>(1));  // behind the naps
  auto look_up = node.find_async<Counter>("nobody", 1h);
  node.shutdown();
  EXPECT_TRUE(calls[1].ready());
  EXPECT_TRUE(look_up.ready());
  head.shutdown();
  for (auto& call : calls) {
    ASSERT_TRUE(call.ready());
    EXPECT_THAT(code_of(std::move(call)), AnyOf(ErrorCode::kUnavailable, ErrorCode::kCancelled));
  }
  EXPECT_EQ(code_of(std::move(look_up)), ErrorCode::kCancelled);
  EXPECT_LE(threads_down_to(before), before);
}

// A node that accepts and stays silent. contract 6.1, 6.3
TEST(ShutdownThreadsTest, EndsAJoinUnderWay) {
  const auto silent = make_tcp_transport();
  for (int round = 0; round < 20; ++round) {
    std::promise<std::unique_ptr<ByteStream>> accepted;
    const auto listener = value_or_throw(
        silent->listen("127.0.0.1:0", [&](auto stream) { accepted.set_value(std::move(stream)); }));
    Runtime rt({.threads = 1});
    auto joining =
        std::async(std::launch::async, [&] { return rt.join(listener->address(), 2 * kPatience); });
    // In every other round shutdown comes at whatever point the join is.
    auto stream = accepted.get_future();
    if (round % 2 == 0) {
      ASSERT_EQ(stream.wait_for(kPatience), std::future_status::ready);
    }
    rt.shutdown();
    ASSERT_EQ(joining.wait_for(kPatience), std::future_status::ready) << "round " << round;
    const auto joined = joining.get();
    ASSERT_FALSE(joined);
    EXPECT_EQ(joined.error().code, ErrorCode::kCancelled) << joined.error().describe();
  }
  silent->stop();
}

// contract 6.3
TEST(ShutdownThreadsTest, LetsGoOfConnectionsInTheirHandshake) {
  const auto silent = make_tcp_transport();
  const auto uses_after = [&](bool join) {
    Runtime rt({.threads = 1});
    const auto counter = rt.spawn<Counter>({}, 1);
    std::array<std::byte, 16> bytes{};
    if (join) {
      std::unique_ptr<ByteStream> stream;
      std::binary_semaphore heard{0};
      const auto listener = value_or_throw(silent->listen("127.0.0.1:0", [&](auto accepted) {
        stream = std::move(accepted);
        stream->read_some(bytes, [&](const auto&) { heard.release(); });
      }));
      auto joining = std::async(std::launch::async,
                                [&] { return rt.join(listener->address(), 2 * kPatience); });
      EXPECT_TRUE(heard.try_acquire_for(kPatience));
      rt.shutdown();
      EXPECT_FALSE(joining.get());
    }
    rt.shutdown();
    return counter.ref().get()->domain()->use_count();
  };
  const auto without = uses_after(false);
  EXPECT_EQ(uses_after(true), without);
  silent->stop();
}

/// What happens to a Mortal, seen from outside.
struct Life {
  std::binary_semaphore entered{0}, leave{0};
  std::atomic<bool> in_handler{false};
  std::atomic<bool> destroyed{false};
  std::atomic<bool> destroyed_in_handler{false};
  std::atomic<bool> destroyed_after_its_end_was_told{false};
  std::atomic<int> after_the_end{0};
  detail::FutureStateBase* down = nullptr;  // before the first message
  std::thread::id destroyed_on;             // before `destroyed` is set
};

class Mortal {
 public:
  explicit Mortal(std::shared_ptr<Life> life) : life_(std::move(life)) {}
  Mortal(const Mortal&) = delete;
  Mortal& operator=(const Mortal&) = delete;
  ~Mortal() {
    life_->destroyed_in_handler = life_->in_handler.load();
    life_->destroyed_after_its_end_was_told = life_->down->ready();
    life_->destroyed_on = std::this_thread::get_id();
    life_->destroyed = true;
  }
  void work() {
    life_->in_handler = true;
    life_->entered.release();
    static_cast<void>(life_->leave.try_acquire_for(kPatience));
    life_->in_handler = false;
  }
  void touch() {
    if (life_->destroyed) ++life_->after_the_end;
  }

 private:
  std::shared_ptr<Life> life_;
};
MUSTER_ACTOR(Mortal, work, touch);

/// A runtime with an actor that keeps its shutdown waiting.
struct Busy {
  Busy() {
    life->down = down.state();
    mortal.send<&Mortal::work>();
    EXPECT_TRUE(life->entered.try_acquire_for(kPatience));
  }
  void begin_shutdown() {
    shutdown = std::async(std::launch::async, [this] { rt.shutdown(); });
    while (rt.try_spawn<Counter>({}, 1)) std::this_thread::yield();
  }
  const std::shared_ptr<Life> life = std::make_shared<Life>();
  Runtime rt{{.threads = 1, .drain_timeout = 2 * kPatience}};
  const Handle<Mortal> mortal = rt.spawn<Mortal>({}, life);
  Future<Down> down = rt.monitor(mortal);
  std::future<void> shutdown;
};

// contract 6.3
TEST(ShutdownThreadsTest, WhoCallsItAgainWaitsForItsEnd) {
  Busy busy;
  busy.begin_shutdown();
  std::binary_semaphore begun{0};
  auto again = std::async(std::launch::async, [&] {
    begun.release();
    busy.rt.shutdown();
    return busy.life->destroyed.load();
  });
  ASSERT_TRUE(begun.try_acquire_for(kPatience));
  for (int i = 0; i < 10'000; ++i) std::this_thread::yield();
  busy.life->leave.release();
  EXPECT_TRUE(again.get());
}

// contract 6.1
TEST(ShutdownThreadsTest, EndsAJoinAlsoWhileActorsFinish) {
  const auto silent = make_tcp_transport();
  std::promise<std::unique_ptr<ByteStream>> accepted;
  const auto listener = value_or_throw(
      silent->listen("127.0.0.1:0", [&](auto stream) { accepted.set_value(std::move(stream)); }));
  Busy busy;
  auto joining = std::async(std::launch::async,
                            [&] { return busy.rt.join(listener->address(), 2 * kPatience); });
  auto stream = accepted.get_future();
  ASSERT_EQ(stream.wait_for(kPatience), std::future_status::ready);
  busy.begin_shutdown();
  EXPECT_EQ(joining.wait_for(kPatience), std::future_status::ready);
  EXPECT_TRUE(busy.life->in_handler);
  busy.life->leave.release();
  EXPECT_EQ(joining.get().error().code, ErrorCode::kCancelled);
  silent->stop();
}

enum class End { kStop, kKill, kRelease, kShutdown };

class MortalTest : public ::testing::TestWithParam<End> {};
INSTANTIATE_TEST_SUITE_P(Ends, MortalTest,
                         ::testing::Values(End::kStop, End::kKill, End::kRelease, End::kShutdown));

// contract 4.8
TEST_P(MortalTest, ObjectIsDestroyedLastOnAThreadOfTheRuntimeOutsideHandlers) {
  const auto life = std::make_shared<Life>();
  Runtime rt({.threads = 2});
  auto mortal = rt.spawn<Mortal>({}, life);
  auto down = rt.monitor(mortal);
  life->down = down.state();
  mortal.send<&Mortal::work>();
  ASSERT_TRUE(life->entered.try_acquire_for(kPatience));
  mortal.send<&Mortal::touch>();
  std::future<void> shutdown;
  switch (GetParam()) {
    case End::kStop:
      mortal.stop();
      break;
    case End::kKill:
      mortal.kill();
      break;
    case End::kRelease:
      mortal = {};
      break;
    case End::kShutdown:
      shutdown = std::async(std::launch::async, [&] { rt.shutdown(); });
      break;
  }
  EXPECT_FALSE(life->destroyed);
  life->leave.release();
  ASSERT_TRUE(down.result(kPatience));
  EXPECT_TRUE(life->destroyed);
  EXPECT_FALSE(life->destroyed_after_its_end_was_told);
  EXPECT_FALSE(life->destroyed_in_handler);
  EXPECT_NE(life->destroyed_on, std::this_thread::get_id());
  if (mortal.valid()) mortal.send<&Mortal::touch>();
  if (shutdown.valid()) shutdown.get();
  rt.shutdown();
  EXPECT_EQ(life->after_the_end, 0);
}

}  // namespace
}  // namespace muster::test
