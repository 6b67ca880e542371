// Whole runs in one process, with small objectives.

#include <muster/optim/objectives.h>
#include <muster/training/record.h>
#include <muster/training/train.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <atomic>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <mutex>

namespace muster::training {
namespace {

using testing::HasSubstr;

std::shared_ptr<const optim::Dataset> clusters(std::uint64_t sample_seed, std::size_t samples) {
  return std::make_shared<const optim::Dataset>(optim::make_clusters({.samples = samples,
                                                                      .features = 8,
                                                                      .classes = 4,
                                                                      .separation = 1.0,
                                                                      .sample_seed = sample_seed},
                                                                     5));
}

ObjectiveFactory cluster_objectives() {
  return [train = clusters(1, 400), test = clusters(2, 200)](const Seat& seat) {
    WorkerTask task;
    task.objective = std::make_shared<optim::Mlp>(std::vector<std::size_t>{8, 16, 4}, train, test);
    for (std::uint32_t i = 0; i < train->size(); ++i)
      if (i % seat.workers == seat.worker) task.samples.push_back(i);
    return task;
  };
}

class TrainerTest : public testing::Test {
 protected:
  TrainerTest() {
    config.workers = 3;
    config.local.batch = 16;
    config.local.steps = 4;
    config.stop.rounds = 30;
    config.round.evaluate_every = 7;
  }
  TrainResult run(const ObjectiveFactory& factory, unsigned threads = 2,
                  ProgressSink* sink = nullptr) {
    Runtime runtime({.threads = threads});
    return train(runtime, config, factory, sink);
  }
  TrainConfig config;
};

/// f(x) = x^2 / 2 a coordinate; its gradient turns to NaN at one call.
class FailingObjective final : public optim::Objective {
 public:
  FailingObjective(std::size_t dim, int nan_at_call) : dim_(dim), nan_at_call_(nan_at_call) {}
  std::size_t dim() const override { return dim_; }
  std::size_t sample_count() const override { return 100; }
  double loss_and_gradient(std::span<const float> x, optim::Batch,
                           std::span<float> gradient) override {
    std::copy(x.begin(), x.end(), gradient.begin());
    if (++calls_ == nan_at_call_) gradient[1] = std::numeric_limits<float>::quiet_NaN();
    return 1.0;
  }
  void initial_parameters(std::uint64_t, std::span<float> x) const override {
    std::fill(x.begin(), x.end(), 1.0F);
  }

 private:
  std::size_t dim_;
  int nan_at_call_;
  int calls_ = 0;
};

/// Does `what` instead of evaluating.
class UnevaluableObjective final : public optim::Objective {
 public:
  explicit UnevaluableObjective(std::function<void()> what) : what_(std::move(what)) {}
  std::size_t dim() const override { return 2; }
  std::size_t sample_count() const override { return 10; }
  double loss_and_gradient(std::span<const float>, optim::Batch, std::span<float> g) override {
    std::fill(g.begin(), g.end(), 1.0F);
    return 1.0;
  }
  std::optional<optim::Evaluation> evaluate(std::span<const float>) override {
    what_();
    return std::nullopt;
  }

 private:
  std::function<void()> what_;
};

/// What a runtime reported to RuntimeOptions::on_error.
class ErrorLines {
 public:
  std::function<void(const std::string&)> hear() {
    return [this](const std::string& line) {
      const std::lock_guard lock(mutex_);
      text_ += line + "\n";
    };
  }
  std::string all() {
    const std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  std::mutex mutex_;
  std::string text_;
};

class Collector final : public ProgressSink {
 public:
  void on_round(const RoundReport& report) override {
    const std::lock_guard lock(mutex_);
    rounds_.push_back(report);
  }
  void on_start(const RunStart& start) override {
    const std::lock_guard lock(mutex_);
    start_ = start;
  }
  std::vector<RoundReport> rounds() {
    const std::lock_guard lock(mutex_);
    return rounds_;
  }
  RunStart start() {
    const std::lock_guard lock(mutex_);
    return start_;
  }

