#include <gmock/gmock.h>
#include <muster/error.h>

namespace muster {
namespace {

TEST(ErrorTest, CodesKeepTheirWireNumbers) {
  EXPECT_EQ(static_cast<int>(ErrorCode::kInvalid), 1);
  EXPECT_EQ(static_cast<int>(ErrorCode::kUnavailable), 5);
  EXPECT_EQ(static_cast<int>(ErrorCode::kInternal), 10);
  EXPECT_EQ(to_string(ErrorCode::kOverloaded), "overloaded");
  EXPECT_EQ(to_string(static_cast<ErrorCode>(99)), "unknown");
}

TEST(ErrorTest, DescribesCodeTypeAndMessage) {
  EXPECT_EQ((Error{ErrorCode::kFailed, "boom", "my::Bang"}).describe(), "failed [my::Bang]: boom");
  EXPECT_EQ((Error{ErrorCode::kTimeout, "late", {}}).describe(), "timeout: late");
}

TEST(ErrorTest, ValueOrThrowThrowsTheSameError) {
  const Error error{ErrorCode::kNotFound, "no such thing", {}};
  try {
    value_or_throw(Result<int>(fail(error)));
    FAIL() << "nothing was thrown";
  } catch (const Exception& e) {
    EXPECT_EQ(e.error(), error);
    EXPECT_STREQ(e.what(), "not_found: no such thing");
  }
  EXPECT_EQ(value_or_throw(Result<int>(7)), 7);
}

TEST(ErrorTest, ExceptionsBecomeErrorsWithTheirType) {
  try {
    throw std::out_of_range("index 9");
  } catch (...) {
    EXPECT_EQ(error_from_current_exception(),
              (Error{ErrorCode::kFailed, "index 9", "std::out_of_range"}));
  }
  try {
    throw 7;
  } catch (...) {
    EXPECT_EQ(error_from_current_exception().type, "int");
  }
}

TEST(CheckDeathTest, OutsideAnActorPrintsTheOperandsAndAborts) {
  const int low = 3;
  const int high = 2;
  EXPECT_DEATH(MUSTER_CHECK(low < high, low, high), "check failed: low < high \\(3, 2\\)");
}

}  // namespace
}  // namespace muster
