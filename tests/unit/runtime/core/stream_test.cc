// Results one after the other, as they are made.

#include <muster/testing/gtest.h>

#include "unit/runtime/core/stream_source.h"

namespace muster::test {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class StreamTest : public WorldTest {
 protected:
  StreamTest() : source(source_called("source")) {}
  Handle<Source> source_called(const std::string& name, SpawnOptions options = {}) {
    options.name = name;
    options.detached = true;
    const auto made = home->spawn<Source>(options, &trace);
    return home == &caller ? made : value_or_throw(caller.find<Source>(name, 5s));
  }
  Trace trace;
  Handle<Source> source;
};
INSTANTIATE_TEST_SUITE_P(Places, StreamTest, ::testing::Values(Place::kLocal, Place::kRemote),
                         place_name);

// contract 9.10
TEST_P(StreamTest, AllItemsComeInOrderWhateverTheWindow) {
  for (const std::uint32_t window : {1U, 2U, 3U, 64U, 1000U}) {
    for (const int count : {0, 1, 2, 63, 64, 65, 300}) {
      const auto with = source.with({.stream_window = window});
      EXPECT_THAT(all_of(with.call<&Source::count>(count)), ElementsAreArray(up_to(count)))
          << window;
    }
  }
}

TEST_P(StreamTest, ItemsOfEveryKindArrive) {
  const std::string text(100, 'x');
  EXPECT_THAT(all_of(source.call<&Source::lines>(std::vector<std::string>{"a", text})),
              ElementsAre(Line{1, "a"}, Line{2, text}));
  EXPECT_THAT(all_of(source.call<&Source::odd>(std::vector<int>{1, 2, 3})),
              ElementsAre(true, false, true));
  const auto blocks = all_of(source.call<&Source::blocks>(100'000U, 5));
  ASSERT_THAT(blocks, SizeIs(5));
  EXPECT_EQ(blocks[4].size(), 100'000U);
  EXPECT_EQ(blocks[4][99'999], 4.0F);
}

TEST_P(StreamTest, TheEndStaysTheEnd) {
  auto stream = source.call<&Source::none>();
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(stream.next(1s).has_value());
}

// contract 9.10
TEST_P(StreamTest, ItemsComeAsTheyAreMade) {
  auto stream = source.call<&Source::count_slowly>(3, 100ms);
  const TimePoint start = world.now();
  for (int i = 1; i <= 3; ++i) {
    EXPECT_EQ(stream.next(1s), i);
    EXPECT_LT(world.now() - start, i * 100ms + 20ms);
  }
}

// contract 9.11
TEST_P(StreamTest, TheHandlerIsNeverMoreThanTheWindowAhead) {
  auto stream = source.with({.stream_window = 10}).call<&Source::forever>();
  int most = 0;
  for (int taken = 0; taken < 100; ++taken) {
    world.run_for(10ms);
    most = std::max(most, trace.made - taken);
    ASSERT_EQ(stream.next(1s), taken + 1);
  }
  EXPECT_EQ(most, 10);
}

// contract 9.11, 1.2
TEST_P(StreamTest, TheNextMessageWaitsUntilTheHandlerHasReturned) {
  auto stream = source.with({.stream_window = 2}).call<&Source::count>(4);
  auto plain = source.call<&Source::plain>();
  EXPECT_EQ(stream.next(1s), 1);
  world.run_for(100ms);
  EXPECT_FALSE(plain.ready());
  EXPECT_THAT(all_of(std::move(stream)), ElementsAre(2, 3, 4));
  EXPECT_EQ(plain.get(1s), 42);
}

// contract 9.11
TEST_P(StreamTest, TheLastItemsNeedNotBeTakenForTheHandlerToReturn) {
  auto stream = source.with({.stream_window = 5}).call<&Source::count>(4);
  EXPECT_EQ(source.call<&Source::plain>().get(1s), 42);
  EXPECT_THAT(all_of(std::move(stream)), ElementsAre(1, 2, 3, 4));
}

// contract 9.13
TEST_P(StreamTest, DroppingTheStreamEndsTheHandlerAtItsNextYield) {
  auto stream = source.with({.stream_window = 4}).call<&Source::forever>();
  EXPECT_EQ(stream.next(1s), 1);
  stream = {};
  EXPECT_EQ(source.call<&Source::plain>().get(1s), 42);
  EXPECT_EQ(trace.left, 1);
  EXPECT_LE(trace.made, 5);
}

// contract 9.13
TEST_P(StreamTest, DroppingTheStreamCancelsWhatTheHandlerWaitsFor) {
  auto stream = source.call<&Source::count_slowly>(1'000'000, 10s);
  EXPECT_EQ(stream.next(11s), 1);
  stream = {};
  EXPECT_EQ(source.call<&Source::plain>().get(1s), 42);
  EXPECT_EQ(trace.left, 1);
  EXPECT_EQ(trace.made, 1);
}

// contract 9.13, 8.3
TEST_P(StreamTest, ACancelledHandlerMayWaitAgainToCleanUp) {
  auto stream = source.call<&Source::tidy_up>(10s);
  world.run_for(20ms);
  stream = {};
  EXPECT_EQ(source.call<&Source::plain>().get(1s), 42);
  EXPECT_TRUE(trace.tidied);
}

// contract 9.13
TEST_P(StreamTest, DroppedBeforeTheHandlerBegins) {
  auto first = source.call<&Source::count_slowly>(3, 10ms);
  static_cast<void>(source.call<&Source::forever>());
  EXPECT_THAT(all_of(std::move(first)), ElementsAre(1, 2, 3));
  EXPECT_EQ(source.call<&Source::plain>().get(1s), 42);
  world.run_for(100ms);
  EXPECT_EQ(caller.stats().actors, remote() ? 0U : 1U);  // and no sink is left
}

// contract 9.14
TEST_P(StreamTest, WhatTheHandlerThrowsComesAfterTheItemsBeforeIt) {
  auto stream = source.with({.stream_window = 2}).call<&Source::count_and_throw>(5);
  for (int i = 1; i <= 5; ++i) EXPECT_EQ(stream.next(1s), i);
  for (int i = 0; i < 2; ++i) {
    const auto end = stream.next_result(1s);
    ASSERT_FALSE(end);
    EXPECT_EQ(end.error(), (Error{ErrorCode::kFailed, "no more", "std::runtime_error"}));
  }
  EXPECT_EQ(source.call<&Source::plain>().get(1s), 42);  // the actor lives
}

// contract 9.14
TEST_P(StreamTest, WhatAMethodThrowsBeforeItHasAStreamEndsTheCallers) {
  auto refused = source.call<&Source::refused>();
  const auto end = refused.next_result(1s);
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error(), (Error{ErrorCode::kFailed, "no stream", "std::runtime_error"}));
  EXPECT_EQ(source.call<&Source::plain>().get(1s), 42);  // the actor lives
  auto checked = source.call<&Source::checked>();
  EXPECT_THAT(end_of(checked), HasSubstr("check failed: false (no stream)"));
  EXPECT_EQ(code_of(source.call<&Source::plain>(), 1s), ErrorCode::kUnavailable);
}

// The Stream outlives the handle that was called and went into the call.
TEST_P(StreamTest, AHandleMayGoIntoTheCallMadeThroughIt) {
  auto handle = source;
  auto stream = handle.call<&Source::given>(std::move(handle));
  EXPECT_THAT(all_of(std::move(stream)), ElementsAre(1));
}

// contract 9.14
TEST_P(StreamTest, WhatEndsTheActorComesAfterTheItemsBeforeIt) {
  auto crashing = source.call<&Source::count_and_check>(3);
  for (int i = 1; i <= 3; ++i) EXPECT_EQ(crashing.next(1s), i);
  EXPECT_THAT(crashing.next_result(1s).error().message, HasSubstr("check failed: to < 0 (3)"));
  const auto other = source_called("other");
  auto killed = other.with({.stream_window = 3}).call<&Source::forever>();
  EXPECT_EQ(killed.next(1s), 1);
  world.run_for(10ms);
  other.kill();
  EXPECT_THAT(end_of(killed), HasSubstr("was killed"));
  EXPECT_EQ(trace.left, 1);
}

// contract 9.14
TEST_P(StreamTest, ACallThatIsRefusedSaysSoInsteadOfTheFirstItem) {
  const auto small = source_called("small", {.mailbox_capacity = 1});
  auto busy = small.with({.stream_window = 1}).call<&Source::count>(3);
  world.run_for(10ms);
  auto waiting = small.call<&Source::count>(1);
  auto refused = small.call<&Source::count>(1);
  EXPECT_EQ(refused.next_result(1s).error().code, ErrorCode::kOverloaded);
  EXPECT_THAT(all_of(std::move(busy)), ElementsAre(1, 2, 3));
  EXPECT_THAT(all_of(std::move(waiting)), ElementsAre(1));
  small.stop();
  world.run_for(10ms);
  EXPECT_EQ(small.call<&Source::count>(1).next_result(1s).error().code, ErrorCode::kUnavailable);
}

// contract 9.12
TEST_P(StreamTest, TheOneWhoTakesTheItemsMayTakeHisTime) {
  auto stream = source.with({.stream_window = 2}).call<&Source::count>(5);
  EXPECT_EQ(stream.next(1s), 1);
  world.run_for(200s);  // longer than a call may take
  EXPECT_THAT(all_of(std::move(stream)), ElementsAre(2, 3, 4, 5));
}

TEST_P(StreamTest, RulesOfTestsSeeTheCall) {
  world.messages()
      .on<&Source::count>([](int to) { return to == 3; })
      .times(1)
      .refuse({ErrorCode::kOverloaded, "not now", {}});
  EXPECT_EQ(source.call<&Source::count>(3).next_result(1s).error().message, "not now");
  EXPECT_THAT(all_of(source.call<&Source::count>(3)), SizeIs(3));
}

// contract 3.6
TEST_P(StreamTest, AStreamCountsAsUnderWayUntilItHasEnded) {
  const auto one = source.with({.max_pending = 1, .stream_window = 1});
  auto stream = one.call<&Source::count>(3);
  EXPECT_EQ(one.call<&Source::none>().next_result(1s).error().code, ErrorCode::kOverloaded);
  EXPECT_THAT(all_of(std::move(stream)), SizeIs(3));
  EXPECT_THAT(all_of(one.call<&Source::none>()), IsEmpty());
}

// contract 3.4
TEST_P(StreamTest, ACallMayWaitForRoomAndGoesWhenNobodyWantsItAnyMore) {
  const auto small = source_called("small", {.mailbox_capacity = 1});
  const auto patient = small.with({.when_full = WhenFull::kWait});
  auto busy = small.with({.stream_window = 1}).call<&Source::count>(3);
  world.run_for(10ms);
  auto first = patient.call<&Source::count>(1);
  auto unwanted = patient.call<&Source::forever>();
  auto third = patient.call<&Source::count>(2);
  world.run_for(10ms);
  unwanted = {};
  EXPECT_THAT(all_of(std::move(busy)), SizeIs(3));
  EXPECT_THAT(all_of(std::move(first)), SizeIs(1));
  EXPECT_THAT(all_of(std::move(third)), SizeIs(2));
  EXPECT_EQ(trace.made, 2);  // by the last: forever() has not begun
}

TEST_P(StreamTest, AHandlerMayPassOnTheStreamOfAnother) {
  const auto other = source_called("other");
  auto stream = source.with({.stream_window = 2}).call<&Source::of_another>(other, 5);
  for (int i = 1; i <= 5; ++i) EXPECT_EQ(stream.next(1s), i);
  EXPECT_EQ(stream.next_result(1s).error().message, "no more");
}

TEST_P(StreamTest, ArgumentsMayBeLate) {
  const auto counter = caller.spawn<Counter>({}, 3);
  EXPECT_THAT(all_of(source.call<&Source::count>(counter.call<&Counter::nap>(20ms))),
              ElementsAre(1, 2, 3));
  const auto texts = caller.put(std::vector<std::string>{"a", "b"});
  EXPECT_THAT(all_of(source.call<&Source::lines>(texts)), SizeIs(2));
  auto failing = source.call<&Source::count>(
      counter.call<&Counter::fail_with>("late").then([](Result<void> result) {
        value_or_throw(std::move(result));
        return 1;
      }));
  EXPECT_EQ(failing.next_result(1s).error().message, "late");
}

// contract 9.12
TEST_P(StreamTest, AnItemThatDoesNotComeInTimeLeavesTheStreamAsItWas) {
  auto stream = source.call<&Source::count_slowly>(2, 100ms);
  EXPECT_EQ(stream.next_result(20ms).error().code, ErrorCode::kTimeout);
  EXPECT_EQ(stream.next(1s), 1);
  EXPECT_EQ(stream.next_result(20ms).error().code, ErrorCode::kTimeout);
  EXPECT_EQ(stream.next(1s), 2);
}

class Taker {
 public:
  Task<int> sum(Handle<Source> source, int to) {
    int sum = 0;
    auto stream = source.call<&Source::count_slowly>(to, 1ms);
    while (const auto item = co_await stream.next()) sum += *item;
    co_return sum;
  }
  Task<std::string> impatient(Handle<Source> source) {
    auto stream = source.with({.timeout = 10ms}).call<&Source::count_slowly>(1, 50ms);
    const auto none = co_await stream.next_result();
    const auto later = co_await source.with({.timeout = 1s}).call<&Source::plain>().as_result();
    co_return none.error().describe();
  }
  ErrorCode block(Handle<Source> source) {
    return source.call<&Source::count_slowly>(1, 1ms).next_result(1s).error().code;
  }
  Task<int> never(Handle<Source> source) {
    auto stream = source.call<&Source::count_slowly>(1, 10s);
    co_return (co_await stream.next()).value_or(-1);
  }
};
MUSTER_ACTOR(Taker, sum, impatient, block, never);

TEST_P(StreamTest, HandlersAwaitItems) {
  const auto taker = caller.spawn<Taker>();
  EXPECT_EQ(taker.call<&Taker::sum>(source, 100).get(5s), 5050);
  EXPECT_THAT(taker.call<&Taker::impatient>(source).get(1s), HasSubstr("timeout: "));
}

// contract 1.6
TEST_P(StreamTest, WaitingForAnItemInAHandlerIsRefusedRatherThanBlocking) {
  const auto taker = caller.spawn<Taker>();
  EXPECT_EQ(taker.call<&Taker::block>(source).get(1s), ErrorCode::kInvalid);
}

// contract 9.13
TEST_P(StreamTest, AConsumerThatIsKilledEndsTheHandler) {
  const auto taker = caller.spawn<Taker>();
  auto never = taker.call<&Taker::never>(source);
  world.run_for(10ms);
  taker.kill();
  EXPECT_EQ(code_of(std::move(never)), ErrorCode::kUnavailable);
  EXPECT_EQ(source.call<&Source::plain>().get(1s), 42);
  EXPECT_EQ(trace.left, 1);
}

// contract 9.14, 6.2
TEST_P(StreamTest, AShutdownOfTheProducerEndsTheStreamAfterTheItemsThatCame) {
  auto stream = source.with({.stream_window = 3}).call<&Source::forever>();
  world.run_for(100ms);
  home->shutdown();
  world.run_for(100ms);
  for (int i = 1; i <= 3; ++i) EXPECT_EQ(stream.next(1s), i);
  EXPECT_THAT(end_of(stream), HasSubstr("unavailable"));
  EXPECT_EQ(trace.left, 1);
}

// contract 9.13
TEST_P(StreamTest, AStreamMayOutliveItsRuntime) {
  auto stream = source.with({.stream_window = 3}).call<&Source::forever>();
  EXPECT_EQ(stream.next(1s), 1);
  world.shutdown();
  EXPECT_THAT(end_of(stream), HasSubstr("unavailable"));
  EXPECT_EQ(trace.left, 1);
}

TEST_P(StreamTest, AnEmptyStreamIsCaughtAsABug) {
  EXPECT_DEATH(static_cast<void>(Stream<int>().next(1s)), "the Stream is empty");
  EXPECT_DEATH(static_cast<void>(source.with({.stream_window = 0}).call<&Source::none>()),
               "window > 0");
  EXPECT_DEATH(static_cast<void>(source.with({.stream_window = 65'537}).call<&Source::none>()),
               "window > 0");
}

class StreamNodeTest : public ::testing::Test {
 protected:
  StreamNodeTest() : world(test_seed()), home(world.start("home", {.listen = "home:1"})) {
    value_or_throw(away().join("home:1", 5s));
    home.spawn<Source>({.name = "source", .detached = true}, &trace);
    source = value_or_throw(away().find<Source>("source", 5s));
  }
  Runtime& away() { return world_away ? *world_away : *(world_away = &world.start("away")); }
  testing::SimWorld world;
  Runtime& home;
  Runtime* world_away = nullptr;
  Trace trace;
  Handle<Source> source;
};

// contract 9.14
TEST_F(StreamNodeTest, ALostProducerEndsTheStreamAfterTheItemsThatCame) {
  auto stream = source.with({.stream_window = 5}).call<&Source::forever>();
  world.run_for(100ms);
  world.network().exit("home");
  world.run_for(100ms);
  for (int i = 1; i <= 5; ++i) EXPECT_EQ(stream.next(1s), i);
  EXPECT_THAT(end_of(stream), HasSubstr("unavailable: the connection with node"));
}

// contract 9.13
TEST_F(StreamNodeTest, ALostConsumerEndsTheHandler) {
  auto stream = source.with({.stream_window = 5}).call<&Source::forever>();
  EXPECT_EQ(stream.next(1s), 1);
  world.network().drop_connections("home", "away");
  world.run_for(100ms);
  EXPECT_EQ(trace.left, 1);
  EXPECT_EQ(home.stats().actors, 1U);
}

Task<int> take_and_drop(Handle<Source> source, int count) {
  auto stream = source.call<&Source::forever>();
  int last = 0;
  for (int i = 0; i < count; ++i) last = (co_await stream.next()).value_or(-1);
  co_return last;
}

// contract 9.10, 9.11, 9.13: in every order of what the actors do.
TEST(StreamSchedulesTest, ADropLeavesNothingBehindAndTheActorGoesOn) {
  for (const int taken : {0, 1, 2}) {
    const auto explored = testing::for_each_schedule([&](testing::SimWorld& world) {
      Runtime& node = world.start("node");
      Trace trace;
      const auto source = node.spawn<Source>({}, &trace);
      auto task = node.run(take_and_drop(source.with({.stream_window = 1}), taken));
      auto plain = node.spawn<Source>({}, &trace).call<&Source::plain>();
      EXPECT_EQ(task.get(1s), taken);
      EXPECT_EQ(plain.get(1s), 42);
      EXPECT_EQ(source.call<&Source::plain>().get(1s), 42);
      EXPECT_LE(trace.made, taken + 1);
      EXPECT_EQ(trace.left, trace.made > 0 ? 1 : 0);
    });
    EXPECT_TRUE(explored.complete) << explored.schedules;
  }
}

// contract 9.13: the same across nodes, as far as the bound goes.
TEST(StreamSchedulesTest, ADropAcrossNodesLeavesNothingBehind) {
  const auto explored = testing::for_each_schedule(
      [&](testing::SimWorld& world) {
        Runtime& home = world.start("home", {.listen = "home:1"});
        Runtime& away = world.start("away");
        value_or_throw(away.join("home:1", 5s));
        Trace trace;
        home.spawn<Source>({.name = "source", .detached = true}, &trace);
        const auto source = value_or_throw(away.find<Source>("source", 5s));
        EXPECT_EQ(away.run(take_and_drop(source.with({.stream_window = 2}), 3)).get(1s), 3);
        EXPECT_EQ(source.call<&Source::plain>().get(1s), 42);
        EXPECT_EQ(trace.left, 1);
        world.run_for(100ms);
        EXPECT_EQ(away.stats().actors, 0U);
      },
      {.schedules = 500});
  EXPECT_GT(explored.schedules, 1U);
}

TEST(StreamThreadsTest, ManyStreamsRunAtATimeAndSomeAreDropped) {
  Runtime home({.threads = 2, .listen = "127.0.0.1:0"});
  Runtime away({.threads = 2});
  value_or_throw(away.join(home.listen_address(), 5s));
  std::vector<Trace> traces(8);
  for (std::size_t i = 0; i < traces.size(); ++i) {
    const auto local =
        home.spawn<Source>({.name = "s" + std::to_string(i), .detached = true}, &traces[i]);
    const auto source =
        i % 2 == 0 ? local : value_or_throw(away.find<Source>("s" + std::to_string(i), 5s));
    auto stream = source.with({.stream_window = 7}).call<&Source::count>(1000);
    auto dropped = source.call<&Source::forever>();
    auto last = source.with({.stream_window = 3}).call<&Source::count>(10);
    ASSERT_THAT(all_of(std::move(stream), 10s), SizeIs(1000));
    ASSERT_TRUE(dropped.next(10s).has_value());
    dropped = {};
    ASSERT_THAT(all_of(std::move(last), 10s), SizeIs(10));
  }
}

// contract 4.3
TEST(StreamThreadsTest, AKillIsHeardOfHoweverFastTheItemsAreTaken) {
  Runtime home({.threads = 2});
  Trace trace;
  const auto source = home.spawn<Source>({}, &trace);
  auto stream = source.with({.stream_window = 1000}).call<&Source::forever>();
  for (int i = 0; i < 10'000; ++i) ASSERT_TRUE(stream.next(10s).has_value());
  source.kill();
  EXPECT_THAT(end_of(stream), HasSubstr("was killed"));
}

}  // namespace
}  // namespace muster::test
