#pragma once
// Child processes of `muster train --processes`: started, watched, reaped and never left behind.

#include <muster/clock.h>

#include <sys/types.h>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace muster::tool {

/// How a child ended.
struct ChildExit {
  pid_t pid = 0;
  int status = 0;          ///< as waitpid gives it
  std::string last_words;  ///< the end of what it wrote to standard error

  bool ok() const;
  bool signalled() const;  ///< it did not exit by itself
  /// "exit status 1", "signal 9 (Killed)".
  std::string describe() const;
};

/// Starts programs and watches them on one thread. Standard input and output of a child are empty;
/// its standard error is kept, at most kLastWordsMax bytes from the end.
class Children {
 public:
  static constexpr std::size_t kLastWordsMax = 4096;

  /// `on_exit` is called on the watching thread, once a child.
  explicit Children(std::function<void(const ChildExit&)> on_exit);
  /// Kills those that still live and reaps them.
  ~Children();
  Children(const Children&) = delete;
  Children& operator=(const Children&) = delete;

  /// Starts `program` with default signal handling. Throws Exception (kUnavailable) when the system
  /// refuses.
  pid_t start(const std::string& program, const std::vector<std::string>& arguments);
  /// Waits until all have ended, at most `timeout`; false when some have not.
  bool wait_all(Duration timeout);
  void kill_all();
  /// Kills this child if it lives.
  void kill_one(pid_t pid);
  /// How the child ended; none if it has not within `timeout`, or there is no such child.
  std::optional<ChildExit> exit_of(pid_t pid, Duration timeout = {});

 private:
  struct Child {
    pid_t pid = 0;
    int pipe = -1;
    std::string words;
  };
  void watch();
  void read_from(int pipe);
  void reap(Child child);
  void wake() const;

  const std::function<void(const ChildExit&)> on_exit_;
  int wake_ = -1;     // eventfd
  std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  std::vector<Child> living_;
  std::vector<ChildExit> ended_;
  std::size_t reaping_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

/// Asks the kernel to kill this process when its parent, which must be `parent`, dies. False when
/// the parent has died already.
bool die_with_parent(pid_t parent);

}  // namespace muster::tool
