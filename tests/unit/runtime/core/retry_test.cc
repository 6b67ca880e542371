// Calls that outlive their connection: CallOptions::retry.

#include <algorithm>
#include <numeric>

#include "runtime/core/call_log.h"
#include "runtime/core/resender.h"
#include "unit/runtime/core/clerk.h"

namespace muster::test {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class RetryTest : public WorldTest {
 protected:
  RetryTest() {
    made = home->spawn<Clerk>({.name = "clerk", .detached = true});
    clerk = home == &caller ? made : value_or_throw(caller.find<Clerk>("clerk", 5s));
    kept = clerk.with({.timeout = 20s, .retry = true});
  }
  std::vector<int> filed() { return made.call<&Clerk::filed>().get(1s); }

  Handle<Clerk> made, clerk, kept;
};
INSTANTIATE_TEST_SUITE_P(Places, RetryTest, ::testing::Values(Place::kLocal, Place::kRemote),
                         place_name);

// contract 12.1, 2.4
TEST_P(RetryTest, CallsOffersAndSendsAreHandledAsOthersAre) {
  EXPECT_EQ(kept.call<&Clerk::file>(1).get(1s), 1);
  EXPECT_EQ(error_of(kept.call<&Clerk::refuse>(2)), "failed [std::runtime_error]: refused 2");
  kept.send<&Clerk::file>(3);
  EXPECT_TRUE(kept.offer<&Clerk::file>(4).result(1s));
  EXPECT_EQ(kept.call<&Clerk::me>(5).get(1s), clerk);
  EXPECT_THAT(filed(), ElementsAre(1, 2, 3, 4, 5));
}

// contract 12.2
TEST_P(RetryTest, DeathsEndThemWithTheirCause) {
  EXPECT_THAT(error_of(kept.call<&Clerk::crash>(1)), HasSubstr("crashed"));
  EXPECT_EQ(code_of(kept.call<&Clerk::file>(2)), ErrorCode::kUnavailable);
}

/// Over a connection that breaks.
class RetryOverTest : public ::testing::Test {
 protected:
  RetryOverTest()
      : world(test_seed()),
        head(&world.start("head", {.listen = "head:1", .on_error = [](const auto&) {}})) {
    RecordProperty("seed", static_cast<int>(world.seed()));
    start_node();
  }
  ~RetryOverTest() override { world.shutdown(); }
  void start_node() {
    node = &world.start("node", {.listen = "node:1", .on_error = [this](const auto& line) {
                                   reports.push_back(line);
                                 }});
    value_or_throw(head->join("node:1", 5s));
    made = node->spawn<Clerk>({.name = "clerk", .detached = true});
    kept = value_or_throw(head->find<Clerk>("clerk", 5s)).with({.timeout = 20s, .retry = true});
    world.run_for(10ms);
  }
  void drop() { world.network().drop_connections("head", "node"); }
  void cut() { world.network().partition("head", "node"); }
  void heal() { world.network().heal("head", "node"); }
  std::vector<int> filed() { return made.call<&Clerk::filed>().get(1s); }

