// Training under each named fault, by seed: whatever the network does, a run ends, says whom it
// lost and why, and its parameters are the average of what was counted, to the bit.

#include "sim/train/reference.h"
#include "sim/train/train_world.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace muster::training {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::uint64_t kSeeds = 60;  // of each fault
constexpr std::uint64_t kWorkers = 4;

enum class Fault {
  kNone,
  kLatency,
  kReorder,
  kHealedPartition,
  kLostConnection,
  kLossyNetwork,
  kPartition,
  kWorkerCrash,
  kAllCrash,
};

std::string name_of(Fault fault) {
  switch (fault) {
    case Fault::kNone:
      return "None";
    case Fault::kLatency:
      return "Latency";
    case Fault::kReorder:
      return "Reorder";
    case Fault::kHealedPartition:
      return "HealedPartition";
    case Fault::kLostConnection:
      return "LostConnection";
    case Fault::kLossyNetwork:
      return "LossyNetwork";
    case Fault::kPartition:
      return "Partition";
    case Fault::kWorkerCrash:
      return "WorkerCrash";
    case Fault::kAllCrash:
      return "AllCrash";
  }
  return "unknown";
}

void PrintTo(Fault fault, std::ostream* out) {
  *out << name_of(fault);
}

/// Faults that delay messages and lose none: they must not show in the result.
bool only_delays(Fault fault) {
  return fault <= Fault::kHealedPartition;
}

/// One run under one fault, all of it drawn from the seed.
class FaultyRun {
 public:
  FaultyRun(Fault fault, std::uint64_t seed)
      : fault_(fault), random_(mix_seed(seed, 77)), config(draw_config()) {
    TrainWorld::Options options;
    if (fault == Fault::kLatency) {
      options.link.latency_min = 1ms;
      options.link.latency_max = 300ms;
    }
    if (fault == Fault::kReorder) {
      options.link.reorder_probability = 0.2;
      options.link.reorder_delay = 30ms;
    }
    if (fault == Fault::kLossyNetwork) options.link.loss_probability = 0.006;
    train.emplace(seed, config, options);
    // A connect does not wait for a partition to heal; what is connected does.
    const bool after_joining = fault == Fault::kHealedPartition || random_.below(2) == 0;
    if (after_joining) train->start_workers();
    // From now to a little after the last round of a run without faults.
    plan(after_joining ? 40ms : 90ms);
    if (!after_joining) train->start_workers();
    ended = train->run_to_the_end();
  }

  std::set<std::string> struck() const { return struck_; }

 private:
  TrainConfig draw_config() {
    TrainConfig out = small_config();
    out.workers = kWorkers;
    if (random_.below(2) == 0)
      out.scaling = {.rule = optim::ScalingRule::kIdentity, .estimator = std::nullopt};
    // Sometimes the round's deadline is first, sometimes the silence of the node.
    const bool short_round = !only_delays(fault_) && random_.below(2) == 0;
    out.round.deadline_s = short_round ? 1 : 20;
    return out;
  }

  Duration draw_below(Duration end) {
    return Duration(random_.below(static_cast<std::uint64_t>(end.count())));
  }
  void strike(Duration when, const std::string& node, std::function<void()> how) {
    train->world.timers().schedule_in(when, [this, node, how = std::move(how)] {
      if (train->result) return;
      struck_.insert(node);
      how();
    });
  }

  void plan(Duration within) {
    const std::string node = TrainWorld::node_of(random_.below(kWorkers));
    testing::SimNetwork& network = train->world.network();
    if (fault_ == Fault::kHealedPartition) {
      const Duration length = draw_below(2s);
      strike(draw_below(within), node, [this, node, length, &network] {
        network.partition("head", node);
        train->world.timers().schedule_in(length, [node, &network] { network.heal("head", node); });
      });
    }
    if (fault_ == Fault::kLostConnection)
      strike(draw_below(within), node,
             [node, &network] { network.drop_connections("head", node); });
    if (fault_ == Fault::kPartition)
      strike(draw_below(within), node, [node, &network] { network.partition("head", node); });
    if (fault_ == Fault::kWorkerCrash)
      strike(draw_below(within), node, [this, node] { train->crash(node); });
    if (fault_ == Fault::kAllCrash) {
      for (std::uint64_t w = 0; w < kWorkers; ++w) {
        const std::string each = TrainWorld::node_of(w);
        strike(draw_below(within), each, [this, each] { train->crash(each); });
      }
    }
  }

