// An actor of one's own, called in process.
#include <muster/runtime.h>

#include <cstdio>

#include "counter.h"

int main() {
  muster::Runtime runtime;
  const auto counter = runtime.spawn<app::Counter>({.name = "hits"}, 40);
  const int value = counter.call<&app::Counter::add>(2).get(muster::Duration(10'000'000'000));
  std::printf("use_runtime: %d\n", value);
  return value == 42 ? 0 : 1;
}
