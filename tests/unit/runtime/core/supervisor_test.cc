#include "unit/runtime/core/phoenix.h"

namespace muster::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr RestartOptions kExact = {
    .window = 10s, .backoff_min = 10ms, .backoff_max = 1s, .jitter = 0};

/// A tree at `home` of Phoenixes that `caller` talks to.
class SupervisorTest : public WorldTest {
 protected:
  Handle<Phoenix> spawn_under(const Supervisor& supervisor, const std::string& name,
                              SpawnOptions options = {}) {
    options.name = name;
    const auto made = supervisor.spawn<Phoenix>(options, name, log);
    kept.push_back(made);
    return home == &caller ? made : value_or_throw(caller.find<Phoenix>(name, 5s));
  }
  void crash(const Handle<Phoenix>& phoenix, const std::string& why = "now") {
    EXPECT_EQ(code_of(phoenix.call<&Phoenix::crash>(why)), ErrorCode::kUnavailable);
  }
  /// What was logged since the last look.
  std::vector<std::string> news() {
    world.run_for(5s);
    return std::exchange(log->lines, {});
  }

  std::shared_ptr<Log> log = std::make_shared<Log>();
  std::vector<Handle<Phoenix>> kept;
};
INSTANTIATE_TEST_SUITE_P(Places, SupervisorTest, ::testing::Values(Place::kLocal, Place::kRemote),
                         place_name);

// contract 10.6
TEST_P(SupervisorTest, OneForOneRestartsOnlyTheOneThatFailed) {
  const Supervisor tree(*home, {.restart = kExact});
  const auto a = spawn_under(tree, "a");
  const auto b = spawn_under(tree, "b");
  news();
  crash(a);
  EXPECT_THAT(news(), ElementsAre("a gone 1", "a made 2"));
  EXPECT_EQ(b.call<&Phoenix::life>().get(1s), 1U);
}

// contract 10.6
TEST_P(SupervisorTest, OneForAllEndsTheLatestFirstAndStartsAllInOrder) {
  const Supervisor tree(*home, {.strategy = RestartStrategy::kOneForAll, .restart = kExact});
  spawn_under(tree, "a");
  const auto b = spawn_under(tree, "b");
  const auto c = spawn_under(tree, "c");
  news();
  crash(b);
  EXPECT_THAT(news(),
              ElementsAre("b gone 1", "c gone 1", "a gone 1", "a made 2", "b made 2", "c made 2"));
  EXPECT_EQ(c.call<&Phoenix::life>().get(1s), 2U);
}

// contract 10.6
TEST_P(SupervisorTest, RestForOneLeavesTheEarlierOnesAlone) {
  const Supervisor tree(*home, {.strategy = RestartStrategy::kRestForOne, .restart = kExact});
  spawn_under(tree, "a");
  const auto b = spawn_under(tree, "b");
  spawn_under(tree, "c");
  news();
  crash(b);
  EXPECT_THAT(news(), ElementsAre("b gone 1", "c gone 1", "b made 2", "c made 2"));
}

// contract 10.2, 10.6
TEST_P(SupervisorTest, ACallUnderWayInASiblingEndsWithTheCauseAndWhatWaitedIsHandled) {
  const Supervisor tree(*home, {.strategy = RestartStrategy::kOneForAll, .restart = kExact});
  const auto a = spawn_under(tree, "a");
  const auto b = spawn_under(tree, "b");
  auto napping = b.call<&Phoenix::nap_and_crash>(1h);
  auto waiting = b.call<&Phoenix::add>(7);
  world.run_for(1ms);
  crash(a, "a is ill");
  EXPECT_THAT(error_of(std::move(napping)), HasSubstr("is restarted with another: Phoenix 'a'"));
  EXPECT_EQ(waiting.get(1s), 7);
  EXPECT_EQ(home->stats().restarts, 2U);
}

// contract 10.2, 9.7
TEST_P(SupervisorTest, ACallThatWaitsForItsArgumentsWaitsForTheNextIncarnation) {
  const Supervisor tree(*home, {.strategy = RestartStrategy::kOneForAll, .restart = kExact});
  const auto a = spawn_under(tree, "a");
  const auto b = spawn_under(tree, "b");
  const auto counter = caller.spawn<Counter>({}, 5);
  auto sum = b.call<&Phoenix::add>(counter.call<&Counter::nap>(100ms));
  auto next = b.call<&Phoenix::add>(2);
  world.run_for(10ms);
  crash(a);
  EXPECT_EQ(sum.get(1s), 5);
  EXPECT_EQ(next.get(1s), 7);
  EXPECT_EQ(b.call<&Phoenix::life>().get(1s), 2U);
}

