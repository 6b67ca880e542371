// Several futures waited for as one.

#include "unit/runtime/core/fixture.h"

namespace muster::test {
namespace {

using ::testing::ElementsAre;
using ::testing::FieldsAre;
using ::testing::IsEmpty;

using Indices = std::vector<std::size_t>;

class WhenTest : public WorldTest {
 protected:
  WhenTest() {
    for (int i = 0; i < 3; ++i) actors.push_back(spawn(10 * (i + 1), "a" + std::to_string(i)));
  }
  Future<int> nap(std::size_t i, std::chrono::milliseconds time) {
    return actors[i].call<&Counter::nap>(time);
  }
  std::vector<Future<int>> naps(std::vector<std::chrono::milliseconds> times) {
    std::vector<Future<int>> futures;
    for (std::size_t i = 0; i < times.size(); ++i) futures.push_back(nap(i, times[i]));
    return futures;
  }
  std::vector<Handle<Counter>> actors;
};
INSTANTIATE_TEST_SUITE_P(Places, WhenTest, ::testing::Values(Place::kLocal, Place::kRemote),
                         place_name);

// contract 9.1
TEST_P(WhenTest, AllOfAVectorEndsInTheValuesInOrder) {
  EXPECT_THAT(when_all(naps({30ms, 10ms, 20ms})).get(1s), ElementsAre(10, 20, 30));
}

TEST_P(WhenTest, AllOfDifferentTypesEndsInATuple) {
  auto all = when_all(nap(0, 20ms), actors[1].call<&Counter::leave>(),
                      actors[2].call<&Counter::join>("a", std::vector<std::string>{"b"}));
  EXPECT_THAT(all.get(1s), FieldsAre(10, std::monostate(), "ab"));
}

TEST_P(WhenTest, AllOfVoidsEndsInVoid) {
  std::vector<Future<void>> futures;
  for (const auto& actor : actors) futures.push_back(actor.call<&Counter::leave>());
  EXPECT_TRUE(when_all(std::move(futures)).result(1s));
}

TEST_P(WhenTest, AllOfNoneIsReadyAtOnceAndGoesThroughThen) {
  auto none = when_all(std::vector<Future<int>>());
  ASSERT_TRUE(none.ready());
  auto size = std::move(none).then([](auto values) { return values->size(); });
  EXPECT_EQ(when_all(std::move(size), nap(0, 5ms)).get(1s), std::make_tuple(0U, 10));
}

// contract 9.1
TEST_P(WhenTest, AllEndsInTheFirstErrorAtOnceWithItsTypeAndText) {
  const TimePoint start = world.now();
  auto all = when_all(nap(0, 900ms), actors[1].call<&Counter::fail_with>("no disk"),
                      actors[2].call<&Counter::nap_and_fail>(300ms));
  const auto result = all.result(1s);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error(), (Error{ErrorCode::kFailed, "no disk", "std::runtime_error"}));
  EXPECT_LT(world.now() - start, 100ms);
}

// contract 9.2
TEST_P(WhenTest, AnyGivesTheIndexOfTheFirstAndLeavesTheFutures) {
  auto futures = naps({30ms, 10ms, 20ms});
  EXPECT_EQ(when_any(futures).get(1s), 1U);
  EXPECT_FALSE(futures[0].ready());
  EXPECT_EQ(futures[1].get(0s), 20);
  EXPECT_EQ(futures[0].get(1s), 10);
}

TEST_P(WhenTest, AnyIsReadyAtOnceWithTheLowestThatIs) {
  auto futures = naps({300ms, 1ms, 1ms});
  world.run_for(50ms);
  auto any = when_any(futures);
  ASSERT_TRUE(any.ready());
  EXPECT_EQ(any.get(), 1U);
}

TEST_P(WhenTest, AnyCountsAnErrorAsReady) {
  auto slow = nap(0, 100ms);
  auto failing = actors[1].call<&Counter::fail_with>("x");
  EXPECT_EQ(when_any(slow, failing).get(1s), 1U);
  EXPECT_EQ(error_of(std::move(failing)), "failed [std::runtime_error]: x");
}

class StaleWaiter final : public detail::Waiter {
 public:
  void ready() override {}
  bool stale() const noexcept override { return true; }
};

// contract 9.2
TEST_P(WhenTest, WaitingForAnyAgainAndAgainLeavesNothingBehind) {
  auto slow = nap(0, 500ms);
  for (int i = 0; i < 3; ++i) {
    const boost::intrusive_ptr<detail::Waiter> left(new StaleWaiter);
    slow.state()->subscribe(left);
    auto quick = nap(1, 1ms);
    EXPECT_EQ(when_any(slow, quick).get(1s), 1U);
    EXPECT_EQ(left->use_count(), 1);
  }
  slow.state()->forget_stale();  // those of the last when_any are stale by now
  EXPECT_FALSE(slow.state()->has_waiters());
  static_cast<void>(when_any(slow));
  slow.state()->forget_stale();  // and those of one that was dropped
  EXPECT_FALSE(slow.state()->has_waiters());
}

// contract 9.2
TEST_P(WhenTest, SomeGivesAllThatAreReadyWhenEnoughAre) {
  auto futures = naps({30ms, 10ms, 400ms});
  EXPECT_THAT(when_some(futures, 2, 1s).get(), ElementsAre(0U, 1U));
  EXPECT_THAT(wait_some(futures, 1, 1s).value(), ElementsAre(0U, 1U));
  EXPECT_THAT(wait_some(futures, 0, 1s).value(), ElementsAre(0U, 1U));
  EXPECT_THAT(wait_some(futures, 3).value(), ElementsAre(0U, 1U, 2U));
}

// contract 9.2
TEST_P(WhenTest, SomeGivesWhatIsReadyWhenTheTimeHasPassed) {
  auto futures = naps({30ms, 10ms, 400ms});
  const TimePoint start = world.now();
  EXPECT_THAT(wait_some(futures, 3, 100ms).value(), ElementsAre(0U, 1U));
  EXPECT_EQ(world.now() - start, 100ms);
  std::vector<Future<int>> none;
  EXPECT_THAT(wait_some(none, 0, 1s).value(), IsEmpty());
}

TEST_P(WhenTest, TasksAwaitThem) {
  const auto work = [](std::vector<Handle<Counter>> h) -> Task<int> {
    auto [a, b] = co_await when_all(h[0].call<&Counter::nap>(20ms), h[1].call<&Counter::value>());
    auto reply = h[2].call<&Counter::nap>(500ms);
    auto patience = sleep_for(50ms);
    const std::size_t first = co_await when_any(reply, patience);
    std::vector<Future<int>> more;
    more.push_back(std::move(reply));
    more.push_back(h[0].call<&Counter::value>());
    const Indices ready = co_await when_some(more, 1);
    co_return a + b + 100 * static_cast<int>(first) + 1000 * static_cast<int>(ready.at(0));
  };
  EXPECT_EQ(caller.run(work(actors)).get(2s), 10 + 20 + 100 + 1000);
}

class Asker {
 public:
  explicit Asker(std::vector<Handle<Counter>> others) : others_(std::move(others)) {}
  Task<int> sum() {
    std::vector<Future<int>> calls;
    for (const auto& other : others_) calls.push_back(other.call<&Counter::nap>(10ms));
    int sum = 0;
    for (const int value : co_await when_all(std::move(calls))) sum += value;
    co_return sum;
  }
  ErrorCode block() {
    std::vector<Future<int>> calls;
    calls.push_back(others_[0].call<&Counter::nap>(10ms));
    return wait_some(calls, 1, 1s).error().code;
  }

