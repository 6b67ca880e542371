// IDX files: what is read, and the exact message for each way a file can be wrong.
#include <muster/optim/dataset.h>
#include <zlib.h>

#include "unit/optim/support.h"

namespace muster::optim {
namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes header(std::uint32_t magic, const std::vector<std::uint32_t>& sizes) {
  Bytes bytes;
  const auto put = [&](std::uint32_t v) {
    for (int shift : {24, 16, 8, 0}) bytes.push_back(static_cast<std::uint8_t>(v >> shift));
  };
  put(magic);
  for (std::uint32_t size : sizes) put(size);
  return bytes;
}

Bytes images(std::uint32_t count, std::uint32_t rows, std::uint32_t columns) {
  Bytes bytes = header(0x00000803, {count, rows, columns});
  for (std::uint32_t i = 0; i < count * rows * columns; ++i) {
    bytes.push_back(static_cast<std::uint8_t>(i * 7));
  }
  return bytes;
}

Bytes labels(const std::vector<std::uint8_t>& values) {
  Bytes bytes = header(0x00000801, {static_cast<std::uint32_t>(values.size())});
  bytes.insert(bytes.end(), values.begin(), values.end());
  return bytes;
}

Bytes gzip(const Bytes& plain) {
  z_stream stream = {};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  Bytes out(deflateBound(&stream, plain.size()) + 64);
  Bytes in = plain;
  stream.next_in = in.data();
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

Bytes cut(Bytes bytes, std::size_t n) {
  bytes.resize(n);
  return bytes;
}

class IdxTest : public ::testing::Test {
 protected:
  std::string images_path() const { return folder_ / "images"; }
  std::string labels_path() const { return folder_ / "labels"; }

  Result<Dataset> load(const Bytes& image_bytes, const Bytes& label_bytes,
                       const ImageOptions& options = {}) {
    folder_.write("images", image_bytes);
    folder_.write("labels", label_bytes);
    return load_idx_pair(images_path(), labels_path(), options);
  }
  std::string error_of(const Bytes& image_bytes, const Bytes& label_bytes,
                       const ImageOptions& options = {}) {
    const auto result = load(image_bytes, label_bytes, options);
    return result ? "no error" : result.error().describe();
  }

  testing::TemporaryFolder folder_;
};

TEST_F(IdxTest, PlainAndGzipReadTheSame) {
  const auto plain = load(images(3, 2, 2), labels({0, 9, 4}));
  const auto packed = load(gzip(images(3, 2, 2)), gzip(labels({0, 9, 4})));
  ASSERT_TRUE(plain && packed);
  EXPECT_EQ(plain->size(), 3U);
  EXPECT_EQ(plain->features(), 4U);
  EXPECT_EQ(std::vector(plain->labels().begin(), plain->labels().end()),
            (std::vector<std::uint32_t>{0, 9, 4}));
  const std::vector<std::uint32_t> order{2, 0, 2};
  std::vector<float> a(12), b(12);
  plain->gather<float>(order, a);
  packed->gather<float>(order, b);
  EXPECT_EQ(a, b);
  EXPECT_FLOAT_EQ(a[1], 63.0F / 255.0F);
  EXPECT_EQ(a[4], 0.0F);
}

TEST_F(IdxTest, MeanStdGivesMeanZeroAndDeviationOne) {
  const auto data =
      load(images(50, 4, 4), labels(Bytes(50, 1)), {.normalise = Normalise::kMeanStd});
  ASSERT_TRUE(data);
  std::vector<double> values(50 * 16);
  data->gather<double>(testing::first_samples(50), values);
  double sum = 0, squares = 0;
  for (double v : values) sum += v, squares += v * v;
  EXPECT_NEAR(sum / 800, 0, 1e-6);
  EXPECT_NEAR(squares / 800, 1, 1e-6);
}

TEST_F(IdxTest, MissingFile) {
  const auto result = load_idx_pair(folder_ / "none", labels_path());
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().describe(),
            "not_found: cannot open " + (folder_ / "none") + ": No such file or directory");
}

TEST_F(IdxTest, Folder) {
  const auto result = load_idx_pair(folder_.path(), labels_path());
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().describe(), "invalid: " + folder_.path() + ": not a regular file");
}

TEST_F(IdxTest, TruncatedPlain) {
  EXPECT_EQ(error_of(cut(images(3, 2, 2), 27), labels({0, 0, 0})),
            "corrupt: " + images_path() + ": truncated: found 27 bytes, expected 28");
  EXPECT_EQ(error_of(cut(images(3, 2, 2), 9), labels({0, 0, 0})),
            "corrupt: " + images_path() + ": truncated: found 9 bytes, expected 16");
  EXPECT_EQ(error_of({}, labels({0, 0, 0})),
            "corrupt: " + images_path() + ": truncated: found 0 bytes, expected 16");
}

TEST_F(IdxTest, TruncatedInsideGzip) {
  EXPECT_EQ(
      error_of(gzip(cut(images(3, 2, 2), 27)), labels({0, 0, 0})),
      "corrupt: " + images_path() + ": truncated: found 27 bytes after decompression, expected 28");
}

TEST_F(IdxTest, TruncatedGzipFileAtEveryLengthIsAnError) {
  const Bytes whole = gzip(images(3, 2, 2));
  for (std::size_t n = 0; n < whole.size(); ++n) {
    const std::string message = error_of(cut(whole, n), labels({0, 0, 0}));
    EXPECT_NE(message.find(images_path() + ": "), std::string::npos) << n << message;
  }
  EXPECT_EQ(
      error_of(cut(whole, 10), labels({0, 0, 0})),
      "corrupt: " + images_path() + ": truncated: found 0 bytes after decompression, expected 16");
  EXPECT_EQ(error_of(cut(whole, whole.size() - 1), labels({0, 0, 0})),
            "corrupt: " + images_path() + ": truncated: gzip data ends before its trailer");
}

