// Futures and Refs in the place of arguments.

#include <muster/testing/gtest.h>

#include "unit/runtime/core/fixture.h"

namespace muster::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Numbers = std::vector<float>;

class Desk {
 public:
  int note(int n) {
    notes_.push_back(n);
    return n;
  }
  std::vector<int> notes() const { return notes_; }
  double total(std::span<const float> numbers, int times, const std::string& why,
               std::string_view note) {
    const double sum = std::accumulate(numbers.begin(), numbers.end(), 0.0);
    return sum * times + static_cast<double>(why.size() + note.size());
  }
  Task<std::string> slowly(Point point, std::chrono::milliseconds time) {
    co_await sleep_for(time);
    co_return point.label + std::to_string(point.x);
  }
  int value_of(Handle<Counter> counter, int plus) { return plus + (counter.valid() ? 1 : 0); }
  Task<bool> is_ready(Ref<int> ref) {
    const bool ready = ref.ready();
    static_cast<void>(co_await ref);
    co_return ready;
  }
  std::uintptr_t where(const Array<float>& numbers) {
    return reinterpret_cast<std::uintptr_t>(numbers.data());
  }
  void note_twice(Ref<int> ref) {
    this_actor::send<&Desk::note>(ref);
    this_actor::send_after<&Desk::note>(10ms, ref);
  }
  void check(int n) { MUSTER_CHECK(n < 0, n); }
  /// Gives the Ref on to an actor that takes an Array.
  Task<std::uintptr_t> where_at(Handle<Desk> other, Ref<Numbers> numbers) {
    co_return co_await other.call<&Desk::where>(numbers);
  }
  int slow(int n) { return note(n); }
  int fast(int n) { return note(n); }

 private:
  std::vector<int> notes_;
};
MUSTER_ACTOR(Desk, note, notes, total, slowly, value_of, is_ready, where, note_twice, check,
             where_at, slow, fast);

Task<int> unwrap(Future<Future<int>> outer) {
  auto inner = co_await std::move(outer);
  co_return co_await std::move(inner);
}

class LateTest : public WorldTest {
 protected:
  LateTest() : desk(desk_called("desk")), source(caller.spawn<Counter>({}, 7)) {}
  Handle<Desk> desk_called(const std::string& name, SpawnOptions options = {}) {
    options.name = name;
    options.detached = true;
    const auto made = home->spawn<Desk>(options);
    return home == &caller ? made : value_or_throw(caller.find<Desk>(name, 5s));
  }
  Future<int> seven_after(std::chrono::milliseconds time) {
    return source.call<&Counter::nap>(time);
  }
  Future<int> error_after(std::chrono::milliseconds time) {
    return source.call<&Counter::nap_and_fail>(time).then([](Result<void> result) {
      value_or_throw(std::move(result));
      return 1;
    });
  }
  std::vector<int> notes() { return desk.call<&Desk::notes>().get(5s); }
  Handle<Desk> desk;
  Handle<Counter> source;
};
INSTANTIATE_TEST_SUITE_P(Places, LateTest, ::testing::Values(Place::kLocal, Place::kRemote),
                         place_name);

// contract 9.7
TEST_P(LateTest, AFutureGivesItsValueToTheHandler) {
  EXPECT_EQ(desk.call<&Desk::note>(seven_after(50ms)).get(1s), 7);
}

TEST_P(LateTest, AFutureThatIsReadyDoesNotDelay) {
  auto seven = seven_after(1ms);
  world.run_for(20ms);
  const TimePoint start = world.now();
  EXPECT_EQ(desk.call<&Desk::note>(std::move(seven)).get(1s), 7);
  EXPECT_LT(world.now() - start, 10ms);
}

// contract 9.7
TEST_P(LateTest, TheMessageKeepsItsPlaceAndTheNextOnesWait) {
  auto first = desk.call<&Desk::note>(seven_after(50ms));
  desk.send<&Desk::note>(8);
  desk.send<&Desk::note>(seven_after(10ms));
  desk.send<&Desk::note>(9);
  world.run_for(30ms);
  EXPECT_FALSE(first.ready());
  EXPECT_THAT(notes(), ElementsAre(7, 8, 7, 9));
}

