// Several actors called as one.

#include <muster/router.h>

#include <map>
#include <thread>

#include "unit/runtime/core/routing_fixture.h"

namespace muster::test {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class RouterTest : public RoutingTest {
 protected:
  RouterTest() : workers{worker(1), worker(2), worker(3)} {}
  Router<Worker> router(RoutingPolicy policy = RoutingPolicy::kRoundRobin) {
    return Router<Worker>(caller, {.name = "numbers", .policy = policy}, workers);
  }
  template <auto M>
  std::vector<int> each() {
    std::vector<int> all;
    for (const auto& one : workers) all.push_back(one.template call<M>().get(1s));
    return all;
  }

  std::vector<Handle<Worker>> workers;
};
INSTANTIATE_TEST_SUITE_P(Places, RouterTest, ::testing::Values(Place::kLocal, Place::kRemote),
                         place_name);

// contract 11.1
TEST_P(RouterTest, CallsGoToOneAfterAnother) {
  const auto r = router();
  EXPECT_THAT(numbers(r, 7), ElementsAre(1, 2, 3, 1, 2, 3, 1));
}

// contract 11.1
TEST_P(RouterTest, CopiesShareTheTurn) {
  const auto r = router();
  const auto copy = r;
  const auto patient = r.with({.timeout = 5s});
  EXPECT_EQ(r.call<&Worker::number>().get(1s), 1);
  EXPECT_EQ(copy.call<&Worker::number>().get(1s), 2);
  EXPECT_EQ(patient.call<&Worker::number>().get(1s), 3);
}

// contract 11.1
TEST_P(RouterTest, SendsAndOffersTakeTurnsToo) {
  const auto r = router();
  for (int i = 0; i < 4; ++i) r.send<&Worker::note>(i);
  r.offer<&Worker::note>(4).get(1s);
  EXPECT_THAT(workers[0].call<&Worker::notes>().get(1s), ElementsAre(0, 3));
  EXPECT_THAT(workers[1].call<&Worker::notes>().get(1s), ElementsAre(1, 4));
  EXPECT_THAT(workers[2].call<&Worker::notes>().get(1s), ElementsAre(2));
}

// contract 11.1
TEST_P(RouterTest, LeastLoadedAvoidsWhoeverIsBusyWithItsCalls) {
  const auto r = router(RoutingPolicy::kLeastLoaded);
  auto long_one = r.call<&Worker::work>(500ms);
  EXPECT_THAT(numbers(r, 6), Each(::testing::Ne(1)));
  auto other = r.call<&Worker::work>(500ms);
  auto third = r.call<&Worker::work>(100ms);
  const int idle = third.get(1s);
  EXPECT_NE(idle, 1);
  // The others have one call under way: the one that has none gets the next, again and again.
  EXPECT_THAT(numbers(r, 3), Each(idle));
  EXPECT_EQ(long_one.get(1s), 1);
  EXPECT_EQ(other.get(1s) + idle, 2 + 3);
  EXPECT_THAT(each<&Worker::begun>(), Each(1));
}

// contract 11.1
TEST_P(RouterTest, SendsAvoidWhoeverIsBusyWithItsCallsToo) {
  const auto r = router(RoutingPolicy::kLeastLoaded);
  auto first = r.call<&Worker::work>(1s), second = r.call<&Worker::work>(1s);
  for (int i = 0; i < 4; ++i) r.send<&Worker::note>(i);
  EXPECT_EQ(first.get(5s) + second.get(5s), 1 + 2);
  EXPECT_THAT(workers[2].call<&Worker::notes>().get(1s), ElementsAre(0, 1, 2, 3));
}

// contract 11.1
TEST_P(RouterTest, ACallPastItsDeadlineIsNoLoadAnyMore) {
  const auto r = router(RoutingPolicy::kLeastLoaded);
  std::vector<Future<int>> stuck;
  for (int i = 0; i < 3; ++i) stuck.push_back(r.with({.timeout = 50ms}).call<&Worker::work>(20s));
  for (auto& call : stuck) EXPECT_EQ(code_of(std::move(call)), ErrorCode::kTimeout);
  auto one = r.call<&Worker::work>(1ms);
  auto two = r.call<&Worker::work>(1ms);
  auto three = r.call<&Worker::work>(1ms);
  EXPECT_THAT((std::vector{one.get(), two.get(), three.get()}), UnorderedElementsAre(1, 2, 3));
}

// contract 11.2
TEST_P(RouterTest, ARouteeThatDiesIsTakenOut) {
  const auto r = router();
  workers[1].kill();
  ASSERT_TRUE(world.run_until([&] { return r.size() == 2; }, 5s));
  EXPECT_THAT(numbers(r, 4), ElementsAre(1, 3, 1, 3));
  EXPECT_THAT(r.handles(), ElementsAre(workers[0], workers[2]));
}

// contract 11.2
TEST_P(RouterTest, ADeadActorIsNoRouteeForLong) {
  workers[0].kill();
  ASSERT_TRUE(ends(workers[0]));
  const auto r = router();
  ASSERT_TRUE(world.run_until([&] { return r.size() == 2; }, 5s));
  EXPECT_THAT(numbers(r, 2), ElementsAre(2, 3));
}

// contract 11.2
TEST_P(RouterTest, WithoutRouteesACallFailsAndNamesTheRouter) {
  const Router<Worker> none(caller, {.name = "numbers"});
  const std::string text = "unavailable: router 'numbers' has no routee";
  EXPECT_EQ(error_of(none.call<&Worker::number>()), text);
  EXPECT_EQ(error_of(none.call_all<&Worker::number>()), text);
  EXPECT_EQ(error_of(none.call_first<&Worker::number>()), text);
  EXPECT_EQ(error_of(none.offer<&Worker::note>(1)), text);
  EXPECT_EQ(error_of(none.with_key(1).call<&Worker::number>()), text);
  EXPECT_THAT(error_of(Router<Worker>(caller).call<&Worker::number>()),
              HasSubstr("a router without a name has no routee"));
}

// contract 11.2
TEST_P(RouterTest, WhenTheLastHasDiedTheErrorSaysOfWhat) {
  const Router<Worker> one(caller, {.name = "numbers"}, {workers[0]});
  workers[0].kill();
  ASSERT_TRUE(world.run_until([&] { return one.size() == 0; }, 5s));
  EXPECT_THAT(error_of(one.call<&Worker::number>()),
              AllOf(HasSubstr("router 'numbers' has no routee: "), HasSubstr("was killed")));
  one.add(workers[1]);
  one.remove(workers[1]);
  EXPECT_EQ(error_of(one.call<&Worker::number>()), "unavailable: router 'numbers' has no routee");
}

// contract 11.2
TEST_P(RouterTest, WithoutRouteesASendIsADeadLetter) {
  const Router<Worker> none(caller, {.name = "numbers"});
  none.send<&Worker::note>(1);
  none.send_all<&Worker::note>(2);
  none.with_key("a").send<&Worker::note>(3);
  const auto letters = caller.dead_letters();
  EXPECT_EQ(letters.count(DeadLetterReason::kActorEnded), 3U);
  ASSERT_THAT(letters.latest, SizeIs(3));
  EXPECT_EQ(letters.latest[0].method, "note");
  EXPECT_EQ(letters.latest[0].class_name, "Worker");
  EXPECT_EQ(letters.latest[0].cause, "router 'numbers' has no routee");
}

// contract 11.2
TEST_P(RouterTest, RouteesComeAndGo) {
  const auto r = router();
  EXPECT_FALSE(r.add(workers[0]));
  EXPECT_EQ(r.size(), 3U);
  EXPECT_TRUE(r.remove(workers[0]));
  EXPECT_FALSE(r.remove(workers[0]));
  EXPECT_THAT(numbers(r, 3), ElementsAre(2, 3, 2));
  EXPECT_TRUE(r.add(workers[0]));
  EXPECT_THAT(numbers(r, 3), UnorderedElementsAre(1, 2, 3));
}

// contract 11.2, 11.1
TEST_P(RouterTest, WhenOneGoesTheOthersKeepTheirTurns) {
  const auto r = router();
  EXPECT_THAT(numbers(r, 1), ElementsAre(1));
  EXPECT_TRUE(r.remove(workers[0]));
  EXPECT_THAT(numbers(r, 2), ElementsAre(2, 3));
  EXPECT_TRUE(r.add(workers[0]));
  EXPECT_THAT(numbers(r, 2), ElementsAre(1, 2));
  EXPECT_TRUE(r.remove(workers[0]));
  EXPECT_THAT(numbers(r, 2), ElementsAre(3, 2));
}

// contract 11.2
TEST_P(RouterTest, OneThatIsRemovedHandlesWhatItWasSent) {
  const Router<Worker> one(caller, {}, {workers[0]});
  auto call = one.call<&Worker::work>(50ms);
  one.send<&Worker::note>(1);
  one.remove(workers[0]);
  EXPECT_EQ(call.get(1s), 1);
  EXPECT_THAT(workers[0].call<&Worker::notes>().get(1s), ElementsAre(1));
}

// contract 11.2
TEST_P(RouterTest, TheRouterKeepsItsRoutees) {
  std::optional<Router<Worker>> r = router();
  auto down = caller.monitor(workers[0]);
  workers.clear();
  world.run_for(1s);
  EXPECT_EQ(r->call_all<&Worker::number>().get(1s).size(), 3U);
  EXPECT_FALSE(down.ready());
  r.reset();
  EXPECT_EQ(down.get(1s).reason, DownReason::kReleased);
}

// contract 11.3
TEST_P(RouterTest, OneKeyGoesToOneRouteeFromEveryNode) {
  const auto r = router();
  Router<Worker> there(*home, {}, {});
  for (const int number : {3, 1, 2}) {
    const auto name = "worker " + std::to_string(number);
    there.add(value_or_throw(home->find<Worker>(name, 1s)));
  }
  std::map<int, int> share;
  for (int key = 0; key < 60; ++key) {
    const int number = r.with_key(key).call<&Worker::number>().get(1s);
    EXPECT_EQ(r.with_key(key).call<&Worker::number>().get(1s), number);
    EXPECT_EQ(there.with_key(key).call<&Worker::number>().get(1s), number);
    ++share[number];
  }
  EXPECT_EQ(share.size(), 3U);
}

// contract 11.3
TEST_P(RouterTest, WhenOneGoesOnlyItsOwnKeysMove) {
  const auto r = router();
  const auto owners = [&] {
    std::vector<int> all;
    for (int key = 0; key < 60; ++key) {
      all.push_back(r.with_key(key).call<&Worker::number>().get(1s));
    }
    return all;
  };
  const auto before = owners();
  workers[1].kill();
  ASSERT_TRUE(world.run_until([&] { return r.size() == 2; }, 5s));
  const auto after = owners();
  for (std::size_t key = 0; key < before.size(); ++key) {
    if (before[key] != 2) {
      EXPECT_EQ(after[key], before[key]) << key;
    }
  }
  const auto fourth = worker(4);
  r.add(fourth);
  const auto then = owners();
  EXPECT_THAT(then, ::testing::Contains(4));
  for (std::size_t key = 0; key < before.size(); ++key) {
    if (then[key] != 4) {
      EXPECT_EQ(then[key], after[key]) << key;
    }
  }
}

// contract 11.3
TEST_P(RouterTest, AFunctionOfTheArgumentsMakesTheKey) {
  const auto r = router();
  const auto by_note = r.by([](int note) { return note % 10; });
  for (int i = 0; i < 40; ++i) by_note.send<&Worker::note>(i);
  by_note.call<&Worker::note>(40).get(1s);
  std::size_t seen = 0;
  std::map<int, std::size_t> owner;
  for (std::size_t w = 0; w < 3; ++w) {
    for (const int note : workers[w].call<&Worker::notes>().get(1s)) {
      EXPECT_EQ(owner.try_emplace(note % 10, w).first->second, w);
      ++seen;
    }
  }
  EXPECT_EQ(seen, 41U);
}

// contract 11.4
TEST_P(RouterTest, ABroadcastEndsInAllOutcomesInOrder) {
  const auto r = router();
  const auto outcomes = r.call_all<&Worker::work_unless>(2).get(1s);
  ASSERT_THAT(outcomes, SizeIs(3));
  EXPECT_EQ(outcomes[0].actor, workers[0].id());
  EXPECT_EQ(outcomes[0].result, 1);
  EXPECT_EQ(outcomes[1].actor, workers[1].id());
  EXPECT_EQ(outcomes[1].result.error(),
            (Error{ErrorCode::kFailed, "number 2", "std::runtime_error"}));
  EXPECT_EQ(outcomes[2].result, 3);
}

// contract 11.4
TEST_P(RouterTest, ABroadcastWaitsForTheSlowestAndForVoids) {
  const auto r = router();
  const TimePoint start = world.now();
  auto busy = workers[2].call<&Worker::work>(300ms);
  r.send_all<&Worker::note>(7);
  const auto outcomes = r.call_all<&Worker::note>(8).get(1s);
  EXPECT_GE(world.now() - start, 300ms);
  for (const auto& outcome : outcomes) EXPECT_TRUE(outcome.result);
  for (const auto& one : workers) {
    EXPECT_THAT(one.call<&Worker::notes>().get(1s), ElementsAre(7, 8));
  }
}

// contract 11.4
TEST_P(RouterTest, CancellingABroadcastCancelsAll) {
  const auto r = router();
  auto all = r.call_all<&Worker::work>(100ms);
  world.run_for(10ms);
  EXPECT_TRUE(all.cancel());
  EXPECT_EQ(code_of(std::move(all)), ErrorCode::kCancelled);
  world.run_for(1s);
  EXPECT_THAT(each<&Worker::begun>(), Each(1));
  EXPECT_THAT(each<&Worker::handled>(), Each(0));
}

// contract 11.5
TEST_P(RouterTest, TheFirstSuccessWinsAndTheRestIsCancelled) {
  auto busy = workers[2].call<&Worker::work>(200ms);
  const auto r = router();
  const TimePoint start = world.now();
  EXPECT_EQ(r.call_first<&Worker::work_for_number>().get(1s), 1);
  EXPECT_LT(world.now() - start, 100ms);
  world.run_for(500ms);
  EXPECT_THAT(each<&Worker::begun>(), ElementsAre(1, 1, 1));    // the third: only the busy one
  EXPECT_THAT(each<&Worker::handled>(), ElementsAre(1, 0, 1));  // the second never ended
}

// contract 11.5
TEST_P(RouterTest, AFailureDoesNotWin) {
  const Router<Worker> r(caller, {.name = "numbers"}, {workers[1], workers[2]});
  EXPECT_EQ(r.call_first<&Worker::work_unless>(2).get(1s), 3);
}

// contract 11.5
TEST_P(RouterTest, WhenAllFailTheErrorHasAllCauses) {
  const auto r = router();
  const auto same = r.call_first<&Worker::work_unless>(1).result(1s);
  ASSERT_FALSE(same);
  EXPECT_EQ(same.error().code, ErrorCode::kFailed);
  EXPECT_EQ(same.error().type, "std::runtime_error");
  EXPECT_EQ(same.error().message,
            "router 'numbers': all 3 calls failed: failed [std::runtime_error]: number 1; "
            "failed [std::runtime_error]: number 2; failed [std::runtime_error]: number 3");

  for (const std::size_t slow : {0, 2}) {
    auto busy = workers[slow].call<&Worker::work>(900ms);
    const auto mixed = r.with({.timeout = 100ms}).call_first<&Worker::work_unless>(1).result(1s);
    ASSERT_FALSE(mixed);
    EXPECT_EQ(mixed.error().code, ErrorCode::kFailed);
    EXPECT_EQ(mixed.error().type, "");
    EXPECT_THAT(mixed.error().message, AllOf(HasSubstr("timeout: "), HasSubstr("number 2")));
    world.run_for(1s);
  }
}

// contract 11.5
TEST_P(RouterTest, CancellingTheFirstCancelsAll) {
  const auto r = router();
  auto first = r.call_first<&Worker::work>(100ms);
  world.run_for(10ms);
  EXPECT_TRUE(first.cancel());
  world.run_for(1s);
  EXPECT_EQ(code_of(std::move(first)), ErrorCode::kCancelled);
  EXPECT_THAT(each<&Worker::handled>(), Each(0));
}

// contract 3.6
TEST_P(RouterTest, APendingLimitCountsTheCallsToAll) {
  const auto r = router().with({.max_pending = 4});
  const auto copy = r;
  std::vector<Future<int>> calls;
  for (int i = 0; i < 4; ++i) calls.push_back(copy.call<&Worker::work>(50ms));
  EXPECT_THAT(error_of(r.call<&Worker::number>()), HasSubstr("overloaded: number: 4 calls"));
  ASSERT_TRUE(wait_all(calls, 1s));
  EXPECT_TRUE(r.call<&Worker::number>().result(1s));
}

class Dispatcher {
 public:
  explicit Dispatcher(std::vector<Handle<Worker>> workers)
      : workers_(this_actor::runtime(), {.name = "inside"}, workers) {}
  Task<int> sum(int calls) {
    int sum = 0;
    for (int i = 0; i < calls; ++i) sum += co_await workers_.call<&Worker::work>(1ms);
    for (const auto& outcome : co_await workers_.call_all<&Worker::number>())
      sum += *outcome.result;
    co_return sum + co_await workers_.call_first<&Worker::work_for_number>();
  }

