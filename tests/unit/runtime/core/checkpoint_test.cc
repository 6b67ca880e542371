#include "unit/runtime/core/phoenix.h"

namespace muster::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Counts, and can be saved.
struct Saved {
  int value = 0;
  std::string note = {};
};

class Ledger {
 public:
  explicit Ledger(std::shared_ptr<Log> log) : log_(std::move(log)) {}
  Saved save() const {
    if (log_->saves_to_fail > 0) {
      --log_->saves_to_fail;
      throw std::runtime_error("cannot be saved");
    }
    log_->lines.push_back("saved " + std::to_string(value_));
    return {value_, "of life " + std::to_string(this_actor::incarnation())};
  }
  void restore(Saved saved) {
    log_->lines.push_back("restored " + std::to_string(saved.value) + " " + saved.note);
    if (log_->restores_to_fail > 0) {
      --log_->restores_to_fail;
      throw std::runtime_error("cannot be restored");
    }
    value_ = saved.value;
  }
  int add(int n) { return value_ += n; }
  int add_and_save(int n) {
    value_ += n;
    this_actor::checkpoint();
    return value_;
  }
  Task<int> add_slowly(int n, std::chrono::milliseconds time) {
    value_ += n;
    co_await sleep_for(time);
    co_return value_ -= n;
  }
  void crash(const std::string& why) { this_actor::crash(why); }

 private:
  std::shared_ptr<Log> log_;
  int value_ = 0;
};
MUSTER_ACTOR(Ledger, add, add_and_save, add_slowly, crash);

static_assert(Checkpointed<Ledger>);
static_assert(!Checkpointed<Counter>);

class CheckpointTest : public WorldTest {
 protected:
  Handle<Ledger> spawn_ledger(CheckpointOptions checkpoint = {}) {
    const auto made = home->spawn<Ledger>({.name = "ledger",
                                           .max_restarts = 9,
                                           .restart = {.backoff_min = 1ms, .backoff_max = 1ms},
                                           .checkpoint = checkpoint},
                                          log);
    return home == &caller ? made : value_or_throw(caller.find<Ledger>("ledger", 5s));
  }
  void crash(const Handle<Ledger>& ledger) {
    EXPECT_EQ(code_of(ledger.call<&Ledger::crash>("now")), ErrorCode::kUnavailable);
  }
  std::shared_ptr<Log> log = std::make_shared<Log>();
};
INSTANTIATE_TEST_SUITE_P(Places, CheckpointTest, ::testing::Values(Place::kLocal, Place::kRemote),
                         place_name);

// contract 10.11
TEST_P(CheckpointTest, WhatWasSavedOnDemandComesBack) {
  const auto ledger = spawn_ledger();
  ledger.call<&Ledger::add_and_save>(5).get(1s);
  ledger.call<&Ledger::add>(2).get(1s);
  crash(ledger);
  EXPECT_EQ(ledger.call<&Ledger::add>(0).get(1s), 5);
  crash(ledger);  // and again, without another checkpoint
  EXPECT_EQ(ledger.call<&Ledger::add>(1).get(1s), 6);
  EXPECT_THAT(log->lines, ElementsAre("saved 5", "restored 5 of life 1", "restored 5 of life 1"));
}

// contract 10.11
TEST_P(CheckpointTest, WithoutACheckpointTheConstructorIsAll) {
  const auto ledger = spawn_ledger();
  ledger.call<&Ledger::add>(2).get(1s);
  crash(ledger);
  EXPECT_EQ(ledger.call<&Ledger::add>(0).get(1s), 0);
  EXPECT_TRUE(log->lines.empty());
}

// contract 10.11
TEST_P(CheckpointTest, ByNumberOfMessages) {
  const auto ledger = spawn_ledger({.messages = 3});
  for (int i = 1; i <= 8; ++i) ledger.call<&Ledger::add>(1).get(1s);
  EXPECT_THAT(log->lines, ElementsAre("saved 3", "saved 6"));
  crash(ledger);
  EXPECT_EQ(ledger.call<&Ledger::add>(0).get(1s), 6);
}

