#pragma once
// The vocabulary of the core tests: a Counter actor, and fixtures that run the same test with the
// actor in the caller's runtime and in another one across the simulated network.

#include <gmock/gmock.h>
#include <muster/runtime.h>
#include <muster/testing/sim_world.h>

#include <cstdlib>
#include <numeric>
#include <string>
#include <vector>

namespace muster::test {

inline std::uint64_t test_seed() {
  const char* text = std::getenv("MUSTER_TEST_SEED");
  return text ? std::strtoull(text, nullptr, 10) : 1;
}

/// How long what happens on real threads may take on a busy machine.
constexpr std::chrono::seconds kPatience{60};

struct Point {
  int x = 0;
  double y = 0;
  std::string label;
  friend bool operator==(const Point&, const Point&) = default;
};

class Counter {
 public:
  explicit Counter(int start) : value_(start) {}
  int add(int n) {
    seen_.push_back(n);
    return value_ += n;
  }
  int value() const { return value_; }
  std::vector<int> seen() const { return seen_; }
  void fail_with(const std::string& text) { throw std::runtime_error(text); }
  void check(int limit) { MUSTER_CHECK(value_ < limit, value_, limit); }
  double sum(std::span<const float> values) {
    return std::accumulate(values.begin(), values.end(), 0.0);
  }
  Array<float> twice(const Array<float>& values) {
    std::vector<float> doubled(values.begin(), values.end());
    for (float& value : doubled) value *= 2;
    return doubled;
  }
  Point move_by(Point point, std::optional<int> dx) {
    point.x += dx.value_or(0);
    return point;
  }
  std::string join(std::string_view a, const std::vector<std::string>& rest) {
    std::string text(a);
    for (const auto& part : rest) text += part;
    return text;
  }
  void leave() { this_actor::stop(); }
  void later(int n) { this_actor::send_after<&Counter::add>(10ms, n); }
  Handle<Counter> me() { return this_actor::handle<Counter>(); }
  int ask(Handle<Counter> other) {
    try {
      return other.call<&Counter::value>().get(1s);
    } catch (const Exception& e) {
      return e.error().code == ErrorCode::kInvalid ? -1 : -2;
    }
  }
  Task<int> ask_slowly(Handle<Counter> other, int n);
  void keep(const std::vector<std::vector<Handle<Counter>>>& others) { kept_ = others; }
  Task<int> nap(std::chrono::milliseconds time);
  Task<> nap_and_fail(std::chrono::milliseconds time);
  Task<> nap_and_check(std::chrono::milliseconds time);

 private:
  int value_;
  std::vector<int> seen_;
  std::vector<std::vector<Handle<Counter>>> kept_;
};
MUSTER_ACTOR(Counter, add, value, seen, fail_with, check, sum, twice, move_by, join, leave, later,
             me, ask, ask_slowly, keep, nap, nap_and_check, nap_and_fail);

class Other {
 public:
  void nothing() {}
};
MUSTER_ACTOR(Other, nothing);

enum class Place { kLocal, kRemote };

inline std::string place_name(const ::testing::TestParamInfo<Place>& info) {
  return info.param == Place::kLocal ? "Local" : "Remote";
}

/// `caller` holds the handles; actors live in `home`: the same runtime, or one joined with it.
class WorldTest : public ::testing::TestWithParam<Place> {
 protected:
  WorldTest() : world(test_seed()), caller(world.start("caller", {.listen = "caller:1"})) {
    RecordProperty("seed", static_cast<int>(world.seed()));
    if (GetParam() == Place::kRemote) {
      home = &world.start("home");
      value_or_throw(home->join("caller:1", 5s));
    }
  }

  Handle<Counter> spawn(int start, const std::string& name = "counter", SpawnOptions options = {}) {
    options.name = name;
    const Handle<Counter> made = home->spawn<Counter>(options, start);
    return home == &caller ? made : value_or_throw(caller.find<Counter>(name, 5s));
  }
  bool remote() const { return GetParam() == Place::kRemote; }

  muster::testing::SimWorld world;
  Runtime& caller;
  Runtime* home = &caller;
};

template <class T>
ErrorCode code_of(Future<T> future, Duration timeout = 60s) {
  const auto result = future.result(timeout);
  return result ? ErrorCode{} : result.error().code;
}
template <class T>
std::string error_of(Future<T> future, Duration timeout = 60s) {
  const auto result = future.result(timeout);
  return result ? "no error" : result.error().describe();
}

}  // namespace muster::test

// Compiled once, in fixture.cc.
MUSTER_ACTOR_EXTERN(muster::test::Counter);
MUSTER_ACTOR_EXTERN(muster::test::Other);
