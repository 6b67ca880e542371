#pragma once
/// One-dimensional arrays in NumPy's .npy format, version 1.0: little-endian float32 ('<f4') or
/// float64 ('<f8'), C order. numpy.load and numpy.save read and write the same files.
///
/// Source: numpy.lib.format. Threads: functions without state; two writers of one path race for
/// which file stays, each whole.

#include <muster/array.h>
#include <muster/error.h>

#include <span>
#include <string>

namespace muster::optim {

/// Writes `path` atomically: a temporary file beside it, synced, then renamed. On failure the old
/// file is untouched, the temporary one removed, and the error names the path and the cause.
template <class Real>
Result<void> write_npy(const std::string& path, std::span<const Real> values);

/// Reads a whole array of exactly this type. Errors name the path, what was found and what was
/// expected: kNotFound for a missing file, kCorrupt for a broken one, kInvalid for another type,
/// order or number of dimensions. The size is checked against the file before memory is taken.
template <class Real>
Result<AlignedVector<Real>> read_npy(const std::string& path);

extern template Result<void> write_npy(const std::string&, std::span<const float>);
extern template Result<void> write_npy(const std::string&, std::span<const double>);
extern template Result<AlignedVector<float>> read_npy(const std::string&);
extern template Result<AlignedVector<double>> read_npy(const std::string&);

}  // namespace muster::optim
