#include "tools/muster/progress.h"

#include <gtest/gtest.h>

namespace muster::tool {
namespace {

Progress sample() {
  return {120, 400, 0.28174, 0.8712, 131000, 1230000000, 12.3};
}

TEST(ProgressTextTest, WideTerminalShowsEverything) {
  EXPECT_EQ(progress_text(sample(), 200),
            "round 120/400  loss 0.2817  test 0.8712  131 k samples/s  1.23 GB sent  12 s left");
}

TEST(ProgressTextTest, NeverWiderThanTheTerminal) {
  for (std::size_t width = 0; width < 100; ++width)
    EXPECT_LE(progress_text(sample(), width).size(), width);
}

TEST(ProgressTextTest, LeastImportantPartsGoFirst) {
  const std::string full = progress_text(sample(), 200);
  EXPECT_EQ(progress_text(sample(), full.size()), full);
  EXPECT_EQ(progress_text(sample(), full.size() - 1),
            "round 120/400  loss 0.2817  test 0.8712  131 k samples/s  12 s left");
  EXPECT_EQ(progress_text(sample(), 40), "round 120/400  test 0.8712  12 s left");
  EXPECT_EQ(progress_text(sample(), 15), "round 120/400");
}

TEST(ProgressTextTest, UnknownFiguresAreLeftOut) {
  const Progress p{7, 0, 1.5, std::nullopt, 900, 512, std::nullopt};
  EXPECT_EQ(progress_text(p, 200), "round 7  loss 1.5000  900 samples/s  512 B sent");
}

TEST(UnitsTest, BytesHaveThreeDigits) {
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(999), "999 B");
  EXPECT_EQ(bytes_text(1000), "1.00 kB");
  EXPECT_EQ(bytes_text(12345), "12.3 kB");
  EXPECT_EQ(bytes_text(999499), "999 kB");
  EXPECT_EQ(bytes_text(999500), "1.00 MB");
}

TEST(UnitsTest, SecondsGrowIntoMinutesAndHours) {
  EXPECT_EQ(seconds_text(0.4), "0 s");
  EXPECT_EQ(seconds_text(59.4), "59 s");
  EXPECT_EQ(seconds_text(59.6), "1 min 0 s");
  EXPECT_EQ(seconds_text(7500), "2 h 5 min");
}

TEST(ProgressMeterTest, SumsUpAndEstimatesTheRest) {
  ProgressMeter meter;
  meter.start(10);
  training::RoundReport report;
  report.round = 1;
  report.samples = 100;
  report.bytes_sent = 50;
  report.seconds = 2;
  report.test_accuracy = 0.5;
  meter.add(report);
  report.round = 2;
  report.seconds = 4;
  report.test_accuracy = std::nullopt;
  const Progress& p = meter.add(report);
  EXPECT_EQ(p.round, 2U);
  EXPECT_EQ(p.bytes_sent, 100U);
  EXPECT_DOUBLE_EQ(p.samples_per_s, 50);
  EXPECT_EQ(p.accuracy, 0.5);
  EXPECT_DOUBLE_EQ(p.seconds_left.value(), 16);
}

TEST(ProgressPrinterTest, CauseOfALossIsNotSaidAgainRightAfterIt) {
  std::FILE* out = std::tmpfile();
  ASSERT_NE(out, nullptr);
  ProgressPrinter printer({.out = out, .clock = &steady_clock()});
  const training::LostWorker lost{1, "pid 7 on host", 3, 0.5, training::LossReason::kDied, "gone"};
  printer.note("gone");
  printer.on_lost(lost);
  printer.on_lost(lost);
  std::rewind(out);
  char text[256] = {};
  const std::size_t size = std::fread(text, 1, sizeof text, out);
  EXPECT_EQ(std::string(text, size),
            "gone\n"
            "worker 1 (pid 7 on host) died in round 3\n"
            "worker 1 (pid 7 on host) died in round 3: gone\n");
  std::fclose(out);
}

}  // namespace
}  // namespace muster::tool