  const Fault fault_;
  Random random_;
  std::set<std::string> struck_;

 public:
  const TrainConfig config;
  std::optional<TrainWorld> train;
  bool ended = false;
};

/// Who was counted in each round: a round's contributors are all but those lost before it closed,
/// and losses are told in the order in which they happened.
std::map<std::uint64_t, std::vector<std::uint64_t>> contributors(const TrainWorld& train) {
  std::map<std::uint64_t, std::vector<std::uint64_t>> out;
  for (const RoundReport& report : train.rounds) {
    std::set<std::uint64_t> counted;
    for (std::uint64_t w = 0; w < kWorkers; ++w) counted.insert(w);
    for (std::size_t i = 0; i + report.workers < kWorkers; ++i) counted.erase(train.lost[i].worker);
    out[report.round].assign(counted.begin(), counted.end());
  }
  return out;
}

void check_rounds(const FaultyRun& run) {
  const TrainWorld& train = *run.train;
  const bool probes = run.config.scaling.needs_bootstrap();
  std::uint64_t round = probes ? 0 : 1;
  std::uint64_t most = kWorkers;
  for (const RoundReport& report : train.rounds) {
    ASSERT_EQ(report.round, round++) << "rounds are committed one after the other";
    ASSERT_LE(report.workers, most) << "a worker came back";
    ASSERT_GE(report.workers + train.lost.size(), kWorkers) << "a worker is missing, not lost";
    ASSERT_EQ(report.samples, report.workers * run.config.local.steps * run.config.local.batch)
        << "a worker counts once a round";
    most = report.workers;
  }
}

/// Averager, evaluator and workers agree with a run of the same contributions without a network.
void check_parameters(const FaultyRun& run) {
  const TrainWorld& train = *run.train;
  const auto counted = contributors(train);
  const auto expected = reference_run(run.config, quadratics(), counted);
  const std::vector<float> last(train.result->parameters.begin(), train.result->parameters.end());
  if (!expected.empty()) {
    ASSERT_EQ(last, expected.rbegin()->second);
  }
  for (std::size_t i = 0; i < train.evaluated().size(); ++i)
    ASSERT_EQ(train.evaluated()[i], expected.at(i + 1)) << "evaluated after round " << i + 1;
  // The first gradient of a round is taken at the parameters that the averager sent.
  for (const auto& [round, workers] : counted) {
    if (round < 2) continue;
    const std::size_t rounds_before = run.config.scaling.needs_bootstrap() ? round : round - 1;
    for (const std::uint64_t worker : workers) {
      const auto& stood = train.seen().at(worker);
      ASSERT_GE(stood.size(), (rounds_before + 1) * run.config.local.steps);
      ASSERT_EQ(stood[rounds_before * run.config.local.steps], expected.at(round - 1))
          << "worker " << worker << " in round " << round;
    }
  }
}