 private:
  std::vector<Handle<Counter>> others_;
};
MUSTER_ACTOR(Asker, sum, block);

// contract 1.6
TEST_P(WhenTest, HandlersAwaitThemAndDoNotBlock) {
  const auto asker = caller.spawn<Asker>({}, actors);
  EXPECT_EQ(asker.call<&Asker::sum>().get(1s), 60);
  EXPECT_EQ(asker.call<&Asker::block>().get(1s), ErrorCode::kInvalid);
}

TEST_P(WhenTest, KilledWhileItWaitsLeavesNothingThatResumesIt) {
  const auto asker = caller.spawn<Asker>({}, actors);
  auto sum = asker.call<&Asker::sum>();
  world.run_for(5ms);
  asker.kill();
  EXPECT_EQ(code_of(std::move(sum)), ErrorCode::kUnavailable);
  world.run_for(100ms);
}

// contract 9.3
TEST_P(WhenTest, TryGetTakesTheResultOrLeavesTheFuture) {
  auto value = nap(0, 20ms);
  EXPECT_FALSE(value.try_get().has_value());
  ASSERT_TRUE(value.valid());
  world.run_for(100ms);
  EXPECT_EQ(value.try_get().value(), 10);
  EXPECT_FALSE(value.valid());
  auto failed = actors[1].call<&Counter::fail_with>("x");
  world.run_for(100ms);
  EXPECT_EQ(failed.try_get()->error().message, "x");
}

TEST_P(WhenTest, EmptyFuturesAndTooManyAreCaughtAsBugs) {
  std::vector<Future<int>> one;
  one.emplace_back();
  EXPECT_DEATH(static_cast<void>(when_any(one)), "one of the Futures is empty");
  EXPECT_DEATH(static_cast<void>(wait_some(one, 2)), "check failed");
}

}  // namespace
}  // namespace muster::test
