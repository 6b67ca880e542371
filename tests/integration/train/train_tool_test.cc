// Whole runs of the built tool that go well, on a small data set of the test's own.

#include "integration/train/tool.h"

#include <muster/optim/npy.h>
#include <muster/training/record.h>
#include <muster/training/train.h>

#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>

namespace muster::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;
using testing::StartsWith;

class TrainToolTest : public ToolTest {};

TEST_F(TrainToolTest, ResultIsOneObjectOnTheLastLine) {
  Tool tool(job("r"));
  ASSERT_EQ(tool.wait(), 0) << tool.words();
  const json result = tool.result();
  EXPECT_GT(result["test_accuracy"].get<double>(), 0.8);
  EXPECT_EQ(result["rounds"], 60);
  EXPECT_EQ(result["workers_lost"], 0);
  EXPECT_EQ(result["record"], path("r"));
  EXPECT_EQ(result["params_sha256"].get<std::string>().size(), 64U);
  for (const char* name : {"wall_s", "compute_s", "sync_s", "bytes_sent"})
    EXPECT_GT(result[name].get<double>(), 0) << name;
  EXPECT_EQ(result["wire_bytes_sent"], 0);  // no worker is in another process
  EXPECT_EQ(read("r/summary.json"), tool.output());
}

TEST_F(TrainToolTest, WireBytesAreThoseOfTheArraysAndLittleMore) {
  Tool tool(job("r", {"--processes", "2", "--rounds", "10"}));
  ASSERT_EQ(tool.wait(), 0) << tool.words();
  const json result = tool.result();
  const double arrays = result["bytes_sent"].get<double>();
  const double wire =
      result["wire_bytes_sent"].get<double>() + result["wire_bytes_received"].get<double>();
  EXPECT_GT(wire, arrays);
  EXPECT_LT(wire, 1.2 * arrays + 50000);
}

TEST_F(TrainToolTest, ParametersAreEqualToTheBitHoweverTheRunIsLaidOut) {
  std::vector<std::string> digests;
  int number = 0;
  for (const std::vector<std::string>& layout : {std::vector<std::string>{"--threads", "1"},
                                                 {"--threads", "2"},
                                                 {"--threads", "2"},
                                                 {"--processes", "4"},
                                                 {"--processes", "4"}}) {
    Tool tool(job("r" + std::to_string(number++), layout));
    ASSERT_EQ(tool.wait(), 0) << tool.words();
    digests.push_back(tool.result()["params_sha256"]);
  }
  EXPECT_THAT(digests, testing::Each(digests[0]));
}

TEST_F(TrainToolTest, RecordReadsBackToTheSameAccuracy) {
  Tool tool(job("r"));
  ASSERT_EQ(tool.wait(), 0) << tool.words();
  Tool eval({"eval", path("r"), "--json"});
  ASSERT_EQ(eval.wait(), 0) << eval.words();
  EXPECT_EQ(eval.result()["test_accuracy"], tool.result()["test_accuracy"]);
  const auto parameters = optim::read_npy<float>(path("r/parameters.npy"));
  ASSERT_TRUE(parameters);
  EXPECT_EQ(training::params_sha256(*parameters), tool.result()["params_sha256"]);
  std::ifstream rounds(path("r/rounds.jsonl"));
  int lines = 0;
  for (std::string line; std::getline(rounds, line); ++lines)
    EXPECT_EQ(json::parse(line)["round"], lines);
  EXPECT_EQ(lines, 61);
}

TEST_F(TrainToolTest, ResolvedConfigurationRepeatsTheRun) {
  Tool first(job("r", {"--seed", "3", "--split", "dirichlet", "--processes", "2"}));
  ASSERT_EQ(first.wait(), 0) << first.words();
  Tool second({"train", path("r/config.toml"), "--record", path("s"), "--json"});
  ASSERT_EQ(second.wait(), 0) << second.words();
  EXPECT_EQ(second.result()["params_sha256"], first.result()["params_sha256"]);
}

TEST_F(TrainToolTest, DryRunPrintsWhatFileAndFlagsComeTo) {
  const std::string file = write("job.toml", "seed = 8\n[local]\nsteps = 3\n");
  Tool tool({"train", file, "--batch", "32", "--dry-run"});
  ASSERT_EQ(tool.wait(), 0) << tool.words();
  const auto config = training::parse_toml(tool.output(), "printed");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->seed, 8U);
  EXPECT_EQ(config->local.steps, 3U);
  EXPECT_EQ(config->local.batch, 32U);
  EXPECT_EQ(config->scaling.estimator, std::nullopt) << "another rule may be given";
  EXPECT_THAT(tool.output(), HasSubstr("# here \"gradient\"; "));
}

TEST_F(TrainToolTest, ExampleConfigurationsAreValid) {
  for (const auto& entry : fs::directory_iterator(MUSTER_EXAMPLE_CONFIGS)) {
    Tool tool({"train", entry.path().string(), "--dry-run"});
    EXPECT_EQ(tool.wait(), 0) << entry.path() << tool.words();
  }
}

TEST_F(TrainToolTest, InterruptWhileWorkersAreAwaitedSpeaksOfNoRound) {
  Tool tool(job("r", {"--listen", "127.0.0.1:0"}));
  ASSERT_TRUE(tool.wait_for_words("waiting for 4 workers"));
  tool.signal(SIGINT);
  EXPECT_EQ(tool.wait(), 130) << tool.words();
  EXPECT_THAT(tool.words(), HasSubstr("muster: interrupted before the first round; "));
  EXPECT_THAT(tool.words(), testing::Not(HasSubstr("this round is ended")));
  EXPECT_EQ(tool.result()["reason"], "interrupted");
  EXPECT_EQ(tool.result()["wall_s"], 0.0);
}

TEST_F(TrainToolTest, NodesFromElsewhereJoinAListeningRun) {
  Tool head(job("r", {"--listen", "127.0.0.1:0", "--workers", "2"}));
  const std::string address = head.address();
  Tool first({"node", "--join", address});
  Tool second({"node", "--join", address, "--data", folder.string()});
  EXPECT_EQ(head.wait(), 0) << head.words();
  EXPECT_EQ(first.wait(), 0) << first.words();
  EXPECT_EQ(second.wait(), 0) << second.words();
  EXPECT_EQ(first.output(), "the run has ended: rounds\n");
}

TEST_F(TrainToolTest, VersionAndHelpSucceed) {
  Tool version({"--version"});
  EXPECT_EQ(version.wait(), 0);
  EXPECT_THAT(version.output(), StartsWith("muster "));
  Tool help({"train", "--help"});
  EXPECT_EQ(help.wait(), 0);
  EXPECT_THAT(help.output(), HasSubstr("Examples:"));
}

TEST_F(TrainToolTest, FashionMnistLearnsInAFewRounds) {
  if (!training::find_dataset("")) GTEST_SKIP() << "Fashion-MNIST is not installed";
  Tool tool({"train", "--rounds", "20", "--json", "--record", path("r")});
  ASSERT_EQ(tool.wait(), 0) << tool.words();
  EXPECT_GT(tool.result()["test_accuracy"].get<double>(), 0.7);
}

}  // namespace
}  // namespace muster::test
