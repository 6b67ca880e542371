// An actor of one's own, called in process.
#include <muster/actor.h>
#include <muster/runtime.h>

#include <cstdio>

class Counter {
 public:
  explicit Counter(int start) : value_(start) {}
  int add(int n) { return value_ += n; }

 private:
  int value_;
};
MUSTER_ACTOR(Counter, add);

int main() {
  muster::Runtime runtime;
  const auto counter = runtime.spawn<Counter>({.name = "hits"}, 40);
  const int value = counter.call<&Counter::add>(2).get(muster::Duration(10'000'000'000));
  std::printf("use_runtime: %d\n", value);
  return value == 42 ? 0 : 1;
}
