#include <muster/training/config.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace muster::training {
namespace {

std::string toml_error(std::string_view text) {
  const auto parsed = parse_toml(text, "job.toml");
  return parsed ? "no error" : parsed.error().message;
}

std::string flag_error(const char* path, const std::string& text) {
  TrainConfig config;
  const auto done = set_from_text(config, *find_field(path), text);
  return done ? "no error" : done.error().message;
}

TEST(TrainConfigTest, DefaultsAreValid) {
  EXPECT_TRUE(validate(TrainConfig{}));
}

TEST(TrainConfigTest, EveryFieldHasAPathAFlagAndADoc) {
  for (const Field& field : fields()) {
    EXPECT_FALSE(field.path.empty());
    EXPECT_THAT(field.flag, testing::StartsWith("--"));
    EXPECT_FALSE(field.doc.empty()) << field.path;
    EXPECT_EQ(find_field(field.path), &field);
  }
}

TEST(TrainConfigTest, WrittenDefaultsReadBackEqual) {
  const auto back = parse_toml(to_toml(TrainConfig{}), "written");
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(*back, TrainConfig{});
}

TEST(TrainConfigTest, FieldsThatAreLeftToTheRunAreWrittenWithWhatTheyComeTo) {
  TrainConfig config;
  config.scaling.rule = optim::ScalingRule::kOasis;
  const TrainConfig here = resolved(config);
  EXPECT_EQ(here.scaling.estimator, optim::Estimator::kHutchinson);
  EXPECT_GE(here.threads, 1U);
  const std::string text = to_toml(config, here);
  EXPECT_THAT(text, testing::HasSubstr("# here \"hutchinson\"; what D"));
  EXPECT_THAT(text, testing::HasSubstr("# here " + std::to_string(here.threads) + "; threads of"));
  EXPECT_THAT(text, testing::HasSubstr("seed = 1                          # of the split"));
  EXPECT_EQ(parse_toml(text, "written").value(), config);

  config.threads = 7;
  config.workers = 2;
  config.scaling.estimator = optim::Estimator::kGradient;
  EXPECT_EQ(resolved(config), config) << "nothing is left to the run";
}

TEST(TrainConfigTest, WrittenConfigurationReadsBackEqual) {
  TrainConfig config;
  config.name = "other";
  config.seed = std::uint64_t{1} << 62;
  config.processes = config.workers = 7;
  config.deterministic = false;
  config.model = {ModelKind::kLogistic, {}, 0.1};
  config.data = {"/a \"quoted\" \\ path\n\t", optim::Normalise::kMeanStd};
  config.split = {.kind = optim::SplitKind::kDirichlet, .concentration = 1.0 / 3};
  config.local = {20, 32, 0.0, true, 1e-4};
  config.schedule.kind = optim::ScheduleKind::kStep;
  config.schedule.milestones = {0.1, 0.25};
  config.scaling.rule = optim::ScalingRule::kOasis;
  config.scaling.estimator = optim::Estimator::kHutchinsonBlock;
  config.scaling.cap = 10;
  config.round = {Averaging::kEqual, 3, 0.5, 7};
  config.stop = {0, 0.9, 12.5};
  config.network = {"127.0.0.1:0", "secret", 2};
  config.record = "somewhere";
  const auto back = parse_toml(to_toml(config), "written");
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(*back, config);
}

TEST(TrainConfigTest, FileOverridesOnlyWhatItNames) {
  TrainConfig base;
  base.seed = 9;
  const auto read = parse_toml("workers = 2\n[local]\nsteps = 3\n", "job.toml", base);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->workers, 2U);
  EXPECT_EQ(read->local.steps, 3U);
  EXPECT_EQ(read->seed, 9U);
  EXPECT_EQ(read->local.batch, base.local.batch);
}

TEST(TrainConfigTest, IntegersAreRealsWhereRealsAreWanted) {
  const auto read = parse_toml("[stop]\ntime_limit_s = 3\n", "job.toml");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->stop.time_limit_s, 3.0);
}

TEST(TrainConfigTest, UnknownFieldNamesTheNearestKnownOne) {
  EXPECT_EQ(toml_error("seed = 1\n[local]\nstepz = 3\n"),
            "job.toml:3: unknown field \"local.stepz\"; did you mean \"local.steps\"?");
  EXPECT_EQ(toml_error("wrokers = 3\n"),
            "job.toml:1: unknown field \"wrokers\"; did you mean \"workers\"?");
}

TEST(TrainConfigTest, UnknownTableIsNamed) {
  EXPECT_EQ(toml_error("\n[lokal]\nsteps = 3\n"),
            "job.toml:2: unknown table [lokal]; did you mean [local]?");
}

TEST(TrainConfigTest, WrongTypeSaysWhatWasFoundAndExpected) {
  EXPECT_EQ(toml_error("[local]\nsteps = \"ten\"\n"),
            "job.toml:2: local.steps = 'ten': expected an integer from 1 to 1000000");
  EXPECT_EQ(toml_error("deterministic = 1\n"),
            "job.toml:1: deterministic = 1: expected true or false");
  EXPECT_EQ(toml_error("workers = 2.5\n"),
            "job.toml:1: workers = 2.5: expected an integer from 1 to 4096");
  EXPECT_EQ(toml_error("local = 3\n"), "job.toml:1: local = 3: expected a table");
}

