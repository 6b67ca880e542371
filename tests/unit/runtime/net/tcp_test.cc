// What only TCP can show: real addresses, threads that take over, half a gigabyte.

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <future>
#include <latch>
#include <thread>

#include "tests/unit/runtime/net/net_fixture.h"

namespace muster::net {
namespace {

using Streams = std::promise<Result<std::unique_ptr<ByteStream>>>;

TEST(TcpTest, PortInUseIsNamed) {
  const auto transport = make_tcp_transport();
  const auto first = transport->listen("127.0.0.1:0", [](auto) {});
  ASSERT_TRUE(first);
  const std::string address = (*first)->address();
  const auto second = transport->listen(address, [](auto) {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error(), (Error{ErrorCode::kUnavailable,
                                   "cannot listen on " + address + ": address already in use",
                                   {}}));
}

TEST(TcpTest, RefusedConnectIsNamed) {
  const auto transport = make_tcp_transport();
  std::string address;
  {
    const auto listener = transport->listen("127.0.0.1:0", [](auto) {});
    address = (*listener)->address();
  }
  Streams done;
  transport->connect(address, 5s, [&](auto stream) { done.set_value(std::move(stream)); });
  const auto stream = done.get_future().get();
  ASSERT_FALSE(stream);
  EXPECT_EQ(stream.error(), (Error{ErrorCode::kUnavailable,
                                   "cannot connect to " + address + ": connection refused",
                                   {}}));
}

TEST(TcpTest, MalformedAddressIsRefused) {
  const auto transport = make_tcp_transport();
  EXPECT_EQ(transport->listen("nonsense", [](auto) {}).error().code, ErrorCode::kInvalid);
  Streams done;
  transport->connect("nonsense", 5s, [&](auto stream) { done.set_value(std::move(stream)); });
  EXPECT_EQ(done.get_future().get().error().code, ErrorCode::kInvalid);
}

// A port of this machine that answers no connect: its backlog is full.
class SilentPort {
 public:
  SilentPort() {
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof any;
    auto* const name = reinterpret_cast<sockaddr*>(&any);
    EXPECT_EQ(::bind(listening_, name, size), 0);
    EXPECT_EQ(::listen(listening_, 0), 0);
    EXPECT_EQ(::getsockname(listening_, name, &size), 0);
    for (const int fd : filling_) static_cast<void>(::connect(fd, name, size));
    port_ = ntohs(any.sin_port);
  }
  ~SilentPort() {
    ::close(listening_);
    for (const int fd : filling_) ::close(fd);
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  static int client() { return ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0); }
  int listening_ = ::socket(AF_INET, SOCK_STREAM, 0);
  std::array<int, 4> filling_{client(), client(), client(), client()};
  int port_ = 0;
};

TEST(TcpTest, StopEndsWhatIsUnderWayAndWhatComesLater) {
  const SilentPort port;
  const auto transport = make_tcp_transport();
  std::vector<Error> errors;  // the first while it stops, the others at once
  const auto connect = [&](const std::string& address) {
    transport->connect(address, 60s, [&](auto stream) { errors.push_back(stream.error()); });
  };
  connect(port.address());
  transport->stop();
  connect(port.address());
  connect("nonsense");
  ASSERT_EQ(errors.size(), 3U);
  for (const Error& error : errors) EXPECT_EQ(error.code, ErrorCode::kCancelled);
  EXPECT_EQ(errors[0].message,
            "cannot connect to " + port.address() + ": the transport has stopped");
  EXPECT_EQ(transport->listen("127.0.0.1:0", [](auto) {}).error().code, ErrorCode::kCancelled);
  transport->stop();
}

// At whatever point of a connect the stop comes, it ends once, and the sanitizer sees no leak.
TEST(TcpTest, StopMeetsConnectsThatBegin) {
  const SilentPort port;
  for (int round = 0; round < 50; ++round) {
    const auto transport = make_tcp_transport();
    std::atomic<int> begun{0}, ended{0};
    std::latch first(1);
    std::jthread caller([&](const std::stop_token& stop) {
      while (!stop.stop_requested() && begun < 200) {
        transport->connect(port.address(), 60s, [&](auto) { ++ended; });
        if (++begun == 1) first.count_down();
      }
    });
    first.wait();
    transport->stop();
    caller.request_stop();
    caller.join();
    EXPECT_EQ(begun, ended);
  }
}

TEST(TcpTest, TimersRunInOrderAndCancelledOnesNever) {
  const auto transport = make_tcp_transport();
  Timers& timers = transport->timers();
  std::promise<std::vector<int>> done;
  std::vector<int> order;
  const TimePoint now = timers.clock().now();
  timers.schedule(now + 20ms, [&] { order.push_back(3), done.set_value(order); });
  timers.schedule(now + 5ms, [&] { order.push_back(1); });
  timers.schedule(now + 10ms, [&] { order.push_back(2); });
  EXPECT_TRUE(timers.cancel(timers.schedule(now + 7ms, [&] { order.push_back(99); })));
  EXPECT_EQ(done.get_future().get(), (std::vector<int>{1, 2, 3}));
}

// While several callbacks run long at a time, timers go on.
TEST(TcpTest, LongCallbacksDoNotHoldUpOthers) {
  const auto transport = make_tcp_transport();
  Timers& timers = transport->timers();
  std::promise<void> release;
  const std::shared_future<void> released(release.get_future());
  std::promise<void> all_in;
  std::atomic<int> inside{0};
  for (int i = 0; i < 4; ++i) {
    timers.schedule(timers.clock().now() + i * 1ms, [&, released] {
      if (++inside == 4) all_in.set_value();
      released.wait();
    });
  }
  EXPECT_EQ(all_in.get_future().wait_for(kTestPatience), std::future_status::ready);
  std::promise<void> after;
  timers.schedule(timers.clock().now(), [&] { after.set_value(); });
  EXPECT_EQ(after.get_future().wait_for(kTestPatience), std::future_status::ready);
  release.set_value();
}

// The descriptor that listens at `address`, found among all of this process.
int listening_descriptor(const std::string& address) {
  for (int fd = 3; fd < 1024; ++fd) {
    int listens = 0;
    socklen_t size = sizeof listens;
    if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || listens == 0) continue;
    sockaddr_in name{};
    size = sizeof name;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size) != 0) continue;
    if (address.ends_with(":" + std::to_string(ntohs(name.sin_port)))) return fd;
  }
  return -1;
}

