// Every kind of frame: what goes in comes out.

#include "runtime/wire/shared_frame.h"
#include "tests/unit/runtime/wire/wire_fixture.h"

namespace muster::wire {
namespace {

std::vector<std::byte> bytes_of(std::initializer_list<int> values) {
  std::vector<std::byte> out;
  for (const int v : values) out.push_back(static_cast<std::byte>(v));
  return out;
}

HelloFrame sample_hello() {
  HelloFrame hello;
  hello.node_hi = 0x1111;
  hello.node_lo = 0x2222;
  hello.incarnation = 3;
  hello.listen_address = "127.0.0.1:7077";
  hello.authenticates = true;
  hello.nonce.assign(kNonceBytes, std::byte{7});
  hello.message_bytes_max = 1 << 30;
  hello.software = "muster 0.1.0";
  return hello;
}

OutgoingMessage sample_call() {
  return encode_call({.call_id = 9, .actor = 8, .method = 7, .timeout = 1500us, .incarnation = 2},
                     6, nullptr, [](Encoder& e) {
                       encode_value(e, 42);
                       encode_value(e, std::string("text"));
                       encode_value(e, std::vector<double>{1.5, -2.5});
                       encode_value(e, std::optional<int>());
                       encode_value(e, true);
                       encode_value(e, std::vector<std::string>{"a", "b"});
                     });
}

}  // namespace

std::vector<Sample> samples() {
  const Error error{ErrorCode::kFailed, "it broke", "std::runtime_error"};
  std::vector<Sample> out;
  const auto add = [&](std::string name, const OutgoingMessage& m) {
    out.push_back({std::move(name), m.to_bytes()});
  };
  add("hello", encode_hello(sample_hello()));
  add("challenge", encode_challenge(sample_hello()));
  add("proof", encode_proof(bytes_of({1, 2, 3})));
  add("ready", encode_ready(bytes_of({4, 5})));
  add("reject", encode_reject(error));
  add("heartbeat", encode_heartbeat());
  add("call", sample_call());
  add("urgent_call", encode_call({.call_id = 9, .actor = 8, .method = 7, .urgent = true}, 1,
                                 nullptr, [](Encoder& e) { encode_value(e, 42); }));
  add("call_with_references", encode_call({.call_id = 9, .actor = 8, .method = 7, .references = 2},
                                          2, nullptr, [](Encoder& e) {
                                            encode_value(e, 42);
                                            e.none();
                                          }));
  const auto one_way = [](int number) {
    return encode_call({.actor = 8, .method = 7}, 1, nullptr,
                       [number](Encoder& e) { encode_value(e, number); });
  };
  std::vector<std::byte> shared;
  SharedFrame frame;
  frame.append(shared, one_way(42));
  EXPECT_GT(frame.join(shared, one_way(43), 1024), 0U);
  out.push_back({"shared_call", std::move(shared)});
  add("result", encode_result(5, nullptr, [](Encoder& e) { encode_value(e, 2.5); }));
  add("error", encode_error(5, error));
  add("release", encode_release({4, 2}));
  add("find", encode_find({1, "hits", 99, 2s}));
  add("found", encode_found({1, WireActor{1, 2, 3, 4, "127.0.0.1:1"}}));
  add("not_found", encode_found({1, fail(ErrorCode::kNotFound, "no such name")}));
  add("monitor_link", encode_monitor({6, 7, 8}));
  add("down", encode_down({6, 3, error, "hits"}));
  add("down_incarnation", encode_down({6, 3, error, "hits", 4}));
  add("stop", encode_stop({7, true}));
  add("cancel_of", encode_cancel({12, 7, true}));
  add("goodbye", encode_goodbye(error));
  return out;
}

namespace {

TEST(MessagesTest, HelloRoundTrips) {
  const auto message = receive(encode_hello(sample_hello()));
  EXPECT_EQ(message.kind(), FrameKind::kHello);
  EXPECT_EQ(*parse_hello(message), sample_hello());
  EXPECT_EQ(*parse_hello(receive(encode_challenge(sample_hello()))), sample_hello());
}

TEST(MessagesTest, ProofAndReadyRoundTrip) {
  EXPECT_EQ(*parse_proof(receive(encode_proof(bytes_of({1, 2})))), bytes_of({1, 2}));
  EXPECT_EQ(*parse_proof(receive(encode_ready({}))), bytes_of({}));
}

TEST(MessagesTest, ErrorFramesRoundTrip) {
  const Error error{ErrorCode::kDenied, "no", "T"};
  EXPECT_EQ(*parse_error(receive(encode_reject(error))), error);
  EXPECT_EQ(*parse_error(receive(encode_goodbye(error))), error);
}

TEST(MessagesTest, CallHeaderRoundTripsWithMicrosecondsRoundedUp) {
  const CallHeader header{1, 2, 3, Duration(1500), 4};
  const auto message = encode_call(header, 0, nullptr, [](Encoder&) {});
  EXPECT_EQ(message.flow(), 2u);
  EXPECT_EQ(message.lane(), Lane::kCalls);
  const auto parsed = parse_call(receive(message));
  EXPECT_EQ(parsed->call_id, 1u);
  EXPECT_EQ(parsed->actor, 2u);
  EXPECT_EQ(parsed->method, 3u);
  EXPECT_EQ(parsed->timeout, 2us);
  EXPECT_EQ(parsed->incarnation, 4u);
  EXPECT_FALSE(parsed->urgent);
}

TEST(MessagesTest, UrgentCallIsOfTheControlLaneAndOfItsActorsFlow) {
  const CallHeader header{.call_id = 1, .actor = 2, .method = 3, .urgent = true, .group = 5};
  const auto message = encode_call(header, 1, nullptr, [](Encoder& e) { e.text("now"); });
  EXPECT_EQ(message.flow(), 2u);
  EXPECT_EQ(message.lane(), Lane::kControl);
  const auto received = receive(message);
  EXPECT_EQ(*parse_call(received), header);
  Decoder decoder = arguments(received, nullptr);
  EXPECT_EQ(decode_value<std::string>(decoder), "now");
}

TEST(MessagesTest, ChoiceOfTheSenderRoundTripsAndCostsNothingWhenItIsTheDefault) {
  CallHeader header{.call_id = 1, .actor = 2, .method = 3};
  const std::size_t plain = encode_call(header, 0, nullptr, [](Encoder&) {}).size();
  for (const WhenFull choice : {WhenFull::kFail, WhenFull::kWait, WhenFull::kDrop}) {
    for (const bool offer : {false, true}) {
      header.when_full = choice;
      header.offer = offer;
      const auto message = encode_call(header, 0, nullptr, [](Encoder&) {});
      EXPECT_EQ(*parse_call(receive(message)), header);
      EXPECT_EQ(message.size() > plain, choice != WhenFull::kFail || offer);
    }
  }
  header.when_full = static_cast<WhenFull>(9);  // of a newer protocol
  const auto message = encode_call(header, 0, nullptr, [](Encoder&) {});
  EXPECT_EQ(parse_call(receive(message))->when_full, WhenFull::kFail);
}

TEST(MessagesTest, ACallSaysWhichArgumentsAreReferences) {
  const CallHeader header{.call_id = 1, .actor = 2, .method = 3, .references = 5};
  const auto message = encode_call(header, 1, nullptr, [](Encoder& e) { e.text("now"); });
  EXPECT_EQ(message.lane(), Lane::kCalls);
  EXPECT_EQ(*parse_call(receive(message)), header);
}

TEST(MessagesTest, RepliesRoundTrip) {
  const auto ok = receive(encode_result(5, nullptr, [](Encoder& e) { e.text("yes"); }));
  EXPECT_EQ(*parse_reply(ok), (ReplyHeader{5, false, {}}));
  Decoder decoder = result(ok, nullptr);
  EXPECT_EQ(decode_value<std::string>(decoder), "yes");
  EXPECT_FALSE(decoder.failed());
  const Error error{ErrorCode::kTimeout, "late", ""};
  EXPECT_EQ(*parse_reply(receive(encode_error(6, error))), (ReplyHeader{6, true, error}));
}

TEST(MessagesTest, OtherFramesRoundTrip) {
  EXPECT_EQ(*parse_release(receive(encode_release({4, 2}))), (ReleaseFrame{4, 2}));
  const FindFrame find{1, "hits", 99, 2s};
  EXPECT_EQ(*parse_find(receive(encode_find(find))), find);
  const FoundFrame found{1, WireActor{1, 2, 3, 4, "h:1"}};
  EXPECT_EQ(*parse_found(receive(encode_found(found))), found);
  const FoundFrame missing{1, fail(ErrorCode::kNotFound, "no such name")};
  EXPECT_EQ(*parse_found(receive(encode_found(missing))), missing);
  EXPECT_EQ(*parse_monitor(receive(encode_monitor({6, 7, 8}))), (MonitorFrame{6, 7, 8}));
  const DownFrame down{6, 3, {ErrorCode::kFailed, "x", "y"}, "hits", 4};
  EXPECT_EQ(*parse_down(receive(encode_down(down))), down);
  EXPECT_EQ(*parse_stop(receive(encode_stop({7, true}))), (StopFrame{7, true}));
  const CancelFrame cancel{12, 7, true};
  EXPECT_EQ(encode_cancel(cancel).flow(), 7u);
  EXPECT_EQ(*parse_cancel(receive(encode_cancel(cancel))), cancel);
}

TEST(MessagesTest, ParserOfAnotherKindNamesBoth) {
  const auto parsed = parse_call(receive(encode_heartbeat()));
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(parsed.error().message, "expected a call frame, found heartbeat");
}

TEST(MessagesTest, SmallMessageIsInlineAndContiguous) {
  const auto message = call_with(std::string(64, 'x'));
  EXPECT_TRUE(message.contiguous());
  EXPECT_LE(message.size(), OutgoingMessage::kInlineBytes);
}

TEST(MessagesTest, MovedMessageKeepsItsBytes) {
  for (const std::size_t size : {10u, 1000u, 100000u}) {
    auto message = call_with(std::string(size, 'x'));
    const auto before = message.to_bytes();
    const OutgoingMessage moved = std::move(message);
    EXPECT_EQ(moved.to_bytes(), before) << size;
  }
}

TEST(MessagesTest, EncodingInsideEncodingIsPossible) {
  const auto outer = encode_call({}, 2, nullptr, [](Encoder& e) {
    e.integer(1);
    const auto inner = call_with(std::string("inner"));
    EXPECT_EQ(receive(inner).kind(), FrameKind::kCall);
    e.text("outer");
  });
  const auto message = receive(outer);
  Decoder decoder = arguments(message, nullptr);
  EXPECT_EQ(decode_value<int>(decoder), 1);
  EXPECT_EQ(decode_value<std::string>(decoder), "outer");
}

}  // namespace
}  // namespace muster::wire
