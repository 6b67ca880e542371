#pragma once
// Threads of the process that runs the test.

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <thread>

namespace muster::test {

inline std::size_t threads_of_this_process() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return static_cast<std::size_t>(std::distance(begin(tasks), end(tasks)));
}

// A joined thread may be listed for a moment more. Waits until there are no more than `wanted`, or
// for long enough; returns how many there are.
inline std::size_t threads_down_to(std::size_t wanted) {
  std::size_t now = threads_of_this_process();
  for (int i = 0; now > wanted && i < 100'000; ++i) {
    std::this_thread::yield();
    now = threads_of_this_process();
  }
  return now;
}

// The same where it is not known how many there should be: the least of many readings.
inline std::size_t threads_that_last() {
  std::size_t least = threads_of_this_process();
  for (int i = 0; i < 1000; ++i) {
    std::this_thread::yield();
    least = std::min(least, threads_of_this_process());
  }
  return least;
}

}  // namespace muster::test
