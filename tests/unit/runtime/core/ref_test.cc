// Values that are put once and read wherever they are asked for.

#include <thread>

#include "unit/runtime/core/fixture.h"

namespace muster::test {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

using Numbers = std::vector<float>;

class Reader {
 public:
  Task<double> sum(Ref<Numbers> numbers) {
    const auto here = co_await numbers;
    addresses_.push_back(reinterpret_cast<std::uintptr_t>(here->data()));
    co_return std::accumulate(here->begin(), here->end(), 0.0);
  }
  Task<std::string> error(Ref<int> number) {
    asked_ = number;
    const auto value = co_await number.as_result();
    co_return value ? "no error" : value.error().describe();
  }
  Task<int> both(Ref<int> a, Ref<int> b) {
    auto [x, y] = co_await when_all(a.fetch(), b.fetch());
    co_return *x + *y;
  }
  ErrorCode block(Ref<int> number) {
    const auto value = number.result(1s);
    return value ? ErrorCode{} : value.error().code;
  }
  Task<std::uintptr_t> where(Ref<Array<float>> numbers) {
    const auto here = co_await numbers;
    co_return reinterpret_cast<std::uintptr_t>(here->data());
  }
  void keep(std::vector<Ref<Numbers>> refs) { kept_ = std::move(refs); }
  Ref<Numbers> kept() const { return kept_.at(0); }
  Ref<Numbers> put(Numbers numbers) { return this_actor::put(std::move(numbers)); }
  std::vector<std::uintptr_t> addresses() const { return addresses_; }

 private:
  std::vector<Ref<Numbers>> kept_;
  Ref<int> asked_;
  std::vector<std::uintptr_t> addresses_;
};
MUSTER_ACTOR(Reader, sum, error, both, block, where, keep, kept, put, addresses);

class RefTest : public WorldTest {
 protected:
  RefTest() { reader = reader_on(*home); }
  Handle<Reader> reader_on(Runtime& node) {
    const std::string name = "reader" + std::to_string(++readers_);
    const auto made = node.spawn<Reader>({.name = name, .detached = true});
    return &node == &caller ? made : value_or_throw(caller.find<Reader>(name, 5s));
  }
  Handle<Reader> reader;