// contract 10.5
TEST_P(SupervisorTest, OneFailureTooManyEndsAllChildrenWithTheCause) {
  const Supervisor tree(*home, {.max_restarts = 1, .restart = kExact});
  const auto a = spawn_under(tree, "a");
  const auto b = spawn_under(tree, "b");
  auto a_down = caller.monitor(a);
  auto b_down = caller.monitor(b);
  world.run_for(10ms);
  crash(a);
  crash(a, "again");
  const Down a_end = a_down.get(1s);
  const Down b_end = b_down.get(1s);
  EXPECT_EQ(a_end.reason, DownReason::kCrashed);
  EXPECT_EQ(a_end.incarnation, 2U);
  EXPECT_THAT(a_end.cause.message, HasSubstr("crashed: again (after 1 restarts within 10 s)"));
  EXPECT_EQ(b_end.reason, DownReason::kKilled);
  EXPECT_THAT(b_end.cause.message, HasSubstr("ended with its supervisor: Phoenix 'a'"));
  EXPECT_EQ(home->stats().actors, 0U);
  try {
    static_cast<void>(tree.spawn<Phoenix>({}, "late", log));
    ADD_FAILURE() << "a supervisor that has ended took a child";
  } catch (const Exception& e) {
    EXPECT_EQ(e.error(),
              (Error{ErrorCode::kUnavailable, "cannot spawn: the supervisor has ended", {}}));
  }
  EXPECT_EQ(home->stats().actors, 0U);
}

// contract 10.5, 10.6
TEST_P(SupervisorTest, ALimitThatIsReachedEscalatesToTheSupervisorAbove) {
  const Supervisor top(
      *home, {.strategy = RestartStrategy::kOneForAll, .max_restarts = 1, .restart = kExact});
  const auto a = spawn_under(top, "a");
  const Supervisor inner = top.supervisor({.max_restarts = 1, .restart = kExact});
  const auto b = spawn_under(inner, "b");
  const auto c = spawn_under(inner, "c");
  news();
  crash(b);
  EXPECT_THAT(news(), ElementsAre("b gone 1", "b made 2"));
  crash(b);
  EXPECT_THAT(news(),
              ElementsAre("b gone 2", "c gone 1", "a gone 1", "a made 2", "b made 3", "c made 2"));
  // The inner supervisor begins anew, the outer one remembers.
  auto down = caller.monitor(a);
  world.run_for(10ms);
  crash(c);
  EXPECT_THAT(news(), ElementsAre("c gone 2", "c made 3"));
  world.run_for(1ms);
  crash(c, "once more");
  news();
  EXPECT_EQ(c.call<&Phoenix::life>().get(1s), 4U);
  EXPECT_EQ(home->stats().restarts, 8U);
  EXPECT_FALSE(down.ready());
}

// contract 10.5
TEST_P(SupervisorTest, AtTheTopAllOfTheTreeEnds) {
  const Supervisor top(*home, {.max_restarts = 0});
  const auto a = spawn_under(top, "a");
  const Supervisor inner = top.supervisor({.max_restarts = 0});
  const auto b = spawn_under(inner, "b");
  const auto c = spawn_under(inner.supervisor({.max_restarts = 0}), "c");
  auto down = caller.monitor(a);
  world.run_for(10ms);
  news();
  crash(c, "the root cause");
  EXPECT_THAT(down.get(1s).cause.message, HasSubstr("crashed: the root cause"));
  EXPECT_THAT(news(), ElementsAre("c gone 1", "b gone 1", "a gone 1"));
  EXPECT_EQ(home->stats().actors, 0U);
}

// contract 10.5
TEST_P(SupervisorTest, AChildWithALimitOfItsOwnTriesAloneFirst) {
  const Supervisor top(*home, {.strategy = RestartStrategy::kOneForAll, .restart = kExact});
  spawn_under(top, "a");
  const auto b = spawn_under(top, "b", {.max_restarts = 1, .restart = kExact});
  news();
  crash(b);
  EXPECT_THAT(news(), ElementsAre("b gone 1", "b made 2"));
  crash(b);
  EXPECT_THAT(news(), ElementsAre("b gone 2", "a gone 1", "a made 2", "b made 3"));
}

