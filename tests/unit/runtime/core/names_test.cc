#include "unit/runtime/core/fixture.h"

namespace muster::test {
namespace {

class NameTest : public WorldTest {};
INSTANTIATE_TEST_SUITE_P(Places, NameTest, ::testing::Values(Place::kLocal, Place::kRemote),
                         place_name);

// contract 4.6
TEST_P(NameTest, FindWaitsForTheNameToAppear) {
  auto found = caller.find_async<Counter>("late", 10s);
  world.run_for(1s);
  EXPECT_FALSE(found.ready());
  const auto late = home->spawn<Counter>({.name = "late"}, 3);
  EXPECT_EQ(found.get(1s).call<&Counter::value>().get(1s), 3);
}

// contract 4.6
TEST_P(NameTest, FindGivesUpAtItsDeadline) {
  const TimePoint start = world.now();
  EXPECT_EQ(caller.find<Counter>("nobody", 2s).error(),
            (Error{ErrorCode::kTimeout,
                   remote() ? "no actor called 'nobody' on this node or the 1 joined with it"
                            : "no actor called 'nobody' on this node or the 0 joined with it",
                   {}}));
  EXPECT_EQ(world.now() - start, 2s);
}

TEST_P(NameTest, FindOfAnotherClassIsRefused) {
  const auto kept = home->spawn<Counter>({.name = "counter"}, 3);
  const auto found = caller.find<Other>("counter", 1s);
  EXPECT_EQ(found.error().code, ErrorCode::kInvalid);
  EXPECT_EQ(found.error().message, "the actor 'counter' is a Counter, not a Other");
}

// contract 4.6
TEST(NamesTest, ATakenNameIsRefusedAndADeadActorsNameIsFree) {
  muster::testing::SimWorld world(test_seed());
  auto& node = world.start("node");
  auto first = node.spawn<Counter>({.name = "one"}, 1);
  const auto second = node.try_spawn<Counter>({.name = "one"}, 2);
  EXPECT_EQ(second.error().message, "cannot spawn: the name 'one' is taken by Counter 'one' (" +
                                        to_string(first.id()) + ")");
  auto down = node.monitor(first);
  first = {};
  down.get(1s);
  EXPECT_TRUE(node.try_spawn<Counter>({.name = "one"}, 2));
}

// contract 4.6
TEST(NamesTest, NameIsFreeWhenTheEndOfItsActorIsTold) {
  muster::testing::SimWorld world(test_seed());
  auto& node = world.start("node");
  const auto first = node.spawn<Counter>({.name = "one"}, 1);
  auto down = node.monitor(first);
  std::optional<Result<Handle<Counter>>> second;
  detail::when_ready(*down.state(), [&](const detail::FutureStateBase&) {
    second = node.try_spawn<Counter>({.name = "one"}, 2);
  });
  first.kill();
  down.get(1s);
  ASSERT_TRUE(second);
  EXPECT_TRUE(*second) << second->error().message;
}

// contract 4.6
TEST(NamesTest, FindReachesANodeThatJoinsLater) {
  muster::testing::SimWorld world(test_seed());
  auto& head = world.start("head", {.listen = "head:1"});
  auto found = head.find_async<Counter>("far", 10s);
  auto& node = world.start("node");
  const auto far = node.spawn<Counter>({.name = "far"}, 8);
  ASSERT_TRUE(node.join("head:1", 1s));
  EXPECT_EQ(found.get(1s).call<&Counter::value>().get(1s), 8);
}

}  // namespace
}  // namespace muster::test
