// The built tool as its users run it, on a small data set of the test's own.

#include "integration/train/idx_files.h"
#include "tools/muster/children.h"

#include <muster/optim/npy.h>
#include <muster/training/record.h>
#include <muster/training/train.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace muster::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

constexpr int kPatienceMs = 60000;

/// One run of the tool, its output read through pipes.
class Tool {
 public:
  explicit Tool(std::vector<std::string> arguments) {
    int out[2];
    int err[2];
    if (::pipe2(out, O_CLOEXEC) != 0 || ::pipe2(err, O_CLOEXEC) != 0) std::abort();
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, err[1], STDERR_FILENO);
    arguments.insert(arguments.begin(), MUSTER_TOOL);
    std::vector<char*> argv;
    for (auto& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    if (::posix_spawn(&pid_, MUSTER_TOOL, &actions, nullptr, argv.data(), environ) != 0)
      std::abort();
    posix_spawn_file_actions_destroy(&actions);
    ::close(out[1]);
    ::close(err[1]);
    out_ = out[0];
    err_ = err[0];
  }
  ~Tool() {
    if (!reaped_) {
      ::kill(pid_, SIGKILL);
      wait();
    }
    ::close(out_);
    ::close(err_);
  }
  Tool(const Tool&) = delete;
  Tool& operator=(const Tool&) = delete;

  /// Reads standard error until it holds `text`; false at its end.
  bool wait_for_words(const std::string& text) {
    while (words_.find(text) == std::string::npos)
      if (!read_some()) return false;
    return true;
  }
  /// Reads all output and gives the exit status, or minus the signal.
  int wait() {
    while (read_some()) {
    }
    int status = 0;
    ::waitpid(pid_, &status, 0);
    reaped_ = true;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  void signal(int number) const { ::kill(pid_, number); }
  pid_t pid() const { return pid_; }
  const std::string& output() const { return output_; }
  const std::string& words() const { return words_; }

  /// The last line of standard output as JSON.
  json result() const {
    std::string text = output_;
    if (text.empty()) return {};
    text.pop_back();
    return json::parse(text.substr(text.rfind('\n') + 1));
  }
  /// Processes that this one has started.
  std::vector<pid_t> children() const {
    const std::string pid = std::to_string(pid_);
    std::vector<pid_t> out;
    for (const auto& task : fs::directory_iterator("/proc/" + pid + "/task")) {
      std::ifstream in(task.path() / "children");
      for (pid_t child = 0; in >> child;) out.push_back(child);
    }
    return out;
  }

 private:
  bool read_some() {
    pollfd fds[2] = {{out_open_ ? out_ : -1, POLLIN, 0}, {err_open_ ? err_ : -1, POLLIN, 0}};
    if (!out_open_ && !err_open_) return false;
    if (::poll(fds, 2, kPatienceMs) <= 0) {
      ADD_FAILURE() << "no output from the tool for " << kPatienceMs << " ms; so far: " << words_;
      ::kill(pid_, SIGKILL);
      return false;
    }
    if (fds[0].revents != 0) out_open_ = append(out_, output_);
    if (fds[1].revents != 0) err_open_ = append(err_, words_);
    return true;
  }
  static bool append(int fd, std::string& text) {
    char buffer[4096];
    const auto got = ::read(fd, buffer, sizeof buffer);
    if (got > 0) text.append(buffer, static_cast<std::size_t>(got));
    return got > 0;
  }

  pid_t pid_ = 0;
  int out_ = -1;
  int err_ = -1;
  bool out_open_ = true;
  bool err_open_ = true;
  bool reaped_ = false;
  std::string output_;
  std::string words_;
};

class TrainToolTest : public testing::Test {
 protected:
  TrainToolTest()
      : folder(fs::temp_directory_path() /
               ("muster-tool-" + std::to_string(::getpid()) + "-" +
                testing::UnitTest::GetInstance()->current_test_info()->name())) {
    fs::create_directories(folder);
    write_idx_files(folder.string());
  }
  ~TrainToolTest() override { fs::remove_all(folder); }

