// Every C++ type that travels, the errors of those that do not fit, and memory that is not copied.

#include <muster/capnp.h>
#include <muster/eigen.h>

#include <capnp/schema.capnp.h>

#include "tests/unit/runtime/wire/wire_fixture.h"

namespace muster::wire {

enum class Colour : std::uint8_t { kRed = 1, kBlue = 200 };
struct Inner {
  int a = 0;
  std::string b;
  friend bool operator==(const Inner&, const Inner&) = default;
};
struct Outer {
  Inner inner;
  std::vector<Inner> list;
  std::optional<double> maybe;
  Colour colour = Colour::kRed;
  friend bool operator==(const Outer&, const Outer&) = default;
};
struct PointV1 {
  int x = 0;
};
struct PointV2 {
  int x = 0;
  int y = 7;
  std::string label = "none";
};
struct Nothing {};
class NotWireable {
 public:
  explicit NotWireable(int) {}
};
struct Holder {
  NotWireable inside;
};

namespace {

static_assert(Wireable<int> && Wireable<std::string> && Wireable<Outer> && Wireable<Nothing>);
static_assert(Wireable<const std::vector<Outer>&>);
static_assert(!Wireable<NotWireable> && !Wireable<Holder> && !Wireable<std::vector<NotWireable>>);
static_assert(!Wireable<int*> && !Wireable<long double>);

TEST(CodecTest, NumbersTravelAtTheirLimits) {
  EXPECT_EQ(travel<std::int8_t>(-128), -128);
  EXPECT_EQ(travel<std::uint8_t>(255), 255);
  EXPECT_EQ(travel(std::numeric_limits<std::int64_t>::min()),
            std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(travel(std::numeric_limits<std::uint64_t>::max()),
            std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(travel('x'), 'x');
  EXPECT_EQ(travel(1.5f), 1.5f);
  EXPECT_EQ(travel(-0.1), -0.1);
  EXPECT_EQ(travel(true), true);
  EXPECT_EQ(travel(Colour::kBlue), Colour::kBlue);
}

TEST(CodecTest, NumberOutOfRangeIsAnError) {
  EXPECT_EQ(travel_as<std::int8_t>(127).value(), 127);
  EXPECT_EQ(travel_as<std::int8_t>(128).error().message,
            "argument 1: expected a number from -128 to 127, found 128");
  EXPECT_EQ(travel_as<std::uint32_t>(-1).error().message,
            "argument 1: expected a number from 0 to 4294967295, found -1");
  EXPECT_EQ(travel_as<std::int64_t>(~std::uint64_t{0}).error().message,
            "argument 1: expected a number from -9223372036854775808 to 9223372036854775807, "
            "found 18446744073709551615");
}

TEST(CodecTest, IntegersOfEitherSignednessAndRealsMix) {
  EXPECT_EQ(travel_as<int>(std::uint64_t{5}).value(), 5);
  EXPECT_EQ(travel_as<std::uint16_t>(std::int64_t{5}).value(), 5);
  EXPECT_EQ(travel_as<double>(5).value(), 5.0);
  EXPECT_EQ(travel_as<int>(5.0).error().message, "argument 1: expected integer, found real");
}

TEST(CodecTest, TextTravelsWithAnyBytes) {
  EXPECT_EQ(travel(std::string()), "");
  const std::string odd("a\0b\xff", 4);
  EXPECT_EQ(travel(odd), odd);
  EXPECT_EQ(travel(std::string(100000, 'x')).size(), 100000u);
}

TEST(CodecTest, ContainersTravel) {
  using namespace std::string_literals;
  EXPECT_EQ(travel(std::optional<int>(3)), 3);
  EXPECT_EQ(travel(std::optional<int>()), std::nullopt);
  const std::optional<std::optional<int>> inner_empty(std::in_place, std::nullopt);
  EXPECT_EQ(travel(inner_empty), inner_empty);
  EXPECT_EQ(travel(std::optional<std::optional<int>>()).has_value(), false);
  using V = std::variant<int, std::string, std::monostate>;
  EXPECT_EQ(travel(V("x"s)), V("x"s));
  EXPECT_EQ(travel(V(std::monostate())), V(std::monostate()));
  EXPECT_EQ(travel(std::tuple(1, "a"s, 2.5)), std::tuple(1, "a"s, 2.5));
  EXPECT_EQ(travel(std::tuple<>()), std::tuple<>());
  EXPECT_EQ(travel(std::pair(1, "a"s)), std::pair(1, "a"s));
  EXPECT_EQ(travel(std::array<float, 3>{1, 2, 3}), (std::array<float, 3>{1, 2, 3}));
  EXPECT_EQ(travel(std::array<std::string, 2>{"a", "b"}), (std::array<std::string, 2>{"a", "b"}));
  EXPECT_EQ(travel(std::vector<bool>{true, false, true}), (std::vector<bool>{true, false, true}));
  EXPECT_EQ(travel(std::vector<std::vector<int>>{{1}, {}, {2, 3}}),
            (std::vector<std::vector<int>>{{1}, {}, {2, 3}}));
  EXPECT_EQ(travel(std::map<std::string, int>{{"a", 1}, {"b", 2}}),
            (std::map<std::string, int>{{"a", 1}, {"b", 2}}));
  EXPECT_EQ(travel(std::unordered_map<int, std::string>{{1, "x"}}),
            (std::unordered_map<int, std::string>{{1, "x"}}));
  EXPECT_EQ(travel(std::vector<std::byte>{std::byte{1}}), std::vector<std::byte>{std::byte{1}});
  EXPECT_EQ(travel(Result<int>(4)), Result<int>(4));
  EXPECT_TRUE(travel(Result<void>()).has_value());
  const Result<int> failed = fail(ErrorCode::kOverloaded, "full");
  EXPECT_EQ(travel(failed), failed);
}

TEST(CodecTest, DurationsTravelAndSaturate) {
  EXPECT_EQ(travel(std::chrono::milliseconds(-5)), std::chrono::milliseconds(-5));
  EXPECT_EQ(travel_as<std::chrono::microseconds>(std::chrono::seconds(2)).value(), 2s);
  EXPECT_EQ(travel(std::chrono::hours::max()), std::chrono::hours::max());
  EXPECT_EQ(travel(std::chrono::duration<double>(0.25)).count(), 0.25);
}

TEST(CodecTest, StructsTravel) {
  const Outer outer{{1, "x"}, {{2, "y"}, {3, ""}}, 2.5, Colour::kBlue};
  EXPECT_EQ(travel(outer), outer);
  travel(Nothing{});
}

TEST(CodecTest, StructFieldsMayBeAddedAtTheEnd) {
  const PointV2 newer = travel_as<PointV2>(PointV1{3}).value();
  EXPECT_EQ(newer.x, 3);
  EXPECT_EQ(newer.y, 7);
  EXPECT_EQ(newer.label, "none");
  EXPECT_EQ(travel_as<PointV1>(PointV2{4, 5, "z"}).value().x, 4);
}

TEST(CodecTest, MismatchNamesThePlace) {
  EXPECT_EQ(travel_as<std::string>(std::vector<std::string>{"a"}).error().message,
            "argument 1: expected text, found list");
  const auto nested =
      travel_as<std::vector<Inner>>(std::vector<std::tuple<int, std::string>>{{1, "a"}, {2, "b"}});
  EXPECT_TRUE(nested);
  const auto bad = travel_as<std::vector<Inner>>(std::vector<std::tuple<int, int>>{{1, 2}, {3, 4}});
  EXPECT_EQ(bad.error().message, "argument 1, element 1, element 2: expected text, found integer");
  EXPECT_EQ(travel_as<std::vector<float>>(std::vector<double>{1}).error().message,
            "argument 1: expected array of float32, found array of float64");
  EXPECT_EQ((travel_as<std::array<int, 2>>(std::array<int, 3>{}).error().message),
            "argument 1: expected 2 elements, found 3");
  using V1 = std::variant<int>;
  using V2 = std::variant<int, double>;
  EXPECT_EQ(travel_as<V1>(V2(2.0)).error().message,
            "argument 1, element 1: expected a number from 0 to 0, found 1");
}

TEST(CodecTest, MissingArgumentIsAnErrorAndTheFirstErrorStays) {
  const auto message = receive(call_with(1));
  Decoder decoder = arguments(message, nullptr);
  EXPECT_EQ(decode_value<int>(decoder), 1);
  EXPECT_EQ(decode_value<int>(decoder), 0);
  EXPECT_EQ(decoder.error().message, "argument 2: missing");
  EXPECT_EQ(decode_value<std::vector<std::string>>(decoder).size(), 0u);
  EXPECT_EQ(decoder.error().message, "argument 2: missing");
}

TEST(CodecTest, ResultErrorsSayResult) {
  const auto message = receive(encode_result(1, nullptr, [](Encoder& e) { e.text("x"); }));
  Decoder decoder = result(message, nullptr);
  decode_value<int>(decoder);
  EXPECT_EQ(decoder.error().message, "result: expected integer, found text");
}

TEST(CodecTest, VectorOfNumbersAcceptsAList) {
  const auto list = std::tuple(std::uint64_t{1}, 2, 3);
  EXPECT_EQ(travel_as<std::vector<int>>(list).value(), (std::vector<int>{1, 2, 3}));
}

TEST(CodecTest, NestingIsLimitedOnBothSides) {
  const auto nest = [](std::size_t depth) {
    return encode_call({}, 1, nullptr, [depth](Encoder& e) {
      for (std::size_t i = 0; i < depth; ++i) e.begin_list(1);
      e.integer(1);
      for (std::size_t i = 0; i < depth; ++i) e.end_list();
    });
  };
  const auto deep = receive(nest(24));
  Decoder decoder = arguments(deep, nullptr);
  for (int i = 0; i < 24; ++i) decoder.begin_list();
  EXPECT_EQ(decoder.integer(), 1);
  for (int i = 0; i < 24; ++i) decoder.end_list();
  EXPECT_FALSE(decoder.failed());
  EXPECT_THROW(nest(25), Exception);
}

class FakeExchange final : public ActorExchange {
 public:
  WireActor export_actor(const ActorRefPtr& ref) override {
    return {1, 2, static_cast<std::uint64_t>(*std::static_pointer_cast<int>(ref)), 4, "host:1"};
  }
  ActorRefPtr import_actor(const WireActor& actor) override {
    imported = actor;
    return std::make_shared<int>(static_cast<int>(actor.actor));
  }
  WireActor imported;
};

TEST(CodecTest, ActorsTravelThroughTheExchange) {
  FakeExchange exchange;
  const auto message = receive(encode_call({}, 2, &exchange, [](Encoder& e) {
    e.actor(std::make_shared<int>(77));
    e.actor(nullptr);
  }));
  Decoder decoder = arguments(message, &exchange);
  EXPECT_EQ(*std::static_pointer_cast<int>(decoder.actor()), 77);
  EXPECT_EQ(decoder.actor(), nullptr);
  EXPECT_EQ(exchange.imported, (WireActor{1, 2, 77, 4, "host:1"}));
  EXPECT_FALSE(decoder.failed());
  Decoder without = arguments(message, nullptr);
  without.actor();
  EXPECT_EQ(without.error().message, "argument 1: an actor reference cannot be received here");
}

TEST(CodecTest, EigenTravels) {
  Eigen::MatrixXd m(2, 3);
  m << 1, 2, 3, 4, 5, 6;
  EXPECT_EQ(travel(m), m);
  const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> r = m.cast<float>();
  EXPECT_EQ(travel(Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>(r)), r);
  EXPECT_EQ(travel(Eigen::Vector3d(1, 2, 3)), Eigen::Vector3d(1, 2, 3));
  EXPECT_EQ(travel(Eigen::VectorXf(Eigen::VectorXf::Zero(0))).size(), 0);
  EXPECT_EQ(travel_as<Eigen::Vector3d>(Eigen::VectorXd(Eigen::VectorXd::Zero(4))).error().message,
            "argument 1: expected a matrix of 3 x 1, found 4 x 1");
}

TEST(CodecTest, CapnpMessagesTravel) {
  using Node = capnp::schema::Node;
  const auto built = CapnpMessage<Node>::build([](Node::Builder b) {
    b.setId(17);
    b.setDisplayName("seventeen");
  });
  const auto received = travel(built);
  EXPECT_EQ(received.reader().getId(), 17u);
  EXPECT_STREQ(received.reader().getDisplayName().cStr(), "seventeen");
  EXPECT_FALSE(travel(CapnpMessage<Node>()));
}

// ---- memory ----

TEST(ZeroCopyTest, LargeArrayIsWrittenFromTheUsersMemory) {
  for (const std::size_t n : {4096u, 4097u, 100001u}) {  // 16 KiB and more
    AlignedVector<float> values(n);
    for (std::size_t i = 0; i < n; ++i) values[i] = static_cast<float>(i);
    const Array<float> array(std::move(values));
    const auto message = call_with(array, 5);
    std::vector<Slice> slices;
    message.append_slices(slices);
    bool found = false;
    for (const Slice& s : slices) {
      const auto* first = reinterpret_cast<const std::byte*>(array.data());
      if (s.data() == first) {
        found = true;
        EXPECT_EQ(s.size(), n * sizeof(float));
      }
    }
    EXPECT_TRUE(found) << n;
    EXPECT_EQ(array.owner().use_count(), 2);
    const auto incoming = receive(message);
    Decoder decoder = arguments(incoming, nullptr);
    EXPECT_EQ(decode_value<Array<float>>(decoder), array);
    EXPECT_EQ(decode_value<int>(decoder), 5);
  }
}

TEST(ZeroCopyTest, SmallerArrayIsCopied) {
  const Array<float> array(AlignedVector<float>(4095));
  EXPECT_TRUE(call_with(array).contiguous());
}

TEST(ZeroCopyTest, RvalueVectorIsTakenOver) {
  std::vector<double> values(10000, 1.0);
  const double* data = values.data();
  const auto message = call_with(std::move(values));
  std::vector<Slice> slices;
  message.append_slices(slices);
  bool found = false;
  for (const Slice& s : slices) found |= s.data() == reinterpret_cast<const std::byte*>(data);
  EXPECT_TRUE(found);
}

TEST(ZeroCopyTest, DecodedArrayIsAViewOfTheMessage) {
  const auto incoming = receive(call_with(Array<double>::copy_of(std::vector<double>(1000, 2.0))));
  Decoder decoder = arguments(incoming, nullptr);
  const auto array = decode_value<Array<double>>(decoder);
  const auto* at = reinterpret_cast<const std::byte*>(array.data());
  EXPECT_GE(at, incoming.bytes().data());
  EXPECT_LT(at, incoming.bytes().data() + incoming.bytes().size());
  EXPECT_EQ(array.owner(), incoming.owner());
}

TEST(ZeroCopyTest, SmallDecodedArrayDoesNotKeepTheMessage) {
  const auto incoming = receive(call_with(std::vector<double>(64, 2.0)));  // 512 bytes
  Decoder decoder = arguments(incoming, nullptr);
  EXPECT_NE(decode_value<Array<double>>(decoder).owner(), incoming.owner());
}

TEST(ZeroCopyTest, MisalignedArrayIsCopiedAndArrives) {
  auto owner = std::make_shared<AlignedVector<float>>(10001, 3.0f);
  const Array<float> odd(std::span<const float>(*owner).subspan(1), owner);
  EXPECT_EQ(travel(odd), odd);
}

}  // namespace
}  // namespace muster::wire
