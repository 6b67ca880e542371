// muster node: one worker of a run that lives in another process.

#include "tools/muster/children.h"
#include "tools/muster/commands.h"
#include "tools/muster/options.h"
#include "tools/muster/signals.h"
#include "tools/muster/time_slices.h"
#include "tools/muster/usage.h"

#include <muster/training/node.h>

#include <fmt/format.h>

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <memory>
#include <optional>

namespace muster::tool {
namespace {

struct NodeCommand {
  std::string join;
  std::string token_file;
  std::string data;
  double deadline_s = 30;
  unsigned threads = 1;
  pid_t parent = 0;
};

int run_node(const NodeCommand& command) {
  if (command.parent != 0) {
    // Ctrl-C reaches every process of the terminal; the parent decides when its children end.
    ::signal(SIGINT, SIG_IGN);
    if (!die_with_parent(command.parent)) return kExitFailed;
  }
  const auto token = value_or_throw(read_token(command.token_file));
  ask_for_long_slices();
  Runtime runtime({.threads = command.threads, .token = token});
  std::atomic<bool> interrupted{false};
  std::optional<SignalWatch> signals;
  if (command.parent == 0) {
    signals.emplace(
        [&] {
          std::fputs("muster: interrupted; this worker leaves the run; again ends at once\n",
                     stderr);
          interrupted = true;
          runtime.shutdown();  // says goodbye to the run
        },
        [] { ::_exit(kExitInterrupted); });
  }
  training::NodeOptions options;
  options.address = command.join;
  options.deadline =
      std::chrono::duration_cast<Duration>(std::chrono::duration<double>(command.deadline_s));
  options.data_dir = command.data;
  if (command.parent == 0) {  // the parent tells of its children itself
    options.on_progress = [](const std::string& line) {
      std::fprintf(stderr, "muster: %s\n", line.c_str());
    };
  }
  const auto ended = training::take_part(runtime, options);
  if (interrupted) return kExitInterrupted;
  if (!ended) {
    std::fprintf(stderr, "muster: %s\n", ended.error().message.c_str());
    return exit_status(ended.error().code);
  }
  fmt::print("{}\n", *ended);
  return kExitDone;
}

}  // namespace

void add_node_command(CLI::App& app, Action& action) {
  auto options = std::make_shared<NodeCommand>();
  CLI::App* command = app.add_subcommand("node", "Take part in a run with one worker");
  command->group("Commands");
  command->add_option("--join", options->join, "where `muster train --listen` waits")
      ->required()
      ->type_name("HOST:PORT");
  command
      ->add_option("--token-file", options->token_file,
                   "file with the cluster's secret; needed off loopback")
      ->type_name("PATH");
  command->add_option("--data", options->data, "folder of the IDX files, if not the run's")
      ->type_name("PATH");
  command->add_option("--deadline", options->deadline_s, "seconds to find the run [30]")
      ->type_name("X")
      ->check(number_in(0.001, 86400));
  command->add_option("--threads", options->threads, "threads of this process [1]")
      ->type_name("N")
      ->check(integer_in(1, 1024));
  command->add_option("--parent", options->parent)->group("");  // of `muster train --processes`
  command->footer(
      "Example:\n  muster node --join 192.0.2.7:7077 --token-file cluster.token\n\n"
      "Exit status: 0 the run has ended well; 1 it failed, broke off or was not found; 2 wrong\n"
      "flag, address, token or data; 130 interrupted.");
  command->callback([&action, options] { action = [options] { return run_node(*options); }; });
}

}  // namespace muster::tool
