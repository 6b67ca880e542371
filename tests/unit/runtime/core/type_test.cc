// Handles to actors of another class than they say, and arguments of unusual alignment.

#include <cstdint>

#include "tests/unit/runtime/core/fixture.h"

namespace muster::test {

namespace here {
class Till {
 public:
  int take(int amount) { return total_ += amount; }

 private:
  int total_ = 0;
};
MUSTER_ACTOR(Till, take);

class Clerk {
 public:
  Task<int> pay(Handle<Till> till) { co_return co_await till.call<&Till::take>(1); }
  void send(const Handle<Till>& till) { till.send<&Till::take>(1); }
};
MUSTER_ACTOR(Clerk, pay, send);
}  // namespace here

namespace elsewhere {
/// Another class by the same name: what a node of another program may have.
class Till {
 public:
  int take(int amount) { return log_.emplace_back(amount); }

 private:
  std::vector<int> log_;
};
MUSTER_ACTOR(Till, take);

class Clerk {
 public:
  Task<int> pay(Handle<Till> till) { co_return co_await till.call<&Till::take>(1); }
  void send(const Handle<Till>& till) { till.send<&Till::take>(1); }
};
MUSTER_ACTOR(Clerk, pay, send);
}  // namespace elsewhere

namespace {

// contract 4.6
TEST(TypeTest, NameOfAnotherClassWithTheSameNameIsRefused) {
  muster::testing::SimWorld world(1);
  auto& node = world.start("node");
  const auto till = node.spawn<here::Till>({.name = "till"});
  const auto found = node.find<elsewhere::Till>("till", 1s);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::kInvalid);
  EXPECT_EQ(found.error().message, "the actor 'till' is a Till, but another class of that name");
}

// contract 4.7
TEST(TypeTest, HandleThatAnotherNodeTookForAnotherClassReachesNobody) {
  muster::testing::SimWorld world(1);
  auto& shop = world.start("shop", {.listen = "shop:1"});
  auto& town = world.start("town");
  const auto clerk = shop.spawn<here::Clerk>({.name = "clerk"});
  const auto till = shop.spawn<elsewhere::Till>({.name = "till"});
  ASSERT_TRUE(town.join("shop:1", 1s));
  const auto far_clerk = value_or_throw(town.find<elsewhere::Clerk>("clerk", 1s));
  const auto far_till = value_or_throw(town.find<elsewhere::Till>("till", 1s));
  const auto paid = far_clerk.call<&elsewhere::Clerk::pay>(far_till).result(1s);
  ASSERT_FALSE(paid);
  EXPECT_THAT(paid.error().message,
              ::testing::HasSubstr("is a Till, but another class of that name: the handle it was "
                                   "called by is of another class"));
  far_clerk.send<&elsewhere::Clerk::send>(far_till);
  world.run_for(1s);
  EXPECT_EQ(shop.stats().dead_letters, 1U);
}

struct alignas(64) Wide {
  double value = 0;
};

class Aligned {
 public:
  bool lies_well(const Wide& wide) { return reinterpret_cast<std::uintptr_t>(&wide) % 64 == 0; }
};
MUSTER_ACTOR(Aligned, lies_well);

TEST(TypeTest, ArgumentsKeepTheirAlignment) {
  muster::testing::SimWorld world(1);
  auto& near = world.start("near", {.listen = "near:1"});
  auto& far = world.start("far");
  const auto local = near.spawn<Aligned>({.name = "aligned"});
  ASSERT_TRUE(far.join("near:1", 1s));
  const auto remote = value_or_throw(far.find<Aligned>("aligned", 1s));
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(local.call<&Aligned::lies_well>(Wide{1.0}).get(1s));
    EXPECT_TRUE(remote.call<&Aligned::lies_well>(Wide{1.0}).get(1s));
  }
}

}  // namespace
}  // namespace muster::test
