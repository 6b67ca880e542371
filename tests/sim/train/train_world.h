#pragma once
// A training run on the simulated network: the real averager and evaluator on the node "head", each
// real worker on a node of its own, "w0", "w1", ..., whose name is also the worker's place.
//
// Threads: one. Everything happens in virtual time, in an order drawn from the seed.

#include "actors/averager/averager.h"
#include "actors/averager/evaluator.h"
#include "actors/worker/worker.h"

#include <muster/testing/sim_world.h>
#include <muster/training/train.h>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace muster::training {

/// MUSTER_TEST_SEED, or 1.
std::uint64_t test_seed();

/// Four workers, eight rounds of three local steps, each round evaluated, on quadratic functions.
TrainConfig small_config();

/// A quadratic function a worker, each with its own minimum and noise.
ObjectiveFactory quadratics();

class TrainWorld final : public ProgressSink {
 public:
  /// `evaluator_node`: evaluate there instead of on the head.
  struct Options {
    testing::LinkOptions link{.latency_min = 200us, .latency_max = 2ms};
    ObjectiveFactory objectives = quadratics();
    bool evaluator_node = false;
    Duration peer_timeout = 4s;
  };
  /// Starts the averager; workers come with start_workers().
  TrainWorld(std::uint64_t seed, TrainConfig config, Options options);
  ~TrainWorld() override;

  static std::string node_of(std::uint64_t worker) { return "w" + std::to_string(worker); }

  /// Starts the nodes of all workers one after the other, each when the one before has its place or
  /// could not get one, as `muster node` does: join, find the averager, run a worker.
  void start_workers();
  /// The node crashes; one that has not started yet never will.
  void crash(const std::string& node);
  bool crashed(const std::string& node) const { return crashed_.contains(node); }
  /// Runs until the run has ended and every worker that lives has heard of it. False when that does
  /// not happen within `limit`.
  bool run_to_the_end(Duration limit = 300s);

  /// Where each worker's objective stood at each of its gradients, by worker number.
  const std::map<std::uint64_t, std::vector<std::vector<float>>>& seen() const { return *seen_; }
  /// What was evaluated, in order.
  const std::vector<std::vector<float>>& evaluated() const { return *evaluated_; }
  /// All there is to see of the run from outside, a line an event: equal for equal seeds.
  std::vector<std::string> trace() const;

  std::vector<RoundReport> rounds;
  std::vector<LostWorker> lost;
  std::optional<TrainResult> result;
  /// How a node's worker ended, or why it never was one; by node.
  std::map<std::string, WorkerEnd> ends;

 private:
  void on_joined(std::uint64_t, std::uint64_t) override { ++joins_; }
  void on_round(const RoundReport& report) override { rounds.push_back(report); }
  void on_lost(const LostWorker& worker) override { lost.push_back(worker); }
  ObjectiveFactory recording(ObjectiveFactory inner) const;
  void start_worker(const std::string& name);
  Result<Handle<Worker>> take_part(Runtime& node, const std::string& name);

  const TrainConfig config_;
  const Options options_;
  const std::shared_ptr<std::map<std::uint64_t, std::vector<std::vector<float>>>> seen_;
  const std::shared_ptr<std::vector<std::vector<float>>> evaluated_;
  std::set<std::string> started_;
  std::set<std::string> crashed_;
  std::uint64_t joins_ = 0;

 public:
  testing::SimWorld world;

 private:
  Handle<Evaluator> evaluator_;
  Handle<Averager> averager_;
  std::vector<Handle<Worker>> workers_;
};

}  // namespace muster::training
