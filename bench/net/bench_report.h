#pragma once
// Repeats a measurement and prints its median, minimum and maximum as one line of JSON.

#include <muster/clock.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

namespace muster::bench {

inline double seconds_since(TimePoint start) {
  return std::chrono::duration<double>(steady_clock().now() - start).count();
}

inline void print(const std::string& name, const std::string& unit, std::vector<double> runs) {
  std::sort(runs.begin(), runs.end());
  std::printf(
      "{\"name\": \"%s\", \"unit\": \"%s\", \"median\": %.6g, \"min\": %.6g, \"max\": %.6g, "
      "\"runs\": %zu}\n",
      name.c_str(), unit.c_str(), runs[runs.size() / 2], runs.front(), runs.back(), runs.size());
  std::fflush(stdout);
}

}  // namespace muster::bench