void check_losses(const FaultyRun& run) {
  const TrainWorld& train = *run.train;
  const TrainResult& result = *train.result;
  ASSERT_EQ(result.lost, train.lost);
  std::set<std::uint64_t> once;
  for (const LostWorker& lost : result.lost) {
    ASSERT_TRUE(once.insert(lost.worker).second) << "worker " << lost.worker << " lost twice";
    ASSERT_THAT(lost.cause, AnyOf(HasSubstr("no heartbeat from"),
                                  HasSubstr("no contribution to round"), HasSubstr("connection")));
  }
  if (result.ok()) {
    ASSERT_EQ(result.rounds, run.config.stop.rounds);
    ASSERT_LT(once.size(), kWorkers);
    return;
  }
  const std::string& why = result.error->message;
  ASSERT_THAT(why,
              AnyOf(HasSubstr("no worker is left in round"), HasSubstr("of 4 workers joined")));
  if (why.starts_with("no worker is left")) {
    ASSERT_EQ(once.size(), kWorkers);
    for (const LostWorker& lost : result.lost) ASSERT_THAT(why, HasSubstr(lost.cause));
  }
}

/// What this fault may do to a run, and no more.
void check_blame(Fault fault, const FaultyRun& run) {
  const TrainWorld& train = *run.train;
  if (only_delays(fault)) {
    ASSERT_TRUE(train.result->ok()) << train.result->error->message;
    ASSERT_THAT(train.lost, IsEmpty());
  }
  if (fault == Fault::kLossyNetwork) return;
  const auto struck = run.struck();
  for (const LostWorker& lost : train.lost) ASSERT_TRUE(struck.contains(lost.place)) << lost.place;
  for (const auto& [node, how] : train.ends) {
    if (struck.contains(node)) continue;
    ASSERT_EQ(how.has_value(), train.result->ok()) << node << " ended otherwise than its run";
  }
}

class TrainSimTest : public ::testing::TestWithParam<Fault> {};

TEST_P(TrainSimTest, RunEndsAndItsParametersAreTheAverageOfWhatWasCounted) {
  std::uint64_t lossy_runs = 0;
  std::uint64_t runs_without_workers = 0;
  for (std::uint64_t seed = test_seed(); seed < test_seed() + kSeeds; ++seed) {
    SCOPED_TRACE(
        fmt::format("replay: MUSTER_TEST_SEED={} build/dev/bin/train_sim_test "
                    "--gtest_filter='*Parameters*/{}'",
                    seed, name_of(GetParam())));
    const FaultyRun run(GetParam(), seed);
    ASSERT_TRUE(run.train->result) << "the run did not end";
    ASSERT_TRUE(run.ended) << "a worker did not hear of the end";
    check_rounds(run);
    check_losses(run);
    check_blame(GetParam(), run);
    if (!HasFatalFailure()) check_parameters(run);
    if (HasFatalFailure()) {
      for (const std::string& line : run.train->trace()) std::printf("    %s\n", line.c_str());
      return;
    }
    lossy_runs += run.train->lost.empty() ? 0 : 1;
    runs_without_workers += run.train->lost.size() == kWorkers ? 1 : 0;
  }
  // The faults must strike within the rounds often enough to mean something.
  if (!only_delays(GetParam())) {
    EXPECT_GE(lossy_runs, kSeeds / 5);
  }
  if (GetParam() == Fault::kAllCrash) {
    EXPECT_GE(runs_without_workers, kSeeds / 5);
  }
}

TEST_P(TrainSimTest, SameSeedGivesTheSameTrace) {
  for (std::uint64_t seed = test_seed(); seed < test_seed() + 5; ++seed) {
    const FaultyRun once(GetParam(), seed);
    const FaultyRun again(GetParam(), seed);
    ASSERT_EQ(once.train->trace(), again.train->trace())
        << "replay: MUSTER_TEST_SEED=" << seed << " build/dev/bin/train_sim_test"
        << " --gtest_filter='*SameTrace/" << name_of(GetParam()) << "'";
  }
}

INSTANTIATE_TEST_SUITE_P(Faults, TrainSimTest,
                         ::testing::Values(Fault::kNone, Fault::kLatency, Fault::kReorder,
                                           Fault::kHealedPartition, Fault::kLostConnection,
                                           Fault::kLossyNetwork, Fault::kPartition,
                                           Fault::kWorkerCrash, Fault::kAllCrash),
                         [](const auto& test) { return name_of(test.param); });

}  // namespace
}  // namespace muster::training