  std::vector<std::string> reports;
  muster::testing::SimWorld world;
  Runtime* head;
  Runtime* node = nullptr;
  Handle<Clerk> made, kept;
};

// contract 12.1, 2.3
TEST_F(RetryOverTest, ACallThatWasLostOnTheWayIsSentAgain) {
  auto once = kept.with({.timeout = 20s}).call<&Clerk::file>(1);
  auto again = kept.call<&Clerk::file>(2);
  kept.send<&Clerk::file>(3);
  auto offer = kept.offer<&Clerk::file>(4);
  drop();
  EXPECT_EQ(code_of(std::move(once), 1s), ErrorCode::kUnavailable);
  EXPECT_EQ(again.get(1s), 2);
  EXPECT_TRUE(offer.result(1s));
  EXPECT_THAT(filed(), ElementsAre(2, 3, 4));
  EXPECT_EQ(head->dead_letters().total(), 0U);
}

// contract 12.2
TEST_F(RetryOverTest, WhatWasHandledIsNotHandledAgainAndItsAnswerComes) {
  auto first = kept.call<&Clerk::file_slowly>(1, 50ms);
  world.run_for(20ms);
  ASSERT_THAT(filed(), ElementsAre(1));
  drop();  // in the middle of the handler
  EXPECT_EQ(first.get(1s), 1);
  auto second = kept.call<&Clerk::file_slowly>(2, 50ms);
  auto failing = kept.call<&Clerk::refuse>(3);
  world.run_for(20ms);
  cut();
  world.run_for(100ms);  // it answers into the void
  drop();
  world.run_for(5s);
  EXPECT_FALSE(second.ready() || failing.ready());
  heal();
  EXPECT_EQ(second.get(2s), 2);
  EXPECT_EQ(error_of(std::move(failing), 2s), "failed [std::runtime_error]: refused 3");
  EXPECT_THAT(filed(), ElementsAre(1, 2, 3));
}

// contract 12.2
TEST_F(RetryOverTest, ATestMayBreakTheConnectionAtAMessage) {
  const auto rule = world.messages().on<&Clerk::file>().times(1).also([&] { drop(); });
  EXPECT_EQ(kept.call<&Clerk::file>(1).get(5s), 1);
  EXPECT_EQ(rule.count(), 1U);
  EXPECT_THAT(filed(), ElementsAre(1));
}

// contract 12.1
TEST_F(RetryOverTest, ADeadlineWithoutAConnectionSaysWhyThereIsNone) {
  world.network().exit("node");
  world.run_for(10ms);
  const auto said_after = [&](Duration timeout) {
    return error_of(kept.with({.timeout = timeout, .retry = true}).call<&Clerk::file>(1), 10s);
  };
  const std::string actor = "timeout: actor " + to_string(made.id());
  EXPECT_EQ(said_after(1s), actor +
                                " (out of reach: there is no connection).file: no result "
                                "within 1 s");
  EXPECT_EQ(said_after(9s), actor +
                                " (out of reach: cannot connect to node:1: no answer within "
                                "2000 ms).file: no result within 9 s");
}

// contract 12.3
TEST_F(RetryOverTest, MessagesKeepTheirOrder) {
  std::vector<Future<int>> calls;
  for (int i = 0; i < 300; ++i) {
    calls.push_back(kept.call<&Clerk::file>(i));
    if (i % 3 == 0) world.run_for(Duration(50us));
    if (i % 40 == 20) drop();
  }
  EXPECT_TRUE(wait_all(calls, 20s));
  for (int i = 0; i < 300; ++i) EXPECT_EQ(calls[static_cast<std::size_t>(i)].get(), i);
  std::vector<int> all(300);
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(filed(), all);
}

// contract 12.1
TEST_F(RetryOverTest, CallsMadeWithoutAConnectionWaitForOne) {
  drop();
  cut();
  world.run_for(10ms);
  auto call = kept.call<&Clerk::file>(1);
  auto hurried = kept.with({.timeout = 1s, .retry = true}).call<&Clerk::file>(2);
  kept.with({.timeout = 2s, .retry = true}).send<&Clerk::file>(3);
  world.run_for(8s);
  EXPECT_FALSE(call.ready());
  EXPECT_EQ(code_of(std::move(hurried)), ErrorCode::kTimeout);
  EXPECT_EQ(head->dead_letters().count(DeadLetterReason::kUnreachable), 1U);
  EXPECT_THAT(head->dead_letters().latest.at(0).cause, HasSubstr("it was not sent"));
  heal();
  EXPECT_EQ(call.get(10s), 1);
  EXPECT_THAT(filed(), ElementsAre(1));
}

// contract 4.4, 12.1
TEST_F(RetryOverTest, OwnActorsThatHaveEndedAreNotWaitedFor) {
  const auto own = head->spawn<Clerk>();
  kept.with({}).call<&Clerk::keep>(own).get(1s);
  own.kill();
  world.run_for(10ms);
  const auto back = kept.with({}).call<&Clerk::give>().get(1s).with({.timeout = 1h, .retry = true});
  EXPECT_EQ(code_of(back.call<&Clerk::file>(1), 0s), ErrorCode::kUnavailable);
}

// contract 12.1
TEST_F(RetryOverTest, TheOtherNodeMayMakeTheConnection) {
  auto& silent = world.start("silent");  // does not listen
  value_or_throw(silent.join("node:1", 5s));
  const auto there = silent.spawn<Clerk>({.name = "silent", .detached = true});
  const auto far = value_or_throw(node->find<Clerk>("silent", 5s));
  auto call = far.with({.timeout = 60s, .retry = true}).call<&Clerk::file>(1);
  world.network().drop_connections("silent", "node");
  world.run_for(5s);
  EXPECT_FALSE(call.ready());
  value_or_throw(silent.join("node:1", 5s));
  EXPECT_EQ(call.get(1s), 1);
  EXPECT_THAT(there.call<&Clerk::filed>().get(1s), ElementsAre(1));
}

// contract 12.5
TEST_F(RetryOverTest, AnotherNodeAtTheAddressDoesNotGetThem) {
  auto sent = kept.call<&Clerk::file_slowly>(1, 10s);
  world.run_for(10ms);
  world.exit("node");
  world.run_for(10ms);
  auto unsent = kept.call<&Clerk::file>(2);
  node = &world.start("node", {.listen = "node:1"});
  made = node->spawn<Clerk>({.name = "clerk", .detached = true});
  EXPECT_THAT(error_of(std::move(sent), 5s),
              AllOf(HasSubstr("unavailable: whether the call was handled is not known: at node:1"),
                    HasSubstr("another node now")));
  EXPECT_THAT(error_of(std::move(unsent), 5s), HasSubstr("the call was not sent: at node:1"));
  EXPECT_THAT(filed(), IsEmpty());
  EXPECT_THAT(head->peers(), IsEmpty());
}

// contract 12.2, 8.2
TEST_F(RetryOverTest, CancelledCallsAreNotSentAgain) {
  drop();
  cut();
  world.run_for(10ms);
  auto call = kept.call<&Clerk::file>(1);
  auto last = kept.call<&Clerk::file>(2);
  EXPECT_TRUE(call.cancel());
  heal();
  EXPECT_EQ(last.get(10s), 2);
  EXPECT_THAT(filed(), ElementsAre(2));
}

// contract 12.2, 8.3
TEST_F(RetryOverTest, CancelReachesAHandlerOfAnEarlierConnection) {
  auto call = kept.call<&Clerk::file_slowly>(1, 10s);
  world.run_for(10ms);
  drop();
  world.run_for(100ms);
  EXPECT_TRUE(call.cancel());
  world.run_for(100ms);
  EXPECT_EQ(made.call<&Clerk::file>(2).get(100ms), 2);  // it is not suspended any more
}

// contract 12.2, 8.3
TEST_F(RetryOverTest, CancelReachesTheHandlerOnceThereIsAConnection) {
  auto call = kept.call<&Clerk::file_slowly>(1, 60s);
  world.run_for(10ms);
  drop();
  cut();
  world.run_for(10ms);
  EXPECT_TRUE(call.cancel());
  auto later = kept.call<&Clerk::file>(2);
  heal();
  EXPECT_EQ(later.get(10s), 2);
}

// contract 12.4
TEST_F(RetryOverTest, WhatIsKeptIsBounded) {
  drop();
  cut();
  world.run_for(10ms);
  std::vector<Future<int>> calls;
  for (std::size_t i = 0; i < detail::kKeptCallsMax; ++i) {
    calls.push_back(kept.call<&Clerk::file>(static_cast<int>(i)));
  }
  auto beyond = kept.call<&Clerk::file>(-1);
  ASSERT_TRUE(beyond.ready());
  EXPECT_THAT(error_of(std::move(beyond)),
              AllOf(HasSubstr("overloaded: file was not sent to node "), HasSubstr("1024 calls of"),
                    HasSubstr("kept for it until they are answered")));
  heal();
  EXPECT_TRUE(wait_all(calls, 15s));
  EXPECT_EQ(filed().size(), detail::kKeptCallsMax);
}

// contract 12.1, 12.3, 12.4
TEST_F(RetryOverTest, WhatHasNoRoomOnTheConnectionIsSentWhenThereIs) {
  auto& small = world.start("small", {.outstanding_bytes_max = 64 * 1024});
  value_or_throw(small.join("node:1", 5s));
  const auto plain = value_or_throw(small.find<Clerk>("clerk", 5s));
  const auto patient = plain.with({.timeout = 20s, .retry = true});
  const std::vector<float> bulk(8 * 1024, 1.0F);
  testing::LinkOptions narrow;
  narrow.window_bytes = 1;
  world.network().set_link("small", "node", narrow);
  world.network().partition("small", "node");
  std::vector<Future<int>> filling;
  filling.push_back(plain.call<&Clerk::weigh>(0, bulk));
  filling.push_back(plain.call<&Clerk::weigh>(0, std::vector<float>(7 * 1024)));
  auto first = patient.call<&Clerk::weigh>(1, bulk);
  auto second = patient.call<&Clerk::file>(2);
  EXPECT_EQ(code_of(plain.call<&Clerk::weigh>(9, bulk)), ErrorCode::kOverloaded);
  EXPECT_THAT(error_of(patient.call<&Clerk::weigh>(9, bulk)), HasSubstr("2 calls of 3"));
  world.run_for(1s);
  EXPECT_FALSE(first.ready() || second.ready());
  world.network().set_link("small", "node", {});
  world.network().heal("small", "node");
  EXPECT_EQ(first.get(5s), 8 * 1024);
  EXPECT_EQ(second.get(5s), 2);
  EXPECT_THAT(filed(), ElementsAre(0, 0, 1, 2));
}

// contract 12.2, 12.4
TEST_F(RetryOverTest, ACancelThatHasNoRoomWaitsForIt) {
  auto& small = world.start("small", {.outstanding_bytes_max = 64 * 1024});
  value_or_throw(small.join("node:1", 5s));
  const auto plain = value_or_throw(small.find<Clerk>("clerk", 5s));
  const auto patient = plain.with({.timeout = 20s, .retry = true});
  std::vector<Future<int>> slow;
  for (int i = 0; i < 8; ++i) slow.push_back(patient.call<&Clerk::file_slowly>(1, 60s));
  world.run_for(10ms);
  testing::LinkOptions narrow;
  narrow.window_bytes = 1;
  world.network().set_link("small", "node", narrow);
  world.network().partition("small", "node");
  std::vector<Future<int>> filling;
  filling.push_back(plain.call<&Clerk::weigh>(0, std::vector<float>(16 * 1024 - 64)));
  while (!filling.back().ready()) filling.push_back(plain.call<&Clerk::file>(0));
  for (auto& call : slow) EXPECT_TRUE(call.cancel());
  auto later = patient.call<&Clerk::file>(2);
  const auto connections = [&] {
    return std::ranges::count_if(world.network().trace(), [](const auto& event) {
      return event.what.starts_with("connect small:");
    });
  };
  const auto before = connections();
  world.run_for(1s);
  world.network().set_link("small", "node", {});
  world.network().heal("small", "node");
  EXPECT_EQ(later.get(5s), 2);
  EXPECT_EQ(connections(), before);
}

// contract 12.4, 3.4
TEST_F(RetryOverTest, OneTooManyThatMayBeDroppedIsADeadLetter) {
  drop();
  cut();
  world.run_for(10ms);
  std::vector<Future<int>> calls;
  for (std::size_t i = 0; i < detail::kKeptCallsMax; ++i)
    calls.push_back(kept.call<&Clerk::file>(0));
  const auto careless = kept.with({.when_full = WhenFull::kDrop, .retry = true});
  EXPECT_EQ(code_of(careless.call<&Clerk::file>(1), 0s), ErrorCode::kOverloaded);
  kept.send<&Clerk::file>(2);
  EXPECT_EQ(head->dead_letters().count(DeadLetterReason::kConnectionFull), 2U);
}

// contract 12.1, 3.3
TEST_F(RetryOverTest, WhatIsLargerThanItsNodeTakesEndsAloneAndOthersGoOn) {
  auto& modest = world.start("modest", {.listen = "modest:1", .message_bytes_max = 64 * 1024});
  value_or_throw(head->join("modest:1", 5s));
  const auto there = modest.spawn<Clerk>({.name = "modest", .detached = true});
  const auto far = value_or_throw(head->find<Clerk>("modest", 5s)).with({.retry = true});
  auto large = far.call<&Clerk::weigh>(1, std::vector<float>(32 * 1024));
  auto next = far.call<&Clerk::file>(2);
  EXPECT_EQ(code_of(std::move(large), 1s), ErrorCode::kInvalid);
  EXPECT_EQ(next.get(1s), 2);
  EXPECT_THAT(there.call<&Clerk::filed>().get(1s), ElementsAre(2));
}

// contract 12.4
TEST_F(RetryOverTest, AnswersThatWereNotKeptAreSaidToBe) {
  constexpr int kMost = static_cast<int>(detail::kKeptAnswerBytes / sizeof(float));
  std::vector<Future<std::vector<float>>> halves;
  for (int i = 1; i <= 3; ++i) halves.push_back(kept.call<&Clerk::copy>(i, kMost / 2 - 100));
  auto handle = kept.call<&Clerk::me>(4);
  auto large = kept.call<&Clerk::copy>(5, kMost + 1);
  testing::LinkOptions narrow;
  narrow.window_bytes = 4096;
  world.network().set_link("head", "node", narrow);
  ASSERT_TRUE(world.run_until([&] { return filed().size() == 5; }));
  drop();
  EXPECT_THAT(error_of(std::move(halves[0]), 5s),
              HasSubstr("unavailable: the call was handled, and ended; what it ended in was not"));
  EXPECT_EQ(halves[1].get(60s).at(0), 2.0F);
  EXPECT_EQ(halves[2].get(60s).at(0), 3.0F);
  EXPECT_EQ(code_of(std::move(handle), 5s), ErrorCode::kUnavailable);
  EXPECT_EQ(code_of(std::move(large), 5s), ErrorCode::kUnavailable);
  EXPECT_THAT(filed(), ElementsAre(1, 2, 3, 4, 5));
}

// contract 12.4
TEST_F(RetryOverTest, WhatTheOtherNodeMayHaveForgottenIsNotSentAgain) {
  const auto patient = kept.with({.timeout = 1h, .retry = true});
  auto sent = patient.call<&Clerk::file_slowly>(1, 10s);
  world.run_for(1s);
  cut();
  world.run_for(10s);
  auto unsent = patient.call<&Clerk::file>(2);
  world.run_for(4min + 40s);
  EXPECT_FALSE(sent.ready());
  world.run_for(30s);
  ASSERT_TRUE(sent.ready());
  EXPECT_THAT(error_of(std::move(sent)),
              AllOf(HasSubstr("unavailable: no connection with node"),
                    HasSubstr("may have forgotten the call: whether it was handled is not known")));
  heal();
  EXPECT_EQ(unsent.get(10s), 2);
  EXPECT_THAT(filed(), ElementsAre(1, 2));
}

// contract 12.6
TEST_F(RetryOverTest, HandlesDoNotTravel) {
  EXPECT_THAT(error_of(kept.call<&Clerk::keep>(kept)),
              HasSubstr("invalid: keep was not sent to node"));
  kept.send<&Clerk::keep>(kept);
  EXPECT_EQ(head->dead_letters().count(DeadLetterReason::kRefused), 1U);
  EXPECT_EQ(code_of(kept.call<&Clerk::file>(head->put(1)), 1s), ErrorCode::kInvalid);
  auto other = kept.with({}).call<&Clerk::file>(2);
  EXPECT_EQ(code_of(kept.call<&Clerk::file>(std::move(other)), 1s), ErrorCode::kInvalid);
  auto items = kept.call<&Clerk::each>();
  const auto item = items.next_result(1s);
  ASSERT_FALSE(item);
  EXPECT_EQ(item.error().code, ErrorCode::kInvalid);
}

// contract 12.1, 2.5, 2.6
TEST_F(RetryOverTest, SendsAreOverWhenTheyAreInTheMailbox) {
  kept.send<&Clerk::refuse>(1);
  world.run_for(100ms);
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_THAT(reports[0], HasSubstr("refuse (sent one way) failed: std::runtime_error"));
  made.kill();
  world.run_for(100ms);
  kept.send<&Clerk::file>(2);
  world.run_for(100ms);
  EXPECT_EQ(node->dead_letters().count(DeadLetterReason::kActorEnded), 1U);
  cut();
  kept.send<&Clerk::file>(3);
  world.run_for(60s);
  EXPECT_EQ(head->dead_letters().total(), 0U) << "it was sent";
}

// contract 6.3
TEST_F(RetryOverTest, ShutdownEndsThem) {
  drop();
  cut();
  world.run_for(10ms);
  auto call = kept.call<&Clerk::file>(1);
  head->shutdown();
  EXPECT_EQ(code_of(std::move(call), 0s), ErrorCode::kUnavailable);
  EXPECT_EQ(code_of(kept.call<&Clerk::file>(2), 0s), ErrorCode::kUnavailable);
}

// contract 12.2, 12.3
TEST(RetrySeedsTest, EachMessageIsHandledOnceAndInOrderWhateverBreaks) {
  int times_joined_twice = 0;
  for (std::uint64_t seed = test_seed(); seed < test_seed() + 60; ++seed) {
    SCOPED_TRACE("MUSTER_TEST_SEED=" + std::to_string(seed));
    testing::LinkOptions link;
    link.loss_probability = 0.02;
    if (seed % 3 == 0) link.window_bytes = 256;
    testing::SimWorld world(seed, link);
    Random random(seed);
    auto& node = world.start("node", {.listen = "node:1", .on_error = [](const auto&) {}});
    auto& head = world.start("head", {.listen = "head:1", .on_error = [](const auto&) {}});
    const auto made = node.spawn<Clerk>({.name = "clerk", .detached = true});
    Handle<Clerk> clerk;
    while (!clerk.valid()) {
      static_cast<void>(head.join("node:1", 1s));
      if (auto found = head.find<Clerk>("clerk", 1s)) clerk = *found;
    }
    const auto kept = clerk.with({.timeout = 1h, .retry = true});
    std::vector<Future<int>> calls;
    std::vector<int> all;
    for (int i = 0; i < 120; ++i) {
      all.push_back(i);
      calls.push_back(random.below(4) == 0
                          ? kept.call<&Clerk::file_slowly>(i, std::chrono::milliseconds(3))
                          : kept.call<&Clerk::file>(i));
      if (random.below(3) == 0) world.run_for(Duration(random.below(2'000'000)));
      if (random.below(30) == 0) world.network().drop_connections("head", "node");
      if (random.below(40) == 0) {
        world.network().partition("head", "node");
        world.run_for(Duration(random.below(8'000'000'000)));
        world.network().heal("head", "node");
      }
      if (random.below(20) == 0) {  // at the same time: there are two connections then
        head.core().connect("node:1", 1s, {}, [](const auto&) {});
        node.core().connect("head:1", 1s, {}, [](const auto&) {});
      }
      if (head.peers().size() > 1) ++times_joined_twice;
    }
    ASSERT_TRUE(wait_all(calls, 30min));
    for (int i = 0; i < 120; ++i) {
      const auto end = calls[static_cast<std::size_t>(i)].result(0s);
      ASSERT_TRUE(end) << i << ": " << end.error().describe();
      ASSERT_EQ(*end, i);
    }
    ASSERT_EQ(made.call<&Clerk::filed>().get(1s), all);
    world.shutdown();
    world.run_for(10s);  // timers of connections find them gone
    EXPECT_EQ(world.timers().pending(), 0U);
  }
  EXPECT_GT(times_joined_twice, 0);
}

}  // namespace
}  // namespace muster::test
