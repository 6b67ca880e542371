// Round trips of random values; rapidcheck prints the seed of a failure (RC_PARAMS="seed=...").

#include <rapidcheck.h>

#include <cstring>

#include "tests/unit/runtime/wire/wire_fixture.h"

namespace muster::wire {
namespace {

template <class T>
void round_trips(const char* name) {
  EXPECT_TRUE(rc::check(name, [](const T& value) {
    const auto out = travel_as<T>(value);
    RC_ASSERT(out.has_value());
    RC_ASSERT(*out == value);
  }));
}

TEST(PropertyTest, ValuesRoundTrip) {
  round_trips<std::int64_t>("int64");
  round_trips<std::uint8_t>("uint8");
  round_trips<std::string>("text");
  round_trips<std::vector<std::int32_t>>("vector of int32");
  round_trips<std::vector<std::string>>("vector of text");
  round_trips<std::vector<std::vector<std::uint16_t>>>("vector of vectors");
  round_trips<std::map<std::string, std::vector<std::int8_t>>>("map");
  round_trips<std::tuple<bool, std::string, std::pair<int, std::vector<bool>>>>("tuple");
}

TEST(PropertyTest, AnyCutOfTheStreamGivesTheSameMessages) {
  EXPECT_TRUE(rc::check(
      "cuts", [](const std::vector<std::string>& texts, const std::vector<std::uint8_t>& cuts) {
        std::vector<std::byte> stream;
        for (const auto& text : texts) {
          const auto bytes = call_with(text).to_bytes();
          stream.insert(stream.end(), bytes.begin(), bytes.end());
        }
        FrameReader reader{Limits()};
        std::vector<std::string> out;
        std::size_t at = 0, turn = 0;
        while (at < stream.size()) {
          const auto into = reader.target();
          const std::size_t step = cuts.empty() ? 13 : 1 + cuts[turn++ % cuts.size()];
          const std::size_t n = std::min({into.size(), stream.size() - at, step});
          std::memcpy(into.data(), stream.data() + at, n);
          at += n;
          RC_ASSERT(reader
                        .commit(n,
                                [&](const IncomingMessage& m) {
                                  Decoder decoder = arguments(m, nullptr);
                                  out.push_back(decode_value<std::string>(decoder));
                                  return true;
                                })
                        .has_value());
        }
        RC_ASSERT(out == texts);
      }));
}

TEST(PropertyTest, AnyBytesForAnyTypeGiveAValueOrAnError) {
  using Odd = std::tuple<std::optional<int>, std::vector<std::string>, std::map<int, double>>;
  EXPECT_TRUE(rc::check("types", [](const std::vector<std::pair<std::string, int>>& value) {
    const auto out = travel_as<Odd>(value);
    RC_ASSERT(out.has_value() || !out.error().message.empty());
  }));
}

}  // namespace
}  // namespace muster::wire
