#pragma once
// SIGINT and SIGTERM, turned into calls on a thread of their own.

#include <functional>
#include <thread>

namespace muster::tool {

/// While it lives, the first SIGINT or SIGTERM calls `first`, each later one `second`, which should
/// end the process. At most one at a time in a process. Not copyable.
///
/// Built on handlers, not on a blocked mask: libraries (OpenBLAS) start threads before main, which
/// no mask reaches. A program that is exec'ed gets the default actions back.
class SignalWatch {
 public:
  SignalWatch(std::function<void()> first, std::function<void()> second);
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

 private:
  void watch(const std::function<void()>& first, const std::function<void()>& second) const;

  int read_end_ = -1;
  std::thread thread_;
};

}  // namespace muster::tool
