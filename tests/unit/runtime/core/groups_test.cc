// Reentrant actors and concurrency groups: which handlers of one actor are under way together.

#include <atomic>
#include <thread>

#include "unit/runtime/core/fixture.h"

namespace muster::test {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Board {
  std::vector<std::string> seen;
  int under_way = 0;
  int most = 0;
};

class Shop {
 public:
  explicit Shop(Board* board) : board_(*board) {}
  Task<int> load(int n, milliseconds time) { return work("load", n, time); }
  Task<int> save(int n, milliseconds time) { return work("save", n, time); }
  Task<int> index(int n, milliseconds time) { return work("index", n, time); }
  void note(int n) { board_.seen.push_back("note " + std::to_string(n)); }
  Task<> fail_check(milliseconds time) {
    co_await sleep_for(time);
    MUSTER_CHECK(board_.seen.empty(), "not empty");
  }
  Task<int> ask_itself(int n) {
    const auto self = this_actor::handle<Shop>();
    co_return co_await self.call<&Shop::load>(n, 1ms);
  }

 private:
  Task<int> work(std::string what, int n, milliseconds time) {
    board_.seen.push_back(what + " " + std::to_string(n));
    board_.most = std::max(board_.most, ++board_.under_way);
    const struct Leave {
      Board& board;
      ~Leave() { --board.under_way; }
    } leave{board_};
    co_await sleep_for(time);
    co_return n;
  }
  Board& board_;
};
MUSTER_ACTOR(Shop, load, save, index, note, fail_check, ask_itself);

class GroupsTest : public WorldTest {
 protected:
  Handle<Shop> spawn_shop(SpawnOptions options) {
    options.name = "shop";
    const auto made = home->spawn<Shop>(options, &board);
    return home == &caller ? made : value_or_throw(caller.find<Shop>("shop", 5s));
  }
  Handle<Shop> spawn_grouped() {
    return spawn_shop(
        {.groups = {{.name = "io", .limit = 2, .methods = methods<&Shop::load, &Shop::save>()},
                    {.name = "compute", .limit = 1, .methods = methods<&Shop::index>()}}});
  }
  Board board;
};
INSTANTIATE_TEST_SUITE_P(Places, GroupsTest, ::testing::Values(Place::kLocal, Place::kRemote),
                         place_name);

// contract 8.6
TEST_P(GroupsTest, ReentrantActorHandlesTheNextMessageWhileAHandlerIsSuspended) {
  const auto shop = spawn_shop({.reentrant = true});
  auto slow = shop.call<&Shop::load>(1, 100ms);
  auto fast = shop.call<&Shop::load>(2, 10ms);
  auto plain = shop.call<&Shop::note>(3);
  plain.get(5ms);
  EXPECT_EQ(fast.get(50ms), 2);
  EXPECT_FALSE(slow.ready());
  EXPECT_EQ(slow.get(1s), 1);
  EXPECT_THAT(board.seen, ElementsAre("load 1", "load 2", "note 3"));
}

// contract 8.6
TEST_P(GroupsTest, ReentrantActorMayCallItself) {
  const auto shop = spawn_shop({.reentrant = true});
  EXPECT_EQ(shop.call<&Shop::ask_itself>(7).get(1s), 7);
}

// contract 8.6
TEST_P(GroupsTest, ReentrantActorHasNoMoreHandlersUnderWayThanItsMailboxHolds) {
  const auto shop = spawn_shop({.mailbox_capacity = 3, .reentrant = true});
  std::vector<Future<int>> calls;
  for (int i = 0; i < 7; ++i) {
    calls.push_back(shop.call<&Shop::load>(i, 50ms));
    world.run_for(1ms);
  }
  EXPECT_TRUE(wait_all(calls, 1s));
  EXPECT_THAT(error_of(std::move(calls.back())), HasSubstr("its mailbox is full (3 messages)"));
  EXPECT_EQ(board.most, 3);
  EXPECT_EQ(board.seen.size(), 6U);
}

// contract 8.7
TEST_P(GroupsTest, GroupHasNoMoreHandlersUnderWayThanItsLimitAndKeepsOrder) {
  const auto shop = spawn_grouped();
  std::vector<Future<int>> calls;
  for (int i = 0; i < 3; ++i) {
    calls.push_back(shop.call<&Shop::load>(i, 20ms));
    calls.push_back(shop.call<&Shop::save>(i, 20ms));
  }
  world.run_for(15ms);
  EXPECT_EQ(board.under_way, 2);
  EXPECT_TRUE(wait_all(calls, 1s));
  EXPECT_EQ(board.most, 2);
  EXPECT_THAT(board.seen, ElementsAre("load 0", "save 0", "load 1", "save 1", "load 2", "save 2"));
}

// contract 8.7
TEST_P(GroupsTest, FullGroupKeepsNobodyElseWaiting) {
  const auto shop = spawn_grouped();
  auto first = shop.call<&Shop::index>(1, 1s);
  auto second = shop.call<&Shop::index>(2, 1ms);
  auto other = shop.call<&Shop::load>(3, 1ms);
  auto ungrouped = shop.call<&Shop::note>(4);
  EXPECT_EQ(other.get(20ms), 3);
  ungrouped.get(20ms);
  EXPECT_EQ(first.get(5s), 1);
  EXPECT_EQ(second.get(20ms), 2);
  EXPECT_THAT(board.seen,
              ::testing::UnorderedElementsAre("index 1", "load 3", "note 4", "index 2"));
}

// contract 8.7
TEST_P(GroupsTest, DefaultGroupHandlesOneAtATime) {
  const auto shop = spawn_shop({.groups = {{.name = "io", .methods = methods<&Shop::load>()}}});
  auto first = shop.call<&Shop::save>(1, 20ms);
  auto second = shop.call<&Shop::index>(2, 20ms);
  auto beside = shop.call<&Shop::load>(3, 20ms);
  EXPECT_EQ(second.get(1s), 2);
  EXPECT_EQ(board.most, 2);
}

// contract 8.7
TEST_P(GroupsTest, CallMayNameAnotherGroup) {
  const auto shop = spawn_grouped();
  auto indexing = shop.call<&Shop::index>(1, 100ms);
  world.run_for(10ms);
  EXPECT_EQ(shop.with({.group = "io"}).call<&Shop::index>(2, 1ms).get(20ms), 2);
  auto waits = shop.with({.group = "compute"}).call<&Shop::load>(3, 1ms);
  world.run_for(20ms);
  EXPECT_FALSE(waits.ready());
  EXPECT_EQ(waits.get(1s), 3);
  EXPECT_EQ(indexing.get(), 1);
}

// contract 8.7
TEST_P(GroupsTest, CallToAGroupThatTheActorHasNotIsInvalid) {
  const auto shop = spawn_grouped();
  EXPECT_THAT(error_of(shop.with({.group = "net"}).call<&Shop::index>(2, 1ms), 1s),
              HasSubstr("it has 'io', 'compute'"));
  shop.with({.group = "net"}).send<&Shop::note>(1);
  world.run_for(10ms);
  EXPECT_EQ(home->stats().dead_letters, 1U);
  const auto counter = spawn(1);
  EXPECT_THAT(error_of(counter.with({.group = "io"}).call<&Counter::value>(), 1s),
              HasSubstr("has no concurrency group of the name that the call gives; it has none"));
}

// contract 8.1, 8.7
TEST_P(GroupsTest, UrgentMessageOvertakesInItsGroupAndKeepsItsLimit) {
  const auto shop = spawn_grouped();
  auto first = shop.call<&Shop::index>(1, 20ms);
  world.run_for(10ms);
  auto second = shop.call<&Shop::index>(2, 1ms);
  auto urgent = shop.with({.urgent = true}).call<&Shop::index>(3, 1ms);
  second.get(1s);
  EXPECT_THAT(board.seen, ElementsAre("index 1", "index 3", "index 2"));
  EXPECT_EQ(board.most, 1);
}

// contract 4.3, 8.7
TEST_P(GroupsTest, StopComesAfterAllThatWasSentBeforeHasEnded) {
  const auto shop = spawn_grouped();
  auto down = caller.monitor(shop);
  std::vector<Future<int>> calls;
  for (int i = 0; i < 3; ++i) {
    calls.push_back(shop.call<&Shop::load>(i, 50ms));
    calls.push_back(shop.call<&Shop::index>(i, 30ms));
  }
  shop.stop();
  auto late = shop.call<&Shop::save>(9, 1ms);
  EXPECT_EQ(down.get(1s).reason, DownReason::kStopped);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(calls[2 * i].get(1s), i);
    EXPECT_EQ(calls[2 * i + 1].get(1s), i);
  }
  EXPECT_THAT(error_of(std::move(late), 1s), HasSubstr("was stopped"));
}

