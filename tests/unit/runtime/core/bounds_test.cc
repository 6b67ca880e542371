// Bounds between nodes: bytes to write, bytes in mailboxes, sizes that strangers claim.

#include "runtime/net/handshake.h"
#include "runtime/wire/frame.h"
#include "runtime/wire/messages.h"
#include "unit/runtime/core/fixture.h"

namespace muster::test {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

constexpr std::size_t kKiB = 1024;

class BoundsTest : public ::testing::Test {
 protected:
  BoundsTest()
      : world(test_seed()),
        head(world.start("head", {.listen = "head:1",
                                  .outstanding_bytes_max = 64 * kKiB,
                                  .message_bytes_max = 1024 * kKiB,
                                  .on_error = [this](auto& line) { errors.push_back(line); }})),
        node(world.start("node",
                         {.mailbox_bytes_max = 100 * kKiB, .outstanding_bytes_max = 64 * kKiB})) {
    value_or_throw(node.join("head:1", 5s));
    node_actor = node.spawn<Counter>({.name = "far"}, 1);
    far = value_or_throw(head.find<Counter>("far", 5s));
    head_actor = head.spawn<Counter>({.name = "near"}, 1);
    near = value_or_throw(node.find<Counter>("near", 5s));
    world.run_for(10ms);
  }
  /// What is written from here on does not leave the writer's queue, but for a few bytes.
  void block() {
    testing::LinkOptions narrow;
    narrow.window_bytes = 1;
    world.network().set_link("head", "node", narrow);
    world.network().partition("head", "node");
  }
  void unblock() {
    world.network().set_link("head", "node", {});
    world.network().heal("head", "node");
  }
  static std::vector<float> floats(std::size_t bytes) {
    return std::vector<float>(bytes / sizeof(float), 1.0F);
  }

  std::vector<std::string> errors;
  muster::testing::SimWorld world;
  Runtime& head;
  Runtime& node;
  Handle<Counter> node_actor, far;
  Handle<Counter> head_actor, near;
};

// contract 3.2, 2.6
TEST_F(BoundsTest, BytesBeyondTheBoundEndCallsInOverloadedAndOneWayMessagesAreDeadLetters) {
  block();
  std::vector<Future<double>> calls;
  for (int i = 0; i < 6; ++i) calls.push_back(far.call<&Counter::sum>(floats(15 * kKiB)));
  for (int i = 0; i < 2; ++i) far.send<&Counter::sum>(floats(15 * kKiB));
  EXPECT_EQ(head.stats().dead_letters, 2U);
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(calls.back().ready());  // refused at once
    EXPECT_THAT(error_of(std::move(calls.back())),
                HasSubstr("overloaded: sum was not sent to node:"));
    calls.pop_back();
  }
  world.run_for(2s);
  unblock();
  for (auto& call : calls) EXPECT_EQ(call.get(5s), 15 * kKiB / sizeof(float));
}

// contract 3.2
TEST_F(BoundsTest, SmallAnswersErrorsAndHeartbeatsPassTheBound) {
  auto napping = far.call<&Counter::nap>(100ms);
  auto failing = far.call<&Counter::nap_and_fail>(100ms);
  world.run_for(50ms);
  block();
  EXPECT_FALSE(failing.ready());
  std::vector<Future<double>> calls;
  for (int i = 0; i < 6; ++i) calls.push_back(near.call<&Counter::sum>(floats(15 * kKiB)));
  auto last = near.call<&Counter::add>(1);
  while (!last.ready()) last = near.call<&Counter::add>(1);
  EXPECT_EQ(code_of(std::move(last)), ErrorCode::kOverloaded);  // the way to head is full
  world.run_for(2s);  // the nap ends, and heartbeats are due
  unblock();
  EXPECT_EQ(napping.get(5s), 1);
  EXPECT_EQ(error_of(std::move(failing), 5s), "failed [std::runtime_error]: late");
  world.run_for(10s);
  EXPECT_EQ(head.peers().size(), 1U);
}

// contract 3.2
TEST_F(BoundsTest, LargeAnswersDoNotPassTheBound) {
  auto napping = far.call<&Counter::nap>(100ms);
  auto doubling = far.call<&Counter::twice>(Array<float>(floats(15 * kKiB)));
  world.run_for(50ms);
  block();
  std::vector<Future<double>> calls;
  for (int i = 0; i < 6; ++i) calls.push_back(near.call<&Counter::sum>(floats(15 * kKiB)));
  EXPECT_EQ(code_of(std::move(calls.back())), ErrorCode::kOverloaded);
  world.run_for(2s);  // the nap ends, and the answer of the other finds no room
  unblock();
  EXPECT_EQ(napping.get(5s), 1);
  EXPECT_THAT(error_of(std::move(doubling), 5s),
              HasSubstr("unavailable: the handler ran, but its result could not be sent back"));
}

