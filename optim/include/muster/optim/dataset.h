#pragma once
/// Labelled data sets in memory, readers for the IDX format (plain and gzip), and a small synthetic
/// set for tests and examples.
///
/// Source of the format: the description published with MNIST; the files of Fashion-MNIST follow
/// it. Threads: a Dataset is immutable; any number of threads may read one. Share it by
/// std::shared_ptr<const Dataset>.

#include <muster/array.h>
#include <muster/error.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace muster::optim {

/// How a stored byte becomes a feature: value = byte * scale + offset, in float, unfused.
struct ByteTransform {
  float scale = 1.0F / 255.0F;
  float offset = 0;
  friend bool operator==(const ByteTransform&, const ByteTransform&) = default;
};

class Dataset {
 public:
  /// Images as bytes, one row of `features` bytes a sample; they stay bytes until gathered, so a
  /// set costs one byte a feature.
  /// Requires: bytes.size() == labels.size() * features; every label < classes.
  static Dataset from_bytes(std::vector<std::uint8_t> bytes, std::size_t features,
                            std::vector<std::uint32_t> labels, std::size_t classes,
                            ByteTransform transform = {});
  /// Rows of floats. Requires: as from_bytes.
  static Dataset from_floats(AlignedVector<float> values, std::size_t features,
                             std::vector<std::uint32_t> labels, std::size_t classes);

  std::size_t size() const noexcept { return labels_.size(); }
  std::size_t features() const noexcept { return features_; }
  std::size_t classes() const noexcept { return classes_; }
  std::span<const std::uint32_t> labels() const noexcept { return labels_; }
  /// The transform of a set made from bytes; the default one otherwise.
  ByteTransform transform() const noexcept { return transform_; }

  /// Writes the named rows one after the other: out[i * features() + j] is feature j of samples[i].
  /// Requires: out.size() == samples.size() * features(); every sample < size().
  template <class Real>
  void gather(std::span<const std::uint32_t> samples, std::span<Real> out) const;

 private:
  Dataset() = default;
  std::size_t features_ = 0;
  std::size_t classes_ = 0;
  std::vector<std::uint32_t> labels_;
  std::vector<std::uint8_t> bytes_;  // one of bytes_ and values_ is in use
  AlignedVector<float> values_;
  ByteTransform transform_;
};

enum class Normalise : std::uint8_t {
  kUnit,     ///< to [0, 1]
  kMeanStd,  ///< to mean 0 and standard deviation 1 over all pixels of the training images
};

struct ImageOptions {
  Normalise normalise = Normalise::kUnit;
  std::size_t classes = 10;                          ///< labels are 0 .. classes - 1
  std::uint64_t bytes_max = std::uint64_t{1} << 32;  ///< of one file, after decompression
};

/// Reads an IDX image file (magic 0x00000803) and its label file (0x00000801); each may be plain or
/// gzip, told by content. kMeanStd takes the statistics from these images. Sizes are checked before
/// memory is taken. The error names the file and says what was found and what was expected:
/// kNotFound for a missing file, kCorrupt for contents, kInvalid for sizes over the limit.
Result<Dataset> load_idx_pair(const std::string& images, const std::string& labels,
                              const ImageOptions& options = {});

struct ImageDataset {
  std::shared_ptr<const Dataset> train;
  std::shared_ptr<const Dataset> test;  ///< normalised with the training set's statistics
};

/// Finds train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
/// t10k-labels-idx1-ubyte in `directory`, plain or with .gz (plain wins), and reads them.
/// Errors: as load_idx_pair; kCorrupt when the image sizes of the two sets differ.
Result<ImageDataset> load_image_dataset(const std::string& directory,
                                        const ImageOptions& options = {});

/// The body of an IDX file of unsigned bytes.
struct IdxArray {
  std::vector<std::uint32_t> shape;
  std::vector<std::uint8_t> values;
};

/// Parses the contents of an IDX file with `dimensions` dimensions, plain or gzip. `name` stands
/// for the file in messages. Never takes memory past `bytes_max` nor past what the input can hold.
Result<IdxArray> parse_idx(std::span<const std::uint8_t> contents, unsigned dimensions,
                           const std::string& name, std::uint64_t bytes_max);

struct SyntheticSpec {
  std::size_t samples = 1000;
  std::size_t features = 20;
  std::size_t classes = 10;
  double spread = 1.0;            ///< standard deviation of a cluster
  double separation = 3.0;        ///< standard deviation of the centres' coordinates
  std::uint64_t sample_seed = 0;  ///< different values give different samples of the same clusters
};

/// Gaussian clusters, one a class: sample i has label i mod classes. The centres come from `seed`
/// alone, so that sets which differ only in sample_seed are train and test sets of one problem.
/// Requires: samples, features, classes > 0.
Dataset make_clusters(const SyntheticSpec& spec, std::uint64_t seed);

}  // namespace muster::optim
