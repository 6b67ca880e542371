#include <gmock/gmock.h>
#include <muster/random.h>

#include <array>

namespace muster {
namespace {

TEST(RandomTest, GivesTheSameNumbersOnEveryMachine) {
  Random random(42);
  // Computed by an independent implementation of SplitMix64 seeding and xoshiro256**.
  const std::array<std::uint64_t, 3> expected = {1546998764402558742ULL, 6990951692964543102ULL,
                                                 12544586762248559009ULL};
  for (const std::uint64_t value : expected) EXPECT_EQ(random(), value);
}

TEST(RandomTest, BelowStaysBelowAndReachesEverything) {
  Random random(7);
  std::array<int, 5> seen{};
  for (int i = 0; i < 1000; ++i) ++seen.at(random.below(5));
  for (const int count : seen) EXPECT_GT(count, 120);
}

TEST(RandomTest, NormalHasUnitVariance) {
  Random random(3);
  double sum = 0;
  double squares = 0;
  constexpr int kDraws = 20000;
  for (int i = 0; i < kDraws; ++i) {
    const double x = random.normal();
    sum += x;
    squares += x * x;
  }
  EXPECT_NEAR(sum / kDraws, 0, 0.03);
  EXPECT_NEAR(squares / kDraws, 1, 0.04);
}

}  // namespace
}  // namespace muster