TEST_P(LateTest, TheResultOfOneCallGoesStraightIntoTheNext) {
  auto sum = desk.call<&Desk::note>(desk.call<&Desk::note>(desk.call<&Desk::note>(3)));
  EXPECT_EQ(sum.get(1s), 3);
  EXPECT_THAT(notes(), ElementsAre(3, 3, 3));
}

// contract 9.7
TEST_P(LateTest, ValuesFuturesAndRefsMix) {
  const auto numbers = caller.put(Numbers{1, 2, 4});
  const auto why = caller.put(std::string("four"));
  EXPECT_EQ(desk.call<&Desk::total>(numbers, seven_after(20ms), why, "five5").get(1s), 49 + 9);
  EXPECT_EQ(desk.call<&Desk::total>(Numbers{1}, 2, "", why).get(1s), 2 + 4);
  const auto array = caller.put(Array<float>::copy_of(Numbers{1, 2}));
  EXPECT_EQ(desk.call<&Desk::total>(array, 2, why, why).get(1s), 6 + 8);
}

TEST_P(LateTest, CoroutineHandlersTakeThemToo) {
  auto text = desk.call<&Desk::slowly>(caller.put(Point{3, 0, "p"}), 20ms);
  auto after = desk.call<&Desk::note>(1);
  EXPECT_EQ(text.get(1s), "p3");
  EXPECT_EQ(after.get(1s), 1);
}

TEST_P(LateTest, AFutureConvertsAsAValueDoes) {
  auto numbers = source.call<&Counter::seen>().then([](auto) -> std::vector<float> {
    return {1, 2, 3};
  });
  auto times = source.call<&Counter::value>().then([](auto) { return short{2}; });
  EXPECT_EQ(desk.call<&Desk::total>(std::move(numbers), std::move(times), "", "").get(1s), 12);
}

TEST_P(LateTest, HandlesThatAreStillLookedForGo) {
  auto found = caller.find_async<Counter>("later", 1s);
  auto value = desk.call<&Desk::value_of>(std::move(found), 1);
  world.run_for(20ms);
  const auto later = caller.spawn<Counter>({.name = "later"}, 1);
  EXPECT_EQ(value.get(1s), 2);
}

// contract 9.7
TEST_P(LateTest, AMethodThatTakesARefGetsTheRef) {
  const auto ref = caller.put(seven_after(50ms));
  EXPECT_FALSE(desk.call<&Desk::is_ready>(ref).get(1s));
  EXPECT_EQ(desk.call<&Desk::note>(ref).get(1s), 7);
}

