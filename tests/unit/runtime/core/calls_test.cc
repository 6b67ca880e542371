#include "unit/runtime/core/clerk.h"
#include "unit/runtime/core/fixture.h"

namespace muster::test {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;

class CallTest : public WorldTest {};
INSTANTIATE_TEST_SUITE_P(Places, CallTest, ::testing::Values(Place::kLocal, Place::kRemote),
                         place_name);

TEST_P(CallTest, CallReturnsTheMethodsResult) {
  const auto counter = spawn(40);
  EXPECT_EQ(counter.is_local(), !remote());
  EXPECT_EQ(counter.call<&Counter::add>(2).get(1s), 42);
}

TEST_P(CallTest, EveryKindOfArgumentArrives) {
  const auto counter = spawn(0);
  EXPECT_EQ(counter.call<&Counter::move_by>(Point{1, 2.5, "p"}, 3).get(1s), (Point{4, 2.5, "p"}));
  EXPECT_EQ(counter.call<&Counter::move_by>(Point{1, 2.5, "p"}, std::nullopt).get(1s),
            (Point{1, 2.5, "p"}));
  EXPECT_EQ(counter.call<&Counter::join>("a", std::vector<std::string>{"b", "c"}).get(1s), "abc");
  EXPECT_EQ(counter.call<&Counter::sum>(std::vector<float>{1, 2, 3.5F}).get(1s), 6.5);
}

TEST_P(CallTest, ArraysOfEverySizeArrive) {
  const auto counter = spawn(0);
  for (const std::size_t size : {0UL, 1UL, 7UL, 4096UL, 100'001UL}) {
    std::vector<float> values(size);
    std::iota(values.begin(), values.end(), 1.0F);
    const Array<float> array = Array<float>::copy_of(values);
    const auto doubled = counter.call<&Counter::twice>(array).get(1s);
    ASSERT_EQ(doubled.size(), size);
    for (std::size_t i = 0; i < size; ++i) ASSERT_EQ(doubled[i], 2 * values[i]) << i;
  }
}

// The handle that is called is used up by the very call.
TEST_P(CallTest, AHandleMayGoIntoTheCallMadeThroughIt) {
  auto counter = spawn(0);
  EXPECT_EQ(counter.call<&Counter::ask>(std::move(counter)).get(1s), -1);

  const auto made = home->spawn<Clerk>({.name = "clerk"});
  auto clerk = remote() ? value_or_throw(caller.find<Clerk>("clerk", 5s)) : made;
  const auto same = clerk;
  clerk.send<&Clerk::keep>(std::move(clerk));
  clerk = same.call<&Clerk::give>().get(1s);
  EXPECT_EQ(clerk, same);
  EXPECT_NO_THROW(clerk.offer<&Clerk::keep>(std::move(clerk)).get(1s));
}

// It is not released before the call that it is in. contract 4.1
TEST_P(CallTest, TheLastHandleMayGoIntoTheCallMadeThroughIt) {
  auto clerk = home->spawn<Clerk>({.name = "clerk"});
  if (remote()) clerk = value_or_throw(caller.find<Clerk>("clerk", 5s));
  EXPECT_NO_THROW(clerk.call<&Clerk::keep>(std::move(clerk)).get(1s));
  value_or_throw(caller.find<Clerk>("clerk", 5s)).kill();
}

// contract 2.4
TEST_P(CallTest, ThrowingHandlerFailsTheCallWithTypeAndTextAndTheActorLives) {
  const auto counter = spawn(1);
  auto future = counter.call<&Counter::fail_with>("the disk is full");
  const auto result = future.result(1s);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error(), (Error{ErrorCode::kFailed, "the disk is full", "std::runtime_error"}));
  EXPECT_EQ(counter.call<&Counter::value>().get(1s), 1);
}

// contract 1.3
TEST_P(CallTest, MessagesOfOneSenderAreHandledInOrder) {
  const auto counter = spawn(0);
  std::vector<int> expected;
  for (int i = 0; i < 200; ++i) {
    counter.send<&Counter::add>(i);
    expected.push_back(i);
  }
  EXPECT_EQ(counter.call<&Counter::seen>().get(1s), expected);
}

// contract 2.2
TEST_P(CallTest, ACallEndsAtItsDeadlineWithAnErrorThatNamesActorAndMethod) {
  const auto counter = spawn(7).with({.timeout = 50ms});
  const TimePoint start = world.now();
  const std::string actor = remote() ? "actor " + to_string(counter.id()) + " at home:50001"
                                     : "Counter 'counter' (" + to_string(counter.id()) + ")";
  EXPECT_EQ(error_of(counter.call<&Counter::nap>(1s)),
            "timeout: " + actor + ".nap: no result within 0.05 s");
  EXPECT_EQ(world.now() - start, 50ms);
}

// contract 2.2
TEST(CallTimeoutTest, OfTheCallersRuntimeHoldsForHandlesWithoutOneOfTheirOwn) {
  muster::testing::SimWorld world(test_seed());
  auto& head = world.start("head", {.listen = "head:1", .call_timeout = 50ms});
  auto& node = world.start("node");
  ASSERT_TRUE(node.join("head:1", 5s));
  const auto near = head.spawn<Counter>({}, 7);
  const auto made = node.spawn<Counter>({.name = "far"}, 8);
  const auto far = value_or_throw(head.find<Counter>("far", 5s));
  for (const auto& counter : {near, far}) {
    const TimePoint start = world.now();
    EXPECT_EQ(code_of(counter.call<&Counter::nap>(100ms)), ErrorCode::kTimeout);
    EXPECT_EQ(world.now() - start, 50ms);
    EXPECT_TRUE(counter.with({.timeout = 1s}).call<&Counter::nap>(100ms).result());
  }
}

TEST_P(CallTest, PollingAFutureLeavesNothingBehind) {
  const auto counter = spawn(7);
  std::vector<Future<int>> both;
  both.push_back(counter.call<&Counter::nap>(500ms));
  both.push_back(counter.call<&Counter::nap>(500ms));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(both[0].result(1ms).error().code, ErrorCode::kTimeout);
    EXPECT_EQ(wait_any(both, 1ms).error().code, ErrorCode::kTimeout);
    EXPECT_FALSE(both[0].state()->has_waiters());
    EXPECT_FALSE(both[1].state()->has_waiters());
  }
  EXPECT_TRUE(wait_all(both, 5s));
  EXPECT_EQ(both[0].get(), 7);
}