TEST(TrainConfigTest, ValueOutOfRangeSaysTheRange) {
  EXPECT_EQ(toml_error("[local]\n\nbatch = 0\n"),
            "job.toml:3: local.batch = 0: expected an integer from 1 to 1000000");
  EXPECT_EQ(toml_error("[scaling]\nbeta = 1.0\n"),
            "job.toml:2: scaling.beta = 1.0: expected a number in [0, 1)");
  EXPECT_EQ(toml_error("workers = -1\n"),
            "job.toml:1: workers = -1: expected an integer from 1 to 4096");
  EXPECT_EQ(toml_error("[local]\nmomentum = nan\n"),
            "job.toml:2: local.momentum = nan: expected a number in [0, 1)");
}

TEST(TrainConfigTest, BoundsAreExact) {
  for (const auto& [text, fits] : {std::pair{"workers = 0", false},
                                   {"workers = 1", true},
                                   {"workers = 4096", true},
                                   {"workers = 4097", false}})
    EXPECT_EQ(parse_toml(text, "f").has_value(), fits) << text;
}

TEST(TrainConfigTest, UnknownWordListsTheWords) {
  EXPECT_EQ(toml_error("[scaling]\nrule = \"adamw\"\n"),
            "job.toml:2: scaling.rule = 'adamw': expected one of \"identity\", \"adagrad\", "
            "\"rmsprop\", \"adam\", \"oasis\"");
}

TEST(TrainConfigTest, BrokenTomlNamesTheLine) {
  EXPECT_THAT(toml_error("workers = 1\nseed = = 2\n"), testing::StartsWith("job.toml:2: "));
}

TEST(TrainConfigTest, MissingFileIsNamed) {
  const auto read = load_toml("/nowhere/job.toml");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(read.error().message, "/nowhere/job.toml: cannot be read: No such file or directory");
}

TEST(TrainConfigTest, FlagErrorNamesTheFlagAndTheRange) {
  EXPECT_EQ(flag_error("local.steps", "0"),
            "--local-steps 0: expected an integer from 1 to 1000000");
  EXPECT_EQ(flag_error("local.steps", ""),
            "--local-steps \"\": expected an integer from 1 to 1000000");
  EXPECT_EQ(flag_error("local.momentum", "0.9x"), "--momentum 0.9x: expected a number in [0, 1)");
  EXPECT_EQ(flag_error("network.listen", "host"), "--listen host: expected HOST:PORT or nothing");
  EXPECT_EQ(flag_error("network.listen", "host:65536"),
            "--listen host:65536: expected HOST:PORT or nothing");
}

TEST(TrainConfigTest, FlagListsAreCommaSeparated) {
  TrainConfig config;
  ASSERT_TRUE(set_from_text(config, *find_field("model.hidden"), "30,20"));
  EXPECT_EQ(config.model.hidden, (std::vector<std::uint64_t>{30, 20}));
  ASSERT_TRUE(set_from_text(config, *find_field("model.hidden"), ""));
  EXPECT_TRUE(config.model.hidden.empty());
}

TEST(TrainConfigTest, RunThatNeverEndsIsRefused) {
  TrainConfig config;
  config.stop = {0, 0, 0};
  EXPECT_EQ(validate(config).error().message,
            "stop.rounds = 0, stop.target_accuracy = 0, stop.time_limit_s = 0: expected at least "
            "one above 0, or the run never ends");
}

TEST(TrainConfigTest, ProcessesOtherThanWorkersAreRefused) {
  TrainConfig config;
  config.processes = 3;
  EXPECT_EQ(validate(config).error().message, "processes = 3: expected 0 or workers, which is 4");
}

TEST(TrainConfigTest, FieldSetInCodeIsCheckedToo) {
  TrainConfig config;
  config.local.batch = 0;
  EXPECT_EQ(validate(config).error().message,
            "local.batch = 0: expected an integer from 1 to 1000000");
}

TEST(NearestWordTest, AllowsOneEditInThreeLetters) {
  const std::vector<std::string> words{"rounds", "seed", "l2"};
  EXPECT_EQ(nearest_word("ronds", words), "rounds");   // left out
  EXPECT_EQ(nearest_word("roudns", words), "rounds");  // swapped
  EXPECT_EQ(nearest_word("sead", words), "seed");      // replaced
  EXPECT_EQ(nearest_word("raunts", words), "rounds");  // two in six
  EXPECT_EQ(nearest_word("raunt", words), "");
  EXPECT_EQ(nearest_word("lr", words), "");
  EXPECT_EQ(nearest_word("", words), "");
}

TEST(TrainConfigTest, DatasetFolderThatIsNamedIsTaken) {
  EXPECT_EQ(*find_dataset("/some/where"), "/some/where");
}

}  // namespace
}  // namespace muster::training
