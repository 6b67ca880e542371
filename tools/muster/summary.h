#pragma once
// The table at the end of a run.

#include <muster/training/report.h>

#include <string>

namespace muster::tool {

/// Lines of "name  value", names padded to one width, ended by line breaks. Lost workers, one a
/// line, and the error come before the record's path.
std::string summary_table(const training::TrainResult& result);

}  // namespace muster::tool
