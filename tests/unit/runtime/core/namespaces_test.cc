#include <thread>

#include "unit/runtime/core/phoenix.h"

namespace muster::test {
namespace {

using ::testing::HasSubstr;

// contract 4.10
TEST(NamespaceTest, ANameIsShortForOneInTheNamespaceOfItsRuntime) {
  muster::testing::SimWorld world(test_seed());
  auto& jobs = world.start("jobs", {.listen = "jobs:1", .name_space = "jobs"});
  auto& other = world.start("other", {.name_space = "tests"});
  value_or_throw(other.join("jobs:1", 5s));
  const auto job = jobs.spawn<Counter>({.name = "hits"}, 1);
  const auto test = other.spawn<Counter>({.name = "hits"}, 2);
  const auto shared = jobs.spawn<Counter>({.name = "shared/hits"}, 3);
  const auto value = [](Runtime& runtime, const std::string& name) {
    return value_or_throw(runtime.find<Counter>(name, 1s)).call<&Counter::value>().get(1s);
  };
  EXPECT_EQ(value(jobs, "hits"), 1);
  EXPECT_EQ(value(other, "hits"), 2);
  EXPECT_EQ(value(other, "jobs/hits"), 1);
  EXPECT_EQ(value(jobs, "tests/hits"), 2);
  EXPECT_EQ(value(other, "shared/hits"), 3);
  EXPECT_THAT(job.ref().get()->describe(), HasSubstr("Counter 'jobs/hits'"));
  EXPECT_EQ(jobs.actors()[0].name, "jobs/hits");
}

// contract 4.11
TEST(GetOrSpawnTest, TheFirstMakesItAndTheOthersGetIt) {
  muster::testing::SimWorld world(test_seed());
  auto& node = world.start("node");
  const auto first = node.get_or_spawn<Counter>({.name = "one"}, 1);
  const auto second = node.get_or_spawn<Counter>({.name = "one"}, 2);
  EXPECT_EQ(first, second);
  EXPECT_EQ(second.call<&Counter::value>().get(1s), 1);
  EXPECT_EQ(node.stats().actors, 1U);
  first.kill();
  world.run_for(1s);
  EXPECT_EQ(node.get_or_spawn<Counter>({.name = "one"}, 3).call<&Counter::value>().get(1s), 3);
}

// contract 4.11
TEST(GetOrSpawnTest, SupervisedOnesToo) {
  muster::testing::SimWorld world(test_seed());
  auto& node = world.start("node");
  const auto log = std::make_shared<Log>();
  const SpawnOptions options = {.name = "one", .max_restarts = 1};
  const auto first = node.get_or_spawn<Phoenix>(options, "p", log);
  EXPECT_EQ(node.get_or_spawn<Phoenix>(options, "q", log), first);
  EXPECT_EQ(code_of(first.call<&Phoenix::crash>("now")), ErrorCode::kUnavailable);
  EXPECT_EQ(node.get_or_spawn<Phoenix>(options, "q", log), first);  // between two incarnations
  EXPECT_EQ(first.call<&Phoenix::life>().get(1s), 2U);
}

// contract 4.6
TEST(NamespaceTest, FindWaitsForAnActorThatIsRestartedToo) {
  muster::testing::SimWorld world(test_seed());
  auto& node = world.start("node");
  auto found = node.find_async<Phoenix>("late", 10s);
  world.run_for(1s);
  EXPECT_FALSE(found.ready());
  const auto late =
      node.spawn<Phoenix>({.name = "late", .max_restarts = 1}, "p", std::make_shared<Log>());
  EXPECT_EQ(found.get(1s), late);
}

// contract 4.11
TEST(GetOrSpawnTest, WithoutANameOrOfAnotherClassItIsRefused) {
  muster::testing::SimWorld world(test_seed());
  auto& node = world.start("node");
  const auto other = node.spawn<Other>({.name = "one"});
  const auto refused = [&](const std::string& name) {
    try {
      static_cast<void>(node.get_or_spawn<Counter>({.name = name}, 1));
      return std::string("accepted");
    } catch (const Exception& e) {
      return e.error().describe();
    }
  };
  EXPECT_EQ(refused("one"), "invalid: the actor 'one' is a Other, not a Counter");
  EXPECT_EQ(refused(""), "invalid: cannot get or spawn an actor without a name");
  EXPECT_EQ(node.stats().actors, 1U);
}

// contract 4.11
TEST(GetOrSpawnTest, OfManyThreadsOneMakesIt) {
  Runtime runtime({.threads = 2});
  std::vector<Handle<Counter>> got(8);
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      got[static_cast<std::size_t>(i)] = runtime.get_or_spawn<Counter>({.name = "one"}, i);
    });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& each : got) EXPECT_EQ(each, got[0]);
  EXPECT_EQ(runtime.stats().actors, 1U);
}

}  // namespace
}  // namespace muster::test
