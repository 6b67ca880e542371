#include "tools/muster/time_slices.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace muster::tool {
namespace {

// As in sched_setattr(2), of which this C library knows neither the call nor its argument.
struct SchedulingAttributes {
  std::uint32_t size = sizeof(SchedulingAttributes);
  std::uint32_t policy = SCHED_BATCH;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime_ns = 0;  // of this policy: the slice, from Linux 6.12 on
  std::uint64_t deadline_ns = 0;
  std::uint64_t period_ns = 0;
};

// Several times what the local steps of a round take.
constexpr std::uint64_t kSliceNs = 50'000'000;

}  // namespace

void ask_for_long_slices() {
  if (::sched_getscheduler(0) != SCHED_OTHER) return;  // who started it has chosen another
  SchedulingAttributes wish;
  wish.nice = ::getpriority(PRIO_PROCESS, 0);
  wish.runtime_ns = kSliceNs;
  static_cast<void>(::syscall(SYS_sched_setattr, 0, &wish, 0U));
}

}  // namespace muster::tool