// A message that is not sent has passed on no reference. contract 4.2
TEST_F(BoundsTest, HandleInARefusedMessageDoesNotKeepItsActor) {
  auto mine = head.spawn<Counter>({}, 5);
  auto down = head.monitor(mine);
  block();
  std::vector<Future<double>> calls;
  for (int i = 0; i < 6; ++i) calls.push_back(far.call<&Counter::sum>(floats(15 * kKiB)));
  // A stop and its like are not refused, so fill up with calls until one with a handle is.
  auto asked = far.call<&Counter::ask_slowly>(mine, 1);
  while (!asked.ready()) asked = far.call<&Counter::ask_slowly>(mine, 1);
  EXPECT_EQ(code_of(std::move(asked)), ErrorCode::kOverloaded);
  unblock();
  EXPECT_TRUE(wait_all(calls, 5s));
  mine = {};
  EXPECT_EQ(down.get(5s).reason, DownReason::kReleased);
}

// The receiver gives back the references in what it refuses. contract 4.2
TEST_F(BoundsTest, HandlesInACallToADeadActorAreGivenBack) {
  node_actor.kill();
  world.run_for(10ms);
  auto mine = head.spawn<Counter>({}, 5);
  auto nested = head.spawn<Counter>({}, 6);
  auto down = head.monitor(mine);
  auto nested_down = head.monitor(nested);
  EXPECT_EQ(code_of(far.call<&Counter::ask_slowly>(mine, 1)), ErrorCode::kUnavailable);
  std::vector<std::vector<Handle<Counter>>> lists{{nested, mine}, {mine}};
  EXPECT_EQ(code_of(far.call<&Counter::keep>(lists)), ErrorCode::kUnavailable);
  EXPECT_FALSE(down.ready() || nested_down.ready());
  lists.clear();
  mine = {};
  nested = {};
  EXPECT_EQ(down.get(5s).reason, DownReason::kReleased);
  EXPECT_EQ(nested_down.get(5s).reason, DownReason::kReleased);
}

// contract 3.1, 2.6
TEST_F(BoundsTest, BytesOfRemoteMessagesInAMailboxAreBounded) {
  auto napping = far.call<&Counter::nap>(200ms);
  world.run_for(10ms);
  std::vector<Future<double>> calls;
  for (int i = 0; i < 3; ++i) {
    calls.push_back(far.call<&Counter::sum>(floats(40 * kKiB)));
    world.run_for(10ms);
  }
  far.send<&Counter::sum>(floats(40 * kKiB));
  world.run_for(10ms);
  EXPECT_EQ(node.stats().dead_letters, 1U);
  EXPECT_THAT(error_of(std::move(calls.back())),
              HasSubstr("bytes from other nodes, 102400 are allowed)"));
  calls.pop_back();
  // A small one still fits, and a message of this node does not count.
  auto small = far.call<&Counter::add>(1);
  std::vector<Future<double>> local;
  for (int i = 0; i < 5; ++i) local.push_back(node_actor.call<&Counter::sum>(floats(40 * kKiB)));
  for (auto& call : calls) EXPECT_EQ(call.get(5s), 40 * kKiB / sizeof(float));
  for (auto& call : local) EXPECT_EQ(call.get(5s), 40 * kKiB / sizeof(float));
  EXPECT_EQ(small.get(5s), 2);
}

/// Of three equal calls from another node while none can begin: how many were let in, and what the
/// last heard.
std::pair<int, std::string> let_in(std::size_t mailbox_bytes_max) {
  muster::testing::SimWorld world(test_seed());
  auto& head = world.start("head", {.listen = "head:1"});
  auto& node = world.start("node", {.mailbox_bytes_max = mailbox_bytes_max});
  const auto made = node.spawn<Counter>({.name = "far"}, 1);
  value_or_throw(node.join("head:1", 5s));
  const auto far = value_or_throw(head.find<Counter>("far", 5s));
  auto napping = far.call<&Counter::nap>(1s);
  world.run_for(100ms);
  std::pair<int, std::string> outcome;
  std::vector<Future<double>> calls;
  for (int i = 0; i < 3; ++i) {
    calls.push_back(far.call<&Counter::sum>(std::vector<float>(1000, 1.0F)));
    world.run_for(100ms);
  }
  for (auto& call : calls) {
    const auto result = call.result(5s);
    outcome.first += result ? 1 : 0;
    outcome.second = result ? "" : result.error().message;
  }
  return outcome;
}

