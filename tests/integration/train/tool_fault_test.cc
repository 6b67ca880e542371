// Runs of the built tool that lose processes, are interrupted or fail: what is said, kept and
// returned.

#include "integration/train/idx_files.h"
#include "integration/train/tool.h"

#include <gmock/gmock.h>

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <regex>

namespace muster::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class ToolFaultTest : public ToolTest {
 protected:
  /// "... in round 12 ..." with another number each run.
  static std::string any_round(const std::string& text) {
    return std::regex_replace(text, std::regex("round [0-9]+"), "round N");
  }
  /// The one lost worker of a result, its cause without ports and nodes; its place is checked.
  json lost(const json& result, pid_t process) const {
    if (result["lost"].size() != 1) return result["lost"];
    json out = result["lost"][0];
    EXPECT_THAT(out["place"].get<std::string>(),
                testing::StartsWith("pid " + std::to_string(process) + " on "));
    EXPECT_GT(out["round"].get<int>(), 3);
    EXPECT_GT(out["seconds"].get<double>(), 0);
    for (const char* name : {"worker", "place", "round", "seconds"}) out.erase(name);
    out["cause"] = any_round(plain(out["cause"]));
    return out;
  }
  /// The summary in the record says what standard output said.
  void expect_recorded(const Tool& tool, const std::string& record) const {
    EXPECT_EQ(read(record + "/summary.json"), tool.output());
  }
};

TEST_F(ToolFaultTest, InterruptEndsTheRoundAndWritesTheRecord) {
  Tool tool(endless("r", {}));
  ASSERT_TRUE(tool.wait_for_words("round 3"));
  tool.signal(SIGINT);
  EXPECT_EQ(tool.wait(), 130) << tool.words();
  const json result = tool.result();
  EXPECT_EQ(plain(tool.last_words()), "muster: interrupted after round " +
                                          std::to_string(result["rounds"].get<int>()) +
                                          "; the record is in DIR/r");
  EXPECT_EQ(result["reason"], "interrupted");
  EXPECT_EQ(result["error"], nullptr);
  Tool eval({"eval", path("r"), "--json"});
  ASSERT_EQ(eval.wait(), 0) << eval.words();
  EXPECT_EQ(eval.result()["test_accuracy"], result["test_accuracy"]);
}

TEST_F(ToolFaultTest, SecondInterruptEndsAtOnce) {
  // One round of a million steps a worker: the first interrupt alone would wait for its end.
  Tool tool(endless("r", {"--local-steps", "1000000", "--round-deadline", "1000"}));
  ASSERT_TRUE(tool.wait_for_words("parameters"));
  tool.signal(SIGINT);
  ASSERT_TRUE(tool.wait_for_words("again ends at once"));
  tool.signal(SIGINT);
  EXPECT_EQ(tool.wait(), 130);
}

TEST_F(ToolFaultTest, KilledWorkerProcessIsDroppedAndTheRunGoesOn) {
  Tool tool(endless("r", {"--processes", "3"}));
  ASSERT_TRUE(tool.wait_for_words("round 3"));
  const auto children = tool.children();
  ASSERT_EQ(children.size(), 3U);
  ::kill(children[1], SIGKILL);
  ASSERT_TRUE(tool.wait_for_words(" died in round "));
  tool.signal(SIGINT);
  EXPECT_EQ(tool.wait(), 130) << tool.words();
  EXPECT_EQ(lost(tool.result(), children[1]),
            (json{{"reason", "died"}, {"cause", "its process ended with signal 9 (Killed)"}}));
  EXPECT_EQ(tool.result()["workers_lost"], 1);
  expect_recorded(tool, "r");
}

TEST_F(ToolFaultTest, StoppedWorkerProcessIsDroppedAtTheRoundDeadline) {
  Tool tool(endless("r", {"--processes", "3", "--round-deadline", "1"}));
  ASSERT_TRUE(tool.wait_for_words("round 3"));
  const auto children = tool.children();
  ASSERT_EQ(children.size(), 3U);
  ::kill(children[0], SIGSTOP);
  ASSERT_TRUE(tool.wait_for_words(" silent in round "));
  tool.signal(SIGINT);
  EXPECT_EQ(tool.wait(), 130) << tool.words();
  EXPECT_EQ(lost(tool.result(), children[0]),
            (json{{"reason", "silent"}, {"cause", "no contribution to round N within 1 s"}}));
  expect_recorded(tool, "r");
}

TEST_F(ToolFaultTest, StoppedWorkerProcessIsDroppedForWantOfHeartbeats) {
  Tool tool(endless("r", {"--processes", "3", "--round-deadline", "60"}));
  ASSERT_TRUE(tool.wait_for_words("round 3"));
  const auto children = tool.children();
  ASSERT_EQ(children.size(), 3U);
  ::kill(children[0], SIGSTOP);
  ASSERT_TRUE(tool.wait_for_words(" died in round "));
  tool.signal(SIGINT);
  EXPECT_EQ(tool.wait(), 130) << tool.words();
  EXPECT_EQ(lost(tool.result(), children[0]),
            (json{{"reason", "died"},
                  {"cause",
                   "the connection with node ID ended: no heartbeat from "
                   "127.0.0.1:PORT for 4.0 s"}}));
  expect_recorded(tool, "r");
}

