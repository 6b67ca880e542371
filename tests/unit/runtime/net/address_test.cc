#include "runtime/net/address.h"

#include <gtest/gtest.h>

namespace muster::net {
namespace {

TEST(AddressTest, HostAndPortAreTakenApart) {
  EXPECT_EQ(*parse_address("127.0.0.1:7077"), (HostPort{"127.0.0.1", 7077}));
  EXPECT_EQ(*parse_address("[::1]:0"), (HostPort{"::1", 0}));
  EXPECT_EQ(*parse_address("head.cluster:65535"), (HostPort{"head.cluster", 65535}));
  EXPECT_EQ(format_address("::1", 5), "[::1]:5");
  EXPECT_EQ(format_address("h", 5), "h:5");
}

TEST(AddressTest, MalformedAddressIsRefusedWithAnExample) {
  for (const char* bad :
       {"", "host", ":1", "host:", "host:x", "host:1x", "::1:7", "[]:1", "[::1:1"}) {
    const auto parsed = parse_address(bad);
    ASSERT_FALSE(parsed) << bad;
    EXPECT_EQ(parsed.error().code, ErrorCode::kInvalid);
    EXPECT_EQ(parsed.error().message,
              "address \"" + std::string(bad) +
                  "\": expected HOST:PORT, for example 127.0.0.1:7077 or [::1]:7077");
  }
  EXPECT_EQ(parse_address("h:65536").error().message,
            "address \"h:65536\": the port must be from 0 to 65535");
  EXPECT_EQ(parse_address("h:99999999999999").error().message,
            "address \"h:99999999999999\": the port must be from 0 to 65535");
}

TEST(AddressTest, OnlyNumbersOfTheLoopbackNetAreLoopback) {
  for (const char* host : {"127.0.0.1", "127.1.2.3", "::1", "localhost"}) {
    EXPECT_TRUE(is_loopback_host(host)) << host;
  }
  for (const char* host :
       {"127.example.org", "128.0.0.1", "0.0.0.0", "::", "127.0.0.", "127.0.0"}) {
    EXPECT_FALSE(is_loopback_host(host)) << host;
  }
}

TEST(AddressTest, OffLoopbackNeedsAToken) {
  EXPECT_TRUE(check_address_policy("127.0.0.1:1", false));
  EXPECT_TRUE(check_address_policy("10.0.0.1:1", true));
  const auto refused = check_address_policy("10.0.0.1:1", false);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kDenied);
  EXPECT_EQ(refused.error().message,
            "address 10.0.0.1:1 is not a loopback address: a token is needed "
            "(RuntimeOptions::token, --token-file)");
}

TEST(AddressTest, AConnectionIsReturnedToWhereItsNodeListens) {
  EXPECT_EQ(return_address("127.0.0.1:7077", "127.0.0.1:50000", false), "127.0.0.1:7077");
  EXPECT_EQ(return_address("0.0.0.0:7077", "10.0.0.2:50000", true), "10.0.0.2:7077");
  EXPECT_EQ(return_address("[::]:7077", "[fe80::2]:50000", true), "[fe80::2]:7077");
  EXPECT_EQ(return_address("head.cluster:7077", "10.0.0.2:50000", true), "head.cluster:7077");
}

TEST(AddressTest, AConnectionIsNotReturnedToWhereItMayNotGo) {
  EXPECT_EQ(return_address("10.0.0.2:7077", "127.0.0.1:50000", false), "") << "needs a token";
  EXPECT_EQ(return_address("0.0.0.0:7077", "10.0.0.2:50000", false), "") << "needs a token";
  EXPECT_EQ(return_address("127.0.0.1:7077", "10.0.0.2:50000", true), "") << "another's loopback";
  EXPECT_EQ(return_address("127.0.0.1:0", "127.0.0.1:50000", false), "");
  EXPECT_EQ(return_address("", "127.0.0.1:50000", false), "") << "it does not listen";
  EXPECT_EQ(return_address("nonsense", "127.0.0.1:50000", false), "");
}

}  // namespace
}  // namespace muster::net