 private:
  Router<Worker> workers_;
};
MUSTER_ACTOR(Dispatcher, sum);

TEST_P(RouterTest, HandlersAwaitItsCalls) {
  const auto dispatcher = caller.spawn<Dispatcher>({}, workers);
  EXPECT_EQ(dispatcher.call<&Dispatcher::sum>(4).get(5s), 1 + 2 + 3 + 1 + (1 + 2 + 3) + 1);
}

TEST_P(RouterTest, MayOutliveItsRuntime) {
  const auto r = router();
  const auto keyed = r.with_key("k");
  workers.clear();
  world.shutdown();
  EXPECT_EQ(code_of(r.call<&Worker::number>()), ErrorCode::kUnavailable);
  EXPECT_EQ(code_of(keyed.call<&Worker::number>()), ErrorCode::kUnavailable);
  r.send<&Worker::note>(1);
}

class RouterWorldTest : public ::testing::Test {
 protected:
  muster::testing::SimWorld world{test_seed()};
};

// contract 11.2
TEST_F(RouterWorldTest, OfALostNodeAllRouteesAreTakenOut) {
  Runtime& head = world.start("head", {.listen = "head:1"});
  std::vector<Handle<Worker>> workers;
  std::vector<Handle<Worker>> kept;
  for (const auto* name : {"a", "b"}) {
    Runtime& node = world.start(name);
    value_or_throw(node.join("head:1", 5s));
    for (int i = 0; i < 2; ++i) {
      const std::string called = name + std::to_string(i);
      kept.push_back(node.spawn<Worker>({.name = called}, i));
      workers.push_back(value_or_throw(head.find<Worker>(called, 5s)));
    }
  }
  const Router<Worker> router(head, {.name = "all"}, workers);
  world.exit("a");
  ASSERT_TRUE(world.run_until([&] { return router.size() == 2; }, 10s));
  EXPECT_THAT(router.handles(), ElementsAre(workers[2], workers[3]));
  world.exit("b");
  ASSERT_TRUE(world.run_until([&] { return router.size() == 0; }, 10s));
  EXPECT_THAT(error_of(router.call<&Worker::number>()),
              HasSubstr("router 'all' has no routee: the connection with node"));
}

// Threads that call, add, remove and kill at the same time, over TCP: every call ends, and those
// that succeed were handled.
TEST(RouterThreadsTest, CallersAndChangesDoNotDisturbEachOther) {
  Runtime near({.threads = 2, .listen = "127.0.0.1:0"});
  Runtime far({.threads = 2});
  value_or_throw(far.join(near.listen_address(), 10s));
  std::vector<Handle<Worker>> far_ones;
  std::vector<Handle<Worker>> steady;
  for (int i = 0; i < 4; ++i) {
    const std::string name = "w" + std::to_string(i);
    if (i % 2 == 0) {
      steady.push_back(near.spawn<Worker>({.name = name}, i));
    } else {
      far_ones.push_back(far.spawn<Worker>({.name = name}, i));
      steady.push_back(value_or_throw(near.find<Worker>(name, 10s)));
    }
  }
  const Router<Worker> router(near, {.policy = RoutingPolicy::kLeastLoaded}, steady);
  std::atomic<int> succeeded{0};
  std::atomic<int> gone{0};
  std::atomic<int> wrong{0};
  std::vector<std::thread> callers;
  for (int t = 0; t < 3; ++t) {
    callers.emplace_back([&, t] {
      for (int i = 0; i < 400; ++i) {
        const auto result = i % 3 == 0   ? router.with_key(i).call<&Worker::number>().result(30s)
                            : i % 7 == t ? router.call_first<&Worker::number>().result(30s)
                                         : router.call<&Worker::number>().result(30s);
        auto& count = result                                           ? succeeded
                      : result.error().code == ErrorCode::kUnavailable ? gone
                                                                       : wrong;
        ++count;
      }
    });
  }
  for (int i = 0; i < 100; ++i) {
    const auto passing = near.spawn<Worker>({}, 100 + i);
    router.add(passing);
    if (i % 2 == 0) passing.kill();
    router.remove(steady[static_cast<std::size_t>(i) % 4]);
    router.add(steady[static_cast<std::size_t>(i) % 4]);
    if (i % 2 != 0) router.remove(passing);
  }
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(succeeded + gone, 1200);
  EXPECT_GT(succeeded, 600);
  EXPECT_THAT(router.call_all<&Worker::number>().get(30s), SizeIs(::testing::Ge(4U)));
}

}  // namespace
}  // namespace muster::test