TEST_F(ToolFaultTest, AllWorkersKilledFailsTheRunAndKeepsTheRecord) {
  Tool tool(endless("r", {"--workers", "1", "--processes", "1"}));
  ASSERT_TRUE(tool.wait_for_words("round 3"));
  ASSERT_EQ(tool.children().size(), 1U);
  ::kill(tool.children()[0], SIGKILL);
  EXPECT_EQ(tool.wait(), 1);
  const std::string error =
      "no worker is left in round N: worker 0 (PLACE) died: its process ended with signal 9 "
      "(Killed)";
  EXPECT_EQ(any_round(plain(tool.last_words())), "muster: " + error);
  EXPECT_EQ(any_round(plain(tool.result()["error"])), "unavailable: " + error);
  EXPECT_EQ(tool.result()["reason"], "failed");
  expect_recorded(tool, "r");
  Tool eval({"eval", path("r"), "--json"});
  EXPECT_EQ(eval.wait(), 0) << eval.words();
}

TEST_F(ToolFaultTest, ChildrenDieWithTheirParent) {
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

TEST_F(ToolFaultTest, GradientThatIsNotANumberStopsTheRunAndKeepsTheRecord) {
  Tool tool(job("r", {"--workers", "1", "--scaling", "identity", "--step-size", "1e30",
                      "--schedule", "constant", "--evaluate-every", "1"}));
  EXPECT_EQ(tool.wait(), 1);
  const std::string error = "worker 0 (this process) in round 1: local step 2: the loss is nan";
  EXPECT_EQ(tool.last_words(), "muster: " + error);
  EXPECT_EQ(tool.result()["error"], "invalid: " + error);
  EXPECT_EQ(tool.result()["rounds"], 0);
  EXPECT_EQ(tool.result()["params_sha256"], nullptr);
  expect_recorded(tool, "r");
  EXPECT_TRUE(fs::exists(path("r/config.toml")));
  EXPECT_EQ(read("r/rounds.jsonl"), "");
}

TEST_F(ToolFaultTest, NodeWithDataOfAnotherShapeFailsTheRun) {
  const std::string other = path("other");
  fs::create_directory(other);
  write_idx_files(other, 100, 5);
  Tool head(job("r", {"--listen", "127.0.0.1:0", "--workers", "1"}));
  Tool node({"node", "--join", head.address(), "--data", other});
  EXPECT_EQ(head.wait(), 2);
  const std::string error =
      "worker 0 (PLACE): its objective has 586 parameters, the averager's has 1210; all must train "
      "the same model on data of the same shape";
  EXPECT_EQ(plain(head.last_words()), "muster: " + error);
  EXPECT_EQ(plain(head.result()["error"]), "invalid: " + error);
  EXPECT_EQ(node.wait(), 1);
  EXPECT_EQ(plain(node.words()),
            "muster: takes part in the run at 127.0.0.1:PORT (workers: 1)\n"
            "muster: the run has ended: failed: " +
                error + "\n");
}

TEST_F(ToolFaultTest, TooFewNodesFailAtTheJoinDeadline) {
  Tool tool(job("r", {"--listen", "127.0.0.1:0", "--workers", "2", "--join-deadline", "0.2"}));
  EXPECT_EQ(tool.wait(), 1);
  EXPECT_EQ(tool.last_words(), "muster: 0 of 2 workers joined within 0.2 s");
  EXPECT_EQ(tool.result()["error"], "timeout: 0 of 2 workers joined within 0.2 s");
}

TEST_F(ToolFaultTest, InterruptedNodeSaysThatItLeaves) {
  Tool head(endless("r", {"--listen", "127.0.0.1:0", "--workers", "1"}));
  Tool node({"node", "--join", head.address(), "--data", folder.string()});
  ASSERT_TRUE(head.wait_for_words("round 3"));
  node.signal(SIGINT);
  EXPECT_EQ(node.wait(), 130);
  EXPECT_EQ(plain(node.words()),
            "muster: takes part in the run at 127.0.0.1:PORT (workers: 1)\n"
            "muster: interrupted; this worker leaves the run; again ends at once\n");
  EXPECT_EQ(head.wait(), 1);
  // It said goodbye: not a connection that broke.
  EXPECT_THAT(
      head.result()["lost"][0]["cause"].get<std::string>(),
      testing::AnyOf(testing::HasSubstr(" left: "), testing::HasSubstr("its runtime shut down")));
}

}  // namespace
}  // namespace muster::test
