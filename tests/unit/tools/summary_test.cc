#include "tools/muster/summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace muster::tool {
namespace {

using testing::HasSubstr;

TEST(SummaryTest, SaysWhichWorkerWasLostWhenAndWhy) {
  training::TrainResult r;
  r.reason = training::StopReason::kRounds;
  r.lost.push_back({2, "pid 7 on host", 31, 4.25, training::LossReason::kDied, "node lost"});
  EXPECT_THAT(summary_table(r), HasSubstr("workers lost  1\n              worker 2 (pid 7 on host) "
                                          "died in round 31 after 4.2 s: node lost\n"));
}

TEST(SummaryTest, EndsWithTheRecord) {
  training::TrainResult r;
  r.reason = training::StopReason::kInterrupted;
  r.test_accuracy = 0.87654;
  r.record = "runs/x";
  const std::string table = summary_table(r);
  EXPECT_THAT(table, testing::StartsWith("ended         interrupted\ntest accuracy 0.8765\n"));
  EXPECT_THAT(table, testing::EndsWith("record        runs/x\n"));
}

TEST(SummaryTest, WhatWasNotMeasuredIsLeftOut) {
  training::TrainResult r;
  r.error = Error{ErrorCode::kTimeout, "nobody joined", {}};
  r.record = "runs/x";
  EXPECT_EQ(summary_table(r),
            "ended         failed\n"
            "rounds        0\n"
            "samples       0\n"
            "wall          0.00 s (compute 0.00 s, sync 0.00 s; evaluation 0.00 s beside)\n"
            "sent          0 B of arrays, both ways\n"
            "workers lost  0\n"
            "record        runs/x\n");
}

TEST(SummaryTest, WireBytesAreShownWhereThereWereAny) {
  training::TrainResult r;
  r.wire_bytes_sent = 1500;
  r.wire_bytes_received = 20;
  EXPECT_THAT(summary_table(r), HasSubstr("on the wire   1.50 kB written, 20 B read\n"));
}

}  // namespace
}  // namespace muster::tool
