#include <muster/optim/schedule.h>

#include <limits>

#include "unit/optim/support.h"

namespace muster::optim {
namespace {

TEST(ScheduleTest, ConstantIsBaseEverywhere) {
  const Schedule schedule{.base = 0.3};
  for (double s : {-1.0, 0.0, 0.4, 1.0, 2.0}) EXPECT_EQ(step_size(schedule, s), 0.3);
}

TEST(ScheduleTest, CosineFallsFromBaseToFinalRatio) {
  const Schedule schedule{.kind = ScheduleKind::kCosine, .base = 2, .final_ratio = 0.1};
  EXPECT_DOUBLE_EQ(step_size(schedule, 0.0), 2.0);
  EXPECT_DOUBLE_EQ(step_size(schedule, 0.5), 1.1);
  EXPECT_DOUBLE_EQ(step_size(schedule, 1.0), 0.2);
}

TEST(ScheduleTest, StepFallsAtEachMilestone) {
  const Schedule schedule{
      .kind = ScheduleKind::kStep, .base = 1, .factor = 0.5, .milestones = {0.5, 0.75}};
  EXPECT_EQ(step_size(schedule, 0.49), 1.0);
  EXPECT_EQ(step_size(schedule, 0.5), 0.5);
  EXPECT_EQ(step_size(schedule, 0.75), 0.25);
}

TEST(ScheduleTest, WarmupRisesFromAboveZeroToBase) {
  const Schedule schedule{.base = 1, .warmup = 0.5};
  EXPECT_DOUBLE_EQ(step_size(schedule, 0, 8), 0.25);
  EXPECT_DOUBLE_EQ(step_size(schedule, 2, 8), 0.75);
  EXPECT_DOUBLE_EQ(step_size(schedule, 3, 8), 1.0);
  EXPECT_DOUBLE_EQ(step_size(schedule, 7, 8), 1.0);
}

TEST(ScheduleTest, UnknownLengthGivesBase) {
  const Schedule schedule{.kind = ScheduleKind::kCosine, .base = 0.7};
  EXPECT_EQ(step_size(schedule, 5, 0), 0.7);
}

TEST(ScheduleTest, NamesRoundTrip) {
  for (auto kind : {ScheduleKind::kConstant, ScheduleKind::kCosine, ScheduleKind::kStep}) {
    EXPECT_EQ(parse_schedule_kind(to_string(kind)), kind);
  }
  EXPECT_EQ(parse_schedule_kind("linear"), std::nullopt);
}

TEST(ScheduleTest, ValidateNamesFieldValueAndRange) {
  const auto message = [](const Schedule& s) {
    const auto result = validate(s);
    return result ? std::string() : result.error().message;
  };
  EXPECT_EQ(message({}), "");
  EXPECT_EQ(message({.base = -0.1}), "base = -0.1 is out of range: allowed more than 0, finite");
  EXPECT_EQ(message({.final_ratio = 1.5}), "final_ratio = 1.5 is out of range: allowed 0 to 1");
  EXPECT_EQ(message({.factor = 0}), "factor = 0 is out of range: allowed more than 0, at most 1");
  EXPECT_EQ(message({.warmup = 1}), "warmup = 1 is out of range: allowed 0 to less than 1");
  EXPECT_EQ(
      message({.milestones = {0.5, 0.5}}),
      "milestones = 0.5 is out of range: allowed ascending, each more than 0 and less than 1");
  EXPECT_NE(message({.base = std::numeric_limits<double>::quiet_NaN()}), "");
}

}  // namespace
}  // namespace muster::optim
