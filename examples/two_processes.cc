// The same kind of class called in another process: this program starts a copy of itself as a
// second node, finds the actor there by name, and calls it as if it were here.
//
//     two_processes                      both, on loopback
//     two_processes serve HOST:PORT      only the node with the actor, joined to HOST:PORT

#include <muster/runtime.h>

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <numeric>

using namespace muster;

class Statistics {
 public:
  // The numbers are read in place, out of the message they came in.
  double mean(std::span<const float> values) {
    return values.empty() ? 0
                          : std::accumulate(values.begin(), values.end(), 0.0) /
                                static_cast<double>(values.size());
  }
  int process() const { return static_cast<int>(getpid()); }
};
MUSTER_ACTOR(Statistics, mean, process);

int serve(const char* head) {
  Runtime runtime;
  const auto statistics = runtime.spawn<Statistics>({.name = "statistics", .detached = true});
  Future<Down> stopped = runtime.monitor(statistics);
  if (auto joined = runtime.join(head, 10s); !joined) {
    std::fprintf(stderr, "cannot join: %s\n", joined.error().describe().c_str());
    return 1;
  }
  return stopped.result(60s) ? 0 : 1;  // until somebody stops the actor
}

int main(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], "serve") == 0) return serve(argv[2]);

  Runtime runtime({.listen = "127.0.0.1:0"});
  const std::string address = runtime.listen_address();
  const pid_t child = fork();
  if (child == 0) {
    execl("/proc/self/exe", argv[0], "serve", address.c_str(), nullptr);
    _exit(127);
  }

  const auto statistics = runtime.find<Statistics>("statistics", 10s);
  if (!statistics) {
    std::fprintf(stderr, "%s\n", statistics.error().describe().c_str());
    return 1;
  }
  const int process = statistics->call<&Statistics::process>().get(1s);
  std::vector<float> values(1'000'000);
  std::iota(values.begin(), values.end(), 0.0F);
  const double mean = statistics->call<&Statistics::mean>(std::move(values)).get(5s);
  std::printf("process %d: the mean, computed in process %d, is %.1f\n", static_cast<int>(getpid()),
              process, mean);

  statistics->stop();
  int status = 0;
  waitpid(child, &status, 0);
  return process == child && mean == 499'999.5 && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0
                                                                                                : 1;
}
