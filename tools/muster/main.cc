// muster: the command-line tool and node.

#include "tools/muster/commands.h"
#include "tools/muster/usage.h"

#include <muster/error.h>

#include <cstdio>

namespace {

constexpr const char* kFooter =
    "Examples:\n"
    "  muster train                                the main job: MLP on Fashion-MNIST\n"
    "  muster train --processes 4 --json           every worker in a process of its own\n"
    "  muster train job.toml --seed 2 --dry-run    what a file and flags come to\n"
    "  muster eval runs/20260102-030405-train      measures the parameters of a record\n"
    "  muster bench                                actor calls a second on this machine\n"
    "Each command has --help.\n\n"
    "Exit status: 0 done; 1 it ran and failed; 2 wrong flag, file, address, token,\n"
    "configuration or data, and nothing was trained; 130 interrupted.\n"
    "Errors go to standard error as one line, \"muster: ...\".";

int complain(const std::string& message, int status) {
  std::fflush(stdout);
  std::fprintf(stderr, "muster: %s\n", message.c_str());
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace muster;  // NOLINT: the whole of this program
  CLI::App app{"Muster: communication-efficient training on actors.", "muster"};
  app.set_version_flag("--version", "muster " MUSTER_VERSION);
  app.require_subcommand(1);
  app.get_formatter()->label("SUBCOMMAND", "COMMAND");
  app.get_formatter()->label("REQUIRED", "(required)");
  app.get_formatter()->column_width(32);
  app.footer(kFooter);
  tool::Action action;
  tool::add_train_command(app, action);
  tool::add_node_command(app, action);
  tool::add_eval_command(app, action);
  tool::add_bench_command(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {  // --help, --version
      app.exit(error);
      return tool::kExitDone;
    }
    return complain(tool::usage_error(app, error), tool::kExitUsage);
  }
  try {
    return action();
  } catch (const Exception& error) {
    // A command that has begun its work reports its failure itself.
    return complain(error.error().message, error.error().code == ErrorCode::kInternal
                                               ? tool::kExitFailed
                                               : tool::kExitUsage);
  } catch (const std::exception& error) {
    return complain(error.what(), tool::kExitFailed);
  }
}
