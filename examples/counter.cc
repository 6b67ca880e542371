// An actor called in process: a plain class, a typed handle, futures.

#include <muster/runtime.h>

#include <cstdio>
#include <vector>

using namespace muster;

class Counter {
 public:
  explicit Counter(int start) : value_(start) {}

  int add(int n) { return value_ += n; }

  // A handler that waits is a coroutine: no thread is blocked meanwhile, and the next message is
  // handled when it is done.
  Task<int> add_slowly(int n) {
    co_await sleep_for(10ms);
    co_return add(n);
  }

  int divide(int by) {
    if (by == 0) throw std::invalid_argument("division by zero");
    return value_ / by;
  }

 private:
  int value_;
};
MUSTER_ACTOR(Counter, add, add_slowly, divide);

int main() {
  Runtime runtime;
  const Handle<Counter> counter = runtime.spawn<Counter>({.name = "hits"}, 40);

  std::printf("add:        %d\n", counter.call<&Counter::add>(2).get(1s));
  std::printf("add_slowly: %d\n", counter.call<&Counter::add_slowly>(8).get(1s));

  // A handler's exception is the caller's error; the actor lives on.
  const Result<int> failed = counter.call<&Counter::divide>(0).result(1s);
  std::printf("divide:     %s\n", failed.error().describe().c_str());

  // Many calls at a time; one-way messages come before later calls.
  std::vector<Future<int>> calls;
  for (int i = 0; i < 10; ++i) calls.push_back(counter.call<&Counter::add>(1));
  counter.send<&Counter::add>(40);
  if (auto done = wait_all(calls, 1s); !done) return 1;
  const int value = counter.call<&Counter::add>(0).get(1s);
  std::printf("value:      %d\n", value);

  // Who died, and why.
  Future<Down> down = runtime.monitor(counter);
  counter.stop();
  const Down end = down.get(1s);
  std::printf("end:        %s\n", end.cause.message.c_str());
  return value == 100 && end.reason == DownReason::kStopped ? 0 : 1;
}
