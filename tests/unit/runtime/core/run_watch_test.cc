// What can be known of handlers while they run: their times, those that run too long, events.

#include <array>
#include <atomic>
#include <semaphore>
#include <set>

#include "unit/runtime/core/fixture.h"

namespace muster::test {
namespace {

class NeverMade {
 public:
  NeverMade() { throw std::runtime_error("on purpose"); }
  void nothing() {}
};
MUSTER_ACTOR(NeverMade, nothing);

/// A handler's work takes virtual time by moving the clock itself.
class Worker {
 public:
  explicit Worker(muster::testing::VirtualTimers* timers) : timers_(timers) {}
  void work(std::chrono::milliseconds time) { timers_->advance(time); }
  Task<> work_in_parts(std::chrono::milliseconds time, int parts) {
    for (int i = 0; i < parts; ++i) {
      timers_->advance(time);
      co_await sleep_for(1ms);
    }
  }
  Task<> pause_and_work(std::chrono::milliseconds pause, std::chrono::milliseconds time) {
    co_await sleep_for(pause);
    timers_->advance(time);
  }
  std::vector<ActorInfo> work_and_look(std::chrono::milliseconds time) {
    timers_->advance(time);
    return this_actor::runtime().actors();
  }
  void fail() { MUSTER_CHECK(false, "on purpose"); }
  Task<> fail_after(std::chrono::milliseconds pause) {
    co_await sleep_for(pause);
    MUSTER_CHECK(false, "on purpose");
  }

