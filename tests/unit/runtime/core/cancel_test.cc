// Calls whose caller does not wait any more: cancelled, or past their deadline.

#include <muster/random.h>
#include <muster/when.h>

#include <thread>

#include "unit/runtime/core/fixture.h"

namespace muster::test {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// What handlers saw, and what happens while a plain one runs.
struct Script {
  std::vector<std::string> seen;
  std::function<void()> during = [] {};
};

class Patient {
 public:
  explicit Patient(Script* script) : script_(*script) {}
  Task<int> nap(milliseconds time) {
    co_await sleep_for(time);
    see("woke");
    co_return 1;
  }
  Task<int> careful(milliseconds time) {
    try {
      co_await sleep_for(time);
    } catch (const Exception& e) {
      see(std::string(to_string(e.error().code)));
    }
    co_await sleep_for(5ms);
    see("cleaned up");
    co_return 2;
  }
  Task<int> ask(Handle<Patient> other, milliseconds time) {
    const auto result = co_await other.call<&Patient::careful>(time).as_result();
    see(result ? "answered" : "asked in vain: " + std::string(to_string(result.error().code)));
    co_return 3;
  }
  Task<int> late(milliseconds time) {
    script_.during();
    see("goes on");
    co_return co_await nap(time);  // in a Task of its own
  }
  Task<int> read(Ref<int> ref) {
    const auto value = co_await ref.as_result();
    see(value ? "read" : "read: " + std::string(to_string(value.error().code)));
    co_return 6;
  }
  void note(int n) { see(std::to_string(n)); }
  int work() {
    const auto stop = this_actor::stop_token();
    see(stop.stop_requested() ? "asked early" : "not asked");
    script_.during();
    see(stop.stop_requested() ? "asked to stop" : "not asked");
    see(this_actor::stop_token().stop_requested() ? "asked to stop" : "not asked");
    return 4;
  }
  Task<int> work_slowly(milliseconds time) {
    const auto stop = this_actor::stop_token();
    const std::stop_callback told(stop, [this] { see("told"); });
    co_await sleep_for(time);
    co_return 5;
  }
  Task<Handle<Patient>> me_later(milliseconds time) {
    co_await sleep_for(time);
    co_return this_actor::handle<Patient>();
  }

