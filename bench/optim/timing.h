#pragma once
/// Repeated timing for the benchmarks of optim.

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

namespace muster::bench {

struct Spread {
  double median = 0;
  double low = 0;
  double high = 0;
};

inline Spread spread_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {values[values.size() / 2], values.front(), values.back()};
}

/// Seconds that f() takes.
template <class F>
double seconds(F&& f) {
  const auto begin = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

inline std::string json(const Spread& s) {
  return "{\"median\": " + std::to_string(s.median) + ", \"low\": " + std::to_string(s.low) +
         ", \"high\": " + std::to_string(s.high) + "}";
}

}  // namespace muster::bench
