// muster bench, run as a user does, for a moment.

#include "integration/train/tool.h"

#include <algorithm>
#include <set>

namespace muster::test {
namespace {

TEST(BenchToolTest, PrintsEveryRowForServersHereAndInOtherProcesses) {
  Tool tool({"bench", "--seconds", "0.005", "--processes", "2", "--json"});
  ASSERT_EQ(tool.wait(), 0) << tool.words();
  const auto result = tool.result();
  EXPECT_EQ(result["n"], 2);
  std::set<std::string> names;
  std::set<std::string> places;
  for (const auto& row : result["rows"]) {
    names.insert(row["name"]);
    places.insert(row["place"]);
    EXPECT_GT(row["calls_per_second"].get<double>(), 0) << row;
  }
  EXPECT_EQ(result["rows"].size(), 10u);
  EXPECT_EQ(names.size(), 5u);
  EXPECT_EQ(places.size(), 2u);
}

TEST(BenchToolTest, TableHasALineARow) {
  Tool tool({"bench", "--seconds", "0.005", "--processes", "1"});
  ASSERT_EQ(tool.wait(), 0) << tool.words();
  EXPECT_EQ(std::count(tool.output().begin(), tool.output().end(), '\n'), 6) << tool.output();
  EXPECT_NE(tool.output().find("1:1 actor calls sync"), std::string::npos) << tool.output();
}

TEST(BenchToolTest, LengthThatIsNoLengthIsRefused) {
  Tool tool({"bench", "--seconds", "0"});
  EXPECT_EQ(tool.wait(), 2);
  EXPECT_NE(tool.last_words().find("--seconds"), std::string::npos) << tool.last_words();
}

}  // namespace
}  // namespace muster::test
