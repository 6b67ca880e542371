#include <algorithm>

#include "unit/runtime/core/phoenix.h"

namespace muster::test {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Dies of what it eats, until its incarnation is immune; uses its arguments up.
class Taster {
 public:
  Taster(std::uint64_t immune, std::shared_ptr<Log> log) : immune_(immune), log_(std::move(log)) {}
  std::size_t taste(std::vector<int> food, std::string note) {
    const auto eaten = std::exchange(food, {});
    const auto said = std::exchange(note, {});
    log_->lines.push_back("life " + std::to_string(this_actor::incarnation()) + ": " + said +
                          std::to_string(eaten.size()));
    if (this_actor::incarnation() < immune_) this_actor::crash("too much " + said);
    return eaten.size();
  }
  Task<std::size_t> chew(std::vector<int> food) {
    co_await sleep_for(1ms);
    co_return taste(std::exchange(food, {}), "chewed ");
  }
  /// Fails the first time that it has this number.
  int choke_once(int number) {
    const std::string line = "choked on " + std::to_string(number);
    if (std::ranges::find(log_->lines, line) == log_->lines.end()) {
      log_->lines.push_back(line);
      this_actor::crash(line);
    }
    return number;
  }
  std::uint64_t life() const { return this_actor::incarnation(); }

