#include <muster/testing/sim_world.h>

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace muster::testing {
namespace {

TEST(ManualSchedulerTest, WaitInVainTakesItsTime) {
  VirtualTimers timers;
  ManualScheduler scheduler(timers);
  const TimePoint start = timers.clock().now();
  EXPECT_FALSE(scheduler.run_until([] { return false; }, 3s));
  EXPECT_EQ(timers.clock().now() - start, 3s);
  Latch never;
  EXPECT_FALSE(scheduler.make_executor()->wait(never, 5s));
  EXPECT_EQ(timers.clock().now() - start, 8s);
}

TEST(ManualSchedulerTest, WaitEndsWhenItIsOver) {
  VirtualTimers timers;
  ManualScheduler scheduler(timers);
  const TimePoint start = timers.clock().now();
  bool done = false;
  timers.schedule_in(2s, [&] { done = true; });
  EXPECT_TRUE(scheduler.run_until([&] { return done; }, 3s));
  EXPECT_EQ(timers.clock().now() - start, 2s);
  Latch opened;
  timers.schedule_in(2s, [&] { opened.open(); });
  EXPECT_TRUE(scheduler.make_executor()->wait(opened, 5s));
  EXPECT_TRUE(scheduler.make_executor()->wait(opened, 5s));  // it stays open
  EXPECT_EQ(timers.clock().now() - start, 4s);
}

/// Notes that it ran.
class Noted final : public Runnable {
 public:
  Noted(std::string name, std::vector<std::string>& log) : name_(std::move(name)), log_(log) {}
  void run() override { log_.push_back(name_); }

 private:
  const std::string name_;
  std::vector<std::string>& log_;
};

TEST(ManualSchedulerTest, ChoiceSaysWhatRunsNextAndIsNotAskedAboutOne) {
  VirtualTimers timers;
  std::vector<std::size_t> asked;
  ManualScheduler scheduler(timers, [&](std::size_t ready) {
    asked.push_back(ready);
    return ready - 1;
  });
  const auto executor = scheduler.make_executor();
  const auto other = scheduler.make_executor();
  std::vector<std::string> log;
  Noted a("a", log), b("b", log), c("c", log), d("d", log);
  executor->post(a);
  other->post(b);
  executor->post(c);
  executor->post(d);
  scheduler.freeze(*other);
  EXPECT_EQ(scheduler.ready(), 3U);
  EXPECT_EQ(scheduler.run_until_idle(), 3U);
  scheduler.thaw(*other);
  EXPECT_EQ(scheduler.run_until_idle(), 1U);
  EXPECT_EQ(log, (std::vector<std::string>{"d", "c", "a", "b"}));
  EXPECT_EQ(asked, (std::vector<std::size_t>{3, 2}));
}

TEST(ManualSchedulerTest, QuietIsReachedWhenNoWorkCameForAWhile) {
  VirtualTimers timers;
  ManualScheduler scheduler(timers);
  const auto executor = scheduler.make_executor();
  std::vector<std::string> log;
  Noted first("first", log), second("second", log), late("late", log);
  const TimePoint start = timers.clock().now();
  executor->post(first);
  timers.schedule_in(800ms, [&] { executor->post(second); });
  timers.schedule_in(5s, [&] { executor->post(late); });
  EXPECT_TRUE(scheduler.run_until_quiet(1s));
  EXPECT_EQ(log, (std::vector<std::string>{"first", "second"}));
  EXPECT_EQ(timers.clock().now() - start, 1800ms);
  EXPECT_FALSE(scheduler.run_until_quiet(1h, 1s));
  EXPECT_EQ(timers.clock().now() - start, 2800ms);
  EXPECT_TRUE(scheduler.run_until_quiet(1h));  // nothing is left: no need to wait for an hour
  EXPECT_EQ(timers.clock().now() - start, 5s);
  EXPECT_EQ(log.back(), "late");
}

class Turn {
 public:
  Turn(std::string name, std::vector<std::string>* log) : name_(std::move(name)), log_(log) {}
  void take() { log_->push_back(name_); }

 private:
  std::string name_;
  std::vector<std::string>* log_;
};
MUSTER_ACTOR(Turn, take);

TEST(ManualSchedulerTest, ActorHandlesOneMessageAndThenOthersGetTheirTurn) {
  VirtualTimers timers;
  ManualScheduler scheduler(timers);
  SimNetwork network(1, timers);
  std::vector<std::string> log;
  Runtime runtime({.token = "secret"}, {.executor = scheduler.make_executor(),
                                        .transport = network.make_transport("node"),
                                        .seed = 1});
  const auto a = runtime.spawn<Turn>({}, "a", &log);
  const auto b = runtime.spawn<Turn>({}, "b", &log);
  for (int i = 0; i < 3; ++i) a.send<&Turn::take>();
  for (int i = 0; i < 2; ++i) b.send<&Turn::take>();
  // No more turns than messages: whoever has nothing left does not come again.
  EXPECT_EQ(scheduler.run_until_idle(), 5U);
  EXPECT_EQ(log, (std::vector<std::string>{"a", "b", "a", "b", "a"}));
}

}  // namespace
}  // namespace muster::testing
