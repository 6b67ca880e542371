#include <muster/optim/npy.h>

#include <cmath>

#include "unit/optim/support.h"

namespace muster::optim {
namespace {

class NpyTest : public ::testing::Test {
 protected:
  /// A version 1.0 file with this dictionary and so many bytes of data.
  std::string file(const std::string& dictionary, std::size_t data_bytes) {
    std::string text("\x93NUMPY\x01\x00", 8);
    text += static_cast<char>(dictionary.size());
    text += '\0';
    text += dictionary + std::string(data_bytes, '\0');
    return folder_.write("x.npy", {text.begin(), text.end()});
  }
  std::string error_of(const std::string& path) {
    const auto result = read_npy<float>(path);
    return result ? "no error" : result.error().describe();
  }
  testing::TemporaryFolder folder_;
};

TEST_F(NpyTest, RoundTripKeepsEveryBitAtAnySize) {
  for (std::size_t n : {0, 1, 2, 15, 16, 17, 1000}) {
    MUSTER_SEEDED(random);
    const auto floats = testing::normals<float>(random, n);
    const auto doubles = testing::normals<double>(random, n);
    ASSERT_TRUE(write_npy<float>(folder_ / "f.npy", floats).has_value());
    ASSERT_TRUE(write_npy<double>(folder_ / "d.npy", doubles).has_value());
    EXPECT_EQ(read_npy<float>(folder_ / "f.npy").value(), floats);
    EXPECT_EQ(read_npy<double>(folder_ / "d.npy").value(), doubles);
    EXPECT_EQ(std::filesystem::file_size(folder_ / "f.npy") % 4, 0U);
    EXPECT_EQ((std::filesystem::file_size(folder_ / "f.npy") - 4 * n) % 64, 0U) << "data aligned";
  }
}

TEST_F(NpyTest, WriteLeavesNoTemporaryFileAndReplacesTheOld) {
  const std::vector<float> one{1}, two{1, 2};
  ASSERT_TRUE(write_npy<float>(folder_ / "x.npy", one).has_value());
  ASSERT_TRUE(write_npy<float>(folder_ / "x.npy", two).has_value());
  EXPECT_EQ(read_npy<float>(folder_ / "x.npy").value().size(), 2U);
  const std::filesystem::directory_iterator files(folder_.path());
  EXPECT_EQ(std::distance(begin(files), end(files)), 1);
}

TEST_F(NpyTest, WriteIntoMissingFolderNamesPathAndCause) {
  const auto result = write_npy<float>(folder_ / "no/x.npy", std::vector<float>{1});
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().message,
            "cannot create " + (folder_ / "no/x.npy") + ": No such file or directory");
}

TEST_F(NpyTest, MissingFileIsNotFound) {
  EXPECT_EQ(error_of(folder_ / "none.npy"),
            "not_found: cannot open " + (folder_ / "none.npy") + ": No such file or directory");
}

TEST_F(NpyTest, OtherContentIsCorrupt) {
  const std::string path = folder_.write("x.npy", {'h', 'e', 'l', 'l', 'o'});
  EXPECT_EQ(error_of(path), "corrupt: " + path + ": not a .npy file of version 1.0");
}

TEST_F(NpyTest, TruncatedDataSaysFoundAndExpected) {
  const std::string path = file("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }\n", 11);
  EXPECT_EQ(error_of(path),
            "corrupt: " + path + ": found 11 bytes of data, expected 3 values of 4 bytes");
}

TEST_F(NpyTest, HugeShapeIsRefusedBeforeMemoryIsTaken) {
  const std::string path =
      file("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387905,), }\n", 4);
  EXPECT_EQ(error_of(path), "corrupt: " + path +
                                ": found 4 bytes of data, expected 4611686018427387905 values of 4 "
                                "bytes");
}

TEST_F(NpyTest, OtherTypeIsInvalid) {
  const std::string path = file("{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }\n", 24);
  EXPECT_EQ(error_of(path), "invalid: " + path + ": found element type '<f8', expected '<f4'");
}

TEST_F(NpyTest, OtherShapeIsInvalid) {
  const std::string path =
      file("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 1), }\n", 12);
  EXPECT_EQ(error_of(path), "invalid: " + path + ": found shape (3, 1), expected one dimension");
}

TEST_F(NpyTest, EveryPrefixOfAFileIsAnErrorAndNothingElse) {
  ASSERT_TRUE(write_npy<float>(folder_ / "x.npy", std::vector<float>{1, 2, 3}).has_value());
  std::ifstream in(folder_ / "x.npy", std::ios::binary);
  const std::vector<std::uint8_t> whole{std::istreambuf_iterator<char>(in), {}};
  for (std::size_t n = 0; n < whole.size(); ++n) {
    const std::string path =
        folder_.write("cut.npy", {whole.begin(), whole.begin() + static_cast<long>(n)});
    EXPECT_FALSE(read_npy<float>(path).has_value()) << n;
  }
}

}  // namespace
}  // namespace muster::optim
