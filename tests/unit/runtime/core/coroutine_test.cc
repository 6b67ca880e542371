#include "unit/runtime/core/fixture.h"

namespace muster::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CoroutineTest : public WorldTest {};
INSTANTIATE_TEST_SUITE_P(Places, CoroutineTest, ::testing::Values(Place::kLocal, Place::kRemote),
                         place_name);

// contract 1.2
TEST_P(CoroutineTest, SuspendedHandlerKeepsTheNextMessageWaiting) {
  const auto counter = spawn(1);
  auto napping = counter.call<&Counter::nap>(100ms);
  auto added = counter.call<&Counter::add>(10);
  world.run_for(50ms);
  EXPECT_FALSE(added.ready());
  EXPECT_EQ(napping.get(1s), 1);  // the value before add
  EXPECT_EQ(added.get(1s), 11);
}

// contract 1.4, 4.3
TEST_P(CoroutineTest, KillEndsASuspendedHandlerWithTheCause) {
  const auto counter = spawn(1);
  auto napping = counter.call<&Counter::nap>(10s);
  auto waiting = counter.call<&Counter::value>();
  world.run_for(10ms);
  counter.kill();
  EXPECT_THAT(error_of(std::move(napping), 1s), HasSubstr("was killed"));
  EXPECT_THAT(error_of(std::move(waiting), 1s), HasSubstr("was killed"));
}

// contract 4.4
TEST_P(CoroutineTest, FailedCheckAfterASuspensionEndsTheActor) {
  const auto counter = spawn(1);
  auto down = caller.monitor(counter);
  EXPECT_THAT(error_of(counter.call<&Counter::nap_and_check>(10ms), 1s),
              HasSubstr("check failed: value_ < 0 (1)"));
  EXPECT_EQ(down.get(1s).reason, DownReason::kCrashed);
}

TEST_P(CoroutineTest, TaskOutsideActorsAwaitsCallsAndTime) {
  const auto counter = spawn(1);
  const auto work = [](Handle<Counter> h) -> Task<std::vector<int>> {
    std::vector<int> seen;
    seen.push_back(co_await h.call<&Counter::add>(1));
    co_await sleep_for(20ms);
    seen.push_back(co_await h.call<&Counter::add>(1));
    const auto failed = co_await h.call<&Counter::fail_with>("x").as_result();
    seen.push_back(failed.error().message == "x" ? -1 : -2);
    co_return seen;
  };
  EXPECT_THAT(caller.run(work(counter)).get(1s), ElementsAre(2, 3, -1));
}

TEST_P(CoroutineTest, TaskPassesExceptionsOn) {
  const auto counter = spawn(1);
  const auto work = [](Handle<Counter> h) -> Task<> {
    co_await h.call<&Counter::fail_with>("from far");
  };
  EXPECT_EQ(error_of(caller.run(work(counter))), "failed [std::runtime_error]: from far");
}

TEST_P(CoroutineTest, SendAfterComesAtItsTime) {
  const auto counter = spawn(0);
  counter.call<&Counter::later>(5).get(1s);
  world.run_for(9ms);
  EXPECT_EQ(counter.call<&Counter::value>().get(1s), 0);
  world.run_for(10ms);
  EXPECT_EQ(counter.call<&Counter::value>().get(1s), 5);
}

TEST(SleepTest, OutsideARuntimeIsRefused) {
  EXPECT_THROW(static_cast<void>(sleep_for(1ms)), Exception);
}

}  // namespace
}  // namespace muster::test
