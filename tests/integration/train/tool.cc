#include "integration/train/tool.h"

#include "integration/train/idx_files.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <regex>
#include <sstream>

namespace muster::test {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> out;
  for (std::string& word : words) out.push_back(word.data());
  out.push_back(nullptr);
  return out;
}

}  // namespace

Tool::Tool(std::vector<std::string> arguments, std::vector<std::string> environment) {
  int out[2];
  int err[2];
  if (::pipe2(out, O_CLOEXEC) != 0 || ::pipe2(err, O_CLOEXEC) != 0) std::abort();
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err[1], STDERR_FILENO);
  arguments.insert(arguments.begin(), MUSTER_TOOL);
  for (char** variable = environ; *variable != nullptr; ++variable)
    environment.emplace_back(*variable);
  if (::posix_spawn(&pid_, MUSTER_TOOL, &actions, nullptr, pointers(arguments).data(),
                    pointers(environment).data()) != 0)
    std::abort();
  posix_spawn_file_actions_destroy(&actions);
  ::close(out[1]);
  ::close(err[1]);
  out_ = out[0];
  err_ = err[0];
}

Tool::~Tool() {
  if (!reaped_) {
    ::kill(pid_, SIGKILL);
    wait();
  }
  ::close(out_);
  ::close(err_);
}

bool Tool::wait_for_words(const std::string& text) {
  while (words_.find(text) == std::string::npos)
    if (!read_some()) return false;
  return true;
}

int Tool::wait() {
  while (read_some()) {
  }
  int status = 0;
  ::waitpid(pid_, &status, 0);
  reaped_ = true;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

void Tool::signal(int number) const {
  ::kill(pid_, number);
}

json Tool::result() const {
  std::string text = output_;
  if (text.empty()) return {};
  text.pop_back();
  return json::parse(text.substr(text.rfind('\n') + 1));
}

std::string Tool::last_words() const {
  std::string text = words_;
  if (text.empty()) return {};
  text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

std::string Tool::address() {
  if (!wait_for_words("muster node --join ")) return {};
  const auto at = words_.find("--join ") + 7;
  while (words_.find('\n', at) == std::string::npos)
    if (!read_some()) return {};
  return words_.substr(at, words_.find_first_of(" \n", at) - at);
}

std::vector<pid_t> Tool::children() const {
  std::vector<pid_t> out;
  for (const auto& task : fs::directory_iterator("/proc/" + std::to_string(pid_) + "/task")) {
    std::ifstream in(task.path() / "children");
    for (pid_t child = 0; in >> child;) out.push_back(child);
  }
  return out;
}

bool Tool::read_some() {
  pollfd fds[2] = {{out_open_ ? out_ : -1, POLLIN, 0}, {err_open_ ? err_ : -1, POLLIN, 0}};
  if (!out_open_ && !err_open_) return false;
  if (::poll(fds, 2, kPatienceMs) <= 0) {
    ADD_FAILURE() << "no output from the tool for " << kPatienceMs << " ms; so far: " << words_;
    ::kill(pid_, SIGKILL);
    return false;
  }
  if (fds[0].revents != 0) out_open_ = append(out_, output_);
  if (fds[1].revents != 0) err_open_ = append(err_, words_);
  return true;
}

bool Tool::append(int fd, std::string& text) {
  char buffer[4096];
  const auto got = ::read(fd, buffer, sizeof buffer);
  if (got > 0) text.append(buffer, static_cast<std::size_t>(got));
  return got > 0;
}

ToolTest::ToolTest()
    : folder(fs::temp_directory_path() /
             ("muster-tool-" + std::to_string(::getpid()) + "-" +
              testing::UnitTest::GetInstance()->current_test_info()->name())) {
  fs::create_directories(folder);
  write_idx_files(folder.string());
}

ToolTest::~ToolTest() {
  fs::remove_all(folder);
}

std::string ToolTest::write(const std::string& name, const std::string& text) const {
  std::ofstream(path(name), std::ios::binary) << text;
  return path(name);
}

std::string ToolTest::read(const std::string& name) const {
  std::ostringstream text;
  text << std::ifstream(path(name), std::ios::binary).rdbuf();
  return text.str();
}

std::vector<std::string> ToolTest::job(const std::string& record,
                                       std::vector<std::string> more) const {
  std::vector<std::string> out{"train",    "--data",     folder.string(),    "--hidden", "16",
                               "--batch",  "16",         "--local-steps",    "5",        "--json",
                               "--record", path(record), "--evaluate-every", "5"};
  if (std::ranges::find(more, "--rounds") == more.end()) out.insert(out.end(), {"--rounds", "60"});
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

std::vector<std::string> ToolTest::endless(const std::string& record,
                                           std::vector<std::string> more) const {
  more.insert(more.end(), {"--rounds", "0", "--time-limit", "60", "--evaluate-every", "1"});
  return job(record, std::move(more));
}

std::string ToolTest::plain(const std::string& text) const {
  std::string out = text;
  for (std::size_t at = 0; (at = out.find(folder.string(), at)) != std::string::npos;)
    out.replace(at, folder.string().size(), "DIR");
  out = std::regex_replace(out, std::regex("pid [0-9]+ on [^ )]+"), "PLACE");
  out = std::regex_replace(out, std::regex("127\\.0\\.0\\.1:[0-9]+"), "127.0.0.1:PORT");
  return std::regex_replace(out, std::regex("node [0-9a-f]{8}\\b"), "node ID");
}

}  // namespace muster::test
