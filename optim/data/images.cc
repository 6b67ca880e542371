// Image sets from pairs of IDX files.
#include <fmt/format.h>
#include <muster/optim/dataset.h>
#include <sys/stat.h>

#include <array>
#include <cmath>

#include "optim/data/file.h"

namespace muster::optim {
namespace {

struct RawImages {
  std::vector<std::uint8_t> pixels;
  std::size_t features = 0;
  std::uint32_t rows = 0;
  std::uint32_t columns = 0;
  std::vector<std::uint32_t> labels;
};

Result<IdxArray> read_idx(const std::string& path, unsigned dimensions, std::uint64_t bytes_max) {
  auto bytes = read_file(path, bytes_max);
  if (!bytes) return fail(std::move(bytes.error()));
  return parse_idx(*bytes, dimensions, path, bytes_max);
}

Result<RawImages> read_pair(const std::string& images, const std::string& labels,
                            const ImageOptions& options) {
  auto pixels = read_idx(images, 3, options.bytes_max);
  if (!pixels) return fail(std::move(pixels.error()));
  auto marks = read_idx(labels, 1, options.bytes_max);
  if (!marks) return fail(std::move(marks.error()));
  const std::uint32_t count = pixels->shape[0];
  if (marks->shape[0] != count) {
    return fail(ErrorCode::kCorrupt, fmt::format("{} has {} images but {} has {} labels", images,
                                                 count, labels, marks->shape[0]));
  }
  RawImages raw;
  raw.rows = pixels->shape[1];
  raw.columns = pixels->shape[2];
  raw.features = std::size_t{raw.rows} * raw.columns;
  if (count == 0 || raw.features == 0) {
    return fail(ErrorCode::kCorrupt, fmt::format("{}: no pixels: found {} images of {} x {}",
                                                 images, count, raw.rows, raw.columns));
  }
  raw.labels.reserve(count);
  for (std::size_t i = 0; i < marks->values.size(); ++i) {
    const std::uint8_t label = marks->values[i];
    if (label >= options.classes) {
      return fail(ErrorCode::kCorrupt,
                  fmt::format("{}: label {} at index {} is out of range: allowed 0 to {}", labels,
                              label, i, options.classes - 1));
    }
    raw.labels.push_back(label);
  }
  raw.pixels = std::move(pixels->values);
  return raw;
}

/// Mean and standard deviation over all pixels, from the exact histogram.
ByteTransform transform_for(const RawImages& raw, Normalise normalise) {
  if (normalise == Normalise::kUnit) return {};
  std::array<std::uint64_t, 256> histogram{};
  for (std::uint8_t pixel : raw.pixels) ++histogram[pixel];
  double sum = 0;
  double squares = 0;
  for (std::size_t v = 0; v < histogram.size(); ++v) {
    const double weight = static_cast<double>(histogram[v]);
    sum += weight * static_cast<double>(v);
    squares += weight * static_cast<double>(v * v);
  }
  const double count = static_cast<double>(raw.pixels.size());
  const double mean = sum / count;
  const double variance = squares / count - mean * mean;
  const double deviation = variance > 0 ? std::sqrt(variance) : 1.0;
  return {static_cast<float>(1.0 / deviation), static_cast<float>(-mean / deviation)};
}

Dataset to_dataset(RawImages raw, std::size_t classes, ByteTransform transform) {
  return Dataset::from_bytes(std::move(raw.pixels), raw.features, std::move(raw.labels), classes,
                             transform);
}

Result<std::string> find(const std::string& directory, const std::string& name) {
  for (const char* suffix : {"", ".gz"}) {
    std::string path = directory + "/" + name + suffix;
    struct stat status = {};
    if (::stat(path.c_str(), &status) == 0) return path;
  }
  return fail(ErrorCode::kNotFound,
              fmt::format("no file {} or {}.gz in {}", name, name, directory));
}

Result<RawImages> read_part(const std::string& directory, const std::string& part,
                            const ImageOptions& options) {
  const auto images = find(directory, part + "-images-idx3-ubyte");
  if (!images) return fail(images.error());
  const auto labels = find(directory, part + "-labels-idx1-ubyte");
  if (!labels) return fail(labels.error());
  return read_pair(*images, *labels, options);
}

}  // namespace

Result<Dataset> load_idx_pair(const std::string& images, const std::string& labels,
                              const ImageOptions& options) {
  MUSTER_CHECK(options.classes > 0);
  auto raw = read_pair(images, labels, options);
  if (!raw) return fail(std::move(raw.error()));
  const ByteTransform transform = transform_for(*raw, options.normalise);
  return to_dataset(std::move(*raw), options.classes, transform);
}

Result<ImageDataset> load_image_dataset(const std::string& directory, const ImageOptions& options) {
  MUSTER_CHECK(options.classes > 0);
  auto train = read_part(directory, "train", options);
  if (!train) return fail(std::move(train.error()));
  auto test = read_part(directory, "t10k", options);
  if (!test) return fail(std::move(test.error()));
  if (train->rows != test->rows || train->columns != test->columns) {
    return fail(ErrorCode::kCorrupt,
                fmt::format("{}: training images are {} x {} but test images are {} x {}",
                            directory, train->rows, train->columns, test->rows, test->columns));
  }
  const ByteTransform transform = transform_for(*train, options.normalise);
  const auto share = [&](RawImages& raw) {
    return std::make_shared<const Dataset>(to_dataset(std::move(raw), options.classes, transform));
  };
  return ImageDataset{share(*train), share(*test)};
}

}  // namespace muster::optim