TEST_P(CallTest, GetWaitsOnlyItsTimeoutAndTheFutureStaysValid) {
  const auto counter = spawn(7);
  auto future = counter.call<&Counter::nap>(500ms);
  EXPECT_THAT(
      future.result(100ms).error().message,
      AllOf(HasSubstr(to_string(counter.id())), EndsWith("nap: no result yet after 0.1 s")));
  ASSERT_TRUE(future.valid());
  EXPECT_EQ(future.get(1s), 7);
  EXPECT_FALSE(future.valid());
}

// contract 1.7
TEST_P(CallTest, ThenRunsWithTheResultAndPassesErrorsOn) {
  const auto counter = spawn(1);
  auto text = counter.call<&Counter::add>(1).then(
      [](Result<int> result) { return std::to_string(result.value()); });
  EXPECT_EQ(text.get(1s), "2");
  auto failed = counter.call<&Counter::fail_with>("bad").then(
      [](Result<void> result) -> int { throw Exception(result.error()); });
  EXPECT_EQ(error_of(std::move(failed)), "failed [std::runtime_error]: bad");
}

TEST_P(CallTest, WaitAnyAndWaitAllSeeWhatIsReady) {
  const auto slow = spawn(1, "slow");
  const auto fast = spawn(2, "fast");
  std::vector<Future<int>> futures;
  futures.push_back(slow.call<&Counter::nap>(900ms));
  futures.push_back(fast.call<&Counter::nap>(100ms));
  EXPECT_EQ(wait_any(futures, 5s), 1U);
  EXPECT_EQ(wait_all(futures, 10ms).error().code, ErrorCode::kTimeout);
  EXPECT_TRUE(wait_all(futures, 5s));
  EXPECT_EQ(futures[0].get(), 1);
}

TEST_P(CallTest, HandlesTravelAndComeBack) {
  const auto counter = spawn(5);
  const auto again = counter.call<&Counter::me>().get(1s);
  EXPECT_EQ(again, counter);
  EXPECT_EQ(again.call<&Counter::add>(1).get(1s), 6);
  const auto mine = caller.spawn<Counter>({.name = "mine"}, 100);
  EXPECT_EQ(counter.call<&Counter::ask_slowly>(mine, 1).get(1s), 107);
}

// contract 1.6
TEST_P(CallTest, WaitingInsideAHandlerIsRefusedRatherThanBlocking) {
  const auto counter = spawn(5);
  const auto mine = caller.spawn<Counter>({}, 100);
  EXPECT_EQ(counter.call<&Counter::ask>(mine).get(1s), -1);
}

// contract 2.5
TEST_P(CallTest, OneWayFailureIsReportedWhereItHappened) {
  std::vector<std::string> lines;
  auto& node = world.start("reporting", {.listen = "reporting:1",
                                         .on_error = [&](auto& line) { lines.push_back(line); }});
  const auto local = node.spawn<Counter>({.name = "loud"}, 1);
  ASSERT_TRUE(caller.join("reporting:1", 1s));
  const auto counter = remote() ? value_or_throw(caller.find<Counter>("loud", 1s)) : local;
  counter.send<&Counter::fail_with>("nobody hears");
  world.run_until([&] { return !lines.empty(); });
  EXPECT_THAT(lines, ElementsAre(HasSubstr("fail_with (sent one way) failed: "
                                           "std::runtime_error: nobody hears")));
}

TEST(HandleTest, EmptyHandleAndFutureAreCaughtAsBugs) {
  EXPECT_DEATH(static_cast<void>(Handle<Counter>().call<&Counter::value>()),
               "the Handle is empty \\(a message for value\\)");
  EXPECT_DEATH(static_cast<void>(Handle<Counter>().id()), "the Handle is empty");
  EXPECT_DEATH(static_cast<void>(Future<int>().get(1s)), "the Future is empty");
}

// contract 6.4
TEST(HandleTest, OutlivesItsRuntime) {
  Handle<Counter> counter;
  {
    muster::testing::SimWorld world(1);
    counter = world.start("a").spawn<Counter>({}, 1);
  }
  EXPECT_THAT(error_of(counter.call<&Counter::value>()), HasSubstr("its runtime shut down"));
}

// contract 6.4
TEST(HandleTest, OfAnotherNodesActorOutlivesTheRuntimeThatHadIt) {
  muster::testing::SimWorld world(test_seed());
  auto& head = world.start("head", {.listen = "head:1"});
  auto& node = world.start("node");
  const auto made = node.spawn<Counter>({.name = "far"}, 1);
  ASSERT_TRUE(node.join("head:1", 5s));
  const auto far = value_or_throw(head.find<Counter>("far", 5s));
  world.shutdown("head");
  auto after = far.call<&Counter::value>();
  ASSERT_TRUE(after.ready());
  EXPECT_EQ(code_of(std::move(after)), ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace muster::test
