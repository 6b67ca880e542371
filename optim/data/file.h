#pragma once
/// Whole files in memory.

#include <muster/error.h>

#include <cstdint>
#include <string>
#include <vector>

namespace muster::optim {

/// The bytes of `path`. kNotFound "cannot open PATH: cause" when it cannot be opened, kInvalid when
/// it is larger than `bytes_max` or not a regular file, kCorrupt when reading fails half-way.
Result<std::vector<std::uint8_t>> read_file(const std::string& path, std::uint64_t bytes_max);

}  // namespace muster::optim
