#pragma once
// Command-line flags for every field of TrainConfig, and the order in which sources win:
// defaults < file < flags.

#include <muster/error.h>
#include <muster/training/config.h>

#include <CLI/CLI.hpp>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace muster::tool {

/// Flags as they came, in order.
struct ConfigFlags {
  std::string file;  ///< TOML; empty: none
  std::vector<std::pair<const training::Field*, std::string>> values;
};

/// Adds the file argument and one option a field to `command`; parsing fills the result.
std::shared_ptr<ConfigFlags> add_config_flags(CLI::App& command);

/// Defaults, then the file, then the flags; where processes are asked for and workers are not named
/// by any, there is one worker a process. Checked as a whole.
Result<training::TrainConfig> resolve(const ConfigFlags& flags);

/// The first line of the file, without blanks at its ends. kNotFound when it cannot be read,
/// kInvalid when there is nothing in it. An empty path gives an empty secret.
Result<std::string> read_token(const std::string& path);

}  // namespace muster::tool