std::chrono::microseconds processor_time() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto micros = [](const timeval& t) {
    return std::chrono::seconds(t.tv_sec) + std::chrono::microseconds(t.tv_usec);
  };
  return micros(used.ru_utime) + micros(used.ru_stime);
}

TEST(TcpTest, AcceptThatFailsAgainAndAgainRestsInBetween) {
  const auto transport = make_tcp_transport();
  const auto listener = transport->listen("127.0.0.1:0", [](auto) {});
  ASSERT_TRUE(listener);
  const int fd = listening_descriptor((*listener)->address());
  ASSERT_GE(fd, 0);
  ASSERT_EQ(::shutdown(fd, SHUT_RD), 0);  // accept() fails with EINVAL from here on
  std::promise<void> later;
  Timers& timers = transport->timers();
  const auto before = processor_time();
  timers.schedule(timers.clock().now() + 400ms, [&] { later.set_value(); });
  ASSERT_EQ(later.get_future().wait_for(kTestPatience), std::future_status::ready);
  EXPECT_LT(processor_time() - before, 100ms);
}

struct Slow final : Recorder {
  void on_batch_end() override {
    record([&] { ++batches; });
    if (++entered == 1) first.set_value();
    released.wait();
  }
  std::atomic<int> entered{0};
  std::promise<void> first, release;
  std::shared_future<void> released{release.get_future()};
};

