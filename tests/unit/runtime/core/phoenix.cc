#include "unit/runtime/core/phoenix.h"

namespace muster::test {

Task<> Phoenix::nap_and_crash(std::chrono::milliseconds time) {
  co_await sleep_for(time);
  this_actor::crash("after a nap");
}

Task<int> Phoenix::nap(std::chrono::milliseconds time) {
  co_await sleep_for(time);
  co_return value_;
}

Task<> Phoenix::nap_with_stop(std::chrono::milliseconds time) {
  log_->stop.emplace(this_actor::stop_token(), Note{log_.get(), name_ + " told to stop"});
  co_await sleep_for(time);
}

}  // namespace muster::test

MUSTER_ACTOR_INSTANTIATE(muster::test::Phoenix);