// contract 10.11
TEST_P(CheckpointTest, ByTimeOnlyWhereSomethingWasHandled) {
  const auto ledger = spawn_ledger({.every = 1s});
  world.run_for(5s);
  EXPECT_TRUE(log->lines.empty());
  ledger.call<&Ledger::add>(1).get(1s);
  ledger.call<&Ledger::add>(1).get(1s);
  world.run_for(10s);
  EXPECT_THAT(log->lines, ElementsAre("saved 2"));
  ledger.call<&Ledger::add>(1).get(1s);
  world.run_for(900ms);
  crash(ledger);  // too early
  EXPECT_EQ(ledger.call<&Ledger::add>(0).get(1s), 2);
}

// contract 10.11
TEST_P(CheckpointTest, NeverWhileAHandlerIsSuspended) {
  const auto ledger = spawn_ledger({.every = 1s});
  ledger.call<&Ledger::add>(1).get(1s);
  auto slow = ledger.call<&Ledger::add_slowly>(100, 5s);
  world.run_for(3s);
  EXPECT_TRUE(log->lines.empty());
  EXPECT_EQ(slow.get(5s), 1);
  world.run_for(1ms);
  EXPECT_THAT(log->lines, ElementsAre("saved 1"));
}

// contract 10.11
TEST_P(CheckpointTest, AFailedSaveKeepsTheOneBefore) {
  const auto ledger = spawn_ledger({.messages = 1});
  ledger.call<&Ledger::add>(1).get(1s);
  log->saves_to_fail = 1;
  EXPECT_EQ(ledger.call<&Ledger::add>(1).get(1s), 2);
  log->saves_to_fail = 1;
  EXPECT_THAT(error_of(ledger.call<&Ledger::add_and_save>(1)), HasSubstr("cannot be saved"));
  log->saves_to_fail = 1;
  crash(ledger);
  EXPECT_EQ(ledger.call<&Ledger::add>(0).get(1s), 3);  // saved after the call that failed
}

// contract 10.1, 10.11
TEST_P(CheckpointTest, ARestoreThatThrowsIsAFailureOfItsOwn) {
  const auto ledger = spawn_ledger();
  ledger.call<&Ledger::add_and_save>(4).get(1s);
  log->restores_to_fail = 2;
  crash(ledger);
  EXPECT_EQ(ledger.call<&Ledger::add>(0).get(1s), 4);
  EXPECT_EQ(home->stats().restarts, 1U);
  log->restores_to_fail = 100;
  auto down = caller.monitor(ledger);
  crash(ledger);
  EXPECT_THAT(down.get(5s).cause.message,
              HasSubstr("restore() threw at the restart: cannot be restored"));
}

TEST(CheckpointOptionsTest, WhatMakesNoSenseIsRefused) {
  muster::testing::SimWorld world(test_seed());
  auto& node = world.start("node");
  const auto plain = node.try_spawn<Counter>({.max_restarts = 1, .checkpoint = {.messages = 1}}, 1);
  EXPECT_EQ(plain.error().describe(),
            "invalid: cannot checkpoint a Counter: it has no save() const and restore() that takes "
            "what that gives");
  const auto alone = node.try_spawn<Ledger>({.checkpoint = {.every = 1s}}, std::make_shared<Log>());
  EXPECT_EQ(alone.error().describe(),
            "invalid: cannot checkpoint a Ledger that is never restarted: give it max_restarts or "
            "a supervisor");
  EXPECT_EQ(node.try_spawn<Ledger>({.max_restarts = 1, .checkpoint = {.every = -1s}},
                                   std::make_shared<Log>())
                .error()
                .code,
            ErrorCode::kInvalid);
}

class Forgetful {
 public:
  void save_me() { this_actor::checkpoint(); }
};
MUSTER_ACTOR(Forgetful, save_me);

TEST(CheckpointOptionsTest, OnDemandItNeedsSaveAndRestoreAndDoesNothingWithoutRestarts) {
  muster::testing::SimWorld world(test_seed());
  auto& node = world.start("node");
  const auto forgetful = node.spawn<Forgetful>();
  EXPECT_EQ(error_of(forgetful.call<&Forgetful::save_me>()),
            "invalid: cannot checkpoint a Forgetful: it has no save() const and restore() that "
            "takes what that gives");
  const auto log = std::make_shared<Log>();
  const auto ledger = node.spawn<Ledger>({}, log);
  EXPECT_EQ(ledger.call<&Ledger::add_and_save>(1).get(1s), 1);
  EXPECT_TRUE(log->lines.empty());
}

}  // namespace
}  // namespace muster::test