 private:
  std::mutex mutex_;
  std::vector<RoundReport> rounds_;
  RunStart start_;
};

TEST_F(TrainerTest, LearnsAndReportsEveryRoundInOrder) {
  Collector sink;
  const TrainResult result = run(cluster_objectives(), 2, &sink);
  ASSERT_TRUE(result.ok()) << result.error->message;
  EXPECT_EQ(result.reason, StopReason::kRounds);
  EXPECT_EQ(result.rounds, 30U);
  EXPECT_GT(result.test_accuracy.value_or(0), 0.6);
  EXPECT_EQ(result.parameters.size(), 8U * 16 + 16 + 16 * 4 + 4);
  const auto rounds = sink.rounds();
  ASSERT_EQ(rounds.size(), 31U);  // round 0 measures the first scaling
  for (std::uint64_t r = 0; r < rounds.size(); ++r) {
    EXPECT_EQ(rounds[r].round, r);
    EXPECT_EQ(rounds[r].workers, 3U);
    EXPECT_EQ(rounds[r].test_accuracy.has_value(), (r > 0 && r % 7 == 0) || r == 30) << r;
  }
  EXPECT_THAT(sink.start().share_sizes, testing::ElementsAre(134, 133, 133));
}

TEST_F(TrainerTest, ParametersDoNotDependOnThreadsOrRepetition) {
  const std::string once = run(cluster_objectives(), 2).params_sha256;
  EXPECT_EQ(run(cluster_objectives(), 2).params_sha256, once);
  EXPECT_EQ(run(cluster_objectives(), 1).params_sha256, once);
  EXPECT_EQ(run(cluster_objectives(), 4).params_sha256, once);
  config.seed = 2;
  EXPECT_NE(run(cluster_objectives(), 2).params_sha256, once);
}

TEST_F(TrainerTest, EveryScalingRuleAndScopeTrains) {
  using optim::LocalMerge;
  using optim::ScalingRule;
  config.stop.rounds = 20;
  config.scaling.floor = 0.01;
  for (const auto rule : {ScalingRule::kIdentity, ScalingRule::kAdaGrad, ScalingRule::kRmsProp,
                          ScalingRule::kAdam, ScalingRule::kOasis}) {
    for (const auto scope : {optim::ScalingScope::kGlobal, optim::ScalingScope::kLocal}) {
      for (const auto merge : {LocalMerge::kKeep, LocalMerge::kMean, LocalMerge::kMax}) {
        config.scaling.rule = rule;
        config.scaling.scope = scope;
        config.scaling.merge = merge;
        config.schedule.base = rule == ScalingRule::kIdentity ? 0.1 : 0.01;
        const TrainResult result = run(cluster_objectives());
        ASSERT_TRUE(result.ok()) << result.error->message;
        EXPECT_GT(result.test_accuracy.value_or(0), 0.4)
            << to_string(rule) << " " << to_string(scope) << " " << to_string(merge);
      }
    }
  }
}

TEST_F(TrainerTest, ProbeOnlyAtSyncPointsTrainsToo) {
  config.scaling.estimate_every_step = false;
  const TrainResult result = run(cluster_objectives());
  ASSERT_TRUE(result.ok()) << result.error->message;
  EXPECT_GT(result.test_accuracy.value_or(0), 0.5);
}

TEST_F(TrainerTest, NanInAGradientStopsTheRunNamingWorkerAndStep) {
  config.scaling = {.rule = optim::ScalingRule::kIdentity, .estimator = std::nullopt};
  config.local.momentum = 0;
  const TrainResult result = run([](const Seat& seat) {
    return WorkerTask{std::make_shared<FailingObjective>(3, seat.worker == 2 ? 6 : 0), {}};
  });
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.rounds, 1U);  // step 6 lies in round 2
  EXPECT_EQ(result.error->message,
            "worker 2 (this process) in round 2: local step 6: gradient element 1 is nan");
  EXPECT_EQ(result.parameters.size(), 3U);
}

TEST_F(TrainerTest, NanInAGradientKeepsTheRecordOfTheRoundsBefore) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("muster-nan-" + std::to_string(::getpid()));
  config.record = folder.string();
  config.scaling = {.rule = optim::ScalingRule::kIdentity, .estimator = std::nullopt};
  const TrainResult result = run([](const Seat& seat) {
    return WorkerTask{std::make_shared<FailingObjective>(3, seat.worker == 0 ? 10 : 0), {}};
  });
  const std::string message =
      "worker 0 (this process) in round 3: local step 10: gradient element 1 is nan";
  EXPECT_EQ(result.error->message, message);
  EXPECT_EQ(result.record, folder.string());
  const auto record = read_record(folder.string());
  ASSERT_TRUE(record) << record.error().message;
  EXPECT_EQ(params_sha256(record->parameters), result.params_sha256);
  std::ifstream rounds(folder / "rounds.jsonl");
  int lines = 0;
  for (std::string line; std::getline(rounds, line);) ++lines;
  EXPECT_EQ(lines, 2);
  std::ifstream summary(folder / "summary.json");
  std::string text;
  std::getline(summary, text);
  EXPECT_THAT(text, testing::StartsWith("{\"reason\":\"failed\",\"error\":\"invalid: " + message +
                                        "\",\"test_accuracy\":null,"));
  std::filesystem::remove_all(folder);
}

TEST_F(TrainerTest, NothingTrainedGivesNoParameters) {
  config.scaling = {.rule = optim::ScalingRule::kIdentity, .estimator = std::nullopt};
  const TrainResult result = run([](const Seat&) {
    return WorkerTask{std::make_shared<FailingObjective>(3, 1), {}};
  });
  EXPECT_FALSE(result.ok());
  EXPECT_TRUE(result.parameters.empty());
  EXPECT_EQ(result.params_sha256, "");
}

TEST_F(TrainerTest, ObjectiveOfAnotherDimensionIsNamed) {
  const TrainResult result = run([](const Seat& seat) {
    const bool odd = !seat.evaluation && seat.worker == 1;
    return WorkerTask{std::make_shared<FailingObjective>(odd ? 4 : 3, 0), {}};
  });
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error->message,
            "worker 1 (this process): its objective has 4 parameters, the averager's has 3; all "
            "must train the same model on data of the same shape");
}