TEST_P(LateTest, ArraysAreNotCopied) {
  const auto ref = caller.put(Array<float>::copy_of(Numbers(50'000, 1)));
  const auto there = desk.call<&Desk::where>(ref).get(1s);
  EXPECT_EQ(there == reinterpret_cast<std::uintptr_t>(ref.get()->data()), !remote());
}

// What was put as a vector is an Array to whom it is passed on to, also where it was put.
TEST_P(LateTest, ARefThatComesHomeServesAsAnArrayToo) {
  const auto at_caller = caller.spawn<Desk>();
  const auto ref = caller.put(Numbers(50'000, 1));
  const auto there = desk.call<&Desk::where_at>(at_caller, ref).get(1s);
  EXPECT_EQ(there, reinterpret_cast<std::uintptr_t>(ref.get()->data()));
}

TEST_P(LateTest, ANodeFetchesOnceForAllItsActors) {
  const auto ref = caller.put(Numbers(100'000, 1));
  std::vector<Handle<Desk>> desks;
  for (int i = 0; i < 4; ++i) desks.push_back(desk_called("desk" + std::to_string(i)));
  const auto before = home->stats().bytes_received;
  std::vector<Future<double>> totals;
  for (const auto& each : desks) totals.push_back(each.call<&Desk::total>(ref, 1, "", ""));
  EXPECT_THAT(when_all(std::move(totals)).get(1s), ElementsAre(1e5, 1e5, 1e5, 1e5));
  EXPECT_LT(home->stats().bytes_received - before, 500'000U);
}

// contract 9.8
TEST_P(LateTest, AnArgumentThatEndsInAnErrorEndsTheCallAndTheHandlerDoesNotRun) {
  auto failed = desk.call<&Desk::note>(error_after(20ms)).result(1s);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error(), (Error{ErrorCode::kFailed, "late", "std::runtime_error"}));
  auto ready = error_after(1ms);
  world.run_for(20ms);
  EXPECT_EQ(error_of(desk.call<&Desk::note>(std::move(ready))),
            "failed [std::runtime_error]: late");
  EXPECT_THAT(notes(), IsEmpty());
}

// contract 9.8
TEST_P(LateTest, TheFirstErrorEndsTheCallAtOnceWhatTheOthersMayBe) {
  auto failed = desk.call<&Desk::total>(Numbers{1}, seven_after(10s), caller.put(std::string("a")),
                                        error_after(20ms).then([](Result<int> result) {
                                          value_or_throw(std::move(result));
                                          return std::string();
                                        }));
  EXPECT_EQ(error_of(std::move(failed), 100ms), "failed [std::runtime_error]: late");
  EXPECT_EQ(desk.call<&Desk::note>(1).get(100ms), 1);
}

// contract 9.8
TEST_P(LateTest, AOneWayMessageWithSuchAnArgumentIsReportedAtTheActor) {
  std::vector<std::string> lines;
  auto& node = world.start("reporting", {.listen = "reporting:1",
                                         .on_error = [&](auto& line) { lines.push_back(line); }});
  const auto local = node.spawn<Desk>({.name = "loud"});
  ASSERT_TRUE(caller.join("reporting:1", 1s));
  const auto loud = remote() ? value_or_throw(caller.find<Desk>("loud", 1s)) : local;
  loud.send<&Desk::note>(error_after(20ms));
  world.run_until([&] { return !lines.empty(); });
  EXPECT_THAT(lines,
              ElementsAre(HasSubstr("note (sent one way) failed: std::runtime_error: late")));
}

TEST_P(LateTest, KilledWhileItWaitsEndsTheCallsWithTheCause) {
  auto waiting = desk.call<&Desk::note>(seven_after(50ms));
  auto behind = desk.call<&Desk::note>(1);
  world.run_for(10ms);
  desk.kill();
  EXPECT_THAT(error_of(std::move(waiting), 1s), HasSubstr("was killed"));
  EXPECT_THAT(error_of(std::move(behind), 1s), HasSubstr("was killed"));
  EXPECT_EQ(home->stats().dead_letters, 0U);
  world.run_for(100ms);
}

// contract 9.9
TEST_P(LateTest, AOneWayMessageWhoseActorEndsMeanwhileIsADeadLetter) {
  const auto grouped = desk_called(
      "grouped", {.groups = {{.name = "one", .limit = 1, .methods = methods<&Desk::note>()}}});
  for (const auto& each : {desk, grouped}) {
    each.send<&Desk::note>(seven_after(50ms));
    world.run_for(10ms);
    each.kill();
  }
  world.run_for(100ms);
  EXPECT_EQ(home->stats().dead_letters, 2U);
}

TEST_P(LateTest, StoppedWhileItWaitsHandlesWhatCameBefore) {
  auto waiting = desk.call<&Desk::note>(seven_after(50ms));
  desk.stop();
  EXPECT_EQ(waiting.get(1s), 7);
}

// contract 9.9
TEST_P(LateTest, ADeadlineThatPassesMeanwhileLetsTheActorGoOn) {
  const auto hasty = desk.with({.timeout = 20ms});
  auto late = hasty.call<&Desk::note>(seven_after(200ms));
  auto next = desk.call<&Desk::note>(1);
  EXPECT_EQ(code_of(std::move(late)), ErrorCode::kTimeout);
  EXPECT_EQ(next.get(50ms), 1);
  world.run_for(300ms);
  EXPECT_THAT(notes(), ElementsAre(1));
}

// contract 9.9
TEST_P(LateTest, ACancelMeanwhileLetsTheActorGoOnAndWhatTheArgumentComesFrom) {
  const auto ref = caller.put(seven_after(100ms));
  auto from_future = desk.call<&Desk::note>(seven_after(100ms));
  auto from_ref = desk.call<&Desk::note>(ref);
  auto next = desk.call<&Desk::note>(1);
  world.run_for(20ms);
  EXPECT_TRUE(from_future.cancel());
  world.run_for(10ms);
  EXPECT_TRUE(from_ref.cancel());
  EXPECT_EQ(next.get(20ms), 1);
  EXPECT_EQ(desk.call<&Desk::note>(ref).get(1s), 7);
  EXPECT_THAT(notes(), ElementsAre(1, 7));
}

// contract 9.7, 9.9
TEST_P(LateTest, AnArgumentThatComesFromBehindIsWaitedForUntilTheDeadline) {
  auto behind = source.call<&Counter::nap>(10ms).then(
      [desk = desk](Result<int>) { return desk.call<&Desk::note>(1); });
  auto unwrapped = caller.run(unwrap(std::move(behind)));
  auto first = desk.with({.timeout = 50ms}).call<&Desk::note>(std::move(unwrapped));
  EXPECT_EQ(code_of(std::move(first)), ErrorCode::kTimeout);
  world.run_for(20ms);
  EXPECT_THAT(notes(), ElementsAre(1));
}

// contract 8.6, 9.7
TEST_P(LateTest, AReentrantActorHandlesTheNextMessagesMeanwhile) {
  const auto open = desk_called("open", {.reentrant = true});
  auto first = open.call<&Desk::note>(seven_after(50ms));
  const auto other = caller.spawn<Counter>({}, 8);
  auto second = open.call<&Desk::note>(other.call<&Counter::nap>(20ms));
  EXPECT_EQ(open.call<&Desk::note>(1).get(10ms), 1);
  EXPECT_EQ(second.get(40ms), 8);
  EXPECT_EQ(first.get(1s), 7);
}

// contract 8.7, 9.7
TEST_P(LateTest, InAConcurrencyGroupTheOrderIsKeptAndOthersGoOn) {
  const auto grouped = desk_called(
      "grouped", {.groups = {{.name = "slow", .limit = 1, .methods = methods<&Desk::slow>()}}});
  auto first = grouped.call<&Desk::slow>(seven_after(50ms));
  auto second = grouped.call<&Desk::slow>(2);
  EXPECT_EQ(grouped.call<&Desk::fast>(3).get(10ms), 3);
  EXPECT_EQ(second.get(1s), 2);
  EXPECT_TRUE(first.ready());
  EXPECT_THAT(grouped.call<&Desk::notes>().get(1s), ElementsAre(3, 7, 2));
  auto hasty = grouped.with({.timeout = 20ms}).call<&Desk::slow>(seven_after(100ms));
  EXPECT_EQ(grouped.call<&Desk::slow>(4).get(50ms), 4);
  EXPECT_EQ(code_of(std::move(hasty)), ErrorCode::kTimeout);
}

TEST_P(LateTest, AFailedCheckInTheHandlerEndsTheActor) {
  auto down = caller.monitor(desk);
  EXPECT_THAT(error_of(desk.call<&Desk::check>(seven_after(20ms))), HasSubstr("n < 0 (7)"));
  EXPECT_EQ(down.get(1s).reason, DownReason::kCrashed);
}

TEST_P(LateTest, AFullMailboxRefusesTheCallAndForgetsTheArgument) {
  const auto made = home->spawn<Desk>({.name = "small", .mailbox_capacity = 1});
  const auto small = remote() ? value_or_throw(caller.find<Desk>("small", 5s)) : made;
  auto first = small.call<&Desk::slowly>(Point{1, 0, "a"}, 50ms);
  world.run_for(10ms);
  auto second = small.call<&Desk::note>(seven_after(100ms));
  EXPECT_EQ(code_of(small.call<&Desk::note>(caller.put(3))), ErrorCode::kOverloaded);
  EXPECT_EQ(first.get(1s), "a1");
  EXPECT_EQ(second.get(1s), 7);
  world.run_for(100ms);
  EXPECT_EQ(caller.stats().actors, remote() ? 1U : 3U);  // no holder of an argument is left
}

TEST_P(LateTest, AnActorSendsItselfLateArguments) {
  desk.send<&Desk::note_twice>(caller.put(seven_after(20ms)));
  world.run_for(200ms);
  EXPECT_THAT(notes(), ElementsAre(7, 7));
}

TEST_P(LateTest, EmptyFuturesAndRefsAreCaughtAsBugs) {
  EXPECT_DEATH(static_cast<void>(desk.call<&Desk::note>(Future<int>())), "the Future is empty");
  EXPECT_DEATH(static_cast<void>(desk.call<&Desk::note>(Ref<int>())), "the Ref is empty");
}

// contract 9.8
TEST(LateNodeTest, ACallerThatIsLostLetsTheActorGoOn) {
  testing::SimWorld world(test_seed());
  Runtime& home = world.start("home", {.listen = "home:1"});
  Runtime& lost = world.start("lost");
  value_or_throw(lost.join("home:1", 5s));
  const auto desk = home.spawn<Desk>({.name = "desk"});
  const auto there = value_or_throw(lost.find<Desk>("desk", 5s));
  const auto counter = lost.spawn<Counter>({}, 7);
  there.send<&Desk::note>(counter.call<&Counter::nap>(10s));
  world.run_for(50ms);
  auto next = desk.call<&Desk::note>(1);
  world.run_for(50ms);
  EXPECT_FALSE(next.ready());
  world.network().exit("lost");
  EXPECT_EQ(next.get(1s), 1);
  EXPECT_THAT(desk.call<&Desk::notes>().get(1s), ElementsAre(1));
}

Task<bool> cancel_later(Future<int>& call, Handle<Counter> other) {
  static_cast<void>(co_await other.call<&Counter::value>());
  co_return call.cancel();
}

// contract 8.2, 9.9: in every order of what the actors do.
TEST(LateSchedulesTest, ACallThatWasCancelledInTimeIsNotHandledAndTheActorGoesOn) {
  int cancelled_in_time = 0;
  int too_late = 0;
  const auto explored = testing::for_each_schedule([&](testing::SimWorld& world) {
    Runtime& node = world.start("node");
    const auto desk = node.spawn<Desk>();
    const auto source = node.spawn<Counter>({}, 7);
    auto call = desk.call<&Desk::note>(source.call<&Counter::value>());
    auto next = desk.call<&Desk::note>(1);
    const bool cancelled = node.run(cancel_later(call, node.spawn<Counter>({}, 0))).get(1s);
    ++(cancelled ? cancelled_in_time : too_late);
    EXPECT_EQ(next.get(1s), 1);
    const auto notes = desk.call<&Desk::notes>().get(1s);
    if (cancelled) {
      EXPECT_THAT(notes, ElementsAre(1));
      EXPECT_EQ(code_of(std::move(call)), ErrorCode::kCancelled);
    } else {
      EXPECT_THAT(notes, ElementsAre(7, 1));
      EXPECT_EQ(call.get(1s), 7);
    }
  });
  EXPECT_TRUE(explored.complete) << explored.schedules;
  EXPECT_GT(cancelled_in_time, 0);
  EXPECT_GT(too_late, 0);
}

// contract 9.7, 9.9
TEST(LateThreadsTest, ManyCallsWaitForArgumentsOfOtherNodesAndSomeAreGivenUp) {
  constexpr int kRounds = 200;
  Runtime home({.threads = 2, .listen = "127.0.0.1:0"});
  Runtime away({.threads = 2});
  value_or_throw(away.join(home.listen_address(), 5s));
  const auto local = home.spawn<Desk>({.name = "desk", .detached = true});
  const auto desk = value_or_throw(away.find<Desk>("desk", 5s));
  const auto numbers = away.spawn<Counter>({}, 0);
  std::vector<Future<int>> sums;
  for (int i = 0; i < kRounds; ++i) {
    sums.push_back(desk.call<&Desk::note>(numbers.call<&Counter::add>(1)));
    sums.push_back(local.call<&Desk::note>(away.put(numbers.call<&Counter::add>(1))));
    auto cancelled = desk.call<&Desk::note>(numbers.call<&Counter::add>(0));
    static_cast<void>(cancelled.cancel());
    desk.send<&Desk::note>(numbers.call<&Counter::add>(0));
  }
  for (auto& sum : sums) EXPECT_GT(sum.get(10s), 0);
  EXPECT_EQ(numbers.call<&Counter::value>().get(1s), 2 * kRounds);
}

}  // namespace
}  // namespace muster::test
