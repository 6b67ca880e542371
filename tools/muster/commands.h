#pragma once
// The subcommands of the tool. Each adds itself to the command line and, when it is chosen, runs
// after parsing through the function it stores.
//
// Exit statuses: 0 done; 1 it ran and failed; 2 a flag, file, address, token, the configuration or
// the data are wrong, and nothing was trained; 130 interrupted by the user. What an action throws
// was wrong before it began: 2.

#include <muster/error.h>

#include <CLI/CLI.hpp>

#include <functional>

namespace muster::tool {

inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitInterrupted = 130;

/// The status for a failure that may lie in the input: kExitUsage where the caller is to mend it
/// (kInvalid, kNotFound, kDenied, kCorrupt), kExitFailed for the rest.
constexpr int exit_status(ErrorCode code) {
  return code == ErrorCode::kInvalid || code == ErrorCode::kNotFound ||
                 code == ErrorCode::kDenied || code == ErrorCode::kCorrupt
             ? kExitUsage
             : kExitFailed;
}

/// What main runs once the command line is parsed; gives the exit status.
using Action = std::function<int()>;

void add_train_command(CLI::App& app, Action& action);
void add_node_command(CLI::App& app, Action& action);
void add_eval_command(CLI::App& app, Action& action);
void add_bench_command(CLI::App& app, Action& action);

}  // namespace muster::tool