TEST_F(TrainerTest, WorkerWhoseObjectiveCannotBeMadeIsNamed) {
  const TrainResult result = run([](const Seat& seat) -> WorkerTask {
    if (!seat.evaluation && seat.worker == 0)
      throw Exception(Error{ErrorCode::kNotFound, "no data here", {}});
    return {std::make_shared<FailingObjective>(3, 0), {}};
  });
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error->message, "worker 0 (this process): no data here");
}

TEST_F(TrainerTest, CheckThatFailsInTheMakingOfAnObjectiveCrashesTheWorkerAndFailsTheRun) {
  ErrorLines errors;
  Runtime runtime({.threads = 2, .on_error = errors.hear()});
  const TrainResult result = train(runtime, config, [](const Seat& seat) -> WorkerTask {
    MUSTER_CHECK(seat.evaluation || seat.worker != 1, seat.worker);
    return {std::make_shared<FailingObjective>(3, 0), {}};
  });
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.error->message,
              testing::MatchesRegex(
                  "worker 1 \\(this process\\) crashed before the first round: .*check failed: "
                  "seat.evaluation .*"));
  EXPECT_THAT(errors.all(), HasSubstr(" crashed: "));
  EXPECT_EQ(result.wall_s, 0);
}

TEST_F(TrainerTest, CheckThatFailsInAnEvaluationCrashesTheEvaluatorAndFailsTheRun) {
  ErrorLines errors;
  Runtime runtime({.threads = 2, .on_error = errors.hear()});
  config.stop.rounds = 3;
  const TrainResult result = train(runtime, config, [](const Seat&) {
    return WorkerTask{std::make_shared<UnevaluableObjective>([] { MUSTER_CHECK(false, 1 + 1); }),
                      {}};
  });
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.error->message, testing::StartsWith("the evaluator is gone: "));
  EXPECT_THAT(result.error->message, HasSubstr("check failed: false"));
  EXPECT_THAT(errors.all(), HasSubstr(" crashed: "));
}

