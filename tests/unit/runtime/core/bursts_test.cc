// One-way messages that wait for the connection together share frames: each is handled all the
// same, or is a dead letter, once and in order.

#include "runtime/net/session.h"
#include "unit/runtime/core/fixture.h"

namespace muster::test {

namespace narrow {
class Meter {
 public:
  void read(std::uint8_t value) { values_.push_back(value); }
  void keep(std::uint8_t value, Handle<Counter> counter) {
    kept_.push_back(std::move(counter));
    values_.push_back(value);
  }
  void drop() { kept_.clear(); }
  std::vector<int> values() const { return values_; }

 private:
  std::vector<int> values_;
  std::vector<Handle<Counter>> kept_;
};
MUSTER_ACTOR(Meter, read, keep, drop, values);
}  // namespace narrow

namespace wide {
class Meter {
 public:
  void read(int) {}
  void keep(int, Handle<Counter>) {}
};
MUSTER_ACTOR(Meter, read, keep);
}  // namespace wide

namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Ledger {
 public:
  void note(int number, const std::string& text) {
    in_order_ = in_order_ && number == next_ && text == text_of(number);
    ++next_;
  }
  void keep(Handle<Counter> counter) { kept_.push_back(std::move(counter)); }
  void drop() { kept_.clear(); }
  int noted() const { return in_order_ ? next_ : -1; }
  std::size_t kept() const { return kept_.size(); }
  static std::string text_of(int number) {
    return std::string(static_cast<std::size_t>(number * 7 % 90), 'x');
  }

 private:
  int next_ = 0;
  bool in_order_ = true;
  std::vector<Handle<Counter>> kept_;
};
MUSTER_ACTOR(Ledger, note, keep, drop, noted, kept);

constexpr const char* kToken = "secret";

class BurstsTest : public ::testing::Test {
 protected:
  BurstsTest()
      : world(test_seed()),
        head(world.start("head", {.listen = "head:1", .token = kToken})),
        node(world.start("node", {.token = kToken, .mailbox_capacity = 10'000})),
        actor(node.spawn<Ledger>({.name = "ledger"})) {
    value_or_throw(node.join("head:1", 5s));
    far = value_or_throw(head.find<Ledger>("ledger", 5s));
  }

  muster::testing::SimWorld world;
  Runtime& head;
  Runtime& node;
  Handle<Ledger> actor;
  Handle<Ledger> far;
};

// contract 1.3
TEST_F(BurstsTest, EveryMessageIsHandledInOrderAndCostsLessThanItsFrame) {
  constexpr int kMessages = 1000;
  far.send<&Ledger::note>(0, std::string());
  world.run_for(10ms);
  const std::uint64_t before = head.metrics().bytes_sent;
  far.send<&Ledger::note>(1, Ledger::text_of(1));
  world.run_for(10ms);
  const std::uint64_t alone = head.metrics().bytes_sent - before;
  for (int i = 2; i < kMessages; ++i) far.send<&Ledger::note>(i, Ledger::text_of(i));
  world.run_for(100ms);
  EXPECT_EQ(actor.call<&Ledger::noted>().get(), kMessages);
  // Texts are 45 bytes on average, that one is 7.
  const double each =
      static_cast<double>(head.metrics().bytes_sent - before - alone) / (kMessages - 2);
  EXPECT_LT(each, static_cast<double>(alone) - 7 + 45 - 40);
}

// contract 1.3
TEST_F(BurstsTest, OthersInBetweenKeepTheOrder) {
  for (int i = 0; i < 300; ++i) {
    far.send<&Ledger::note>(i, Ledger::text_of(i));
    if (i % 3 == 0) far.send<&Ledger::drop>();
    if (i % 50 == 0) {
      EXPECT_EQ(far.call<&Ledger::noted>().get(10s), i + 1);
    }
  }
  EXPECT_EQ(far.call<&Ledger::noted>().get(10s), 300);
}

// contract 4.1
TEST_F(BurstsTest, HandlesInEachCountAndAreGivenBack) {
  auto counter = head.spawn<Counter>({}, 0);
  auto down = head.monitor(counter);
  for (int i = 0; i < 70; ++i) far.send<&Ledger::keep>(counter);
  world.run_for(100ms);
  EXPECT_EQ(actor.call<&Ledger::kept>().get(), 70U);
  counter = {};
  world.run_for(100ms);
  EXPECT_FALSE(down.ready());
  far.send<&Ledger::drop>();
  world.run_for(100ms);
  ASSERT_TRUE(down.ready());
  EXPECT_EQ(down.get().reason, DownReason::kReleased);
}

// contract 7.1
TEST_F(BurstsTest, OneThatCannotBeReadIsADeadLetterAndTheOthersAreHandled) {
  const auto meter = node.spawn<narrow::Meter>({.name = "meter"});
  const auto other = value_or_throw(head.find<wide::Meter>("meter", 5s));
  for (const int value : {1, 2, 300, 3, -1, 4}) other.send<&wide::Meter::read>(value);
  world.run_for(100ms);
  EXPECT_THAT(meter.call<&narrow::Meter::values>().get(), ElementsAre(1, 2, 3, 4));
  const DeadLetters dead = node.dead_letters();
  EXPECT_EQ(dead.count(DeadLetterReason::kRefused), 2U);
  EXPECT_EQ(dead.total(), 2U);
  EXPECT_THAT(dead.latest.front().cause,
              HasSubstr("Meter.read: argument 1: expected a number from 0 to 255, found 300"));
}

// contract 4.1, 7.1
TEST_F(BurstsTest, HandlesOfOneThatCannotBeReadAreGivenBackAndNoOthers) {
  const auto meter = node.spawn<narrow::Meter>({.name = "meter"});
  const auto other = value_or_throw(head.find<wide::Meter>("meter", 5s));
  std::vector<Future<Down>> downs;
  for (const int value : {1, 2, 300, 3}) {  // the first leaves at once, the others together
    const auto counter = head.spawn<Counter>({}, 0);
    downs.push_back(head.monitor(counter));
    other.send<&wide::Meter::keep>(value, counter);
  }
  world.run_for(100ms);
  EXPECT_THAT(meter.call<&narrow::Meter::values>().get(), ElementsAre(1, 2, 3));
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(downs[i].ready(), i == 2) << i;
  meter.send<&narrow::Meter::drop>();
  world.run_for(100ms);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_TRUE(downs[i].ready()) << i;
}

// contract 7.1
TEST_F(BurstsTest, ForAnActorThatHasEndedEachIsADeadLetterAndItsHandlesAreGivenBack) {
  auto counter = head.spawn<Counter>({}, 0);
  auto down = head.monitor(counter);
  actor.kill();
  for (int i = 0; i < 40; ++i) far.send<&Ledger::keep>(counter);
  world.run_for(100ms);
  EXPECT_EQ(node.dead_letters().count(DeadLetterReason::kActorEnded), 40U);
  counter = {};
  world.run_for(100ms);
  EXPECT_TRUE(down.ready());
}

// contract 7.1
TEST_F(BurstsTest, ThatIsLostWithItsConnectionIsCountedMessageByMessage) {
  muster::testing::LinkOptions slow;
  slow.window_bytes = 64;
  world.network().set_link("head", "node", slow);
  world.network().partition("head", "node");
  for (int i = 0; i < 100; ++i) far.send<&Ledger::note>(i, std::string(64, 'x'));
  world.network().drop_connections("head", "node");
  world.run_for(100ms);
  const std::uint64_t lost = head.dead_letters().count(DeadLetterReason::kUnreachable);
  // The first left for the network before the others waited.
  EXPECT_GE(lost, 99U);
  EXPECT_LE(lost, 100U);
}

// contract 3.3
TEST_F(BurstsTest, FramesAreNoLargerThanTheOtherNodeTakes) {
  constexpr std::size_t kTakes = 1024;
  auto& small = world.start(
      "small", {.token = kToken, .mailbox_capacity = 10'000, .message_bytes_max = kTakes});
  const auto ledger = small.spawn<Ledger>({.name = "small ledger"});
  value_or_throw(small.join("head:1", 5s));
  const auto there = value_or_throw(head.find<Ledger>("small ledger", 5s));
  for (int i = 0; i < 200; ++i) there.send<&Ledger::note>(i, Ledger::text_of(i));
  world.run_for(100ms);
  EXPECT_EQ(ledger.call<&Ledger::noted>().get(), 200);
  EXPECT_EQ(head.dead_letters().total(), 0U);
}

/// A peer that writes what ours never does.
class Stranger : public net::SessionEvents {
 public:
  Stranger(muster::testing::SimWorld& world, const std::string& address)
      : transport_(world.network().make_transport("stranger")) {
    transport_->connect(address, 5s, [&](Result<std::unique_ptr<ByteStream>> stream) {
      net::SessionOptions options;
      options.node = {7, 7};
      options.token = kToken;
      session =
          net::Session::start(std::move(value_or_throw(std::move(stream))), transport_->timers(),
                              options, std::shared_ptr<net::SessionEvents>(this, [](auto*) {}));
    });
    world.run_for(100ms);
  }
  void on_ready(const net::PeerInfo&) override {}
  std::size_t on_message(const wire::IncomingMessage&) override { return 1; }
  void on_closed(const Error& error) override { cause = error.message; }

  std::shared_ptr<net::Session> session;
  std::string cause;

 private:
  std::unique_ptr<Transport> transport_;
};

/// A call of `note`, with this id, and another behind it.
std::vector<std::byte> two_notes(const ActorId& actor, std::uint64_t method, std::uint64_t call_id,
                                 std::uint64_t first_open) {
  const auto note = [&](int number, std::uint64_t id) {
    const wire::CallHeader header{
        .call_id = id, .actor = actor.number, .method = method, .first_open = first_open};
    return wire::encode_call(header, 2, nullptr, [number](Encoder& e) {
      encode_value(e, number);
      encode_value(e, Ledger::text_of(number));
    });
  };
  std::vector<std::byte> bytes;
  wire::SharedFrame frame;
  frame.append(bytes, note(0, 0));
  EXPECT_GT(frame.join(bytes, note(1, 0), 4096), 0U);
  // The first word of a call is its id, behind the table, the root and the frame.
  std::memcpy(&bytes[8 + 8 + 16], &call_id, 8);
  return bytes;
}

// contract 3.3
TEST_F(BurstsTest, CallThatIsToBeAnsweredIsNotHandledWithAnotherBehindIt) {
  const std::uint64_t method = detail::MethodOf<Ledger, &Ledger::note>::kHash;
  const auto ledger = head.spawn<Ledger>({.name = "of head"});
  struct Ids {
    std::uint64_t call_id, first_open;
  };
  constexpr std::uint64_t kKept = wire::kKeptCall + 5;
  for (const auto& [call_id, first_open] :
       {Ids{0, 0}, Ids{5, 0}, Ids{kKept, kKept}, Ids{0, kKept}}) {
    Stranger stranger(world, "head:1");
    const auto bytes = two_notes(ledger.id(), method, call_id, first_open);
    const int before = ledger.call<&Ledger::noted>().get();
    const auto sent = stranger.session->send(
        wire::OutgoingMessage::of_bytes(bytes, wire::Lane::kCalls, ledger.id().number, 0));
    ASSERT_TRUE(sent) << sent.error().message;
    world.run_for(100ms);
    const int handled = ledger.call<&Ledger::noted>().get() - before;
    const bool sent_one_way = call_id == 0 && first_open == 0;
    EXPECT_EQ(handled, sent_one_way ? 2 : 0) << call_id << " " << first_open;
    if (sent_one_way) {
      EXPECT_EQ(stranger.cause, "");
    } else {
      EXPECT_THAT(stranger.cause, HasSubstr("a call with another behind it where none may be"));
    }
  }
}

}  // namespace
}  // namespace muster::test
