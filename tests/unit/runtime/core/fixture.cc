#include "unit/runtime/core/fixture.h"

namespace muster::test {

Task<int> Counter::ask_slowly(Handle<Counter> other, int n) {
  const int sum = co_await other.call<&Counter::add>(n);
  co_await sleep_for(5ms);
  co_return sum + value_;
}

Task<int> Counter::nap(std::chrono::milliseconds time) {
  co_await sleep_for(time);
  co_return value_;
}

Task<> Counter::nap_and_fail(std::chrono::milliseconds time) {
  co_await sleep_for(time);
  throw std::runtime_error("late");
}

Task<> Counter::nap_and_check(std::chrono::milliseconds time) {
  co_await sleep_for(time);
  MUSTER_CHECK(value_ < 0, value_);
}

}  // namespace muster::test

MUSTER_ACTOR_INSTANTIATE(muster::test::Counter);
MUSTER_ACTOR_INSTANTIATE(muster::test::Other);