 private:
  const std::uint64_t immune_;
  const std::shared_ptr<Log> log_;
};
MUSTER_ACTOR(Taster, taste, chew, choke_once, life);

static_assert(!detail::kCopies<std::vector<std::vector<std::unique_ptr<int>>>>);
static_assert(!detail::kCopies<std::tuple<int, std::vector<std::unique_ptr<int>>>>);
static_assert(detail::kCopies<std::tuple<std::string, std::vector<std::string>>>);

class PoisonTest : public WorldTest {
 protected:
  Handle<Taster> spawn_taster(std::uint64_t immune, SpawnOptions options = {.poison_after = 3}) {
    options.name = "taster";
    options.max_restarts = 10;
    options.restart = {.backoff_min = 1ms, .backoff_max = 1ms};
    const auto made = home->spawn<Taster>(options, immune, log);
    return home == &caller ? made : value_or_throw(caller.find<Taster>("taster", 5s));
  }
  const std::vector<int> food = {1, 2, 3};
  std::shared_ptr<Log> log = std::make_shared<Log>();
};
INSTANTIATE_TEST_SUITE_P(Places, PoisonTest, ::testing::Values(Place::kLocal, Place::kRemote),
                         place_name);

// contract 10.10
TEST_P(PoisonTest, WhatBringsItDownTooOftenIsADeadLetterWithItsTrace) {
  const auto taster = spawn_taster(99);
  auto poison = taster.call<&Taster::taste>(food, "soup ");
  auto next = taster.call<&Taster::life>();
  EXPECT_THAT(error_of(std::move(poison)),
              AllOf(HasSubstr("unavailable: Taster 'taster'"), HasSubstr("poison: "),
                    HasSubstr("incarnation 1: too much soup ; incarnation 2: too much soup ; "
                              "incarnation 3: too much soup ")));
  EXPECT_EQ(next.get(1s), 4U);
  EXPECT_THAT(log->lines, ElementsAre("life 1: soup 3", "life 2: soup 3", "life 3: soup 3"));
  const auto letters = home->dead_letters();
  EXPECT_EQ(letters.count(DeadLetterReason::kPoison), 1U);
  ASSERT_EQ(letters.latest.size(), 1U);
  EXPECT_EQ(letters.latest[0].method, "taste");
  EXPECT_THAT(letters.latest[0].cause, HasSubstr("incarnation 2: too much soup"));
}

// Messages are told apart by where they are, and a later one may be where one was. contract 10.10
TEST_P(PoisonTest, FailuresWithOneMessageAreNotHeldAgainstTheNext) {
  const auto taster = spawn_taster(0, {.poison_after = 2});
  for (int i = 0; i < 8; ++i) EXPECT_EQ(taster.call<&Taster::choke_once>(i).get(1s), i);
  EXPECT_EQ(taster.call<&Taster::life>().get(1s), 9U);
}

// contract 10.10
TEST_P(PoisonTest, WhatIsHandledInTheEndIsNoPoisonAndGoesBeforeWhatWaits) {
  const auto taster = spawn_taster(3);
  auto eaten = taster.call<&Taster::taste>(food, "soup ");
  taster.send<&Taster::taste>(food, "cake ");
  EXPECT_EQ(eaten.get(1s), 3U);
  world.run_for(1s);
  EXPECT_THAT(log->lines,
              ElementsAre("life 1: soup 3", "life 2: soup 3", "life 3: soup 3", "life 3: cake 3"));
  EXPECT_EQ(home->dead_letters().total(), 0U);
  EXPECT_EQ(home->actors()[0].mailbox_depth, 0U);
}

// contract 10.10
TEST_P(PoisonTest, CoroutinesBeginAgainFromTheSameArguments) {
  for (const bool reentrant : {false, true}) {
    const auto taster = spawn_taster(2, {.reentrant = reentrant, .poison_after = 2});
    EXPECT_EQ(taster.call<&Taster::chew>(food).get(1s), 3U);
    EXPECT_EQ(taster.call<&Taster::life>().get(1s), 2U);
    taster.kill();
    world.run_for(1s);
  }
}

// contract 10.10
TEST_P(PoisonTest, WithoutTheOptionOneDeathIsEnoughAndNoDeadLetter) {
  const auto taster = spawn_taster(2, {});
  taster.send<&Taster::taste>(food, "soup ");
  EXPECT_EQ(taster.call<&Taster::life>().get(1s), 2U);
  EXPECT_THAT(log->lines, ElementsAre("life 1: soup 3"));
  EXPECT_EQ(home->dead_letters().total(), 0U);
}

// contract 10.10
TEST_P(PoisonTest, OneDeathMayBeTooOften) {
  const auto taster = spawn_taster(2, {.poison_after = 1});
  taster.send<&Taster::taste>(food, "soup ");
  EXPECT_EQ(taster.call<&Taster::life>().get(1s), 2U);
  EXPECT_EQ(home->dead_letters().count(DeadLetterReason::kPoison), 1U);
}

// contract 10.10, 8.2
TEST_P(PoisonTest, ACallThatIsCancelledMeanwhileIsNotHandledAgain) {
  const auto taster = spawn_taster(99);
  auto chewing = taster.call<&Taster::chew>(food);
  while (log->lines.empty()) world.run_for(100us);
  chewing.cancel();
  EXPECT_EQ(code_of(std::move(chewing)), ErrorCode::kCancelled);
  world.run_for(1s);
  EXPECT_LE(log->lines.size(), remote() ? 2U : 1U);
  EXPECT_EQ(home->actors()[0].mailbox_depth, 0U);
}

// contract 10.10
TEST(PoisonOptionsTest, WhatCannotBeHandledAgainIsPoisonAtOnceAndItNeedsRestarts) {
  muster::testing::SimWorld world(test_seed());
  auto& node = world.start("node");
  const auto log = std::make_shared<Log>();
  const auto taster = node.spawn<Taster>({.max_restarts = 9, .poison_after = 3}, 0U, log);
  muster::testing::crash(taster, "by order");
  EXPECT_EQ(taster.call<&Taster::life>().get(1s), 2U);
  const auto letters = node.dead_letters();
  ASSERT_EQ(letters.latest.size(), 1U);
  EXPECT_THAT(letters.latest[0].cause, HasSubstr("by order (it cannot be handled again)"));
  EXPECT_THAT(node.try_spawn<Taster>({.poison_after = 3}, 0U, log).error().describe(),
              HasSubstr("invalid: cannot spawn: poison_after is set, but"));
}

}  // namespace
}  // namespace muster::test
