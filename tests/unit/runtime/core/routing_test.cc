// Choosing one of several: no actor, no runtime.

#include <muster/routing.h>

#include <gmock/gmock.h>

#include <map>
#include <string>

namespace muster::test {
namespace {

using ::testing::ElementsAre;

std::vector<std::size_t> turns(RoundRobin& robin, std::size_t count, std::size_t times) {
  std::vector<std::size_t> indices;
  for (std::size_t i = 0; i < times; ++i) indices.push_back(robin.next(count));
  return indices;
}

TEST(RoundRobinTest, GoesRound) {
  RoundRobin robin;
  EXPECT_THAT(turns(robin, 3, 7), ElementsAre(0, 1, 2, 0, 1, 2, 0));
  EXPECT_THAT(turns(robin, 1, 2), ElementsAre(0, 0));
}

TEST(RoundRobinTest, SkipsNobodyWhenOneGoes) {
  RoundRobin robin;
  EXPECT_THAT(turns(robin, 4, 2), ElementsAre(0, 1));
  robin.removed(0);  // 1, 2, 3 are 0, 1, 2 now: the next is still the old 2
  EXPECT_THAT(turns(robin, 3, 3), ElementsAre(1, 2, 0));
  robin.removed(2);  // not reached yet
  EXPECT_THAT(turns(robin, 2, 2), ElementsAre(1, 0));
}

TEST(RoundRobinTest, StartsAgainWhenManyGo) {
  RoundRobin robin;
  EXPECT_THAT(turns(robin, 5, 4), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(turns(robin, 2, 2), ElementsAre(0, 1));
}

std::size_t least(const std::vector<std::size_t>& loads, std::size_t start) {
  return least_loaded(loads.size(), start, [&](std::size_t i) { return loads[i]; });
}

TEST(LeastLoadedTest, FindsTheLeastAndOfEqualsTheFirstFromTheStart) {
  EXPECT_EQ(least({3, 1, 2}, 0), 1U);
  EXPECT_EQ(least({3, 1, 2}, 2), 1U);
  EXPECT_EQ(least({2, 2, 2}, 1), 1U);
  EXPECT_EQ(least({1, 2, 1}, 1), 2U);
  EXPECT_EQ(least({1, 2, 2}, 1), 0U);
  EXPECT_EQ(least({0, 0, 0}, 2), 2U);
  EXPECT_EQ(least({7}, 0), 0U);
}

TEST(LeastLoadedTest, LooksNoFurtherThanNothing) {
  int looks = 0;
  EXPECT_EQ(least_loaded(1000, 5, [&](std::size_t) { return ++looks, 0; }), 5U);
  EXPECT_EQ(looks, 1);
}

enum class Colour { kRed = 7 };

TEST(RouteKeyTest, EqualKeysHaveEqualHashesWhateverTheyAreMadeOf) {
  EXPECT_EQ(RouteKey("ann"), RouteKey(std::string("ann")));
  EXPECT_EQ(RouteKey(std::string_view("ann")), RouteKey("ann"));
  EXPECT_NE(RouteKey("ann"), RouteKey("bob"));
  EXPECT_EQ(RouteKey(7), RouteKey(std::uint64_t{7}));
  EXPECT_EQ(RouteKey(Colour::kRed), RouteKey(7));
  EXPECT_NE(RouteKey(7), RouteKey(8));
}

// They decide where a key lives on every node: they may not change with the compiler or the run.
TEST(RouteKeyTest, HashesAreFixed) {
  EXPECT_EQ(RouteKey(0).hash(), 0xE220A8397B1DCDAFULL);
  EXPECT_EQ(RouteKey("").hash(), mix_seed(0xCBF29CE484222325ULL));
  EXPECT_EQ(RouteKey("a").hash(), mix_seed(0xAF63DC4C8601EC8CULL));
}

constexpr int kKeys = 10'000;

struct Numbers {
  void add(int member) { ring.add(mix_seed(static_cast<std::uint64_t>(member), 99), member); }
  void remove(int member) { ring.remove(mix_seed(static_cast<std::uint64_t>(member), 99)); }
  std::vector<int> owners() const {
    std::vector<int> all;
    for (int key = 0; key < kKeys; ++key) all.push_back(*ring.find("user " + std::to_string(key)));
    return all;
  }
  HashRing<int> ring;
};
class HashRingTest : public ::testing::Test, protected Numbers {};

TEST_F(HashRingTest, EmptyHasNobody) {
  EXPECT_EQ(ring.find("x"), nullptr);
  add(1);
  EXPECT_EQ(*ring.find("x"), 1);
  remove(1);
  EXPECT_EQ(ring.find("x"), nullptr);
  EXPECT_TRUE(ring.empty());
}

TEST_F(HashRingTest, HasAFixedNumberOfPointsForEach) {
  for (int i = 0; i < 5; ++i) add(i);
  EXPECT_EQ(ring.points(), 5 * HashRing<int>::kPointsEach);
  remove(3);
  EXPECT_EQ(ring.points(), 4 * HashRing<int>::kPointsEach);
}

TEST_F(HashRingTest, SharesAreAboutEven) {
  for (int i = 0; i < 8; ++i) add(i);
  std::map<int, int> share;
  for (const int owner : owners()) ++share[owner];
  ASSERT_EQ(share.size(), 8U);
  for (const auto& [member, keys] : share) {
    EXPECT_GT(keys, kKeys / 8 * 7 / 10) << member;
    EXPECT_LT(keys, kKeys / 8 * 13 / 10) << member;
  }
}

// contract 11.3
TEST_F(HashRingTest, ANewMemberTakesItsShareAndNothingElseMoves) {
  for (int i = 0; i < 8; ++i) add(i);
  const auto before = owners();
  add(8);
  const auto after = owners();
  int moved = 0;
  for (std::size_t key = 0; key < before.size(); ++key) {
    if (before[key] == after[key]) continue;
    ++moved;
    EXPECT_EQ(after[key], 8);
  }
  EXPECT_GT(moved, kKeys / 9 * 7 / 10);
  EXPECT_LT(moved, kKeys / 9 * 13 / 10);
}

// contract 11.3
TEST_F(HashRingTest, OfOneThatGoesOnlyItsOwnKeysMove) {
  for (int i = 0; i < 8; ++i) add(i);
  const auto before = owners();
  remove(2);
  const auto after = owners();
  for (std::size_t key = 0; key < before.size(); ++key) {
    if (before[key] == 2) {
      EXPECT_NE(after[key], 2);
    } else {
      EXPECT_EQ(after[key], before[key]);
    }
  }
  add(2);
  EXPECT_EQ(owners(), before);
}

TEST_F(HashRingTest, TheOrderOfComingDoesNotMatter) {
  for (const int i : {4, 1, 3, 0, 2}) add(i);
  Numbers other;
  for (int i = 0; i < 5; ++i) other.add(i);
  EXPECT_EQ(owners(), other.owners());
}

}  // namespace
}  // namespace muster::test
