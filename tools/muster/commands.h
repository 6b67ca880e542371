#pragma once
// The subcommands of the tool. Each adds itself to the command line and, when it is chosen, runs
// after parsing through the function it stores.
//
// Exit statuses: 0 done; 1 the run failed; 2 the command line, a file or the configuration is
// wrong; 130 interrupted by the user, with the record written.

#include <CLI/CLI.hpp>

#include <functional>

namespace muster::tool {

inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitInterrupted = 130;

/// What main runs once the command line is parsed; gives the exit status.
using Action = std::function<int()>;

void add_train_command(CLI::App& app, Action& action);
void add_node_command(CLI::App& app, Action& action);
void add_eval_command(CLI::App& app, Action& action);

}  // namespace muster::tool
