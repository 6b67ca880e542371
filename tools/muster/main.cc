// muster: the command-line tool and node.

#include "tools/muster/commands.h"

#include <muster/error.h>

#include <cstdio>

int main(int argc, char** argv) {
  CLI::App app{"Muster: communication-efficient training on actors."};
  app.set_version_flag("--version", "muster " MUSTER_VERSION);
  app.require_subcommand(1);
  app.footer(
      "Examples:\n"
      "  muster train                                the main job: MLP on Fashion-MNIST\n"
      "  muster train --processes 4 --json           every worker in a process of its own\n"
      "  muster train job.toml --seed 2 --dry-run    what a file and flags come to\n"
      "  muster eval runs/20260102-030405-train      measures the parameters of a record\n"
      "Each command has --help.");
  muster::tool::Action action;
  muster::tool::add_train_command(app, action);
  muster::tool::add_node_command(app, action);
  muster::tool::add_eval_command(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const bool asked = error.get_exit_code() == 0;  // --help, --version
    app.exit(error);
    return asked ? muster::tool::kExitDone : muster::tool::kExitUsage;
  }
  try {
    return action();
  } catch (...) {
    const muster::Error error = muster::error_from_current_exception();
    std::fprintf(stderr, "muster: %s\n", error.message.c_str());
    return error.code == muster::ErrorCode::kInvalid || error.code == muster::ErrorCode::kNotFound
               ? muster::tool::kExitUsage
               : muster::tool::kExitFailed;
  }
}
