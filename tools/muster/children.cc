#include "tools/muster/children.h"

#include <muster/error.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace muster::tool {
namespace {

class SpawnSetup {
 public:
  explicit SpawnSetup(int stderr_pipe) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions_, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions_, stderr_pipe, STDERR_FILENO);
    posix_spawnattr_init(&attributes_);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK);
  }
  ~SpawnSetup() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;

  posix_spawn_file_actions_t* actions() { return &actions_; }
  posix_spawnattr_t* attributes() { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

Exception cannot_start(const std::string& program, int error) {
  return Exception(
      Error{ErrorCode::kUnavailable, program + ": cannot be started: " + strerror(error), {}});
}

}  // namespace

bool ChildExit::ok() const {
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool ChildExit::signalled() const {
  return WIFSIGNALED(status);
}

std::string ChildExit::describe() const {
  if (WIFEXITED(status)) return "exit status " + std::to_string(WEXITSTATUS(status));
  const int signal = WTERMSIG(status);
  return "signal " + std::to_string(signal) + " (" + strsignal(signal) + ")";
}

Children::Children(std::function<void(const ChildExit&)> on_exit) : on_exit_(std::move(on_exit)) {
  wake_ = ::eventfd(0, EFD_CLOEXEC);
  if (wake_ < 0) throw cannot_start("the children's watch", errno);
  thread_ = std::thread([this] { watch(); });
}

Children::~Children() {
  kill_all();
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake();
  thread_.join();
  ::close(wake_);
}

void Children::wake() const {
  const std::uint64_t one = 1;
  const auto written = ::write(wake_, &one, sizeof one);
  MUSTER_CHECK(written == sizeof one, written);
}

pid_t Children::start(const std::string& program, const std::vector<std::string>& arguments) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw cannot_start(program, errno);
  std::vector<std::string> words{program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t pid = 0;
  SpawnSetup setup(ends[1]);
  const int error = ::posix_spawn(&pid, program.c_str(), setup.actions(), setup.attributes(),
                                  argv.data(), environ);
  ::close(ends[1]);
  if (error != 0) {
    ::close(ends[0]);
    throw cannot_start(program, error);
  }
  {
    const std::lock_guard lock(mutex_);
    living_.push_back({pid, ends[0], {}});
  }
  wake();
  return pid;
}

void Children::watch() {
  for (;;) {
    std::vector<pollfd> polled{{wake_, POLLIN, 0}};
    {
      const std::lock_guard lock(mutex_);
      if (stopping_ && living_.empty()) return;
      for (const Child& child : living_) polled.push_back({child.pipe, POLLIN, 0});
    }
    if (::poll(polled.data(), polled.size(), -1) < 0) continue;
    if (polled[0].revents != 0) {
      std::uint64_t count = 0;
      if (::read(wake_, &count, sizeof count) < 0) continue;
    }
    for (std::size_t i = 1; i < polled.size(); ++i)
      if (polled[i].revents != 0) read_from(polled[i].fd);
  }
}

/// The end of the pipe means that the child is gone: nobody else holds its other end.
void Children::read_from(int pipe) {
  char buffer[1024];
  const auto got = ::read(pipe, buffer, sizeof buffer);
  if (got < 0 && errno == EINTR) return;
  std::unique_lock lock(mutex_);
  const auto child = std::ranges::find(living_, pipe, &Child::pipe);
  if (got > 0) {
    child->words.append(buffer, static_cast<std::size_t>(got));
    if (child->words.size() > kLastWordsMax)
      child->words.erase(0, child->words.size() - kLastWordsMax);
    return;
  }
  Child gone = std::move(*child);
  living_.erase(child);
  ++reaping_;
  lock.unlock();
  reap(std::move(gone));
}

void Children::reap(Child child) {
  ::close(child.pipe);
  ChildExit exit{child.pid, 0, std::move(child.words)};
  while (::waitpid(child.pid, &exit.status, 0) < 0 && errno == EINTR) {
  }
  {
    const std::lock_guard lock(mutex_);
    ended_.push_back(exit);
  }
  on_exit_(exit);
  const std::lock_guard lock(mutex_);
  --reaping_;
  changed_.notify_all();
}

bool Children::wait_all(Duration timeout) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, timeout, [this] { return living_.empty() && reaping_ == 0; });
}

void Children::kill_all() {
  const std::lock_guard lock(mutex_);
  for (const Child& child : living_) ::kill(child.pid, SIGKILL);
}

void Children::kill_one(pid_t pid) {
  const std::lock_guard lock(mutex_);
  if (std::ranges::find(living_, pid, &Child::pid) != living_.end()) ::kill(pid, SIGKILL);
}

std::optional<ChildExit> Children::exit_of(pid_t pid, Duration timeout) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, timeout, [&] {
    return reaping_ == 0 && std::ranges::find(living_, pid, &Child::pid) == living_.end();
  });
  const auto found = std::ranges::find(ended_, pid, &ChildExit::pid);
  if (found == ended_.end()) return std::nullopt;
  return *found;
}

bool die_with_parent(pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  return ::getppid() == parent;
}

}  // namespace muster::tool
