#include "tools/muster/signals.h"

#include <muster/error.h>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <utility>

namespace muster::tool {
namespace {

constexpr char kSignal = 's';
constexpr char kStop = 'q';

// A handler has no argument of ours: it finds the pipe here. Below 0: nobody watches.
std::atomic<int> g_write_end{-1};

void on_signal(int) {
  const int kept = errno;
  if (const int fd = g_write_end; fd >= 0) {
    // A full pipe holds signals enough.
    if (::write(fd, &kSignal, 1) != 1) errno = kept;
  }
  errno = kept;
}

void set_handler(void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (const int signal : {SIGINT, SIGTERM}) ::sigaction(signal, &action, nullptr);
}

}  // namespace

SignalWatch::SignalWatch(std::function<void()> first, std::function<void()> second) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    throw Exception(Error{ErrorCode::kInternal, "no descriptor left to watch signals with", {}});
  read_end_ = ends[0];
  const int before = g_write_end.exchange(ends[1]);
  MUSTER_CHECK(before == -1, before);
  thread_ = std::thread([this, a = std::move(first), b = std::move(second)] { watch(a, b); });
  set_handler(on_signal);
}

SignalWatch::~SignalWatch() {
  set_handler(SIG_DFL);
  const int write_end = g_write_end.exchange(-1);
  const auto written = ::write(write_end, &kStop, 1);
  MUSTER_CHECK(written == 1, written);
  thread_.join();
  ::close(write_end);
  ::close(read_end_);
}

void SignalWatch::watch(const std::function<void()>& first,
                        const std::function<void()>& second) const {
  for (int count = 0;;) {
    char what = 0;
    if (::read(read_end_, &what, 1) != 1) continue;
    if (what == kStop) return;
    ++count == 1 ? first() : second();
  }
}

}  // namespace muster::tool