TEST_F(TrainerTest, EvaluationThatThrowsFailsTheRunWithItsText) {
  config.stop.rounds = 3;
  const TrainResult result = run([](const Seat&) {
    return WorkerTask{std::make_shared<UnevaluableObjective>(
                          [] { throw std::runtime_error("the test set is gone"); }),
                      {}};
  });
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error->message, "the evaluation failed: the test set is gone");
}

TEST_F(TrainerTest, ObjectiveThatThrowsWhileTrainingIsReported) {
  class Throwing final : public optim::Objective {
    std::size_t dim() const override { return 2; }
    std::size_t sample_count() const override { return 10; }
    double loss_and_gradient(std::span<const float>, optim::Batch, std::span<float>) override {
      throw std::runtime_error("disk on fire");
    }
  };
  const TrainResult result = run([](const Seat&) {
    return WorkerTask{std::make_shared<Throwing>(), {}};
  });
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.error->message, HasSubstr("in round 0: local step 1: "));
  EXPECT_THAT(result.error->message, HasSubstr("disk on fire"));
}

TEST_F(TrainerTest, InvalidConfigurationThrowsBeforeAnythingStarts) {
  config.local.batch = 0;
  Runtime runtime({.threads = 1});
  EXPECT_THROW(
      {
        try {
          train(runtime, config, cluster_objectives());
        } catch (const Exception& e) {
          EXPECT_STREQ(e.error().message.c_str(),
                       "local.batch = 0: expected an integer from 1 to 1000000");
          throw;
        }
      },
      Exception);
}

TEST_F(TrainerTest, StopEndsAfterTheRoundInWork) {
  config.stop.rounds = 0;
  config.stop.time_limit_s = 60;
  Runtime runtime({.threads = 2});
  Trainer trainer(runtime, config, cluster_objectives());
  trainer.stop_after_round();
  const TrainResult result = trainer.wait();
  EXPECT_EQ(result.reason, StopReason::kInterrupted);
}

TEST_F(TrainerTest, TargetAccuracyEndsTheRunAtTheSameRoundEveryTime) {
  config.stop.target_accuracy = 0.5;
  config.stop.rounds = 200;
  config.round.evaluate_every = 1;
  const TrainResult first = run(cluster_objectives(), 2);
  EXPECT_EQ(first.reason, StopReason::kTarget);
  EXPECT_GE(first.test_accuracy.value_or(0), 0.5);
  const TrainResult second = run(cluster_objectives(), 1);
  EXPECT_EQ(second.rounds, first.rounds);
  EXPECT_EQ(second.params_sha256, first.params_sha256);
}

TEST_F(TrainerTest, AbortFailsTheRunWithTheGivenError) {
  config.stop.rounds = 0;
  config.stop.time_limit_s = 60;
  Runtime runtime({.threads = 2});
  Trainer trainer(runtime, config, cluster_objectives());
  trainer.abort(Error{ErrorCode::kUnavailable, "the power went", {}});
  const TrainResult result = trainer.wait();
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error->message, "the power went");
}

TEST_F(TrainerTest, MissingWorkersFailAtTheJoinDeadline) {
  config.network.listen = "127.0.0.1:0";
  config.network.join_deadline_s = 0.01;
  const TrainResult result = run(cluster_objectives());
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error->message, "0 of 3 workers joined within 0.01 s");
  EXPECT_EQ(result.wall_s, 0);
  EXPECT_GE(result.join_s, 0.01);
}

TEST(ParamsSha256Test, MatchesAKnownDigest) {
  EXPECT_EQ(params_sha256({}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

}  // namespace
}  // namespace muster::training
