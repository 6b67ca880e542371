// Exploring the orders of small scenarios, and replaying what failed.

#include <gmock/gmock.h>
#include <muster/testing/gtest.h>

#include <array>
#include <cstdio>
#include <memory>
#include <set>

namespace muster::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Log {
 public:
  explicit Log(std::string* text) : text_(text) {}
  void add(char c) { *text_ += c; }

 private:
  std::string* text_;
};
MUSTER_ACTOR(Log, add);

/// `actors` actors get `each` messages each.
void send_all(SimWorld& world, std::string& order, int actors, int each) {
  Runtime& node = world.start("node");
  std::vector<Handle<Log>> logs;
  for (int i = 0; i < actors; ++i) logs.push_back(node.spawn<Log>({}, &order));
  for (int n = 0; n < each; ++n) {
    for (int i = 0; i < actors; ++i) {
      logs[static_cast<std::size_t>(i)].send<&Log::add>(static_cast<char>('a' + i));
    }
  }
  world.scheduler().run_until_idle();
}

TEST(SchedulesTest, EachOrderOfIndependentMessagesRunsOnce) {
  std::multiset<std::string> seen;
  const auto explored = for_each_schedule([&](SimWorld& world) {
    std::string order;
    send_all(world, order, 3, 1);
    seen.insert(order);
  });
  EXPECT_TRUE(explored.complete);
  EXPECT_FALSE(explored.failure);
  EXPECT_EQ(explored.schedules, 6U);
  EXPECT_THAT(seen, ElementsAre("abc", "acb", "bac", "bca", "cab", "cba"));
}

TEST(SchedulesTest, MessagesOfOneActorKeepTheirOrderAndAllElseIsMixed) {
  std::set<std::string> seen;
  const auto explored = for_each_schedule([&](SimWorld& world) {
    std::string order;
    send_all(world, order, 2, 3);
    seen.insert(order);
  });
  EXPECT_TRUE(explored.complete);
  EXPECT_EQ(seen.size(), 20U);  // 6 over 3
  EXPECT_EQ(explored.schedules, 20U);
}

TEST(SchedulesTest, BoundsLeaveSchedulesOutAndSaySo) {
  std::vector<std::string> seen;
  const auto scenario = [&](SimWorld& world) {
    std::string order;
    send_all(world, order, 3, 1);
    seen.push_back(order);
  };
  EXPECT_FALSE(for_each_schedule(scenario, {.schedules = 5}).complete);
  EXPECT_EQ(seen.size(), 5U);
  EXPECT_TRUE(for_each_schedule(scenario, {.schedules = 6}).complete);
  seen.clear();
  EXPECT_FALSE(for_each_schedule(scenario, {.deviations = 0}).complete);
  EXPECT_THAT(seen, ElementsAre("abc"));
  seen.clear();
  EXPECT_FALSE(for_each_schedule(scenario, {.deviations = 1}).complete);
  EXPECT_THAT(seen, ElementsAre("abc", "bac", "cab", "acb"));
  EXPECT_TRUE(for_each_schedule(scenario, {.deviations = 2}).complete);
}

class Account {
 public:
  int balance() const { return balance_; }
  void set(int balance) { balance_ = balance; }

 private:
  int balance_ = 0;
};
MUSTER_ACTOR(Account, balance, set);

/// Reads, then writes: two of them may lose what one paid in.
class Clerk {
 public:
  explicit Clerk(Handle<Account> account) : account_(std::move(account)) {}
  Task<> pay_in(int amount) {
    const int balance = co_await account_.call<&Account::balance>();
    co_await account_.call<&Account::set>(balance + amount);
  }

 private:
  Handle<Account> account_;
};
MUSTER_ACTOR(Clerk, pay_in);

bool two_clerks(SimWorld& world) {
  Runtime& node = world.start("node");
  const auto account = node.spawn<Account>();
  const auto one = node.spawn<Clerk>({}, account);
  const auto other = node.spawn<Clerk>({}, account);
  std::vector<Future<void>> paid;
  paid.push_back(one.call<&Clerk::pay_in>(1));
  paid.push_back(other.call<&Clerk::pay_in>(1));
  return wait_all(paid, 1s) && account.call<&Account::balance>().get(1s) == 2;
}

TEST(SchedulesTest, FailureComesWithTheScheduleThatRepeatsIt) {
  const auto explored = for_each_schedule(two_clerks);
  ASSERT_TRUE(explored.failure);
  EXPECT_EQ(explored.failure->what, "the scenario was false");
  for (int i = 0; i < 3; ++i) {
    const auto again = run_schedule(two_clerks, explored.failure->schedule);
    ASSERT_TRUE(again);
    EXPECT_EQ(again->what, "the scenario was false");
  }
}

TEST(SchedulesTest, FailureHasAsFewDeviationsAsItNeeds) {
  const auto scenario = [](SimWorld& world) {
    std::string order;
    send_all(world, order, 3, 2);
    return !order.ends_with("a");
  };
  const auto explored = for_each_schedule(scenario);
  ASSERT_TRUE(explored.failure);
  EXPECT_FALSE(explored.complete);
  // b and c overtake the second a: one deviation is not enough.
  EXPECT_THAT(explored.failure->schedule, ::testing::MatchesRegex("[0-9]+:[0-9]+,[0-9]+:[0-9]+"));
  EXPECT_TRUE(run_schedule(scenario, explored.failure->schedule));
  EXPECT_FALSE(run_schedule(scenario, "-"));
}

