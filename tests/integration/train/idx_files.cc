#include "integration/train/idx_files.h"

#include <muster/random.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <vector>

namespace muster::test {
namespace {

void put_u32(std::ofstream& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.put(static_cast<char>(value >> shift & 0xFF));
}

void write_pair(const std::string& images_path, const std::string& labels_path, unsigned samples,
                unsigned side, std::uint64_t seed) {
  std::ofstream images(images_path, std::ios::binary);
  std::ofstream labels(labels_path, std::ios::binary);
  put_u32(images, 0x00000803);
  put_u32(images, samples);
  put_u32(images, side);
  put_u32(images, side);
  put_u32(labels, 0x00000801);
  put_u32(labels, samples);
  Random random(seed);
  for (unsigned i = 0; i < samples; ++i) {
    const unsigned label = i % 10;
    labels.put(static_cast<char>(label));
    Random pattern(label);  // the same for all samples of a class
    for (unsigned p = 0; p < side * side; ++p) {
      const double value =
          60.0 + 135.0 * static_cast<double>(pattern.below(2)) + 50.0 * random.normal();
      images.put(static_cast<char>(static_cast<std::uint8_t>(std::clamp(value, 0.0, 255.0))));
    }
  }
}

}  // namespace

void write_idx_files(const std::string& folder, unsigned train_samples, unsigned side) {
  write_pair(folder + "/train-images-idx3-ubyte", folder + "/train-labels-idx1-ubyte",
             train_samples, side, 1);
  write_pair(folder + "/t10k-images-idx3-ubyte", folder + "/t10k-labels-idx1-ubyte", 200, side, 2);
}

}  // namespace muster::test
