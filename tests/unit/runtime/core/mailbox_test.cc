#include "unit/runtime/core/fixture.h"

namespace muster::test {
namespace {

using ::testing::HasSubstr;

class MailboxTest : public WorldTest {};
INSTANTIATE_TEST_SUITE_P(Places, MailboxTest, ::testing::Values(Place::kLocal, Place::kRemote),
                         place_name);

// contract 3.1
TEST_P(MailboxTest, CallToAFullMailboxIsOverloadedAndDoesNotRun) {
  for (const std::size_t capacity : {1U, 2U, 3U}) {
    const auto counter =
        spawn(0, "counter" + std::to_string(capacity), {.mailbox_capacity = capacity});
    auto napping = counter.call<&Counter::nap>(100ms);
    world.run_for(10ms);  // the nap is under way; nothing is in the mailbox
    std::vector<Future<int>> calls;
    for (std::size_t i = 0; i < capacity + 1; ++i) calls.push_back(counter.call<&Counter::add>(1));
    EXPECT_TRUE(wait_all(calls, 1s));
    EXPECT_THAT(error_of(std::move(calls.back())),
                HasSubstr("its mailbox is full (" + std::to_string(capacity) + " messages)"));
    calls.pop_back();
    for (auto& call : calls) EXPECT_TRUE(call.result());
    EXPECT_EQ(counter.call<&Counter::value>().get(1s), static_cast<int>(capacity));
  }
}

// contract 2.6, 3.1
TEST_P(MailboxTest, OneWayMessageToAFullMailboxIsADeadLetter) {
  const auto counter = spawn(0, "counter", {.mailbox_capacity = 1});
  auto napping = counter.call<&Counter::nap>(100ms);
  world.run_for(10ms);
  for (int i = 0; i < 3; ++i) counter.send<&Counter::add>(1);
  EXPECT_EQ(napping.get(1s), 0);
  world.run_for(10ms);
  EXPECT_EQ(counter.call<&Counter::value>().get(1s), 1);
  EXPECT_EQ(home->stats().dead_letters, 2U);
}

// contract 2.6
TEST_P(MailboxTest, OneWayMessageToADeadActorIsADeadLetter) {
  const auto counter = spawn(0);
  auto down = caller.monitor(counter);
  counter.kill();
  down.get(1s);
  counter.send<&Counter::add>(1);
  world.run_for(10ms);
  EXPECT_EQ(home->stats().dead_letters, 1U);
}

}  // namespace
}  // namespace muster::test
