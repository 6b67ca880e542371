// Counters and histograms of a runtime, and the text made of them.

#include <muster/metrics.h>
#include <muster/stream.h>

#include "runtime/core/meters.h"
#include "unit/runtime/core/fixture.h"

namespace muster::test {

/// Tells of its own runtime.
class Meter {
 public:
  Metrics metrics() { return this_actor::runtime().metrics(); }
  Stream<int> count_slowly(int n) {
    for (int i = 0; i < n; ++i) {
      co_await sleep_for(10ms);
      co_yield i;
    }
  }
};
MUSTER_ACTOR(Meter, metrics, count_slowly);

class Unmakeable {
 public:
  Unmakeable() { throw std::runtime_error("on purpose"); }
  void nothing() {}
};
MUSTER_ACTOR(Unmakeable, nothing);

namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class MetricsTest : public WorldTest {};
INSTANTIATE_TEST_SUITE_P(Places, MetricsTest, ::testing::Values(Place::kLocal, Place::kRemote),
                         place_name);

// contract 7.3
TEST_P(MetricsTest, ActorsAreCountedWhenTheyAreMadeAndByReasonWhenTheyEnd) {
  const auto lives = spawn(0, "lives");
  const auto killed = spawn(0, "killed");
  const auto stopped = spawn(0, "stopped");
  auto released = spawn(0, "released");
  const auto crashed = spawn(0, "crashed");
  EXPECT_FALSE(home->try_spawn<Unmakeable>({}));
  killed.kill();
  stopped.stop();
  released = {};
  EXPECT_EQ(code_of(crashed.call<&Counter::check>(0)), ErrorCode::kUnavailable);
  world.run_for(10ms);
  const Metrics metrics = home->metrics();
  EXPECT_EQ(metrics.node, home->node_id());
  EXPECT_EQ(metrics.actors, 1U);
  EXPECT_EQ(metrics.actors_spawned, 6U);
  EXPECT_THAT(metrics.actors_ended,
              UnorderedElementsAre(Pair("killed", 1), Pair("stopped", 1), Pair("released", 1),
                                   Pair("crashed", 2), Pair("shutdown", 0), Pair("node_lost", 0),
                                   Pair("linked", 0)));
  EXPECT_EQ(metrics.peers, remote() ? 1U : 0U);
  EXPECT_EQ(metrics.bytes_sent > 0, remote());
  EXPECT_EQ(metrics.bytes_received > 0, remote());
  EXPECT_FALSE(metrics.call_latency || metrics.queue_wait || metrics.handler_time);
}

// contract 7.3
TEST_P(MetricsTest, MessagesAreCountedAlsoOfActorsThatHaveEnded) {
  auto counter = spawn(0, "counter", {.mailbox_capacity = 2});
  for (int i = 0; i < 3; ++i) counter.call<&Counter::add>(1).get(1s);
  auto nap = counter.call<&Counter::nap>(1s);
  world.run_for(10ms);
  std::vector<Future<int>> calls;
  for (int i = 0; i < 3; ++i) calls.push_back(counter.call<&Counter::add>(1));
  counter.send<&Counter::add>(1);
  world.run_for(10ms);
  Metrics metrics = home->metrics();
  EXPECT_EQ(metrics.messages_processed, 4U);
  EXPECT_EQ(metrics.messages_waiting, 2U);
  EXPECT_EQ(metrics.messages_rejected.at("mailbox_full"), 2U);
  EXPECT_EQ(metrics.dead_letters.at("mailbox_full"), 1U);
  counter.kill();
  world.run_for(10ms);
  EXPECT_EQ(code_of(counter.call<&Counter::add>(1)), ErrorCode::kUnavailable);
  metrics = home->metrics();
  EXPECT_EQ(metrics.messages_processed, 4U);
  EXPECT_EQ(metrics.messages_waiting, 0U);
  EXPECT_EQ(metrics.messages_rejected.at("mailbox_full"), 2U);
  EXPECT_EQ(metrics.messages_rejected.at("actor_ended"), 3U);
  EXPECT_EQ(metrics.dead_letters.at("actor_ended"), 0U);  // they were calls
}

// contract 7.3
TEST_P(MetricsTest, SendersThatWaitForRoomAreCountedAsWaiting) {
  const auto counter = spawn(0, "counter", {.mailbox_capacity = 1});
  auto nap = counter.call<&Counter::nap>(1s);
  world.run_for(10ms);
  const auto patient = counter.with({.when_full = WhenFull::kWait});
  for (int i = 0; i < 3; ++i) patient.send<&Counter::add>(1);
  world.run_for(10ms);
  EXPECT_EQ(home->metrics().messages_waiting, 3U);
  world.run_for(1s);
  EXPECT_EQ(home->metrics().messages_waiting, 0U);
  EXPECT_EQ(home->metrics().messages_processed, 4U);
}

// contract 7.3
TEST_P(MetricsTest, MessagesThatDoNotLeaveTheirNodeAreCountedThere) {
  if (!remote()) return;
  const auto counter = spawn(0);
  home->shutdown();
  world.run_for(10ms);
  counter.send<&Counter::add>(1);
  EXPECT_EQ(code_of(counter.call<&Counter::add>(1)), ErrorCode::kUnavailable);
  const Metrics metrics = caller.metrics();
  EXPECT_EQ(metrics.messages_rejected.at("unreachable"), 2U);
  EXPECT_EQ(metrics.dead_letters.at("unreachable"), 1U);
  EXPECT_EQ(metrics.peers, 0U);
}

// contract 7.3
TEST_P(MetricsTest, TravelToWhoeverAsks) {
  const auto made = home->spawn<Meter>({.name = "meter"});
  const auto meter = value_or_throw(caller.find<Meter>("meter", 5s));
  const Metrics metrics = meter.call<&Meter::metrics>().get(5s);
  EXPECT_EQ(metrics.node, home->node_id());
  EXPECT_EQ(metrics.actors_spawned, 1U);
  EXPECT_EQ(metrics.actors_ended.size(), kDownReasons);
}

// contract 7.3
TEST(MetricsTimingsTest, CallsAreTimedWhereTheyAreMadeAndWaitsWhereTheyAreWaited) {
  muster::testing::SimWorld world(test_seed());
  auto& head = world.start("head", {.listen = "head:1", .timings = true});
  auto& node = world.start("node", {.timings = true});
  value_or_throw(node.join("head:1", 1s));
  const auto made = node.spawn<Counter>({.name = "far"}, 0);
  const auto far = value_or_throw(head.find<Counter>("far", 1s));
  auto nap = far.call<&Counter::nap>(1s);
  world.run_for(10ms);
  auto waits = far.with({.timeout = kForever}).call<&Counter::add>(1);
  EXPECT_TRUE(waits.result(5s));
  EXPECT_EQ(code_of(far.with({.timeout = 1ms}).call<&Counter::nap>(3s)), ErrorCode::kTimeout);
  const Histogram calls = head.metrics().call_latency.value();
  EXPECT_EQ(calls.count(), 3U);
  EXPECT_NEAR(calls.sum, 1 + 0.99 + 0.001, 0.01);
  EXPECT_DOUBLE_EQ(calls.quantile(1), 1.048576);  // the least bound above a second
  EXPECT_DOUBLE_EQ(calls.quantile(0.1), 1.024e-3);
  const Histogram queue = node.metrics().queue_wait.value();
  EXPECT_EQ(queue.count(), 3U);
  EXPECT_NEAR(queue.sum, 0.99, 0.01);
  EXPECT_EQ(node.metrics().call_latency->count(), 0U);
  EXPECT_EQ(head.metrics().queue_wait->count(), 0U);
  // A nap is two slices, and the second one's end has not come.
  EXPECT_EQ(node.metrics().handler_time->count(), 4U);
  EXPECT_EQ(head.metrics().handler_time->count(), 0U);
}

// contract 7.3
TEST(MetricsTimingsTest, CallOfAStreamIsTimedUntilItsEnd) {
  muster::testing::SimWorld world(test_seed());
  auto& rt = world.start("node", {.timings = true});
  const auto meter = rt.spawn<Meter>();
  auto stream = meter.call<&Meter::count_slowly>(3);
  EXPECT_EQ(stream.next(1s), 0);
  EXPECT_EQ(rt.metrics().call_latency->count(), 0U);
  while (stream.next(1s)) {
  }
  EXPECT_EQ(rt.metrics().call_latency->count(), 1U);
  EXPECT_NEAR(rt.metrics().call_latency->sum, 0.03, 0.001);
}

// contract 7.3
TEST(MetricsTimingsTest, RealTimeAndRealConnectionsCountTheSame) {
  Runtime head({.threads = 1, .listen = "127.0.0.1:0", .timings = true});
  Runtime node({.threads = 1, .timings = true});
  value_or_throw(node.join(head.listen_address(), 10s));
  const auto made = node.spawn<Counter>({.name = "far"}, 0);
  const auto far = value_or_throw(head.find<Counter>("far", 10s));
  for (int i = 0; i < 20; ++i) far.call<&Counter::add>(1).get(10s);
  EXPECT_EQ(head.metrics().call_latency->count(), 20U);
  EXPECT_GT(head.metrics().call_latency->sum, 0);
  const Metrics metrics = node.metrics();
  EXPECT_EQ(metrics.messages_processed, 20U);
  EXPECT_EQ(metrics.queue_wait->count(), 20U);    // none waited behind another
  EXPECT_GE(metrics.handler_time->count(), 19U);  // the last one's result may come before its end
  EXPECT_EQ(metrics.peers, 1U);
  EXPECT_GT(metrics.bytes_received, 0U);
}

TEST(HistogramTest, DurationsFallIntoTheBucketWhoseBoundIsTheFirstNotBelow) {
  detail::DurationMeter meter;
  for (const Duration time : {-5ns, 0ns, 1ns, 1000ns, 1001ns, 2000ns, 2001ns, 4000ns, 4001ns}) {
    meter.record(time);
  }
  meter.record(100h);
  const Histogram histogram = meter.read();
  ASSERT_EQ(histogram.counts.size(), histogram.bounds.size() + 1);
  EXPECT_THAT(std::vector(histogram.counts.begin(), histogram.counts.begin() + 4),
              ElementsAre(4, 2, 2, 1));
  EXPECT_EQ(histogram.counts.back(), 1U);
  EXPECT_DOUBLE_EQ(histogram.bounds[0], 1e-6);
  EXPECT_DOUBLE_EQ(histogram.bounds[3], 8e-6);
  EXPECT_NEAR(histogram.sum, 360'000 + 14.004e-6, 1e-9);
  EXPECT_EQ(histogram.count(), 10U);
  EXPECT_DOUBLE_EQ(histogram.quantile(0.4), 1e-6);
  EXPECT_DOUBLE_EQ(histogram.quantile(0.41), 2e-6);
  EXPECT_EQ(histogram.quantile(1), std::numeric_limits<double>::infinity());
  EXPECT_EQ(Histogram().quantile(0.5), 0);
}

TEST(PrometheusTest, WritesEachFamilyOnceWithItsTypeAndItsNode) {
  Metrics metrics;
  metrics.node = {0x1234567800000000, 0};
  metrics.actors = 3;
  metrics.actors_ended = {{"killed", 2}, {"stopped", 5}};
  metrics.call_latency = Histogram{.bounds = {1e-6, 0.5}, .counts = {1, 2, 3}, .sum = 7.25};
  const std::string text = to_prometheus(metrics);
  EXPECT_THAT(text, HasSubstr("# HELP muster_actors Actors alive.\n"
                              "# TYPE muster_actors gauge\n"
                              "muster_actors{node=\"12345678\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE muster_actors_ended_total counter\n"
                              "muster_actors_ended_total{node=\"12345678\",reason=\"killed\"} 2\n"
                              "muster_actors_ended_total{node=\"12345678\",reason=\"stopped\"} "
                              "5\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE muster_call_seconds histogram\n"
                              "muster_call_seconds_bucket{node=\"12345678\",le=\"1e-06\"} 1\n"
                              "muster_call_seconds_bucket{node=\"12345678\",le=\"0.5\"} 3\n"
                              "muster_call_seconds_bucket{node=\"12345678\",le=\"+Inf\"} 6\n"
                              "muster_call_seconds_sum{node=\"12345678\"} 7.25\n"
                              "muster_call_seconds_count{node=\"12345678\"} 6\n"));
  EXPECT_THAT(text, Not(HasSubstr("queue_wait")));
  EXPECT_EQ(text.back(), '\n');
  std::map<std::string, int> types;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# TYPE ")) ++types[line.substr(7, line.rfind(' ') - 7)];
  }
  for (const auto& [name, times] : types) EXPECT_EQ(times, 1) << name;
}

}  // namespace
}  // namespace muster::test