 private:
  void see(std::string what) { script_.seen.push_back(std::move(what)); }
  Script& script_;
};
MUSTER_ACTOR(Patient, nap, careful, ask, late, read, note, work, work_slowly, me_later);

class CancelTest : public WorldTest {
 protected:
  Handle<Patient> spawn_patient(const std::string& name = "patient", SpawnOptions options = {}) {
    options.name = name;
    const auto made = home->spawn<Patient>(options, &script);
    return home == &caller ? made : value_or_throw(caller.find<Patient>(name, 5s));
  }
  Script script;
};
INSTANTIATE_TEST_SUITE_P(Places, CancelTest, ::testing::Values(Place::kLocal, Place::kRemote),
                         place_name);

// contract 8.2
TEST_P(CancelTest, EndsTheCallAtOnceAndAWaitingOneIsNeverHandled) {
  const auto patient = spawn_patient();
  auto napping = patient.call<&Patient::nap>(100ms);
  auto first = patient.call<&Patient::note>(1);
  auto second = patient.call<&Patient::note>(2);
  world.run_for(10ms);
  EXPECT_TRUE(first.cancel());
  ASSERT_TRUE(first.ready());
  EXPECT_FALSE(first.cancel());
  EXPECT_THAT(error_of(std::move(first)), HasSubstr(".note: cancelled"));
  napping.get(1s);
  second.get(1s);
  EXPECT_THAT(script.seen, ElementsAre("woke", "2"));
}

// contract 8.2
TEST_P(CancelTest, OfACompleteCallDoesNothing) {
  const auto patient = spawn_patient();
  auto napping = patient.call<&Patient::nap>(1ms);
  world.run_for(10ms);
  EXPECT_FALSE(napping.cancel());
  EXPECT_EQ(napping.get(), 1);
}

// contract 8.2
TEST_P(CancelTest, DroppingAFutureCancelsNothing) {
  const auto patient = spawn_patient();
  static_cast<void>(patient.call<&Patient::nap>(20ms));
  static_cast<void>(patient.call<&Patient::note>(1));
  world.run_for(100ms);
  EXPECT_THAT(script.seen, ElementsAre("woke", "1"));
}

// contract 8.3
TEST_P(CancelTest, SuspendedHandlerGetsKCancelledOnceAndMayAwaitToCleanUp) {
  const auto patient = spawn_patient();
  auto careful = patient.call<&Patient::careful>(10s);
  auto after = patient.call<&Patient::note>(1);
  world.run_for(10ms);
  const TimePoint start = world.now();
  EXPECT_TRUE(careful.cancel());
  EXPECT_EQ(code_of(std::move(careful)), ErrorCode::kCancelled);
  EXPECT_EQ(world.now(), start);
  after.get(1s);
  EXPECT_THAT(script.seen, ElementsAre("cancelled", "cleaned up", "1"));
  EXPECT_LT(world.now() - start, 50ms);
}

// contract 8.3
TEST_P(CancelTest, ReachesWhatTheHandlerItselfWaitsFor) {
  const auto patient = spawn_patient();
  const auto other = caller.spawn<Patient>({}, &script);
  auto asking = patient.call<&Patient::ask>(other, 10s);
  world.run_for(10ms);
  EXPECT_TRUE(asking.cancel());
  world.run_for(50ms);
  EXPECT_THAT(script.seen, ::testing::UnorderedElementsAre("asked in vain: cancelled", "cancelled",
                                                           "cleaned up"));
}

// contract 8.3
TEST_P(CancelTest, OfARunningCoroutineComesAtItsNextSuspension) {
  const auto patient = spawn_patient();
  Future<int> late;
  script.during = [&] {
    late.cancel();
    world.run_for(10ms);  // the news reaches the actor's node
  };
  late = patient.call<&Patient::late>(10s);
  auto after = patient.call<&Patient::note>(1);
  const TimePoint start = world.now();
  after.get(1s);
  EXPECT_THAT(script.seen, ElementsAre("goes on", "1"));
  EXPECT_LT(world.now() - start, 100ms);
}

// contract 8.4
TEST_P(CancelTest, PlainHandlerSeesItsStopToken) {
  const auto patient = spawn_patient();
  Future<int> working;
  script.during = [&] {
    working.cancel();
    world.run_for(10ms);
  };
  working = patient.call<&Patient::work>();
  world.run_for(50ms);
  EXPECT_THAT(script.seen, ElementsAre("not asked", "asked to stop", "asked to stop"));
  script.seen.clear();
  script.during = [] {};
  EXPECT_EQ(patient.call<&Patient::work>().get(1s), 4);  // a token of its own
  EXPECT_THAT(script.seen, ElementsAre("not asked", "not asked", "not asked"));
}

// contract 8.4
TEST_P(CancelTest, StopTokenTakenAfterTheCancelKnowsOfIt) {
  const auto patient = spawn_patient();
  Future<int> late;
  bool first = true;
  script.during = [&] {
    if (!std::exchange(first, false)) return;
    late.cancel();
    world.run_for(10ms);
    script.seen.push_back(this_actor::stop_token().stop_requested() ? "asked early" : "not asked");
  };
  late = patient.call<&Patient::late>(1ms);
  world.run_for(50ms);
  EXPECT_THAT(script.seen, ElementsAre("asked early", "goes on"));
}

// contract 8.4
TEST_P(CancelTest, StopTokenHearsOfTheDeadlineAndOfAKill) {
  const auto patient = spawn_patient();
  auto late = patient.with({.timeout = 20ms}).call<&Patient::work_slowly>(100ms);
  EXPECT_EQ(code_of(std::move(late)), ErrorCode::kTimeout);
  world.run_for(50ms);
  EXPECT_THAT(script.seen, ElementsAre("told"));
  auto killed = patient.call<&Patient::work_slowly>(10s);
  world.run_for(100ms);
  patient.kill();
  world.run_for(10ms);
  EXPECT_THAT(script.seen, ElementsAre("told", "told"));
  EXPECT_THAT(error_of(std::move(killed)), HasSubstr("was killed"));
}

// contract 8.5
TEST_P(CancelTest, CallPastItsDeadlineIsNotHandledButAHandlerThatHasBegunGoesOn) {
  const auto patient = spawn_patient();
  const auto hasty = patient.with({.timeout = 20ms});
  auto napping = hasty.call<&Patient::nap>(100ms);
  auto waiting = hasty.call<&Patient::note>(1);
  auto patiently = patient.call<&Patient::note>(2);
  EXPECT_EQ(code_of(std::move(napping)), ErrorCode::kTimeout);
  EXPECT_EQ(code_of(std::move(waiting)), ErrorCode::kTimeout);
  patiently.get(1s);
  EXPECT_THAT(script.seen, ElementsAre("woke", "2"));
}

// contract 4.2, 8.5
TEST_P(CancelTest, HandlesInAResultThatComesTooLateAreLetGo) {
  auto patient = spawn_patient();
  auto down = caller.monitor(patient);
  auto late = patient.with({.timeout = 20ms}).call<&Patient::me_later>(100ms);
  EXPECT_EQ(code_of(std::move(late)), ErrorCode::kTimeout);
  world.run_for(1s);
  patient = {};
  EXPECT_EQ(down.get(1s).reason, DownReason::kReleased);
}

// contract 8.2
TEST_P(CancelTest, CancellingWhatThenGaveCancelsTheCall) {
  const auto patient = spawn_patient();
  auto careful = patient.call<&Patient::careful>(10s);
  std::string heard;
  auto then = std::move(careful).then([&](Result<int> result) {
    heard = result ? "value" : to_string(result.error().code);
    return 7;
  });
  world.run_for(10ms);
  EXPECT_TRUE(then.cancel());
  EXPECT_EQ(code_of(std::move(then)), ErrorCode::kCancelled);
  world.run_for(50ms);
  EXPECT_EQ(heard, "cancelled");
  EXPECT_THAT(script.seen, ElementsAre("cancelled", "cleaned up"));
}

// contract 8.2
TEST_P(CancelTest, CancellingWhatWhenAllGaveCancelsAll) {
  const auto patient = spawn_patient();
  auto careful = patient.call<&Patient::careful>(10s);
  auto napping = patient.call<&Patient::nap>(10s);
  auto all = when_all(std::move(careful), std::move(napping));
  world.run_for(10ms);
  EXPECT_TRUE(all.cancel());
  world.run_for(50ms);
  EXPECT_THAT(script.seen, ElementsAre("cancelled", "cleaned up"));  // the second had not begun
  EXPECT_EQ(patient.call<&Patient::nap>(1ms).get(20ms), 1);
}

// contract 8.3
TEST_P(CancelTest, OfOneWhoWaitsForARefLeavesTheOthers) {
  const auto patient = spawn_patient();
  const auto other = caller.spawn<Patient>({}, &script);
  const auto source = caller.spawn<Patient>({}, &script);
  const auto ref = caller.put(source.call<&Patient::nap>(50ms));
  auto cancelled = patient.call<&Patient::read>(ref);
  auto reading = other.call<&Patient::read>(ref);
  world.run_for(10ms);
  EXPECT_TRUE(cancelled.cancel());
  EXPECT_EQ(reading.get(1s), 6);
  EXPECT_THAT(script.seen, ElementsAre("read: cancelled", "woke", "read"));
  EXPECT_EQ(patient.call<&Patient::read>(ref).get(1s), 6);
}

// contract 8.3
TEST_P(CancelTest, ReachesATaskOutsideActors) {
  struct Work {
    static Task<int> run(Handle<Patient> patient, Script* script) {
      try {
        co_await patient.call<&Patient::careful>(10s);
      } catch (const Exception& e) {
        script->seen.push_back("task: " + std::string(to_string(e.error().code)));
      }
      co_await sleep_for(20ms);
      script->seen.push_back("task ends");
      co_return 1;
    }
  };
  const auto patient = spawn_patient();
  auto running = caller.run(Work::run(patient, &script));
  world.run_for(10ms);
  EXPECT_TRUE(running.cancel());
  EXPECT_EQ(code_of(std::move(running)), ErrorCode::kCancelled);
  world.run_for(100ms);
  EXPECT_THAT(script.seen, ::testing::UnorderedElementsAre("task: cancelled", "cancelled",
                                                           "cleaned up", "task ends"));
  auto not_begun = caller.run(Work::run(patient, &script));
  EXPECT_TRUE(not_begun.cancel());
  script.seen.clear();
  world.run_for(100ms);
  EXPECT_THAT(script.seen, ElementsAre());
}

TEST_P(CancelTest, EveryCallEndsOnceWhateverIsCancelledWhen) {
  const auto patient = spawn_patient("patient", {.mailbox_capacity = 20});
  Random random(test_seed());
  struct Open {
    Future<int> future;
    bool cancelled = false;
  };
  std::vector<Open> calls;
  for (int i = 0; i < 400; ++i) {
    const auto time = milliseconds(random.below(8));
    const auto h = patient.with(
        {.timeout = milliseconds(1 + random.below(60)), .urgent = random.below(4) == 0});
    if (random.below(2) == 0) {
      calls.push_back({h.call<&Patient::careful>(time)});
    } else {
      calls.push_back({h.call<&Patient::nap>(time)});
    }
    auto& any = calls[random.below(calls.size())];
    if (random.below(3) == 0) any.cancelled = any.future.cancel() || any.cancelled;
    if (random.below(2) == 0) world.run_for(milliseconds(random.below(6)));
  }
  world.run_for(1s);
  for (auto& call : calls) {
    ASSERT_TRUE(call.future.ready());
    const auto result = call.future.result();
    EXPECT_EQ(!result && result.error().code == ErrorCode::kCancelled, call.cancelled);
  }
  EXPECT_EQ(patient.call<&Patient::nap>(1ms).get(1s), 1);
}

/// With threads: handlers, deadlines and cancels meet in every order.
TEST(CancelThreadsTest, CancelsRaceWithHandlersAndDeadlines) {
  Runtime runtime({.threads = 2});
  const auto counter = runtime.spawn<Counter>({}, 0);
  const auto cancel_some = [&](std::uint64_t stream) {
    Random random(mix_seed(test_seed(), stream));
    std::vector<Future<int>> open;
    for (int i = 0; i < 2000; ++i) {
      const auto h = counter.with({.timeout = std::chrono::microseconds(random.below(2000))});
      open.push_back(random.below(2) == 0 ? h.call<&Counter::nap>(milliseconds(random.below(2)))
                                          : h.call<&Counter::add>(1));
      if (random.below(2) == 0) open[random.below(open.size())].cancel();
      if (open.size() > 50) open.erase(open.begin(), open.begin() + 25);
    }
    EXPECT_TRUE(wait_all(open, 30s));
  };
  std::thread other([&] { cancel_some(1); });
  cancel_some(2);
  other.join();
  EXPECT_TRUE(counter.call<&Counter::value>().result(30s));
}

}  // namespace
}  // namespace muster::test
