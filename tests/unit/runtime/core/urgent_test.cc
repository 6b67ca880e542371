// Urgent messages: what they overtake, and what they do not.

#include "unit/runtime/core/fixture.h"

namespace muster::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Notes what it was told, in order.
class Diary {
 public:
  void note(int entry) { entries_.push_back(entry); }
  void note_all(int entry, const Array<float>&) { entries_.push_back(entry); }
  void note_urgently(int entry) {
    this_actor::handle<Diary>().with({.urgent = true}).send<&Diary::note>(entry);
  }
  Task<> nap(std::chrono::milliseconds time) { co_await sleep_for(time); }
  std::vector<int> entries() const { return entries_; }

 private:
  std::vector<int> entries_;
};
MUSTER_ACTOR(Diary, note, note_all, note_urgently, nap, entries);

class UrgentTest : public WorldTest {
 protected:
  Handle<Diary> spawn_diary(SpawnOptions options = {}) {
    options.name = "diary";
    const auto made = home->spawn<Diary>(options);
    return home == &caller ? made : value_or_throw(caller.find<Diary>("diary", 5s));
  }
  static std::vector<int> entries(const Handle<Diary>& diary) {
    return diary.call<&Diary::entries>().get(5s);
  }
};
INSTANTIATE_TEST_SUITE_P(Places, UrgentTest, ::testing::Values(Place::kLocal, Place::kRemote),
                         place_name);

// contract 8.1
TEST_P(UrgentTest, CallsAndSendsOvertakeThoseThatWaitInTheirOwnOrder) {
  const auto diary = spawn_diary();
  const auto urgent = diary.with({.urgent = true});
  auto napping = diary.call<&Diary::nap>(100ms);
  world.run_for(10ms);
  for (const int i : {1, 2, 3}) diary.send<&Diary::note>(i);
  urgent.send<&Diary::note>(10);
  auto called = urgent.call<&Diary::note>(11);
  urgent.send<&Diary::note>(12);
  world.run_for(50ms);
  EXPECT_FALSE(called.ready());  // the handler under way is not interrupted
  napping.get(1s);
  EXPECT_THAT(entries(diary), ElementsAre(10, 11, 12, 1, 2, 3));
}

// contract 8.1
TEST_P(UrgentTest, OvertakesWhatTheActorHasAlreadyTakenFromItsMailbox) {
  const auto diary = spawn_diary();
  auto napping = diary.call<&Diary::nap>(50ms);
  diary.send<&Diary::note_urgently>(9);
  for (const int i : {1, 2}) diary.send<&Diary::note>(i);
  napping.get(1s);
  EXPECT_THAT(entries(diary), ElementsAre(9, 1, 2));
}

// contract 8.1
TEST_P(UrgentTest, OvertakesAStop) {
  const auto diary = spawn_diary();
  auto napping = diary.call<&Diary::nap>(50ms);
  diary.send<&Diary::note>(1);
  diary.stop();
  auto ordinary = diary.call<&Diary::entries>();
  auto urgent = diary.with({.urgent = true}).call<&Diary::entries>();
  EXPECT_THAT(urgent.get(1s), ElementsAre());
  EXPECT_THAT(error_of(std::move(ordinary)), HasSubstr("was stopped"));
}

// contract 3.1, 7.1
TEST_P(UrgentTest, IsRefusedByAFullMailbox) {
  const auto diary = spawn_diary({.mailbox_capacity = 2});
  const auto urgent = diary.with({.urgent = true});
  auto napping = diary.call<&Diary::nap>(50ms);
  world.run_for(10ms);
  diary.send<&Diary::note>(1);
  urgent.send<&Diary::note>(2);
  auto third = urgent.call<&Diary::note>(3);
  urgent.send<&Diary::note>(4);
  EXPECT_THAT(error_of(std::move(third), 1s), HasSubstr("its mailbox is full (2 messages)"));
  napping.get(1s);
  world.run_for(10ms);
  EXPECT_THAT(entries(diary), ElementsAre(2, 1));
  EXPECT_EQ(home->stats().dead_letters, 1U);
}

// contract 2.6, 4.3
TEST_P(UrgentTest, EndsWithTheCauseWhenTheActorIsKilled) {
  const auto diary = spawn_diary();
  const auto urgent = diary.with({.urgent = true});
  auto napping = diary.call<&Diary::nap>(1s);
  world.run_for(10ms);
  auto before = urgent.call<&Diary::note>(1);
  world.run_for(10ms);
  diary.kill();
  auto beside = urgent.call<&Diary::note>(2);  // may reach the actor before it has ended, or after
  urgent.send<&Diary::note>(3);
  EXPECT_THAT(error_of(std::move(before), 1s), HasSubstr("was killed"));
  EXPECT_EQ(code_of(std::move(beside), 1s), ErrorCode::kUnavailable);
  world.run_for(10ms);
  EXPECT_EQ(home->stats().dead_letters, 1U);
}

// contract 4.7
TEST_P(UrgentTest, IsRefusedByAnActorOfAnotherClass) {
  const auto diary = spawn_diary();
  const Handle<Counter> forged(diary.ref(), {.urgent = true});
  const auto code = code_of(forged.call<&Counter::value>(), 1s);
  EXPECT_EQ(code, remote() ? ErrorCode::kNotFound : ErrorCode::kInvalid);
}

// contract 8.1
TEST(UrgentOnTheWireTest, OvertakesCallsAndBulkThatWaitToBeWrittenAndCountsAgainstTheBound) {
  muster::testing::SimWorld world(test_seed());
  auto& head =
      world.start("head", {.listen = "head:1", .outstanding_bytes_max = std::size_t{4} << 20});
  auto& node = world.start("node");
  value_or_throw(node.join("head:1", 5s));
  const auto mine = node.spawn<Diary>({.name = "diary"});
  const auto diary = value_or_throw(head.find<Diary>("diary", 5s));
  const auto urgent = diary.with({.urgent = true});
  testing::LinkOptions narrow;
  narrow.window_bytes = 1;
  world.network().set_link("head", "node", narrow);
  world.network().partition("head", "node");
  const auto large = Array<float>(std::vector<float>(300'000, 1.0F));
  diary.send<&Diary::note_all>(1, large);
  diary.send<&Diary::note>(2);
  urgent.send<&Diary::note>(10);
  urgent.send<&Diary::note_all>(11, large);
  urgent.send<&Diary::note>(12);
  auto refused = urgent.call<&Diary::note_all>(13, Array<float>(std::vector<float>(900'000, 1.0F)));
  ASSERT_TRUE(refused.ready());
  EXPECT_THAT(error_of(std::move(refused)), HasSubstr("bytes wait to be sent"));
  world.network().set_link("head", "node", {});
  world.network().heal("head", "node");
  world.run_for(2s);
  EXPECT_THAT(diary.call<&Diary::entries>().get(5s), ElementsAre(10, 1, 2, 11, 12));
}

}  // namespace
}  // namespace muster::test
