#pragma once
// The built tool as its users run it, and a fixture with a small data set of the test's own.

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace muster::test {

inline constexpr int kPatienceMs = 60000;

/// One run of the tool, its output read through pipes.
class Tool {
 public:
  explicit Tool(std::vector<std::string> arguments, std::vector<std::string> environment = {});
  ~Tool();
  Tool(const Tool&) = delete;
  Tool& operator=(const Tool&) = delete;

  /// Reads standard error until it holds `text`; false at its end.
  bool wait_for_words(const std::string& text);
  /// Reads all output and gives the exit status, or minus the signal.
  int wait();
  void signal(int number) const;
  pid_t pid() const { return pid_; }
  const std::string& output() const { return output_; }
  const std::string& words() const { return words_; }

  /// The last line of standard output as JSON.
  nlohmann::json result() const;
  /// The last line of standard error.
  std::string last_words() const;
  /// Where a run that listens for nodes said that it does. Waits for it.
  std::string address();
  /// Processes that this one has started.
  std::vector<pid_t> children() const;

 private:
  bool read_some();
  static bool append(int fd, std::string& text);

  pid_t pid_ = 0;
  int out_ = -1;
  int err_ = -1;
  bool out_open_ = true;
  bool err_open_ = true;
  bool reaped_ = false;
  std::string output_;
  std::string words_;
};

/// A folder with a data set, which goes with the test.
class ToolTest : public testing::Test {
 protected:
  ToolTest();
  ~ToolTest() override;

  std::string path(const std::string& name) const { return (folder / name).string(); }
  std::string write(const std::string& name, const std::string& text) const;
  std::string read(const std::string& name) const;
  /// A short run on the small set; `more` is added to the flags.
  std::vector<std::string> job(const std::string& record, std::vector<std::string> more = {}) const;
  /// A run that goes on until something is done about it.
  std::vector<std::string> endless(const std::string& record, std::vector<std::string> more) const;
  /// The text with what differs from run to run replaced: the test's folder by DIR, places by
  /// "PLACE" ("pid 4711 on host"), ports by PORT, nodes by "node ID".
  std::string plain(const std::string& text) const;

  const std::filesystem::path folder;
};

}  // namespace muster::test
