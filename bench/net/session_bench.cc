// What does a Session cost above TCP? Round trips of 64 bytes beside plain Asio ping-pong, one-way
// messages of 64 bytes, and large arrays beside plain sockets, all on loopback in one process, one
// I/O thread a side. JSON lines on standard output.

#include <muster/net.h>
#include <sys/socket.h>

#include <atomic>
#include <boost/asio.hpp>
#include <functional>
#include <future>
#include <string_view>
#include <thread>

#include "bench/net/bench_report.h"
#include "runtime/net/session.h"

namespace muster::net {
namespace {

using boost::asio::ip::tcp;

constexpr int kRuns = 5;
constexpr int kRoundTrips = 20'000;
constexpr std::uint64_t kOneWay = 3'000'000;

wire::OutgoingMessage call(std::uint64_t id, const std::string& payload) {
  return wire::encode_call({.call_id = id, .actor = 1, .method = 2}, 1, nullptr,
                           [&](Encoder& e) { encode_value(e, payload); });
}

// Answers each call in on_batch_end, as the actor layer does.
struct Echo final : SessionEvents {
  void on_ready(const PeerInfo&) override {}
  std::size_t on_message(const wire::IncomingMessage& message) override {
    std::size_t calls = 1;
    Decoder decoder = wire::arguments(message, nullptr);
    while (wire::next_call(decoder) == wire::NextCall::kFound) ++calls;
    received.fetch_add(calls, std::memory_order_relaxed);
    bytes.fetch_add(message.bytes().size(), std::memory_order_relaxed);
    if (answer) {
      waiting.push_back(message);
    } else if (received == expected) {
      done.set_value();
    }
    return calls;
  }
  void on_batch_end() override {
    if (!answer) return;
    auto batch = std::exchange(waiting, {});  // one caller waits for its answer: no overlap
    const CorkScope cork(*session);
    for (const auto& message : batch) {
      const auto header = wire::parse_call(message);
      Decoder decoder = wire::arguments(message, nullptr);
      const std::string text(decoder.text());
      (void)session->send(wire::encode_result(header->call_id, nullptr,
                                              [&](Encoder& e) { encode_value(e, text); }));
    }
  }
  void on_closed(const Error&) override {}
  bool answer = true;
  std::vector<wire::IncomingMessage> waiting;
  std::shared_ptr<Session> session;
  std::atomic<std::uint64_t> received{0}, bytes{0};
  std::uint64_t expected = 0;
  std::promise<void> done;
};

// Sends the next call as the answer to the last comes in.
struct Caller final : SessionEvents {
  void on_ready(const PeerInfo&) override { ready.set_value(); }
  std::size_t on_message(const wire::IncomingMessage& message) override {
    Decoder decoder = wire::result(message, nullptr);
    size += decoder.text().size();
    --left;
    return 1;
  }
  void on_batch_end() override {
    if (left > 0) {
      (void)session->send(call(1, payload));
    } else if (left == 0) {
      left = -1;
      done.set_value();
    }
  }
  void on_closed(const Error&) override {}
  std::string payload = std::string(64, 'x');
  std::shared_ptr<Session> session;
  std::promise<void> ready, done;
  std::atomic<int> left{0};
  std::size_t size = 0;
};

struct Nodes {
  Nodes() {
    SessionOptions options;
    options.role = Role::kAcceptor;
    options.node = {2, 2};
    std::promise<void> accepted;
    auto listening = b->listen("127.0.0.1:0", [&](std::unique_ptr<ByteStream> s) {
      echo->session = Session::start(std::move(s), b->timers(), options, echo);
      accepted.set_value();
    });
    SessionOptions own;
    own.node = {1, 1};
    own.max_outstanding_bytes = 8 << 20;
    a->connect((*listening)->address(), 5s, [&](Result<std::unique_ptr<ByteStream>> s) {
      caller->session = Session::start(std::move(*s), a->timers(), own, caller);
    });
    accepted.get_future().wait();
    caller->ready.get_future().wait();
  }
  ~Nodes() {
    a->stop();
    b->stop();
    caller->session.reset();
    echo->session.reset();
  }
  std::unique_ptr<Transport> a = make_tcp_transport(), b = make_tcp_transport();
  std::shared_ptr<Caller> caller = std::make_shared<Caller>();
  std::shared_ptr<Echo> echo = std::make_shared<Echo>();
};

double session_round_trip() {
  Nodes nodes;
  nodes.caller->left = kRoundTrips;
  auto finished = nodes.caller->done.get_future();
  const TimePoint start = steady_clock().now();
  (void)nodes.caller->session->send(call(1, nodes.caller->payload));
  finished.wait();
  return bench::seconds_since(start) / kRoundTrips * 1e6;
}

// Plain Asio: the same bytes on the wire would be 176; the callbacks read and write 64.
struct AsioPeer {
  explicit AsioPeer(tcp::socket s) : socket(std::move(s)) {
    socket.set_option(tcp::no_delay(true));
  }
  void read() {
    boost::asio::async_read(socket, boost::asio::buffer(buffer),
                            [this](const boost::system::error_code& e, std::size_t) {
                              if (e || (limited && --left == 0)) return finish();
                              write();
                            });
  }
  void write() {
    boost::asio::async_write(socket, boost::asio::buffer(buffer),
                             [this](const boost::system::error_code& e, std::size_t) {
                               if (!e) read();
                             });
  }
  void finish() {
    boost::system::error_code ignored;
    socket.close(ignored);
    done.set_value();
  }
  tcp::socket socket;
  std::array<char, 64> buffer{};
  bool limited = false;
  int left = 0;
  std::promise<void> done;
};

double asio_round_trip() {
  boost::asio::io_context ia(1), ib(1);
  tcp::acceptor acceptor(ib, {boost::asio::ip::make_address("127.0.0.1"), 0});
  tcp::socket sa(ia), sb(ib);
  sa.connect(acceptor.local_endpoint());
  acceptor.accept(sb);
  AsioPeer a(std::move(sa)), b(std::move(sb));
  a.limited = true;
  a.left = kRoundTrips;
  b.read();
  const TimePoint start = steady_clock().now();
  a.write();
  std::thread tb([&] { ib.run(); });
  ia.run();
  const double seconds = bench::seconds_since(start);
  tb.join();
  return seconds / kRoundTrips * 1e6;
}

double session_one_way() {
  Nodes nodes;
  nodes.echo->answer = false;
  nodes.echo->expected = kOneWay;
  auto finished = nodes.echo->done.get_future();
  const std::string payload(64, 'x');
  const TimePoint start = steady_clock().now();
  for (std::uint64_t i = 1; i <= kOneWay; ++i) {
    wire::OutgoingMessage message = call(i, payload);
    while (!nodes.caller->session->send(std::move(message))) std::this_thread::sleep_for(100us);
  }
  finished.wait();
  return static_cast<double>(kOneWay) / bench::seconds_since(start) / 1e6;
}

double session_array(std::size_t bytes, int count) {
  Nodes nodes;
  nodes.echo->answer = false;
  nodes.echo->expected = static_cast<std::uint64_t>(count);
  auto finished = nodes.echo->done.get_future();
  const Array<float> array(AlignedVector<float>(bytes / 4, 1.0f));
  const TimePoint start = steady_clock().now();
  for (int i = 0; i < count; ++i) {
    wire::OutgoingMessage message = wire::encode_call({.call_id = 1, .actor = 1}, 1, nullptr,
                                                      [&](Encoder& e) { encode_value(e, array); });
    while (!nodes.caller->session->send(std::move(message))) std::this_thread::sleep_for(100us);
  }
  finished.wait();
  return static_cast<double>(bytes) * count / bench::seconds_since(start) / 1e9;
}

double plain_sockets(std::size_t bytes, int count) {
  boost::asio::io_context io;
  tcp::acceptor acceptor(io, {boost::asio::ip::make_address("127.0.0.1"), 0});
  tcp::socket sa(io), sb(io);
  sa.connect(acceptor.local_endpoint());
  acceptor.accept(sb);
  const AlignedVector<float> data(bytes / 4, 1.0f);
  const TimePoint start = steady_clock().now();
  std::thread reader([&] {
    AlignedVector<float> into(bytes / 4);
    for (int i = 0; i < count; ++i) {
      std::size_t at = 0;
      while (at < bytes) {
        const ssize_t n =
            ::recv(sb.native_handle(), reinterpret_cast<char*>(into.data()) + at, bytes - at, 0);
        if (n <= 0) return;
        at += static_cast<std::size_t>(n);
      }
    }
  });
  for (int i = 0; i < count; ++i) boost::asio::write(sa, boost::asio::buffer(data.data(), bytes));
  reader.join();
  return static_cast<double>(bytes) * count / bench::seconds_since(start) / 1e9;
}

// Peers take turns with what they are compared with, so that both see the same machine.
void run(std::string_view only) {
  struct Measurement {
    const char* name;
    const char* unit;
    std::function<double()> body;
    std::vector<double> runs{};
  };
  std::vector<Measurement> all = {
      {"asio_round_trip_64", "us", asio_round_trip},
      {"session_round_trip_64", "us", session_round_trip},
      {"session_one_way_64", "million/s", session_one_way},
      {"sockets_array_4MiB", "GB/s", [] { return plain_sockets(4 << 20, 200); }},
      {"session_array_4MiB", "GB/s", [] { return session_array(4 << 20, 200); }},
      {"sockets_array_100MB", "GB/s", [] { return plain_sockets(100'000'000, 10); }},
      {"session_array_100MB", "GB/s", [] { return session_array(100'000'000, 10); }},
  };
  for (int i = 0; i < kRuns; ++i) {
    for (Measurement& m : all) {
      if (only.empty() || only == m.name) m.runs.push_back(m.body());
    }
  }
  for (const Measurement& m : all) {
    if (!m.runs.empty()) bench::print(m.name, m.unit, m.runs);
  }
}

}  // namespace
}  // namespace muster::net

// An argument names the one measurement to run.
int main(int argc, char** argv) {
  muster::net::run(argc > 1 ? argv[1] : "");
}