  std::string path(const std::string& name) const { return (folder / name).string(); }
  /// A short run on the small set; `more` is added to the flags.
  std::vector<std::string> job(const std::string& record,
                               std::vector<std::string> more = {}) const {
    std::vector<std::string> out{"train",    "--data",     folder.string(),    "--hidden", "16",
                                 "--batch",  "16",         "--local-steps",    "5",        "--json",
                                 "--record", path(record), "--evaluate-every", "5"};
    if (std::ranges::find(more, "--rounds") == more.end())
      out.insert(out.end(), {"--rounds", "60"});
    out.insert(out.end(), more.begin(), more.end());
    return out;
  }
  /// A run that goes on until something is done about it.
  std::vector<std::string> endless(const std::string& record, std::vector<std::string> more) const {
    more.insert(more.end(), {"--rounds", "0", "--time-limit", "60", "--evaluate-every", "1"});
    return job(record, std::move(more));
  }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name)) << text;
    return path(name);
  }

  const fs::path folder;
};

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
}

TEST_F(TrainToolTest, ExampleConfigurationsAreValid) {
  for (const auto& entry : fs::directory_iterator(MUSTER_EXAMPLE_CONFIGS)) {
    Tool tool({"train", entry.path().string(), "--dry-run"});
    EXPECT_EQ(tool.wait(), 0) << entry.path() << tool.words();
  }
}

TEST_F(TrainToolTest, InterruptEndsTheRoundAndWritesTheRecord) {
  Tool tool(endless("r", {}));
  ASSERT_TRUE(tool.wait_for_words("round 3"));
  tool.signal(SIGINT);
  EXPECT_EQ(tool.wait(), 130) << tool.words();
  EXPECT_THAT(tool.words(), HasSubstr("muster train: interrupted after round "));
  EXPECT_EQ(tool.result()["reason"], "interrupted");
  Tool eval({"eval", path("r"), "--json"});
  ASSERT_EQ(eval.wait(), 0) << eval.words();
  EXPECT_EQ(eval.result()["test_accuracy"], tool.result()["test_accuracy"]);
}

TEST_F(TrainToolTest, SecondInterruptEndsAtOnce) {
  // One round of a million steps a worker: the first interrupt alone would wait for its end.
  Tool tool(endless("r", {"--local-steps", "1000000", "--round-deadline", "1000"}));
  ASSERT_TRUE(tool.wait_for_words("parameters"));
  tool.signal(SIGINT);
  ASSERT_TRUE(tool.wait_for_words("again ends at once"));
  tool.signal(SIGINT);
  EXPECT_EQ(tool.wait(), 130);
}

TEST_F(TrainToolTest, KilledWorkerProcessIsDroppedAndTheRunGoesOn) {
  Tool tool(endless("r", {"--processes", "3"}));
  ASSERT_TRUE(tool.wait_for_words("round 3"));
  const auto children = tool.children();
  ASSERT_EQ(children.size(), 3U);
  ::kill(children[1], SIGKILL);
  ASSERT_TRUE(tool.wait_for_words(" died in round "));
  ASSERT_TRUE(tool.wait_for_words("round "));
  tool.signal(SIGINT);
  EXPECT_EQ(tool.wait(), 130) << tool.words();
  const json result = tool.result();
  ASSERT_EQ(result["workers_lost"], 1) << tool.words();
  EXPECT_THAT(result["lost"][0]["place"].get<std::string>(),
              StartsWith("pid " + std::to_string(children[1]) + " on "));
  EXPECT_THAT(result["lost"][0]["cause"].get<std::string>(),
              EndsWith("(the process ended with signal 9 (Killed))"));
}

TEST_F(TrainToolTest, StoppedWorkerProcessIsDroppedAtTheDeadline) {
  Tool tool(endless("r", {"--processes", "3", "--round-deadline", "1"}));
  ASSERT_TRUE(tool.wait_for_words("round 3"));
  const auto children = tool.children();
  ASSERT_EQ(children.size(), 3U);
  ::kill(children[0], SIGSTOP);
  ASSERT_TRUE(tool.wait_for_words(" silent in round "));
  tool.signal(SIGINT);
  EXPECT_EQ(tool.wait(), 130) << tool.words();
  const json result = tool.result();
  ASSERT_EQ(result["workers_lost"], 1) << tool.words();
  EXPECT_EQ(result["lost"][0]["reason"], "silent");
  EXPECT_THAT(result["lost"][0]["cause"].get<std::string>(), EndsWith(" within 1 s"));
}

