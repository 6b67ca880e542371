// Runtime::actors(): what each actor is doing, on its own node and, through an actor there, on
// others.

#include <atomic>
#include <thread>

#include "unit/runtime/core/fixture.h"

namespace muster::test {

/// Looks at its own runtime: at once, in its constructor and when asked.
class Inspector {
 public:
  Inspector() : at_birth_(actors()) {}
  std::vector<ActorInfo> actors() { return this_actor::runtime().actors(); }
  std::vector<ActorInfo> at_birth() const { return at_birth_; }

 private:
  std::vector<ActorInfo> at_birth_;
};
MUSTER_ACTOR(Inspector, actors, at_birth);

namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ActorsListTest : public WorldTest {
 protected:
  ActorInfo info_of(const ActorId& id) {
    for (auto& info : home->actors()) {
      if (info.id == id) return info;
    }
    ADD_FAILURE() << to_string(id) << " is not listed";
    return {};
  }
};
INSTANTIATE_TEST_SUITE_P(Places, ActorsListTest, ::testing::Values(Place::kLocal, Place::kRemote),
                         place_name);

// contract 7.2
TEST_P(ActorsListTest, ShowsEachLivingActorOnceByNumber) {
  EXPECT_THAT(home->actors(), IsEmpty());
  const auto first = spawn(0, "first");
  auto second = spawn(0, "second");
  world.run_for(10ms);
  const auto both = home->actors();
  ASSERT_EQ(both.size(), 2U);
  EXPECT_EQ(both[0], (ActorInfo{.id = first.id(),
                                .name = "first",
                                .class_name = "Counter",
                                .state = ActorState::kIdle,
                                .handles = 1}));
  EXPECT_EQ(both[1].id, second.id());
  second = {};
  world.run_for(10ms);
  EXPECT_EQ(home->actors().size(), 1U);
}

// contract 7.2
TEST_P(ActorsListTest, SuspendedActorShowsItsMethodAndWhatWaits) {
  const auto counter = spawn(0);
  for (int i = 0; i < 3; ++i) counter.send<&Counter::add>(1);
  auto nap = counter.call<&Counter::nap>(1s);
  world.run_for(10ms);
  for (int i = 0; i < 2; ++i) counter.send<&Counter::add>(1);
  world.run_for(10ms);
  ActorInfo info = info_of(counter.id());
  EXPECT_EQ(info.state, ActorState::kSuspended);
  EXPECT_EQ(info.method, "nap");
  EXPECT_EQ(info.processed, 4U);
  EXPECT_EQ(info.mailbox_depth, 2U);
  EXPECT_EQ(info.mailbox_bytes > 0, remote());
  EXPECT_FALSE(info.ending);
  counter.stop();
  world.run_for(10ms);
  EXPECT_TRUE(info_of(counter.id()).ending);
  EXPECT_EQ(nap.get(2s), 3);
  world.run_for(10ms);
  EXPECT_THAT(home->actors(), IsEmpty());
}

// contract 7.2
TEST_P(ActorsListTest, ActorWithWorkWaitsForAThreadUntilItGetsOne) {
  const auto counter = home->spawn<Counter>({}, 0);
  counter.send<&Counter::add>(1);
  EXPECT_EQ(info_of(counter.id()).state, ActorState::kReady);
  EXPECT_EQ(info_of(counter.id()).mailbox_depth, 1U);
  world.run_for(1ms);
  EXPECT_EQ(info_of(counter.id()).state, ActorState::kIdle);
  EXPECT_EQ(info_of(counter.id()).mailbox_depth, 0U);
}

// contract 7.2
TEST_P(ActorsListTest, ActorSeesItselfStartAndRunAndOthersSeeItFromElsewhere) {
  const auto made = home->spawn<Inspector>({.name = "inspector"});
  const auto inspector = remote() ? value_or_throw(caller.find<Inspector>("inspector", 1s)) : made;
  const auto born = inspector.call<&Inspector::at_birth>().get(1s);
  const auto now = inspector.call<&Inspector::actors>().get(1s);
  ASSERT_EQ(born.size(), 1U);
  ASSERT_EQ(now.size(), 1U);
  EXPECT_EQ(born[0].state, ActorState::kStarting);
  EXPECT_EQ(now[0].state, ActorState::kRunning);
  EXPECT_EQ(now[0].id, made.id());
  EXPECT_EQ(now[0].processed, 2U);
}

// contract 7.2
TEST(ActorsListThreadsTest, ListsWhileActorsComeAndGo) {
  Runtime rt({.threads = 2});
  std::atomic<bool> done{false};
  std::jthread looker([&] {
    while (!done) {
      for (const auto& info : rt.actors()) EXPECT_EQ(info.class_name, "Counter");
    }
  });
  for (int round = 0; round < 50; ++round) {
    std::vector<Handle<Counter>> actors;
    for (int i = 0; i < 20; ++i) actors.push_back(rt.spawn<Counter>({}, i));
    std::vector<Future<int>> calls;
    for (const auto& actor : actors) calls.push_back(actor.call<&Counter::nap>(1ms));
    ASSERT_TRUE(wait_all(calls, 30s));
  }
  done = true;
}

TEST(ActorStateTest, HasAName) {
  std::vector<std::string_view> names;
  for (int i = 1; i <= 7; ++i) names.push_back(to_string(static_cast<ActorState>(i)));
  EXPECT_THAT(names, ElementsAre("starting", "idle", "ready", "running", "suspended", "restarting",
                                 "unknown"));
}

}  // namespace
}  // namespace muster::test