// contract 10.6, 4.2
TEST_P(SupervisorTest, AChildThatEndsInOrderIsNotRestartedAndHarmsNobody) {
  const Supervisor tree(*home, {.strategy = RestartStrategy::kOneForAll, .restart = kExact});
  const auto a = spawn_under(tree, "a");
  const auto b = spawn_under(tree, "b");
  news();
  b.stop();
  EXPECT_THAT(news(), ElementsAre("b gone 1"));
  a.kill();
  EXPECT_THAT(news(), ElementsAre("a gone 1"));
  EXPECT_EQ(home->stats().restarts, 0U);
  spawn_under(tree, "a");
  kept.clear();
  EXPECT_THAT(news(), ElementsAre("a made 1", "a gone 1"));  // released
}

// contract 4.2
TEST_P(SupervisorTest, ASupervisorKeepsNoChildAlive) {
  const Supervisor tree(*home, {.restart = kExact});
  {
    const auto a = spawn_under(tree, "a");
    kept.clear();
  }
  EXPECT_THAT(news(), ElementsAre("a made 1", "a gone 1"));
}

// contract 10.8
TEST_P(SupervisorTest, StopEndsTheLatestFirstEachAfterItsMessages) {
  const Supervisor tree(*home, {.restart = kExact});
  const auto a = spawn_under(tree, "a");
  const Supervisor inner = tree.supervisor();
  const auto b = spawn_under(inner, "b");
  const auto c = spawn_under(tree, "c");
  news();
  for (const auto& each : {a, b, c}) each.send<&Phoenix::note>("handled");
  c.send<&Phoenix::nap_and_crash>(50ms);
  world.run_for(10ms);
  tree.stop();
  tree.stop();
  auto lines = news();
  std::erase_if(lines, [](const auto& line) { return line.find("handled") != std::string::npos; });
  EXPECT_THAT(lines, ElementsAre("c gone 1", "b gone 1", "a gone 1"));
  EXPECT_EQ(home->stats().actors, 0U);
}

// contract 10.8
TEST_P(SupervisorTest, KillDoesNotWait) {
  const Supervisor tree(*home, {.restart = kExact});
  const auto a = spawn_under(tree, "a");
  const auto b = spawn_under(tree, "b");
  b.send<&Phoenix::nap_and_crash>(1h);
  auto down = caller.monitor(a);
  world.run_for(1ms);
  tree.stop();
  world.run_for(1s);
  EXPECT_FALSE(down.ready());  // b is not done
  tree.kill();
  EXPECT_EQ(down.get(1s).reason, DownReason::kKilled);
}

TEST(SupervisorLifeTest, AnEmptySupervisorLeavesTheTree) {
  muster::testing::SimWorld world(test_seed());
  auto& node = world.start("node");
  const auto log = std::make_shared<Log>();
  const Supervisor top(node, {.strategy = RestartStrategy::kOneForAll, .restart = kExact});
  std::weak_ptr<detail::SupervisorNode> gone;
  {
    const Supervisor inner = top.supervisor();
    gone = inner.node();
    const auto phoenix = inner.spawn<Phoenix>({}, "p", log);
  }
  EXPECT_FALSE(gone.expired());  // its child has not ended yet
  world.run_for(1s);
  EXPECT_TRUE(gone.expired());
  const auto other = top.spawn<Phoenix>({}, "q", log);
  EXPECT_EQ(code_of(other.call<&Phoenix::crash>("now")), ErrorCode::kUnavailable);
  EXPECT_EQ(other.call<&Phoenix::life>().get(1s), 2U);
}

TEST(SupervisorLifeTest, ASupervisorMayOutliveItsRuntime) {
  std::optional<Supervisor> tree;
  {
    muster::testing::SimWorld world(test_seed());
    tree.emplace(world.start("node"), SupervisorOptions{});
    static_cast<void>(tree->spawn<Phoenix>({.detached = true}, "p", std::make_shared<Log>()));
  }
  EXPECT_THROW(static_cast<void>(tree->spawn<Phoenix>({}, "p", std::make_shared<Log>())),
               Exception);
  tree->stop();
}

TEST(SupervisorLifeTest, OptionsThatMakeNoSenseAreRefused) {
  muster::testing::SimWorld world(test_seed());
  auto& node = world.start("node");
  EXPECT_THROW(Supervisor(node, {.restart = {.jitter = 2}}), Exception);
  const Supervisor top(node);
  EXPECT_THROW(static_cast<void>(top.supervisor({.restart = {.window = 0s}})), Exception);
}

}  // namespace
}  // namespace muster::test
