#include "tools/muster/children.h"

#include <muster/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <signal.h>

namespace muster::tool {
namespace {

class ChildrenTest : public testing::Test {
 protected:
  pid_t shell(const std::string& script) { return children.start("/bin/sh", {"-c", script}); }
  Children children{[](const ChildExit&) {}};
};

TEST_F(ChildrenTest, ExitStatusAndLastWordsAreKept) {
  const pid_t pid = shell("echo out; echo words >&2; exit 3");
  ASSERT_TRUE(children.wait_all(20s));
  const auto exit = children.exit_of(pid);
  ASSERT_TRUE(exit);
  EXPECT_FALSE(exit->ok());
  EXPECT_EQ(exit->describe(), "exit status 3");
  EXPECT_EQ(exit->last_words, "words\n");
}

TEST_F(ChildrenTest, SuccessIsOk) {
  const pid_t pid = shell("exit 0");
  ASSERT_TRUE(children.wait_all(20s));
  EXPECT_TRUE(children.exit_of(pid)->ok());
}

TEST_F(ChildrenTest, OnlyTheEndOfLongWordsIsKept) {
  const pid_t pid = shell("head -c 100000 /dev/zero | tr '\\0' x >&2; echo end >&2");
  ASSERT_TRUE(children.wait_all(20s));
  const auto exit = children.exit_of(pid);
  EXPECT_EQ(exit->last_words.size(), Children::kLastWordsMax);
  EXPECT_THAT(exit->last_words, testing::EndsWith("xend\n"));
}

TEST_F(ChildrenTest, KillingOneLeavesTheOthers) {
  const pid_t first = shell("exec sleep 1000");
  const pid_t second = shell("exec sleep 1000");
  children.kill_one(first);
  EXPECT_FALSE(children.exit_of(second));
  children.kill_all();
  ASSERT_TRUE(children.wait_all(20s));
  EXPECT_EQ(children.exit_of(first)->describe(), "signal 9 (Killed)");
}

TEST_F(ChildrenTest, EveryExitIsReportedOnce) {
  int reports = 0;
  {
    Children watched([&](const ChildExit&) { ++reports; });
    for (int i = 0; i < 5; ++i) watched.start("/bin/sh", {"-c", "exit 0"});
    ASSERT_TRUE(watched.wait_all(20s));
  }
  EXPECT_EQ(reports, 5);
}

TEST_F(ChildrenTest, NoneIsLeftBehindByTheDestructor) {
  pid_t pid = 0;
  {
    Children gone([](const ChildExit&) {});
    pid = gone.start("/bin/sh", {"-c", "exec sleep 1000"});
  }
  EXPECT_EQ(::kill(pid, 0), -1);
}

TEST_F(ChildrenTest, MissingProgramIsNamed) {
  try {
    children.start("/nowhere/program", {});
    FAIL() << "started";
  } catch (const Exception& e) {
    EXPECT_EQ(e.error().message, "/nowhere/program: cannot be started: No such file or directory");
  }
}

}  // namespace
}  // namespace muster::tool