TEST_F(IdxTest, DamagedGzip) {
  Bytes packed = gzip(images(3, 2, 2));
  packed[packed.size() - 8] ^= 1;  // the checksum
  EXPECT_EQ(
      error_of(packed, labels({0, 0, 0})),
      "corrupt: " + images_path() + ": damaged gzip data after 28 bytes: incorrect data check");
}

TEST_F(IdxTest, WrongMagic) {
  EXPECT_EQ(error_of(labels({0, 0, 0, 0}), labels({0})),
            "corrupt: " + images_path() + ": wrong magic: found 0x00000801, expected 0x00000803");
  EXPECT_EQ(error_of(images(1, 1, 1), images(1, 1, 1)),
            "corrupt: " + labels_path() + ": wrong magic: found 0x00000803, expected 0x00000801");
  EXPECT_EQ(error_of({'P', 'K', 3, 4, 5}, labels({0})),
            "corrupt: " + images_path() + ": wrong magic: found 0x504b0304, expected 0x00000803");
}

TEST_F(IdxTest, LabelOutOfRange) {
  EXPECT_EQ(error_of(images(3, 1, 1), labels({9, 10, 0})),
            "corrupt: " + labels_path() + ": label 10 at index 1 is out of range: allowed 0 to 9");
  EXPECT_EQ(error_of(images(3, 1, 1), labels({0, 1, 2}), {.classes = 2}),
            "corrupt: " + labels_path() + ": label 2 at index 2 is out of range: allowed 0 to 1");
}

TEST_F(IdxTest, CountMismatch) {
  EXPECT_EQ(error_of(images(3, 1, 1), labels({1, 2})),
            "corrupt: " + images_path() + " has 3 images but " + labels_path() + " has 2 labels");
}

TEST_F(IdxTest, TooManyBytes) {
  Bytes longer = images(2, 1, 1);
  longer.push_back(0);
  EXPECT_EQ(error_of(longer, labels({0, 0})),
            "corrupt: " + images_path() + ": found more than the 18 bytes that its header claims");
}

TEST_F(IdxTest, AbsurdSizesAreRefusedBeforeMemoryIsTaken) {
  const Bytes absurd = header(0x00000803, {0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF});
  EXPECT_EQ(error_of(absurd, labels({0})),
            "invalid: " + images_path() +
                ": header claims 4294967295 x 4294967295 x 4294967295 bytes, allowed at most "
                "4294967296");
  EXPECT_EQ(error_of(header(0x00000803, {1 << 20, 64, 63}), labels({0})),
            "corrupt: " + images_path() + ": truncated: found 16 bytes, expected 4227858448");
}

TEST_F(IdxTest, NoPixels) {
  EXPECT_EQ(error_of(images(0, 2, 2), labels({})),
            "corrupt: " + images_path() + ": no pixels: found 0 images of 2 x 2");
}

TEST_F(IdxTest, FolderOfFilesFindsPlainBeforeGzip) {
  folder_.write("train-images-idx3-ubyte.gz", gzip(images(4, 2, 2)));
  folder_.write("train-images-idx3-ubyte", images(3, 2, 2));
  folder_.write("train-labels-idx1-ubyte", labels({0, 1, 2}));
  folder_.write("t10k-images-idx3-ubyte.gz", gzip(images(2, 2, 2)));
  folder_.write("t10k-labels-idx1-ubyte.gz", gzip(labels({3, 4})));
  const auto data = load_image_dataset(folder_.path(), {.normalise = Normalise::kMeanStd});
  ASSERT_TRUE(data) << data.error().message;
  EXPECT_EQ(data->train->size(), 3U);
  EXPECT_EQ(data->test->size(), 2U);
  EXPECT_EQ(data->train->transform(), data->test->transform());
}

TEST_F(IdxTest, FolderWithoutAFileSaysWhich) {
  folder_.write("train-images-idx3-ubyte", images(3, 2, 2));
  const auto data = load_image_dataset(folder_.path());
  ASSERT_FALSE(data);
  EXPECT_EQ(data.error().describe(),
            "not_found: no file train-labels-idx1-ubyte or train-labels-idx1-ubyte.gz in " +
                folder_.path());
}

TEST_F(IdxTest, TestImagesOfAnotherSize) {
  folder_.write("train-images-idx3-ubyte", images(1, 2, 2));
  folder_.write("train-labels-idx1-ubyte", labels({0}));
  folder_.write("t10k-images-idx3-ubyte", images(1, 2, 3));
  folder_.write("t10k-labels-idx1-ubyte", labels({3}));
  const auto data = load_image_dataset(folder_.path());
  ASSERT_FALSE(data);
  EXPECT_EQ(data.error().describe(),
            "corrupt: " + folder_.path() + ": training images are 2 x 2 but test images are 2 x 3");
}

TEST(ClustersTest, SameSeedSameSetAndOtherSampleSeedSameProblem) {
  const SyntheticSpec spec{.samples = 100, .features = 5, .classes = 4, .spread = 0};
  SyntheticSpec other = spec;
  other.sample_seed = 1;
  const Dataset a = make_clusters(spec, 3);
  const Dataset b = make_clusters(other, 3);
  std::vector<float> x(5), y(5);
  a.gather<float>(std::vector<std::uint32_t>{7}, x);
  b.gather<float>(std::vector<std::uint32_t>{11}, y);
  EXPECT_EQ(x, y) << "samples 7 and 11 have class 3 and no spread";
  EXPECT_EQ(a.labels()[7], 3U);
}

}  // namespace
}  // namespace muster::optim
