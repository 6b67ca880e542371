#pragma once
// Spelling shared by the readers of TrainConfig.
//
// Threads: pure functions.

#include <muster/training/config.h>

#include <string>

namespace muster::training {

/// `unknown field "local.stepz"; did you mean "local.steps"?`, `unknown table [lokal]; ...`.
std::string unknown_field(const std::string& path, bool is_table);

/// The field's value as TOML spells it.
std::string field_text(const Field& field, const TrainConfig& config);

}  // namespace muster::training
