#pragma once
// An actor that several files use.
#include <muster/actor.h>

namespace app {

class Counter {
 public:
  explicit Counter(int start) : value_(start) {}
  int add(int n) { return value_ += n; }

 private:
  int value_;
};
MUSTER_ACTOR(Counter, add);

}  // namespace app

MUSTER_ACTOR_EXTERN(app::Counter);