TEST(TcpTest, SlowBatchEndDoesNotStopTheSession) {
  TcpNet net;
  Pair pair(net);
  const auto slow = std::make_shared<Slow>();
  pair.b_events = slow;
  pair.connect_and_wait();
  ASSERT_TRUE(pair.session_a().send(call(1, 1)));
  EXPECT_EQ(slow->first.get_future().wait_for(kTestPatience), std::future_status::ready);
  // on_batch_end stands still; messages still come in.
  ASSERT_TRUE(pair.session_a().send(wire::encode_stop({2, false})));
  ASSERT_TRUE(net.wait(*slow, [&] { return slow->count() == 2; }));
  slow->release.set_value();
}

TEST(TcpTest, ManyMessagesOfOneReadComeInTurnsThatDoNotWaitForEachOther) {
  TcpNet net;
  Pair pair(net);
  const auto slow = std::make_shared<Slow>();
  pair.b_events = slow;
  pair.connect_and_wait();
  constexpr std::size_t kCount = 1000;
  {
    const CorkScope cork(pair.session_a());  // far less than a read
    for (std::size_t i = 0; i < kCount; ++i) ASSERT_TRUE(pair.session_a().send(call(1, i, 1)));
  }
  ASSERT_EQ(slow->first.get_future().wait_for(kTestPatience), std::future_status::ready);
  EXPECT_LT(slow->count(), kCount);
  // The first turn's on_batch_end stands still; the others come all the same, in order.
  ASSERT_TRUE(net.wait(*slow, [&] { return slow->count() == kCount; }));
  slow->with_lock([&] {
    for (std::size_t i = 0; i < kCount; ++i) EXPECT_EQ(call_id(slow->messages[i]), i);
    EXPECT_GT(slow->batches, 1);
  });
  slow->release.set_value();
}

TEST(TcpTest, HalfAGigabyteDoesNotDelayHeartbeats) {
  TcpNet net;
  Pair pair(net);
  for (SessionOptions* o : {&pair.a_options, &pair.b_options}) {
    o->heartbeat_interval = 20ms;
    o->peer_timeout = 4s;
    o->max_outstanding_bytes = std::size_t{1} << 30;
  }
  pair.connect_and_wait();
  constexpr std::size_t kBytes = std::size_t{512} << 20;
  AlignedVector<std::uint64_t> values(kBytes / 8);
  for (std::size_t i = 0; i < values.size(); i += 512) values[i] = i;
  const Array<std::uint64_t> array(std::move(values));
  const auto before = pair.session_b().stats().heartbeats_received;
  const TimePoint start = steady_clock().now();
  ASSERT_TRUE(pair.session_a().send(wire::encode_call(
      {.call_id = 1, .actor = 1}, 1, nullptr, [&](Encoder& e) { encode_value(e, array); })));
  ASSERT_TRUE(pair.session_a().send(call(2, 2)));
  ASSERT_TRUE(net.wait(*pair.b_events, [&] { return pair.b_events->count() >= 2; }));
  const double seconds = std::chrono::duration<double>(steady_clock().now() - start).count();
  const auto beats = pair.session_b().stats().heartbeats_received - before;
  RecordProperty("seconds", std::to_string(seconds));
  RecordProperty("heartbeats", std::to_string(beats));
  EXPECT_GE(static_cast<double>(beats), seconds / 0.020 / 4);
  EXPECT_FALSE(pair.a_events->closed() || pair.b_events->closed());
  EXPECT_EQ(call_id(pair.b_events->messages[0]), 2u);  // the small call did not wait
  Decoder decoder = wire::arguments(pair.b_events->messages[1], nullptr);
  const auto received = decode_value<Array<std::uint64_t>>(decoder);
  ASSERT_EQ(received.size(), array.size());
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(received.data()) % 64, 0u);
  EXPECT_EQ(received.owner(), pair.b_events->messages[1].owner());
  for (std::size_t i = 0; i < received.size(); i += 512) ASSERT_EQ(received[i], i);
}

}  // namespace
}  // namespace muster::net