TEST_F(TrainToolTest, AllWorkersKilledFailsTheRunAndKeepsTheRecord) {
  Tool tool(endless("r", {"--processes", "2"}));
  ASSERT_TRUE(tool.wait_for_words("round 3"));
  for (const pid_t child : tool.children()) ::kill(child, SIGKILL);
  EXPECT_EQ(tool.wait(), 1);
  EXPECT_THAT(tool.words(), HasSubstr("no worker is left in round "));
  EXPECT_TRUE(fs::exists(path("r/summary.json")));
  EXPECT_TRUE(fs::exists(path("r/parameters.npy")));
}

TEST_F(TrainToolTest, ChildrenDieWithTheirParent) {
  Tool tool(endless("r", {"--processes", "2"}));
  ASSERT_TRUE(tool.wait_for_words("round 3"));
  const auto children = tool.children();
  ASSERT_EQ(children.size(), 2U);
  std::vector<pollfd> ends;
  for (const pid_t child : children)
    ends.push_back({static_cast<int>(::syscall(SYS_pidfd_open, child, 0)), POLLIN, 0});
  tool.signal(SIGKILL);
  EXPECT_EQ(tool.wait(), -SIGKILL);
  for (pollfd& end : ends) {
    EXPECT_EQ(::poll(&end, 1, kPatienceMs), 1);
    ::close(end.fd);
  }
}

TEST_F(TrainToolTest, NodesFromElsewhereJoinAListeningRun) {
  Tool head(job("r", {"--listen", "127.0.0.1:0", "--workers", "2"}));
  ASSERT_TRUE(head.wait_for_words("muster node --join "));
  ASSERT_TRUE(head.wait_for_words("\n"));
  const auto at = head.words().find("--join ") + 7;
  const std::string address = head.words().substr(at, head.words().find('\n', at) - at);
  Tool first({"node", "--join", address});
  Tool second({"node", "--join", address, "--data", folder.string()});
  EXPECT_EQ(head.wait(), 0) << head.words();
  EXPECT_EQ(first.wait(), 0) << first.words();
  EXPECT_EQ(second.wait(), 0) << second.words();
  EXPECT_EQ(first.output(), "the run has ended: rounds\n");
}

TEST_F(TrainToolTest, TooFewNodesFailAtTheJoinDeadline) {
  Tool tool(job("r", {"--listen", "127.0.0.1:0", "--workers", "2", "--join-deadline", "0.2"}));
  EXPECT_EQ(tool.wait(), 1);
  EXPECT_THAT(tool.words(), EndsWith("muster train: 0 of 2 workers joined within 0.2 s\n"));
}

TEST_F(TrainToolTest, WorkerThatCannotFindItsDataFailsTheRun) {
  fs::rename(path("train-images-idx3-ubyte"), path("hidden"));
  Tool tool(job("r", {"--processes", "2"}));
  EXPECT_EQ(tool.wait(), 1);
  EXPECT_THAT(tool.words(), HasSubstr("worker "));
  EXPECT_THAT(tool.words(), HasSubstr(path("train-images-idx3-ubyte")));
}

TEST_F(TrainToolTest, BadFileExitsWithItsLine) {
  const std::string file = write("bad.toml", "[local]\nsteps = 0\n");
  Tool tool({"train", file});
  EXPECT_EQ(tool.wait(), 2);
  EXPECT_EQ(tool.words(),
            "muster: " + file + ":2: local.steps = 0: expected an integer from 1 to 1000000\n");
}

TEST_F(TrainToolTest, MissingDataExitsNamingTheFile) {
  Tool tool({"train", "--data", "/nowhere", "--record", path("r")});
  EXPECT_EQ(tool.wait(), 2);
  EXPECT_THAT(tool.words(), HasSubstr("/nowhere/t10k-images-idx3-ubyte"));
}

TEST_F(TrainToolTest, UnknownFlagExitsWithUsage) {
  Tool tool({"train", "--no-such-flag"});
  EXPECT_EQ(tool.wait(), 2);
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
