#pragma once
// A small image set in IDX files, for runs of the tool.

#include <string>

namespace muster::test {

/// Writes train (`train_samples`) and test (200) images of side x side pixels in 10 classes, which
/// a small model learns well, into `folder`.
void write_idx_files(const std::string& folder, unsigned train_samples = 1000, unsigned side = 8);

}  // namespace muster::test