// contract 4.3, 4.4
TEST_P(GroupsTest, KillAndCrashEndEveryHandlerUnderWayAndAllThatWaits) {
  for (const bool kill : {true, false}) {
    board = {};
    const auto shop = spawn_grouped();
    auto down = caller.monitor(shop);
    std::vector<Future<int>> calls;
    for (int i = 0; i < 3; ++i) {
      calls.push_back(shop.call<&Shop::load>(i, 10s));
      calls.push_back(shop.call<&Shop::index>(i, 10s));
    }
    world.run_for(10ms);
    EXPECT_EQ(board.under_way, 3);
    if (kill) {
      shop.kill();
    } else {
      shop.send<&Shop::fail_check>(5ms);
    }
    EXPECT_EQ(down.get(1s).reason, kill ? DownReason::kKilled : DownReason::kCrashed);
    for (auto& call : calls) EXPECT_EQ(code_of(std::move(call), 1s), ErrorCode::kUnavailable);
    EXPECT_EQ(board.under_way, 0);
  }
}

// contract 8.2, 8.3, 8.7
TEST_P(GroupsTest, CancelFindsItsHandlerAmongManyAndItsMessageInItsGroup) {
  const auto shop = spawn_grouped();
  std::vector<Future<int>> calls;
  for (int i = 0; i < 4; ++i) calls.push_back(shop.call<&Shop::load>(i, 100ms));
  world.run_for(10ms);
  EXPECT_TRUE(calls[2].cancel());  // waits
  EXPECT_TRUE(calls[1].cancel());  // under way
  world.run_for(10ms);
  EXPECT_THAT(board.seen, ElementsAre("load 0", "load 1", "load 3"));
  EXPECT_EQ(calls[0].get(1s), 0);
  EXPECT_EQ(calls[3].get(1s), 3);
}