TEST(SchedulesTest, WhatIsThrownFails) {
  const auto explored = for_each_schedule([](SimWorld& world) -> bool {
    std::string order;
    send_all(world, order, 2, 1);
    if (order == "ba") throw std::runtime_error("b came first");
    return true;
  });
  ASSERT_TRUE(explored.failure);
  EXPECT_EQ(explored.failure->schedule, "1:1");
  EXPECT_EQ(explored.failure->what, "failed [std::runtime_error]: b came first");
}

TEST(SchedulesTest, ScenarioThatIsNotTheSameEachTimeIsToldSo) {
  int runs = 0;
  const auto fewer = for_each_schedule([&](SimWorld& world) {
    std::string order;
    send_all(world, order, ++runs == 1 ? 3 : 2, 1);
    return true;
  });
  ASSERT_TRUE(fewer.failure);
  EXPECT_EQ(fewer.failure->what,
            "the scenario is not the same each time: at point 1 of 1:1 2 were ready, and 3 before");
  runs = 0;
  const auto none = for_each_schedule([&](SimWorld& world) {
    std::string order;
    send_all(world, order, ++runs == 1 ? 2 : 1, 1);
    return true;
  });
  ASSERT_TRUE(none.failure);
  EXPECT_EQ(none.failure->what, "the scenario is not the same each time: it ended before 1:1");
}

TEST(SchedulesTest, ScheduleThatDoesNotParseIsRefused) {
  const auto scenario = [](SimWorld&) { return true; };
  EXPECT_FALSE(run_schedule(scenario, "-"));
  for (const char* wrong : {"", "1", "1:", ":1", "0:1", "1:0", "1:1,", "2:1,1:1", "1:1;2:1", "x"}) {
    try {
      run_schedule(scenario, wrong);
      ADD_FAILURE() << wrong;
    } catch (const Exception& e) {
      EXPECT_EQ(e.error().code, ErrorCode::kInvalid);
      EXPECT_THAT(e.error().message, HasSubstr("found the schedule '" + std::string(wrong) + "'"));
    }
  }
}

// --- with GoogleTest -----------------------------------------------------------------------------

/// Runs a shell command; its output, and whether it succeeded.
std::pair<std::string, bool> shell(const std::string& command) {
  std::string out;
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  std::array<char, 4096> part{};
  while (const std::size_t n = fread(part.data(), 1, part.size(), pipe)) out.append(part.data(), n);
  return {out, pclose(pipe) == 0};
}

std::string line_after(const std::string& text, const std::string& mark) {
  const auto at = text.find(mark);
  if (at == std::string::npos) return {};
  return text.substr(at + mark.size(), text.find('\n', at) - at - mark.size());
}

std::string run_this(const std::string& test) {
  return "MUSTER_KIT_TEST_FAILS=1 " + std::string(program_invocation_name) +
         " --gtest_filter=FailingTest." + test;
}

// Pass by themselves, and fail when the tests below run them in another process.
bool fails() {
  return std::getenv("MUSTER_KIT_TEST_FAILS") != nullptr;
}
TEST(FailingTest, OneSeedInTen) {
  for_each_seed(9, [](std::uint64_t seed) {
    if (fails()) std::printf("seed %d\n", static_cast<int>(seed));
    EXPECT_NE(seed % 10, fails() ? 3U : 0U);
  });
}
TEST(FailingTest, OneScheduleInTwo) {
  for_each_schedule([](SimWorld& world) {
    std::string order;
    send_all(world, order, 2, 1);
    EXPECT_EQ(order.size(), 2U);
    EXPECT_FALSE(fails() && order == "ba");
  });
}
TEST(FailingTest, OneSeedThrows) {
  for_each_seed(2, [](std::uint64_t seed) {
    if (fails() && seed == 2) throw std::runtime_error("two");
  });
}

class ReplayTest : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Failures, ReplayTest,
                         ::testing::Values("OneSeedInTen", "OneScheduleInTwo", "OneSeedThrows"));

TEST_P(ReplayTest, FailurePrintsALineThatRepeatsIt) {
  const auto [output, passed] = shell(run_this(GetParam()));
  ASSERT_FALSE(passed);
  const std::string replay = line_after(output, "replay: ");
  ASSERT_THAT(replay, HasSubstr(GetParam())) << output;
  const auto [again, passed_again] = shell("MUSTER_KIT_TEST_FAILS=1 " + replay);
  EXPECT_FALSE(passed_again);
  EXPECT_EQ(line_after(again, "replay: "), replay) << again;
}

TEST(SeedsTest, ComeFromTheEnvironment) {
  const std::string test = run_this("OneSeedInTen");
  const auto [three, passed_three] = shell(test);
  EXPECT_FALSE(passed_three);
  EXPECT_THAT(three, ::testing::AllOf(HasSubstr("seed 1\nseed 2\nseed 3\n"),
                                      ::testing::Not(HasSubstr("seed 4"))));
  const auto [one, passed_one] = shell("MUSTER_TEST_SEED=17 " + test);
  EXPECT_TRUE(passed_one) << one;
  EXPECT_THAT(one, ::testing::Not(HasSubstr("seed 18")));
  const auto [two, passed_two] = shell("MUSTER_TEST_SEED=17 MUSTER_TEST_SEEDS=2 " + test);
  EXPECT_TRUE(passed_two);
  EXPECT_THAT(two, HasSubstr("seed 17\nseed 18\n"));
}

}  // namespace
}  // namespace muster::testing