 private:
  int readers_ = 0;
};
INSTANTIATE_TEST_SUITE_P(Places, RefTest, ::testing::Values(Place::kLocal, Place::kRemote),
                         place_name);

// contract 9.4
TEST_P(RefTest, WhoeverIsGivenTheRefReadsTheValue) {
  const Ref<Numbers> ref = caller.put(Numbers{1, 2, 4});
  EXPECT_TRUE(ref.ready());
  EXPECT_EQ(*ref.get(), (Numbers{1, 2, 4}));
  EXPECT_EQ(reader.call<&Reader::sum>(ref).get(1s), 7);
}

TEST_P(RefTest, WhatAnActorPutsReachesWhoeverItGivesTheRef) {
  const auto ref = reader.call<&Reader::put>(Numbers{1, 2, 5}).get(1s);
  EXPECT_EQ(*ref.get(1s), (Numbers{1, 2, 5}));
  EXPECT_EQ(reader.call<&Reader::sum>(ref).get(1s), 8);
}

// contract 9.4
TEST_P(RefTest, OneProcessSharesTheOneValueWithoutAMessage) {
  const std::size_t actors = caller.stats().actors;
  const Ref<Numbers> ref = caller.put(Numbers(1000, 1));
  const auto near = caller.spawn<Reader>();
  const auto address = reinterpret_cast<std::uintptr_t>(ref.get()->data());
  near.call<&Reader::sum>(ref).get(1s);
  EXPECT_EQ(near.call<&Reader::addresses>().get(1s).at(0), address);
  EXPECT_EQ(ref.get(), ref.get());
  EXPECT_EQ(caller.stats().actors, actors + 1);  // `near`: no other answers for the value
}

// contract 9.4
TEST_P(RefTest, ANodeFetchesOnceForAllItsRefs) {
  const Ref<Numbers> ref = caller.put(Numbers(100'000, 1));
  const auto other = reader_on(*home);
  const auto before = home->stats().bytes_received;
  reader.call<&Reader::keep>(std::vector<Ref<Numbers>>{ref, ref}).get(1s);
  EXPECT_LT(home->stats().bytes_received - before, 10'000U);  // nobody has asked yet
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(reader.call<&Reader::sum>(ref).get(1s), 100'000);
    EXPECT_EQ(other.call<&Reader::sum>(ref).get(1s), 100'000);
  }
  EXPECT_LT(home->stats().bytes_received - before, remote() ? 500'000U : 1U);
  auto addresses = reader.call<&Reader::addresses>().get(1s);
  for (const auto address : other.call<&Reader::addresses>().get(1s)) addresses.push_back(address);
  ASSERT_THAT(addresses, SizeIs(6));
  for (const auto address : addresses) EXPECT_EQ(address, addresses[0]);
}

TEST_P(RefTest, ManyWhoAskAtOnceShareOneFetch) {
  const Ref<Numbers> ref = caller.put(Numbers(100'000, 1));
  std::vector<Handle<Reader>> readers;
  for (int i = 0; i < 8; ++i) readers.push_back(reader_on(*home));
  const auto before = home->stats().bytes_received;
  std::vector<Future<double>> sums;
  for (const auto& each : readers) sums.push_back(each.call<&Reader::sum>(ref));
  for (const double sum : when_all(std::move(sums)).get(1s)) EXPECT_EQ(sum, 100'000);
  EXPECT_LT(home->stats().bytes_received - before, 500'000U);
}

// contract 9.4
TEST_P(RefTest, ARefThatComesHomeIsTheSame) {
  const Ref<Numbers> ref = caller.put(Numbers{3});
  reader.call<&Reader::keep>(std::vector<Ref<Numbers>>{ref}).get(1s);
  const auto again = reader.call<&Reader::kept>().get(1s);
  EXPECT_EQ(again, ref);
  EXPECT_TRUE(again.ready());
  EXPECT_EQ(again.get(), ref.get());
  EXPECT_NE(again, caller.put(Numbers{3}));
  EXPECT_NE(again, Ref<Numbers>());
}

TEST_P(RefTest, ARefThatComesHomeWhenAllOthersHereAreGoneFindsTheValue) {
  Ref<Numbers> ref = caller.put(Numbers{3});
  const auto value = ref.get();
  reader.call<&Reader::keep>(std::vector<Ref<Numbers>>{ref}).get(1s);
  ref = {};
  const auto again = reader.call<&Reader::kept>().get(1s);
  EXPECT_EQ(again.get(1s), value);
}

// contract 9.5
TEST_P(RefTest, TheValueGoesWithTheLastRefOfAllNodes) {
  const std::size_t before = caller.stats().actors;
  Ref<Numbers> ref = caller.put(Numbers{3});
  const std::weak_ptr<const Numbers> value = ref.get();
  reader.call<&Reader::keep>(std::vector<Ref<Numbers>>{ref}).get(1s);
  ref = {};
  world.run_for(100ms);
  EXPECT_FALSE(value.expired());
  reader.call<&Reader::keep>(std::vector<Ref<Numbers>>()).get(1s);
  world.run_for(100ms);
  EXPECT_TRUE(value.expired());
  EXPECT_EQ(caller.stats().actors, before);
}

// contract 9.5
TEST_P(RefTest, WhatWasFetchedOutlivesTheRef) {
  auto ref = reader.call<&Reader::put>(Numbers{1, 2}).get(1s);
  const auto value = ref.get(1s);
  ref = {};
  world.run_for(100ms);
  EXPECT_EQ(*value, (Numbers{1, 2}));
}

TEST_P(RefTest, ArraysAreReadWhereTheyAre) {
  const auto numbers = Array<float>::copy_of(Numbers(50'000, 2));
  const Ref<Array<float>> ref = caller.put(numbers);
  const auto address = reader.call<&Reader::where>(ref).get(1s);
  const bool same = address == reinterpret_cast<std::uintptr_t>(numbers.data());
  EXPECT_EQ(same, !remote());
}

TEST_P(RefTest, EmptyRefsTravel) {
  reader.call<&Reader::keep>(std::vector<Ref<Numbers>>(2)).get(1s);
  EXPECT_FALSE(reader.call<&Reader::kept>().get(1s).valid());
}

// contract 9.6
TEST_P(RefTest, ARefToAFutureWaitsForItAndEndsAsItDoes) {
  const auto counter = spawn(5);
  const Ref<int> ref = caller.put(counter.call<&Counter::nap>(50ms));
  EXPECT_FALSE(ref.ready());
  EXPECT_EQ(ref.result(10ms).error().code, ErrorCode::kTimeout);
  EXPECT_EQ(reader.call<&Reader::both>(ref, caller.put(2)).get(1s), 7);
  EXPECT_EQ(*ref.get(), 5);
}

// contract 9.6
TEST_P(RefTest, TheErrorOfAFutureReachesAllWithItsTypeAndText) {
  const auto counter = spawn(5);
  auto failing = counter.call<&Counter::nap_and_fail>(50ms).then([](Result<void> result) {
    value_or_throw(std::move(result));
    return 1;
  });
  const Ref<int> ref = caller.put(std::move(failing));
  EXPECT_EQ(reader.call<&Reader::error>(ref).get(1s), "failed [std::runtime_error]: late");
  EXPECT_EQ(ref.result(1s).error(), (Error{ErrorCode::kFailed, "late", "std::runtime_error"}));
  EXPECT_TRUE(ref.ready());
}

TEST_P(RefTest, WaitingInAHandlerIsRefusedRatherThanBlocking) {
  const auto counter = spawn(5);
  const Ref<int> later = caller.put(counter.call<&Counter::nap>(50ms));
  EXPECT_EQ(reader.call<&Reader::block>(later).get(1s), ErrorCode::kInvalid);
}

TEST_P(RefTest, AFetchedFutureTakesPartInOthers) {
  const auto ref = reader.call<&Reader::put>(Numbers{1, 2}).get(1s);
  auto size = ref.fetch().then([](auto value) { return value.value()->size(); });
  EXPECT_EQ(when_all(std::move(size), ref.fetch()).get(1s), std::make_tuple(2U, ref.get()));
}

TEST_P(RefTest, KilledWhileItWaitsForAValueLeavesNothingThatResumesIt) {
  const auto counter = spawn(5);
  const Ref<int> later = caller.put(counter.call<&Counter::nap>(50ms));
  auto asking = reader.call<&Reader::error>(later);
  world.run_for(10ms);
  reader.kill();
  EXPECT_EQ(code_of(std::move(asking)), ErrorCode::kUnavailable);
  world.run_for(100ms);
  EXPECT_EQ(*later.get(), 5);
}

class RefNodeTest : public ::testing::Test {
 protected:
  RefNodeTest() : world(test_seed()), head(world.start("head", {.listen = "head:1"})) {}
  Runtime& join(const std::string& name, RuntimeOptions options = {}) {
    options.listen = name + ":1";
    Runtime& node = world.start(name, options);
    value_or_throw(node.join("head:1", 5s));
    return node;
  }
  Handle<Reader> reader_on(Runtime& node, const std::string& name) {
    node.spawn<Reader>({.name = name, .detached = true});
    return value_or_throw(head.find<Reader>(name, 5s));
  }
  testing::SimWorld world;
  Runtime& head;
};

// contract 9.5
TEST_F(RefNodeTest, ALostNodeEndsTheFetchWithItsCauseAndLeavesWhatWasFetched) {
  Runtime& node = join("node");
  const auto reader = reader_on(node, "reader");
  const auto read = reader.call<&Reader::put>(Numbers{1}).get(1s);
  const auto unread = reader.call<&Reader::put>(Numbers{2}).get(1s);
  EXPECT_EQ(*read.get(1s), Numbers{1});
  world.network().exit("node");
  world.run_for(1s);
  EXPECT_EQ(*read.get(), Numbers{1});
  const auto lost = unread.result(1s);
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(lost.error().message, HasSubstr("lost: connection reset"));
}

// contract 9.5
TEST_F(RefNodeTest, ANodeLostDuringTheFetchEndsIt) {
  Runtime& node = join("node");
  const auto reader = reader_on(node, "reader");
  const auto ref = reader.call<&Reader::put>(Numbers(1'000'000, 1)).get(5s);
  auto fetching = ref.fetch();
  world.network().drop_connections("head", "node");
  const auto lost = fetching.result(10s);
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(lost.error().message, HasSubstr("the connection with node"));
}

TEST_F(RefNodeTest, AThirdNodeFetchesFromWhereTheValueIs) {
  Runtime& first = join("first");
  Runtime& second = join("second");
  const auto a = reader_on(first, "a");
  const auto b = reader_on(second, "b");
  const auto ref = head.put(Numbers{1, 2});
  a.call<&Reader::keep>(std::vector<Ref<Numbers>>{ref}).get(1s);
  EXPECT_EQ(b.call<&Reader::sum>(a.call<&Reader::kept>().get(1s)).get(1s), 3);
}

// contract 9.6
TEST_F(RefNodeTest, AFetchThatFoundNoRoomIsTriedAgain) {
  Runtime& owner = world.start("owner", {.listen = "owner:1", .mailbox_capacity = 1});
  value_or_throw(owner.join("head:1", 5s));
  const auto counter = owner.spawn<Counter>({}, 5);
  const Ref<int> ref = owner.put(counter.call<&Counter::nap>(1s));
  std::vector<Future<std::string>> waiting;
  std::vector<Handle<Reader>> readers;
  for (const std::string name : {"a", "b", "c"}) {
    Runtime& node = world.start(name);
    value_or_throw(node.join("owner:1", 5s));
    node.spawn<Reader>({.name = name, .detached = true});
    readers.push_back(value_or_throw(owner.find<Reader>(name, 5s)));
    waiting.push_back(readers.back().call<&Reader::error>(ref));
    world.run_for(10ms);
  }
  EXPECT_THAT(waiting[2].get(1s), HasSubstr("overloaded"));
  world.run_for(2s);
  EXPECT_EQ(readers[2].call<&Reader::error>(ref).get(1s), "no error");
  EXPECT_EQ(waiting[0].get(1s), "no error");
}

TEST_F(RefNodeTest, ARefOfAnotherTypeIsRefusedWithoutHarm) {
  Runtime& node = join("node");
  const auto reader = reader_on(node, "reader");
  const auto ref = reader.call<&Reader::put>(Numbers{1}).get(1s);
  const auto as_text = [](const auto& other) {
    return Ref<std::string>(
        detail::RefState::find(other.state()->holder(), detail::kRefType<std::string>));
  };
  const Ref<std::string> wrong = as_text(ref);
  EXPECT_EQ(wrong.result(1s).error().code, ErrorCode::kCorrupt);
  const auto mine = head.put(Numbers{1});
  EXPECT_THAT(as_text(mine).result(1s).error().describe(),
              HasSubstr("invalid: the Ref is to a std::vector<float"));
  EXPECT_EQ(*ref.get(1s), Numbers{1});
}

TEST(RefThreadsTest, ManyThreadsReadAndEncodeOneRef) {
  Runtime owner({.threads = 2, .listen = "127.0.0.1:0"});
  Runtime user({.threads = 2});
  value_or_throw(user.join(owner.listen_address(), 5s));
  user.spawn<Reader>({.name = "reader", .detached = true});
  const auto reader = value_or_throw(owner.find<Reader>("reader", 5s));
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int round = 0; round < 3; ++round) {
    const Ref<Numbers> ref = owner.put(Numbers(10'000, 1));
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&, ref] {
        const double sum = reader.call<&Reader::sum>(ref).get(10s);
        const auto home = reader.call<&Reader::sum>(ref).result(10s);
        if (sum == 10'000 && home && ref.get()->size() == 10'000) ++good;
      });
    }
    for (auto& thread : threads) thread.join();
    threads.clear();
  }
  EXPECT_EQ(good, 12);
}

TEST(RefThreadsTest, ThreadsThatWaitForOneFetchAllGetIt) {
  Runtime runtime({.threads = 2});
  const auto counter = runtime.spawn<Counter>({}, 5);
  const Ref<int> ref = runtime.put(counter.call<&Counter::nap>(20ms));
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      while (i % 2 == 1 && !ref.ready()) static_cast<void>(ref.result(1ms));
      if (*ref.get(10s) == 5) ++good;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good, 4);
}

}  // namespace
}  // namespace muster::test