TEST_P(GroupsTest, ListOfActorsShowsWhatIsSuspended) {
  const auto shop = spawn_grouped();
  auto loading = shop.call<&Shop::load>(1, 100ms);
  world.run_for(10ms);
  const auto all = home->actors();
  const auto info = std::ranges::find(all, shop.id(), &ActorInfo::id);
  ASSERT_NE(info, all.end());
  EXPECT_EQ(info->state, ActorState::kSuspended);
  EXPECT_EQ(info->method, "load");
  world.run_for(1s);
  EXPECT_EQ(home->actors()[static_cast<std::size_t>(info - all.begin())].state, ActorState::kIdle);
}

class GroupSpawnTest : public ::testing::Test {
 protected:
  std::string error_for(SpawnOptions options) {
    const auto shop =
        world.start("node" + std::to_string(++nodes)).try_spawn<Shop>(options, &board);
    return shop ? "no error" : shop.error().describe();
  }
  Board board;
  muster::testing::SimWorld world{1};
  int nodes = 0;
};

TEST_F(GroupSpawnTest, GroupsThatContradictAreInvalid) {
  EXPECT_EQ(error_for({.groups = {{.name = ""}}}),
            "invalid: cannot spawn: a concurrency group has no name");
  EXPECT_EQ(error_for({.groups = {{.name = "a", .limit = 0}}}),
            "invalid: cannot spawn: the concurrency group 'a' has the limit 0");
  EXPECT_THAT(error_for({.groups = {{.name = "a"}, {.name = "a"}}}),
              HasSubstr("the names of the concurrency groups 'a' and 'a' are the same"));
  EXPECT_EQ(
      error_for({.groups = {{.name = "a", .methods = methods<&Counter::add>()}}}),
      "invalid: cannot spawn: the concurrency group 'a' names the method add, which Shop does "
      "not have");
  EXPECT_EQ(error_for({.groups = {{.name = "a", .methods = methods<&Shop::load>()},
                                  {.name = "b", .methods = methods<&Shop::load>()}}}),
            "invalid: cannot spawn: the method load is in two concurrency groups: 'a' and 'b'");
  std::vector<ConcurrencyGroup> many;
  for (int i = 0; i < 254; ++i) many.push_back({.name = "g" + std::to_string(i)});
  EXPECT_EQ(error_for({.groups = many}), "no error");
  many.push_back({.name = "one more"});
  EXPECT_THAT(error_for({.groups = many}), HasSubstr("at most 254 are allowed"));
}

class Exclusive {
 public:
  Task<> visit() {
    for (int i = 0; i < 3; ++i) {
      MUSTER_CHECK(!inside_.exchange(true), "two handlers at a time");
      ++steps_;
      inside_ = false;
      co_await sleep_for(10us);
    }
  }
  int steps() const { return steps_; }

 private:
  std::atomic<bool> inside_{false};
  int steps_ = 0;
};
MUSTER_ACTOR(Exclusive, visit, steps);

// contract 1.1, 8.6
TEST(GroupThreadsTest, HandlersUnderWayTogetherNeverRunTogether) {
  Runtime runtime({.threads = 4});
  const auto actor = runtime.spawn<Exclusive>({.reentrant = true});
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      std::vector<Future<void>> calls;
      for (int i = 0; i < 500; ++i) calls.push_back(actor.call<&Exclusive::visit>());
      EXPECT_TRUE(wait_all(calls, 30s));
      for (auto& call : calls) EXPECT_TRUE(call.result());
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(actor.call<&Exclusive::steps>().get(30s), 3000);
}

}  // namespace
}  // namespace muster::test