 private:
  muster::testing::VirtualTimers* timers_;
};
MUSTER_ACTOR(Worker, work, work_in_parts, pause_and_work, work_and_look, fail, fail_after);

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class RunWatchTest : public ::testing::Test {
 protected:
  RunWatchTest() : world(test_seed()) {}
  Runtime& start(RuntimeOptions options) {
    options.on_error = [this](const std::string& line) { errors.push_back(line); };
    return world.start("node", std::move(options));
  }
  Handle<Worker> spawn(Runtime& rt, SpawnOptions options = {}) {
    return rt.spawn<Worker>(options, &world.timers());
  }
  std::vector<std::string> errors;
  std::vector<std::string> events;
  // What EventsTest hears, until the world is gone:
  std::set<std::uint64_t> open;  // messages
  std::size_t under_way = 0;
  TimePoint last{};
  Duration time{};
  muster::testing::SimWorld world;
};

// contract 7.4
TEST_F(RunWatchTest, HandlerBeyondTheBudgetIsNamedOnceWhileItRuns) {
  auto& rt = start({.stall_budget = 100ms});
  const auto worker = spawn(rt, {.name = "slow"});
  worker.call<&Worker::work>(80ms).get(10s);
  EXPECT_THAT(errors, IsEmpty());
  std::vector<std::string> during;
  world.timers().schedule_in(300ms, [&] { during = errors; });
  worker.call<&Worker::work>(1000ms).get(10s);
  ASSERT_EQ(errors.size(), 1U);
  EXPECT_EQ(errors, during);
  EXPECT_THAT(errors[0], HasSubstr("Worker 'slow' ("));
  EXPECT_THAT(errors[0], HasSubstr("): work has run for 0.1"));
  worker.call<&Worker::work>(200ms).get(10s);
  EXPECT_EQ(errors.size(), 2U);  // another handler, another line
}

// contract 7.4
TEST_F(RunWatchTest, HandlerThatPausesInTimeIsNotNamed) {
  auto& rt = start({.stall_budget = 100ms});
  const auto worker = spawn(rt);
  worker.call<&Worker::work_in_parts>(80ms, 5).get(10s);
  EXPECT_THAT(errors, IsEmpty());
  worker.call<&Worker::work_in_parts>(200ms, 2).get(10s);
  ASSERT_EQ(errors.size(), 2U);
  EXPECT_THAT(errors[0], HasSubstr("work_in_parts has run"));
  EXPECT_EQ(rt.metrics().stalls, 2U);
}

// contract 7.4
TEST_F(RunWatchTest, OneOfSeveralSuspendedHandlersIsNamedWithoutItsMethod) {
  auto& rt = start({.stall_budget = 100ms});
  const auto worker = spawn(rt, {.reentrant = true});
  auto one = worker.call<&Worker::pause_and_work>(1ms, 200ms);
  auto two = worker.call<&Worker::pause_and_work>(20ms, 200ms);
  one.get(10s);
  two.get(10s);
  ASSERT_EQ(errors.size(), 2U);
  EXPECT_THAT(errors[0], HasSubstr(": a handler that had waited has run for 0.1"));
  EXPECT_THAT(errors[1], HasSubstr(": pause_and_work has run for 0.1"));  // the other has ended
}

// contract 7.4
TEST_F(RunWatchTest, DetectorSleepsWhileNothingRunsAndIsOffByDefault) {
  auto& rt = start({.stall_budget = 100ms});
  const auto worker = spawn(rt);
  worker.with({.timeout = kForever}).call<&Worker::work>(10ms).get();
  world.run_for(1s);
  EXPECT_EQ(world.timers().pending(), 0U);
  auto& other = world.start("other");
  spawn(other).call<&Worker::work>(10'000ms).get(20s);
  EXPECT_THAT(errors, IsEmpty());
}

/// On real threads a handler really blocks.
class Blocker {
 public:
  explicit Blocker(std::binary_semaphore* go_on) : go_on_(go_on) {}
  void block() { go_on_->acquire(); }

 private:
  std::binary_semaphore* go_on_;
};
MUSTER_ACTOR(Blocker, block);

// contract 7.4
TEST(RunWatchThreadsTest, BlockedThreadsAreNamedWhileOthersWork) {
  std::array<std::binary_semaphore, 2> go_on{std::binary_semaphore(0), std::binary_semaphore(0)};
  std::counting_semaphore<4> told(0);
  std::atomic<int> lines{0};
  Runtime rt({.threads = 3, .stall_budget = 4ms, .on_error = [&](const std::string& line) {
                if (line.find(": block has run for ") == std::string::npos) return;
                ++lines;
                told.release();
              }});
  std::vector<Future<void>> blocked;
  for (auto& semaphore : go_on) {
    blocked.push_back(rt.spawn<Blocker>({}, &semaphore).call<&Blocker::block>());
  }
  const auto counter = rt.spawn<Counter>({}, 0);
  for (int i = 0; i < 2; ++i) {
    while (!told.try_acquire()) counter.call<&Counter::add>(1).get(30s);
  }
  for (int i = 0; i < 200; ++i) counter.call<&Counter::add>(1).get(30s);
  for (auto& semaphore : go_on) semaphore.release();
  EXPECT_TRUE(wait_all(blocked, 30s));
  EXPECT_EQ(lines, 2);
}

// contract 7.2
TEST_F(RunWatchTest, ListShowsHowLongActorsWereBusyAndWhatRuns) {
  auto& rt = start({.timings = true});
  const auto worker = spawn(rt);
  worker.call<&Worker::work>(300ms).get(10s);
  world.run_for(1s);
  EXPECT_EQ(rt.actors()[0].busy, 300ms);
  EXPECT_EQ(rt.actors()[0].method, "");
  EXPECT_EQ(rt.actors()[0].under_way, 0ms);
  auto before = worker.call<&Worker::work>(7ms);  // in the same run as the next
  const auto during = worker.call<&Worker::work_and_look>(50ms).get(10s);
  ASSERT_EQ(during.size(), 1U);
  EXPECT_EQ(during[0].state, ActorState::kRunning);
  EXPECT_EQ(during[0].method, "work_and_look");
  EXPECT_EQ(during[0].busy, 357ms);
  EXPECT_EQ(during[0].under_way, 50ms);
  auto parts = worker.call<&Worker::work_in_parts>(5ms, 1);
  world.run_for(5ms + 500us);
  EXPECT_EQ(rt.actors()[0].state, ActorState::kSuspended);
  EXPECT_EQ(rt.actors()[0].method, "work_in_parts");
  EXPECT_EQ(rt.actors()[0].under_way, 5ms + 500us);
  EXPECT_EQ(rt.actors()[0].busy, 362ms);
}

// contract 7.2
TEST_F(RunWatchTest, ListShowsTheOldestOfSeveralHandlers) {
  auto& rt = start({.timings = true});
  const auto worker = spawn(rt, {.reentrant = true});
  auto parts = worker.call<&Worker::work_in_parts>(5ms, 2);
  const auto during = worker.call<&Worker::work_and_look>(50ms).get(10s);
  EXPECT_EQ(during[0].method, "work_and_look");
  EXPECT_EQ(during[0].busy, 55ms);
  world.run_for(500us);
  EXPECT_EQ(rt.actors()[0].method, "work_in_parts");
  EXPECT_EQ(rt.actors()[0].under_way, 0ms);
  parts.get(1s);
  EXPECT_EQ(rt.actors()[0].busy, 60ms);
  EXPECT_EQ(rt.metrics().handler_time->count(), 4U);
}

TEST_F(RunWatchTest, TimesAreNotMeasuredUnlessAskedFor) {
  auto& rt = start({});
  const auto worker = spawn(rt);
  const auto during = worker.call<&Worker::work_and_look>(50ms).get(10s);
  EXPECT_EQ(during[0].busy, Duration::zero());
  EXPECT_EQ(during[0].method, "");
  EXPECT_EQ(during[0].under_way, Duration::zero());
}

class EventsTest : public RunWatchTest {
 protected:
  RuntimeOptions listening(bool messages) {
    RuntimeOptions options;
    options.message_events = messages;
    options.on_event = [this](const Event& event) {
      std::string line(to_string(event.kind));
      line += " " + std::string(event.class_name);
      if (!event.name.empty()) line += " '" + std::string(event.name) + "'";
      if (!event.method.empty()) line += "." + std::string(event.method);
      if (!event.reason.empty()) line += ": " + std::string(event.reason);
      events.push_back(line);
      last = event.when;
      const bool begun = event.kind == EventKind::kMessageBegun;
      if (begun) open.insert(event.message);
      if (event.kind == EventKind::kMessageEnded) open.erase(event.message);
      under_way += begun ? 1 : event.kind == EventKind::kMessageEnded ? -1 : 0;
      EXPECT_EQ(open.size(), under_way);
      time = event.time;
    };
    return options;
  }
  void TearDown() override { EXPECT_THAT(open, IsEmpty()); }
};

// contract 7.5
TEST_F(EventsTest, ActorsAreToldOfWhenTheyAreMadeAndEnd) {
  auto& rt = start(listening(false));
  auto worker = spawn(rt, {.name = "w"});
  worker.call<&Worker::work>(10ms).get(1s);
  EXPECT_EQ(last, world.now() - 10ms);
  worker = {};
  world.run_for(10ms);
  EXPECT_THAT(events, ElementsAre("spawned Worker 'w'", "ended Worker 'w': released"));
}

// contract 7.5
TEST_F(EventsTest, MessagesAreToldOfWhenAskedForAndEachBeginningHasItsEnd) {
  auto& rt = start(listening(true));
  auto worker = spawn(rt);
  worker.call<&Worker::work>(1ms).get(1s);
  auto parts = worker.call<&Worker::work_in_parts>(1ms, 2);
  world.run_for(1ms);
  EXPECT_THAT(events,
              ElementsAre("spawned Worker", "message_begun Worker.work",
                          "message_ended Worker.work", "message_begun Worker.work_in_parts"));
  parts.get(1s);
  EXPECT_EQ(events.back(), "message_ended Worker.work_in_parts");
  events.clear();
  auto killed = worker.call<&Worker::work_in_parts>(1ms, 2);
  world.run_for(1ms);
  worker.kill();
  world.run_for(10ms);
  EXPECT_THAT(events, ElementsAre("message_begun Worker.work_in_parts",
                                  "message_ended Worker.work_in_parts", "ended Worker: killed"));
  events.clear();
  worker = spawn(rt);
  EXPECT_FALSE(worker.call<&Worker::fail>().result(1s));
  world.run_for(10ms);
  EXPECT_THAT(events, ElementsAre("spawned Worker", "message_begun Worker.fail",
                                  "message_ended Worker.fail", "ended Worker: crashed"));
}

// contract 7.5
TEST_F(EventsTest, MessagesOfSeveralHandlersEndEachOnce) {
  auto& rt = start(listening(true));
  auto worker = spawn(rt, {.reentrant = true});
  auto one = worker.call<&Worker::pause_and_work>(3ms, 1ms);
  auto two = worker.call<&Worker::work_in_parts>(1ms, 100);
  one.get(1s);
  EXPECT_THAT(events, ElementsAre("spawned Worker", "message_begun Worker.pause_and_work",
                                  "message_begun Worker.work_in_parts",
                                  "message_ended Worker.pause_and_work"));
  events.clear();
  auto late = worker.call<&Worker::pause_and_work>(3s, 1ms);
  world.run_for(1ms);
  worker.kill();
  world.run_for(10ms);
  EXPECT_THAT(events, ElementsAre("message_begun Worker.pause_and_work",
                                  "message_ended Worker.work_in_parts",
                                  "message_ended Worker.pause_and_work", "ended Worker: killed"));
}

// contract 7.5
TEST_F(EventsTest, WhatDoesNotBeginIsNotTold) {
  auto& rt = start(listening(true));
  const auto worker = spawn(rt);
  auto first = worker.call<&Worker::pause_and_work>(10ms, 1ms);
  auto cancelled = worker.call<&Worker::work>(1ms);
  world.run_for(1ms);
  cancelled.cancel();
  first.get(1s);
  worker.stop();
  world.run_for(10ms);
  EXPECT_THAT(events, ElementsAre("spawned Worker", "message_begun Worker.pause_and_work",
                                  "message_ended Worker.pause_and_work", "ended Worker: stopped"));
  events.clear();
  EXPECT_FALSE(rt.try_spawn<NeverMade>({}));
  EXPECT_THAT(events, IsEmpty());
}

// contract 7.5
TEST_F(EventsTest, RestartsAreToldAndWhatIsHandledAgainBeginsAgain) {
  auto& rt = start(listening(true));
  const auto worker = spawn(rt, {.max_restarts = 5, .poison_after = 2});
  auto parts = worker.call<&Worker::fail_after>(1ms);
  EXPECT_FALSE(parts.result(60s));
  worker.call<&Worker::work>(1ms).get(60s);
  EXPECT_THAT(events, ElementsAre("spawned Worker", "message_begun Worker.fail_after",
                                  "message_ended Worker.fail_after", "restarted Worker",
                                  "message_begun Worker.fail_after",
                                  "message_ended Worker.fail_after", "restarted Worker",
                                  "message_begun Worker.work", "message_ended Worker.work"));
  EXPECT_EQ(rt.metrics().restarts, 2U);
  EXPECT_EQ(rt.metrics().messages_rejected.at("poison"), 1U);
}

Task<std::chrono::milliseconds> one_after(std::chrono::milliseconds pause, bool fails) {
  co_await sleep_for(pause);
  if (fails) throw std::runtime_error("on purpose");
  co_return 1ms;
}

// contract 7.2, 7.5
TEST_F(EventsTest, HandlerBeginsWhenItsArgumentsAreThere) {
  for (const bool reentrant : {false, true}) {
    events.clear();
    auto options = listening(true);
    options.timings = true;
    auto& rt = world.start(reentrant ? "reentrant" : "plain", std::move(options));
    auto worker = spawn(rt, {.reentrant = reentrant});
    auto call = worker.call<&Worker::work>(rt.run(one_after(5ms, false)));
    world.run_for(1ms);
    EXPECT_THAT(events, ElementsAre("spawned Worker"));
    EXPECT_EQ(rt.actors()[0].state, ActorState::kSuspended);
    EXPECT_EQ(rt.actors()[0].method, "work");
    EXPECT_EQ(rt.actors()[0].under_way, 0ms);
    call.get(1s);
    EXPECT_THAT(events, ElementsAre("spawned Worker", "message_begun Worker.work",
                                    "message_ended Worker.work"));
    EXPECT_EQ(rt.metrics().handler_time->count(), 1U);
    events.clear();
    EXPECT_FALSE(worker.call<&Worker::work>(rt.run(one_after(1ms, true))).result(1s));
    auto never = worker.call<&Worker::work>(rt.run(one_after(1s, false)));
    world.run_for(1ms);
    worker.kill();
    world.run_for(1ms);
    EXPECT_THAT(events, ElementsAre("ended Worker: killed"));
  }
}

// contract 7.4, 7.5
TEST_F(EventsTest, StalledHandlerIsToldWithForHowLongItHasRun) {
  auto options = listening(false);
  options.stall_budget = 100ms;
  auto& rt = start(std::move(options));
  const auto worker = spawn(rt);
  worker.call<&Worker::work>(1000ms).get(10s);
  EXPECT_THAT(events, ElementsAre("spawned Worker", "stalled Worker.work"));
  EXPECT_GE(time, 100ms);
  EXPECT_LE(time, 150ms);
}

// contract 7.5
TEST_F(EventsTest, MessagesFromOtherNodesAreToldOfWhereTheyAreHandled) {
  auto options = listening(true);
  options.listen = "node:1";
  auto& rt = start(std::move(options));
  auto& other = world.start("other");
  value_or_throw(other.join("node:1", 1s));
  const auto worker = spawn(rt, {.name = "w"});
  value_or_throw(other.find<Worker>("w", 1s)).call<&Worker::work>(1ms).get(1s);
  EXPECT_THAT(events, ElementsAre("spawned Worker 'w'", "message_begun Worker 'w'.work",
                                  "message_ended Worker 'w'.work"));
}

TEST(EventKindTest, HasAName) {
  std::vector<std::string_view> names;
  for (int i = 1; i <= 7; ++i) names.push_back(to_string(static_cast<EventKind>(i)));
  EXPECT_THAT(names, ElementsAre("spawned", "ended", "restarted", "message_begun", "message_ended",
                                 "stalled", "unknown"));
}

}  // namespace
}  // namespace muster::test
