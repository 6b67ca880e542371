#include <muster/training/record.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace muster::training {
namespace {

namespace fs = std::filesystem;

class RecordTest : public testing::Test {
 protected:
  RecordTest()
      : folder(fs::temp_directory_path() /
               ("muster-record-" + std::to_string(::getpid()) + "-" +
                testing::UnitTest::GetInstance()->current_test_info()->name())) {
    fs::remove_all(folder);
  }
  ~RecordTest() override { fs::remove_all(folder); }

  std::vector<std::string> lines(const char* name) const {
    std::ifstream in(folder / name);
    std::vector<std::string> out;
    for (std::string line; std::getline(in, line);) out.push_back(line);
    return out;
  }
  static TrainResult result() {
    TrainResult r;
    r.reason = StopReason::kRounds;
    r.parameters = Array<float>(std::vector<float>{1, 2, 3});
    r.rounds = 2;
    r.test_accuracy = 0.5;
    return r;
  }

  const fs::path folder;
};

TEST_F(RecordTest, ConfigurationAndParametersReadBack) {
  TrainConfig config;
  config.seed = 77;
  auto writer = RecordWriter::create(folder.string(), config);
  ASSERT_TRUE(writer) << writer.error().message;
  ASSERT_TRUE((*writer)->finish(result()));
  const auto record = read_record(folder.string());
  ASSERT_TRUE(record) << record.error().message;
  EXPECT_EQ(record->config, config);
  EXPECT_THAT(record->parameters, testing::ElementsAre(1, 2, 3));
}

TEST_F(RecordTest, EveryRoundIsOneLineOnDiskAtOnce) {
  auto writer = RecordWriter::create(folder.string(), {});
  ASSERT_TRUE(writer);
  RoundReport report;
  report.round = 1;
  report.train_loss = 0.25;
  (*writer)->on_round(report);
  report.round = 2;
  report.test_accuracy = 0.75;
  (*writer)->on_round(report);
  const auto written = lines("rounds.jsonl");
  ASSERT_EQ(written.size(), 2U);
  const auto first = nlohmann::json::parse(written[0]);
  EXPECT_EQ(first["round"], 1);
  EXPECT_EQ(first["train_loss"], 0.25);
  EXPECT_TRUE(first["test_accuracy"].is_null());
  EXPECT_EQ(nlohmann::json::parse(written[1])["test_accuracy"], 0.75);
}

TEST_F(RecordTest, SummaryHoldsTheResultsThatProgramsRead) {
  auto writer = RecordWriter::create(folder.string(), {});
  ASSERT_TRUE(writer);
  TrainResult r = result();
  r.lost.push_back({2, "pid 4 on host", 1, 0.5, LossReason::kSilent, "no \"answer\"\xff"});
  ASSERT_TRUE((*writer)->finish(r));
  const auto summary = nlohmann::json::parse(lines("summary.json").at(0));
  for (const char* name : {"test_accuracy", "rounds", "wall_s", "compute_s", "sync_s", "bytes_sent",
                           "workers_lost", "params_sha256", "record"})
    EXPECT_TRUE(summary.contains(name)) << name;
  EXPECT_EQ(summary["workers_lost"], 1);
  EXPECT_EQ(summary["lost"][0]["reason"], "silent");
}

TEST_F(RecordTest, FolderThatHoldsARecordIsRefused) {
  ASSERT_TRUE(RecordWriter::create(folder.string(), {}));
  const auto again = RecordWriter::create(folder.string(), {});
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::kInvalid);
  EXPECT_EQ(again.error().message, folder.string() +
                                       ": holds a record already (config.toml exists); name "
                                       "another folder");
}

TEST_F(RecordTest, FolderThatCannotBeMadeIsNamed) {
  const auto writer = RecordWriter::create("/proc/nothing/here", {});
  ASSERT_FALSE(writer);
  EXPECT_THAT(writer.error().message,
              testing::StartsWith("/proc/nothing/here: cannot be written: "));
}

TEST_F(RecordTest, NoTemporaryFileIsLeft) {
  auto writer = RecordWriter::create(folder.string(), {});
  ASSERT_TRUE(writer);
  ASSERT_TRUE((*writer)->finish(result()));
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder))
    names.push_back(entry.path().filename().string());
  EXPECT_THAT(names, testing::UnorderedElementsAre("config.toml", "rounds.jsonl", "parameters.npy",
                                                   "summary.json"));
}

TEST_F(RecordTest, MissingRecordNamesTheFile) {
  const auto record = read_record("/nowhere");
  ASSERT_FALSE(record);
  EXPECT_EQ(record.error().message,
            "/nowhere/config.toml: cannot be read: No such file or directory");
}

}  // namespace
}  // namespace muster::training
