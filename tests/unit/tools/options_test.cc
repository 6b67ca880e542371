#include "tools/muster/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace muster::tool {
namespace {

class OptionsTest : public testing::Test {
 protected:
  OptionsTest()
      : file((std::filesystem::temp_directory_path() /
              ("muster-options-" + std::to_string(::getpid()) + "-" +
               testing::UnitTest::GetInstance()->current_test_info()->name()))
                 .string()) {}
  ~OptionsTest() override { std::filesystem::remove(file); }

  void write(const std::string& text) const { std::ofstream(file) << text; }
  Result<training::TrainConfig> parse(std::vector<std::string> arguments) {
    CLI::App app;
    const auto flags = add_config_flags(app);
    std::ranges::reverse(arguments);  // CLI11 takes them from the back
    app.parse(arguments);
    return resolve(*flags);
  }
  const std::string file;
};

TEST_F(OptionsTest, NothingGivesTheDefaults) {
  EXPECT_EQ(*parse({}), training::TrainConfig{});
}

TEST_F(OptionsTest, FlagsWinOverTheFileAndTheFileOverDefaults) {
  write("seed = 5\n[local]\nsteps = 3\n");
  const auto config = parse({file, "--local-steps", "7"});
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->seed, 5U);
  EXPECT_EQ(config->local.steps, 7U);
}

TEST_F(OptionsTest, ProcessesSetWorkersWhereNobodyNamesThem) {
  EXPECT_EQ(parse({"--processes", "2"})->workers, 2U);
  write("workers = 4\n");
  EXPECT_EQ(parse({file, "--processes", "2"}).error().message,
            "processes = 2: expected 0 or workers, which is 4");
}

TEST_F(OptionsTest, BooleanFlagsHaveANegation) {
  EXPECT_TRUE(parse({"--deterministic"})->deterministic);
  EXPECT_FALSE(parse({"--no-deterministic"})->deterministic);
}

TEST_F(OptionsTest, BadFlagSaysWhatIsAllowed) {
  EXPECT_EQ(parse({"--beta", "1.5"}).error().message, "--beta 1.5: expected a number in [0, 1)");
}

TEST_F(OptionsTest, BadFileSaysWhere) {
  write("seed = 1\nworkers = 0\n");
  EXPECT_EQ(parse({file}).error().message,
            file + ":2: workers = 0: expected an integer from 1 to 4096");
}

TEST_F(OptionsTest, UnknownFlagIsRefused) {
  EXPECT_THROW((void)parse({"--lokal-steps", "7"}), CLI::ParseError);
}

TEST_F(OptionsTest, TokenIsTheFirstLineWithoutBlanks) {
  write("  secret word \nmore\n");
  EXPECT_EQ(*read_token(file), "secret word");
  EXPECT_EQ(*read_token(""), "");
}

TEST_F(OptionsTest, EmptyOrMissingTokenFileIsRefused) {
  write("\n");
  EXPECT_EQ(read_token(file).error().message,
            "--token-file " + file + ": its first line is empty; expected a secret");
  EXPECT_EQ(read_token("/nowhere/token").error().message,
            "--token-file /nowhere/token: cannot be read: No such file or directory");
}

}  // namespace
}  // namespace muster::tool
