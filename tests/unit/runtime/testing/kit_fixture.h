#pragma once
// The vocabulary of the tests of rules and probes: a Store, and a Cache that asks it, on one node
// or on two.

#include <gmock/gmock.h>
#include <muster/testing/gtest.h>
#include <muster/testing/probe.h>

#include <map>
#include <string>
#include <vector>

namespace muster::testing {

class Store {
 public:
  int put(int key, const std::string& value) {
    values_[key] = value;
    order_.push_back(key);
    return static_cast<int>(values_.size());
  }
  std::string read(int key) const { return values_.at(key); }
  std::vector<int> order() const { return order_; }
  void clear() { values_.clear(); }

 private:
  std::map<int, std::string> values_;
  std::vector<int> order_;
};
MUSTER_ACTOR(Store, put, read, order, clear);

class Cache {
 public:
  explicit Cache(Handle<Store> store) : store_(std::move(store)) {}
  Task<std::string> get(int key) {
    if (!values_.contains(key)) values_[key] = co_await store_.call<&Store::read>(key);
    co_return values_[key];
  }
  void forget() { store_.send<&Store::clear>(); }
  void let_go() { store_ = {}; }

 private:
  Handle<Store> store_;
  std::map<int, std::string> values_;
};
MUSTER_ACTOR(Cache, get, forget, let_go);

enum class Place { kLocal, kRemote };

/// Stores live on `home`; `near` sees them from there, or from another node.
class KitTest : public ::testing::TestWithParam<Place> {
 protected:
  KitTest() : world(test_seed()), home(world.start("home", {.listen = "home:1"})) {
    if (GetParam() == Place::kRemote) {
      other = &world.start("other");
      value_or_throw(other->join("home:1", 1s));
    }
  }
  /// A handle as `other` has it, to an actor of `home`.
  template <class A>
  Handle<A> seen(const std::string& name) {
    return value_or_throw(other->find<A>(name, 1s));
  }
  template <class T>
  static ErrorCode code_of(Future<T> future, Duration timeout = 60s) {
    const auto result = future.result(timeout);
    return result ? ErrorCode{} : result.error().code;
  }

  SimWorld world;
  Runtime& home;
  Runtime* other = &home;
};

}  // namespace muster::testing

// Compiled once, in kit_fixture.cc.
MUSTER_ACTOR_EXTERN(muster::testing::Store);
MUSTER_ACTOR_EXTERN(muster::testing::Cache);
