// The test kit: time that moves when the test says so.
#include <muster/testing/virtual_time.h>

#include <cstdio>

int main() {
  using namespace std::chrono_literals;
  muster::testing::VirtualTimers timers;
  const auto start = timers.clock().now();
  muster::TimePoint fired;
  timers.schedule_in(1h, [&] { fired = timers.clock().now(); });
  while (timers.next()) timers.run_next();
  std::printf("use_testing: %lld s\n", static_cast<long long>((fired - start) / 1s));
  return fired - start == 1h ? 0 : 1;
}
