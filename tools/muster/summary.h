#pragma once
// The table at the end of a run.

#include <muster/training/report.h>

#include <string>

namespace muster::tool {

/// Lines of "name  value", names padded to one width, ended by line breaks; what was not measured
/// is left out, and so is the error, which the tool prints by itself. Lost workers, one a line.
std::string summary_table(const training::TrainResult& result);

}  // namespace muster::tool
