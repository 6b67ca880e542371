#include "unit/runtime/core/fixture.h"

namespace muster::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Waits in every way for a Future that is not ready, and for the same one when it is.
Task<std::vector<std::string>> wait_inside(Handle<Counter> counter) {
  std::vector<std::string> outcomes;
  const auto note = [&](const auto& result) {
    outcomes.emplace_back(result ? "ended" : to_string(result.error().code));
  };
  std::vector<Future<int>> futures;
  futures.push_back(counter.call<&Counter::nap>(10ms));
  for (int i = 0; i < 2; ++i) {
    note(wait_any(futures, 1s));
    note(wait_all(futures, 1s));
    if (i == 0) note(futures[0].result(1s));
    co_await sleep_for(1s);
  }
  note(futures[0].result(1s));
  co_return outcomes;
}

class Asker {
 public:
  Task<std::vector<std::string>> wait(Handle<Counter> counter) { return wait_inside(counter); }
  void ask(const Handle<Counter>& counter) { asked_ = counter.call<&Counter::add>(1); }
  int answer() { return asked_.get(1s); }
  void go_on() {
    then_ = std::move(asked_).then([this](Result<int>) { said_.emplace_back("then"); });
    said_.emplace_back("handler");
  }
  std::vector<std::string> said() const { return said_; }

 private:
  Future<int> asked_;
  Future<void> then_;
  std::vector<std::string> said_;
};
MUSTER_ACTOR(Asker, wait, ask, answer, go_on, said);

/// Notes when it goes, and when the frames of its handlers go.
class Sleeper {
 public:
  using Log = std::shared_ptr<std::vector<std::string>>;
  explicit Sleeper(Log log) : log_(std::move(log)) {}
  Task<> sleep() {
    const auto mine = at_the_end("handler");
    co_await sleep_for(1h);
  }

 private:
  std::shared_ptr<void> at_the_end(std::string what) {
    return {log_.get(), [log = log_, what](void*) { log->push_back(what); }};
  }
  Log log_;
  std::shared_ptr<void> last_ = at_the_end("object");
};
MUSTER_ACTOR(Sleeper, sleep);

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

// contract 4.3, 4.8
TEST(SleeperTest, ObjectGoesAfterTheSuspendedHandlers) {
  muster::testing::SimWorld world(test_seed());
  auto& node = world.start("node");
  for (const bool reentrant : {false, true}) {
    const auto log = std::make_shared<std::vector<std::string>>();
    const auto sleeper = node.spawn<Sleeper>({.reentrant = reentrant}, log);
    auto sleeping = sleeper.call<&Sleeper::sleep>();
    world.run_for(1ms);
    sleeper.kill();
    EXPECT_EQ(code_of(std::move(sleeping), 1s), ErrorCode::kUnavailable);
    EXPECT_THAT(*log, ElementsAre("handler", "object")) << "reentrant: " << reentrant;
  }
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

// contract 1.6
TEST_P(CoroutineTest, WaitingInsideForWhatIsNotReadyIsRefusedAndForWhatIsReadyIsNot) {
  const auto counter = spawn(1);
  const auto asker = caller.spawn<Asker>();
  const auto expected = ElementsAre("invalid", "invalid", "invalid", "ended", "ended", "ended");
  EXPECT_THAT(asker.call<&Asker::wait>(counter).get(10s), expected);
  EXPECT_THAT(caller.run(wait_inside(counter)).get(10s), expected);
  asker.call<&Asker::ask>(counter).get(1s);
  world.run_for(1s);
  EXPECT_EQ(asker.call<&Asker::answer>().get(1s), 2);
}

// contract 1.7
TEST_P(CoroutineTest, ThenOfWhatIsReadyDoesNotRunInsideTheHandlerNorInsideTheCaller) {
  const auto counter = spawn(1);
  const auto asker = caller.spawn<Asker>();
  asker.call<&Asker::ask>(counter).get(1s);
  world.run_for(1s);
  asker.call<&Asker::go_on>().get(1s);
  EXPECT_THAT(asker.call<&Asker::said>().get(1s), ElementsAre("handler", "then"));

  auto asked = counter.call<&Counter::add>(1);
  world.run_for(1s);
  ASSERT_TRUE(asked.ready());
  bool ran = false;
  auto then = std::move(asked).then([&](Result<int>) { ran = true; });
  EXPECT_FALSE(ran);
  EXPECT_TRUE(then.result(1s));
  EXPECT_TRUE(ran);
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
