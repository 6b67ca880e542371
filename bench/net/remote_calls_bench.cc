// How far are calls between two processes from the network itself? One run measures, in turn and
// several times over: plain Asio ping-pong of 64 bytes, the same round trip as an actor call (from
// a coroutine, and from a thread that blocks in get), one-way 64-byte messages, and as many records
// of that size through plain Asio, 64 KiB at a time: what the connection itself would carry.
//
//     remote_calls_bench [--repeats N] [--round-trips N] [--messages N]

#include <muster/runtime.h>

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio.hpp>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace {

using namespace muster;
namespace asio = boost::asio;
using asio::ip::tcp;

using Payload = std::string;

class Echo {
 public:
  Payload echo(const Payload& payload) { return payload; }
  void count(const Payload& payload) { bytes_ += payload.size(); }
  std::uint64_t bytes() const { return bytes_; }

 private:
  std::uint64_t bytes_ = 0;
};
MUSTER_ACTOR(Echo, echo, count, bytes);

class Caller {
 public:
  explicit Caller(Handle<Echo> echo) : echo_(std::move(echo)) {}
  Task<int> ping(int times) {
    const Payload payload(64, 'x');
    for (int i = 0; i < times; ++i) co_await echo_.call<&Echo::echo>(payload);
    co_return times;
  }

 private:
  Handle<Echo> echo_;
};
MUSTER_ACTOR(Caller, ping);

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Callback style, as Asio is fastest. Each side sends back what it read.
struct AsioPingPong : std::enable_shared_from_this<AsioPingPong> {
  AsioPingPong(tcp::socket s, int times) : socket(std::move(s)), left(times) {
    socket.set_option(tcp::no_delay(true));
  }
  void read() {
    asio::async_read(socket, asio::buffer(data),
                     [self = shared_from_this()](auto error, std::size_t) {
                       if (!error && --self->left != 0) self->write();
                     });
  }
  void write() {
    asio::async_write(socket, asio::buffer(data),
                      [self = shared_from_this()](auto error, std::size_t) {
                        if (!error) self->read();
                      });
  }
  tcp::socket socket;
  int left;
  std::array<char, 64> data{};
};

/// Runs `serve` on a connection in a forked process, and `use` on its other end here.
template <class Serve, class Use>
void with_plain_connection(Serve&& serve, Use&& use) {
  std::array<int, 2> port_pipe{};
  if (pipe(port_pipe.data()) != 0) std::abort();
  const pid_t child = fork();
  if (child == 0) {
    asio::io_context io;
    tcp::acceptor acceptor(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    const std::uint16_t port = acceptor.local_endpoint().port();
    if (write(port_pipe[1], &port, sizeof(port)) != sizeof(port)) _exit(1);
    serve(io, acceptor.accept());
    _exit(0);
  }
  std::uint16_t port = 0;
  if (read(port_pipe[0], &port, sizeof(port)) != sizeof(port)) std::abort();
  {
    asio::io_context io;
    tcp::socket socket(io);
    socket.connect({asio::ip::address_v4::loopback(), port});
    use(io, std::move(socket));
  }
  waitpid(child, nullptr, 0);
  close(port_pipe[0]);
  close(port_pipe[1]);
}

/// Microseconds a round trip between this process and a forked one.
double plain_asio(int times) {
  double seconds = 0;
  const auto serve = [](asio::io_context& io, tcp::socket socket) {
    std::make_shared<AsioPingPong>(std::move(socket), -1)->read();
    io.run();
  };
  with_plain_connection(serve, [&](asio::io_context& io, tcp::socket socket) {
    auto side = std::make_shared<AsioPingPong>(std::move(socket), times);
    const auto start = std::chrono::steady_clock::now();
    side->write();
    io.run();
    seconds = seconds_since(start);
  });
  return seconds / times * 1e6;
}

/// Million records of 64 bytes a second, counted when the other end has read the last.
double plain_asio_rate(int records) {
  static constexpr std::size_t kBlock = std::size_t{64} * 1024;
  const std::size_t blocks = static_cast<std::size_t>(records) / (kBlock / 64) + 1;
  double seconds = 0;
  const auto serve = [blocks](asio::io_context&, tcp::socket socket) {
    std::vector<char> block(kBlock);
    for (std::size_t left = blocks * kBlock; left > 0;) {
      left -= socket.read_some(asio::buffer(block.data(), std::min(left, kBlock)));
    }
    asio::write(socket, asio::buffer(block.data(), 1));
  };
  with_plain_connection(serve, [&](asio::io_context&, tcp::socket socket) {
    std::vector<char> block(kBlock, 'x');
    const auto start = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < blocks; ++i) asio::write(socket, asio::buffer(block));
    asio::read(socket, asio::buffer(block.data(), 1));
    seconds = seconds_since(start);
  });
  return static_cast<double>(blocks * kBlock) / 64 / seconds / 1e6;
}

/// Million one-way messages a second, after a first window that is not timed; 0 when some were
/// lost. They go in windows, so that the bounded mailbox at the other end is never full.
double one_way_rate(const Handle<Echo>& echo, const Payload& payload, int messages) {
  constexpr int kWindow = 200'000;
  const auto window = [&] {
    for (int i = 0; i < kWindow; ++i) echo.send<&Echo::count>(payload);
    return echo.with({.timeout = 300s}).call<&Echo::bytes>();
  };
  const std::uint64_t before = window().get();
  const int windows = (messages + kWindow - 1) / kWindow;
  const auto start = std::chrono::steady_clock::now();
  Future<std::uint64_t> previous = window();
  for (int i = 1; i < windows; ++i) {
    Future<std::uint64_t> next = window();
    previous.get();
    previous = std::move(next);
  }
  const std::uint64_t bytes = previous.get() - before;
  const double seconds = seconds_since(start);
  const std::uint64_t sent = std::uint64_t{64} * kWindow * static_cast<std::uint64_t>(windows);
  if (bytes == sent) return static_cast<double>(bytes) / 64 / seconds / 1e6;
  std::fprintf(stderr, "messages were lost: %llu bytes of %llu arrived\n",
               static_cast<unsigned long long>(bytes), static_cast<unsigned long long>(sent));
  return 0;
}

int serve(const char* address) {
  Runtime runtime({.threads = 1, .mailbox_capacity = 1 << 20});
  const auto echo = runtime.spawn<Echo>({.name = "echo", .detached = true});
  auto down = runtime.monitor(echo);
  if (!runtime.join(address, 10s)) return 1;
  return down.result(600s) ? 0 : 1;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  int repeats = 5;
  int trips = 20'000;
  int messages = 4'000'000;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--serve") == 0) return serve(argv[i + 1]);
    if (std::strcmp(argv[i], "--repeats") == 0) repeats = std::atoi(argv[i + 1]);
    if (std::strcmp(argv[i], "--round-trips") == 0) trips = std::atoi(argv[i + 1]);
    if (std::strcmp(argv[i], "--messages") == 0) messages = std::atoi(argv[i + 1]);
  }
  std::vector<double> asio_us;
  std::vector<double> task_us;
  std::vector<double> get_us;
  std::vector<double> one_way;
  std::vector<double> asio_rate;

  for (int repeat = 0; repeat < repeats; ++repeat) {
    asio_us.push_back(plain_asio(trips));
    asio_rate.push_back(plain_asio_rate(messages));

    Runtime runtime({.threads = 1, .listen = "127.0.0.1:0"});
    const std::string address = runtime.listen_address();
    const pid_t child = fork();
    if (child == 0) {
      execl("/proc/self/exe", argv[0], "--serve", address.c_str(), nullptr);
      _exit(127);
    }
    const auto echo = value_or_throw(runtime.find<Echo>("echo", 10s));
    const Payload payload(64, 'x');
    const auto caller = runtime.spawn<Caller>({}, echo);
    caller.with({.timeout = 300s}).call<&Caller::ping>(1000).get();

    auto start = std::chrono::steady_clock::now();
    caller.with({.timeout = 300s}).call<&Caller::ping>(trips).get();
    task_us.push_back(seconds_since(start) / trips * 1e6);

    start = std::chrono::steady_clock::now();
    for (int i = 0; i < trips; ++i) echo.call<&Echo::echo>(payload).get();
    get_us.push_back(seconds_since(start) / trips * 1e6);

    one_way.push_back(one_way_rate(echo, payload, messages));
    if (one_way.back() == 0) return 1;
    echo.stop();
    waitpid(child, nullptr, 0);
  }
  std::printf(
      "{\"benchmark\": \"remote_calls\", \"repeats\": %d, \"asio_round_trip_us\": %.2f, "
      "\"task_round_trip_us\": %.2f, \"get_round_trip_us\": %.2f, \"task_to_asio\": %.3f, "
      "\"get_to_asio\": %.3f, \"one_way_million_per_s\": %.2f, \"asio_million_per_s\": %.2f, "
      "\"one_way_to_asio\": %.3f}\n",
      repeats, median(asio_us), median(task_us), median(get_us), median(task_us) / median(asio_us),
      median(get_us) / median(asio_us), median(one_way), median(asio_rate),
      median(one_way) / median(asio_rate));
  return 0;
}
