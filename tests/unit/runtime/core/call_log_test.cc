// What is kept of calls that outlive their connection, and for how long.

#include "runtime/core/call_log.h"

#include "runtime/core/resender.h"
#include "unit/runtime/core/clerk.h"

namespace muster::test {
namespace {

wire::CallHeader kept_call(std::uint64_t number, std::uint64_t first_open) {
  return {.call_id = wire::kKeptCall | number, .first_open = wire::kKeptCall | first_open};
}

// contract 12.2, 12.4
TEST(CallLogTest, RemembersWhatItsCallersWaitFor) {
  std::vector<std::unique_ptr<detail::RemoteReply>> open;
  detail::CallLogs logs;
  const NodeId one{1, 1}, other{1, 2};
  const auto is_new = [&](const NodeId& caller, std::uint64_t number, std::uint64_t first_open) {
    const auto call = kept_call(number, first_open);
    auto admitted = value_or_throw(logs.get(caller, call, TimePoint(1h)))->admit(call, nullptr);
    EXPECT_TRUE(admitted);
    if (!admitted || *admitted == nullptr) return false;
    open.push_back(std::move(*admitted));  // under way
    return true;
  };
  EXPECT_TRUE(is_new(one, 7, 7));
  EXPECT_FALSE(is_new(one, 7, 7));
  EXPECT_TRUE(is_new(other, 7, 7));
  EXPECT_TRUE(is_new(one, 9, 7));
  EXPECT_TRUE(is_new(one, 8, 7));
  EXPECT_TRUE(is_new(one, 12, 10));
  EXPECT_FALSE(is_new(one, 9, 9)) << "nobody waits for it";
}

// contract 12.4
TEST(CallLogTest, IsBoundedWhateverTheCallerDoes) {
  detail::CallLogs logs;
  const NodeId caller{1, 1};
  const TimePoint now(1h);
  const auto log = value_or_throw(logs.get(caller, kept_call(1, 1), now));
  for (std::uint64_t i = 1; i <= detail::kKeptCallsMax; ++i) {
    EXPECT_TRUE(log->admit(kept_call(i, 1), nullptr));
  }
  const auto beyond = log->admit(kept_call(detail::kKeptCallsMax + 1, 1), nullptr);
  ASSERT_FALSE(beyond);
  EXPECT_EQ(beyond.error().code, ErrorCode::kOverloaded);
  EXPECT_TRUE(log->admit(kept_call(detail::kKeptCallsMax + 1, 2), nullptr));
  const auto wrong = logs.get(caller, kept_call(5, 6), now);
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, ErrorCode::kInvalid);
  for (std::uint64_t i = 2; i <= detail::kCallersMax; ++i) {
    EXPECT_TRUE(logs.get(NodeId{1, i}, kept_call(1, 1), now));
  }
  const NodeId late{2, 1};
  EXPECT_FALSE(logs.get(late, kept_call(1, 1), now));
  testing::SimWorld world(1);
  auto& head = world.start("head", {.listen = "head:1"});
  value_or_throw(world.start("node").join("head:1", 5s));
  const auto peer = head.core().peer(head.peers().at(0).node);
  logs.lost(caller, *peer, nullptr, now);
  const TimePoint then = now + detail::kCallerForgottenAfter;
  logs.lost(NodeId{1, 2}, *peer, nullptr, then);
  EXPECT_FALSE(logs.get(late, kept_call(1, 1), then));
  EXPECT_TRUE(logs.get(late, kept_call(1, 1), then + 1s));
  auto again = kept_call(9, 9);
  again.again = true;
  const auto forgotten = logs.get(caller, again, then + 1s);
  ASSERT_FALSE(forgotten);
  EXPECT_EQ(forgotten.error().code, ErrorCode::kUnavailable);
  logs.lost(NodeId{1, 3}, *peer, nullptr, now);
  logs.lost(NodeId{1, 3}, *peer, nullptr, then + 1s);
  EXPECT_TRUE(logs.get(NodeId{3, 1}, again, then + 1s)) << "it was never known";
  EXPECT_EQ(logs.find(caller), nullptr);
  EXPECT_NE(logs.find(NodeId{1, 2}), nullptr);
}

// contract 12.1, 12.2
TEST(CallLogTest, AnswersOfAnEndedConnectionAreSentAgainOverTheOther) {
  testing::SimWorld world(1);
  auto& head = world.start("head", {.listen = "head:1"});
  value_or_throw(world.start("one").join("head:1", 5s));
  value_or_throw(world.start("other").join("head:1", 5s));
  const auto ended = head.core().peer(head.peers().at(0).node);
  const auto lasts = head.core().peer(head.peers().at(1).node);
  const auto sent_over_it = [&](auto action) {
    const auto before = lasts->stats().messages_sent;
    action();
    world.run_for(1ms);
    return lasts->stats().messages_sent - before;
  };

  detail::CallLogs logs;
  const NodeId caller{1, 1};
  const TimePoint now(1h);
  const auto log = value_or_throw(logs.get(caller, kept_call(1, 1), now));
  const auto answered = value_or_throw(log->admit(kept_call(1, 1), ended));
  const auto open = value_or_throw(log->admit(kept_call(2, 1), ended));
  const auto result = [](Encoder& to) { Codec<int>::encode(to, 7); };
  EXPECT_EQ(sent_over_it([&] { answered->result(result); }), 0U);
  EXPECT_EQ(sent_over_it([&] { logs.lost(caller, *ended, lasts, now); }), 1U);
  EXPECT_EQ(sent_over_it([&] { open->result(result); }), 1U) << "it is used from now on";
}

// Two connections are read at once: what came by the older one may be read last. contract 12.1
TEST(CallLogTest, AnswersGoOverTheLatestConnection) {
  testing::SimWorld world(1);
  auto& head = world.start("head", {.listen = "head:1"});
  value_or_throw(world.start("one").join("head:1", 5s));
  value_or_throw(world.start("other").join("head:1", 5s));
  auto older = head.core().peer(head.peers().at(0).node);
  auto latest = head.core().peer(head.peers().at(1).node);
  if (older->ready_number > latest->ready_number) older.swap(latest);

  detail::CallLogs logs;
  const auto log = value_or_throw(logs.get(NodeId{1, 1}, kept_call(1, 1), TimePoint(1h)));
  const auto first = value_or_throw(log->admit(kept_call(1, 1), latest));
  const auto second = value_or_throw(log->admit(kept_call(2, 1), older));
  const auto result = [](Encoder& to) { Codec<int>::encode(to, 7); };
  const auto sent = latest->stats().messages_sent;
  first->result(result);
  second->result(result);
  world.run_for(1ms);
  EXPECT_EQ(latest->stats().messages_sent, sent + 2);
}

// contract 12.1
TEST(ReconnectPauseTest, GrowsToItsMostAndHasJitter) {
  EXPECT_EQ(detail::reconnect_pause(0, 10ms, 1s, 0), 5ms);
  EXPECT_EQ(detail::reconnect_pause(3, 10ms, 1s, 0), 40ms);
  EXPECT_EQ(detail::reconnect_pause(3, 10ms, 1s, 0.5), 60ms);
  EXPECT_EQ(detail::reconnect_pause(7, 10ms, 1s, 0), 500ms);
  EXPECT_EQ(detail::reconnect_pause(4'000'000, 10ms, 1s, 0), 500ms);
}

// Every life of a node is another node to its callers. contract 12.4
TEST(ResendersTest, ThoseOfDeadNodesAreLetGoOnceNothingIsKept) {
  testing::SimWorld world(1);
  auto& head = world.start("head", {.on_error = [](const auto&) {}});
  const auto call = [&](const char* name, Duration timeout) {
    auto& node = world.start(name, {.listen = std::string(name) + ":1"});
    value_or_throw(head.join(std::string(name) + ":1", 5s));
    node.spawn<Clerk>({.name = name, .detached = true});
    const auto clerk = value_or_throw(head.find<Clerk>(name, 5s));
    EXPECT_EQ(clerk.with({.retry = true}).call<&Clerk::file>(1).get(1s), 1);
    return clerk.with({.timeout = timeout, .retry = true});
  };
  const auto waits_for_node = [&](const Handle<Clerk>& clerk) {
    return head.core().resenders().find(clerk.id().node) != nullptr;
  };

  const auto answered = call("answered", 20s), open = call("open", 20s);
  world.crash("answered");
  world.crash("open");
  auto waits = open.call<&Clerk::file>(2);
  world.run_for(10s);  // until they are found silent
  const auto lives = call("lives", 20s);
  EXPECT_FALSE(waits_for_node(answered));
  EXPECT_TRUE(waits_for_node(open));
  EXPECT_EQ(code_of(std::move(waits), 30s), ErrorCode::kTimeout);
  world.run_for(10s);  // its last attempt to connect
  call("later", 20s);
  EXPECT_TRUE(waits_for_node(open)) << "the cancel of the call is kept";
  world.run_for(detail::kCallerForgottenAfter);
  call("latest", 20s);
  EXPECT_FALSE(waits_for_node(open));
  EXPECT_TRUE(waits_for_node(lives));

  // A handle that outlived it asks for another.
  EXPECT_EQ(code_of(answered.call<&Clerk::file>(3), 30s), ErrorCode::kTimeout);
}

}  // namespace
}  // namespace muster::test
