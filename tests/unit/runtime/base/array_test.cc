#include <gmock/gmock.h>
#include <muster/array.h>

#include <cstdint>

namespace muster {
namespace {

TEST(ArrayTest, TakesAVectorWithoutCopying) {
  std::vector<float> values = {1, 2, 3};
  const float* data = values.data();
  const Array<float> array(std::move(values));
  EXPECT_EQ(array.data(), data);
  EXPECT_THAT(array, testing::ElementsAre(1, 2, 3));
}

TEST(ArrayTest, CopiesShareStorageAndKeepItAlive) {
  Array<double> copy;
  {
    const Array<double> array(std::vector<double>{4, 5});
    copy = array;
    EXPECT_EQ(copy.data(), array.data());
  }
  EXPECT_THAT(copy, testing::ElementsAre(4, 5));
}

TEST(ArrayTest, CopyOfIsAligned) {
  const std::vector<float> values(33, 1.0F);
  const auto array = Array<float>::copy_of(values);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(array.data()) % kArrayAlignment, 0U);
  EXPECT_NE(array.data(), values.data());
  EXPECT_EQ(array, Array<float>(std::vector<float>(33, 1.0F)));
}

TEST(ArrayTest, EmptyArraysAreEqual) {
  EXPECT_EQ(Array<int>(), Array<int>(std::vector<int>{}));
}

}  // namespace
}  // namespace muster