// contract 3.1
TEST(MailboxBytesTest, AsManyFitAsAreAllowedAndNotOneMore) {
  const auto [first, text] = let_in(1);
  EXPECT_EQ(first, 1);  // no other waited
  const std::size_t each = std::stoul(text.substr(text.rfind('(') + 1));
  ASSERT_GT(each, 4000U) << text;
  EXPECT_EQ(let_in(2 * each - 1).first, 1);
  EXPECT_EQ(let_in(2 * each).first, 2);
}

// contract 3.1
TEST_F(BoundsTest, OneRemoteMessageBeyondTheMailboxsBytesIsLetIn) {
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(far.call<&Counter::sum>(floats(500 * kKiB)).get(5s), 500 * kKiB / sizeof(float));
  }
}

/// A node that says what it likes.
class StrangerTest : public BoundsTest {
 protected:
  StrangerTest() {
    transport->connect("head:1", 1s,
                       [&](auto opened) { stream = value_or_throw(std::move(opened)); });
    EXPECT_TRUE(world.run_until([&] { return stream != nullptr; }));
    read();
    say(handshake.first()->to_bytes());
    EXPECT_TRUE(world.run_until([&] { return head.peers().size() == 2; }));
  }
  void say(wire::Slice bytes) {
    while (!bytes.empty()) {
      bytes = bytes.subspan(value_or_throw(stream->try_write(std::span(&bytes, 1))));
    }
  }
  void say(const wire::OutgoingMessage& message) { say(message.to_bytes()); }
  void lie_about_a_size() {
    const std::uint32_t lie[2] = {0, 1 << 20};  // one segment of 2^20 words
    say(std::as_bytes(std::span(lie)));
    ASSERT_TRUE(world.run_until([&] { return head.peers().size() == 1; }));
  }
  void read() {
    stream->read_some(reader.target(), [&](Result<std::size_t> count) {
      if (!count) return;
      ASSERT_TRUE(reader.commit(*count, [&](const wire::IncomingMessage& frame) {
        on_frame(frame);
        return true;
      }));
      read();
    });
  }
  void on_frame(const wire::IncomingMessage& frame) {
    if (frame.kind() == wire::FrameKind::kFind) asked = value_or_throw(wire::parse_find(frame));
    if (done) return;
    const auto step = handshake.on_frame(frame);
    EXPECT_TRUE(step) << step.error().here.message;
    if (step && step->answer) say(*step->answer);
    done = !step || step->done;
  }
  static net::SessionOptions options() {
    net::SessionOptions options;
    options.node = NodeId{5, 5};
    options.token = "simulation";
    return options;
  }

  std::unique_ptr<Transport> transport = world.network().make_transport("stranger");
  std::unique_ptr<ByteStream> stream;
  net::SessionOptions terms = options();
  net::Handshake handshake{terms, "head:1", std::vector<std::byte>(wire::kNonceBytes)};
  wire::FrameReader reader{net::kHandshakeLimits};
  bool done = false;
  std::optional<wire::FindFrame> asked;
};

// contract 3.3
TEST_F(StrangerTest, ThatLiesAboutASizeLosesItsConnectionAndNothingElse) {
  lie_about_a_size();
  EXPECT_THAT(errors, Each(HasSubstr("sent a bad frame: a frame of 8388616 bytes, at most 1048576 "
                                     "are allowed")));
  EXPECT_EQ(errors.size(), 1U);
  EXPECT_EQ(far.call<&Counter::add>(1).get(1s), 2);
}

// Whatever the connection ended in. contract 2.3
TEST_F(StrangerTest, CallsOverAConnectionThatBrokeTheFormatAreUnavailable) {
  auto found = head.find_async<Counter>("strange", 5s);
  ASSERT_TRUE(world.run_until([&] { return asked.has_value(); }));
  say(wire::encode_found({asked->request_id, WireActor{5, 5, 1, 0, {}}}));
  const auto strange = found.get(5s);
  auto pending = strange.call<&Counter::add>(1);
  world.run_for(10ms);
  EXPECT_FALSE(pending.ready());
  lie_about_a_size();
  EXPECT_EQ(code_of(std::move(pending)), ErrorCode::kUnavailable);
  EXPECT_THAT(error_of(strange.call<&Counter::add>(1)),
              HasSubstr("unavailable: add was not sent to stranger"));
}

// contract 3.3
TEST_F(BoundsTest, MessageLargerThanTheOtherNodeAllowsIsRefusedHere) {
  EXPECT_THAT(error_of(near.call<&Counter::sum>(floats(1100 * kKiB))),
              HasSubstr("head:1 accepts at most 1048576"));
  EXPECT_EQ(near.call<&Counter::add>(1).get(1s), 2);
}

}  // namespace
}  // namespace muster::test
