// TCP on Boost.Asio: resolving, connecting, listening. The streams are in tcp_stream.cc, the
// threads in reactor.cc.

#include <muster/net.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdio>
#include <utility>

#include "runtime/net/address.h"
#include "runtime/net/reactor.h"
#include "runtime/net/tcp_stream.h"

namespace muster {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;
using net::Reactor;

// Rest before accepting again after a failure: the process has no descriptors left, say.
constexpr Duration kAcceptRest = 100ms;

std::string seconds(Duration d) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f s", std::chrono::duration<double>(d).count());
  return text;
}

// What a transport, its listeners and its connects share.
struct TcpState {
  explicit TcpState(const TcpOptions& o)
      : options(o), reactor(std::make_shared<Reactor>(o.takeover_after, o.threads_max)) {}

  std::unique_ptr<ByteStream> adopt(tcp::socket socket) {
    set_buffers(socket);
    auto connection = std::make_shared<net::TcpConnection>(reactor, std::move(socket));
    const std::scoped_lock lock(mutex);
    std::erase_if(connections, [](const auto& c) { return c.expired(); });
    connections.push_back(connection);
    return std::make_unique<net::TcpStream>(std::move(connection));
  }

  template <class Socket>
  void set_buffers(Socket& socket) const {
    error_code ignored;
    using boost::asio::socket_base;
    if (options.send_buffer_bytes > 0) {
      socket.set_option(socket_base::send_buffer_size(static_cast<int>(options.send_buffer_bytes)),
                        ignored);
    }
    if (options.receive_buffer_bytes > 0) {
      socket.set_option(
          socket_base::receive_buffer_size(static_cast<int>(options.receive_buffer_bytes)),
          ignored);
    }
  }

  void close_all() {
    std::vector<std::weak_ptr<net::TcpConnection>> all;
    {
      const std::scoped_lock lock(mutex);
      all.swap(connections);
    }
    for (const auto& weak : all) {
      if (const auto connection = weak.lock()) connection->close();
    }
  }

  const TcpOptions options;
  const std::shared_ptr<Reactor> reactor;
  std::mutex mutex;
  std::vector<std::weak_ptr<net::TcpConnection>> connections;  // guarded by mutex
};

// One listening socket. Accepts until closed.
class TcpAcceptor : public std::enable_shared_from_this<TcpAcceptor> {
 public:
  using OnAccept = std::function<void(std::unique_ptr<ByteStream>)>;

  TcpAcceptor(std::shared_ptr<TcpState> state, OnAccept on_accept)
      : state_(std::move(state)),
        acceptor_(state_->reactor->io()),
        on_accept_(std::move(on_accept)) {}

  error_code open(const tcp::endpoint& endpoint) {
    error_code error;
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) state_->set_buffers(acceptor_);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(state_->options.backlog, error);
    return error;
  }

  std::string address() const {
    error_code ignored;
    const auto local = acceptor_.local_endpoint(ignored);
    return net::format_address(local.address().to_string(), local.port());
  }

  void accept() {
    const std::scoped_lock lock(mutex_);
    if (closed_) return;
    acceptor_.async_accept(
        [self = shared_from_this()](const error_code& error, tcp::socket socket) {
          self->on_accept(error, std::move(socket));
        });
  }

  void close() {
    const std::scoped_lock lock(mutex_);
    closed_ = true;
    error_code ignored;
    acceptor_.close(ignored);
  }

 private:
  void on_accept(const error_code& error, tcp::socket socket) {
    const Reactor::CallbackScope scope(*state_->reactor);
    if (error == boost::asio::error::operation_aborted) return;
    if (error) {
      auto& timers = *state_->reactor;
      timers.schedule(timers.clock().now() + kAcceptRest,
                      [self = shared_from_this()] { self->accept(); });
      return;
    }
    std::unique_lock lock(mutex_);
    if (closed_) return;
    lock.unlock();
    on_accept_(state_->adopt(std::move(socket)));
    accept();
  }

  const std::shared_ptr<TcpState> state_;
  tcp::acceptor acceptor_;
  const OnAccept on_accept_;
  std::mutex mutex_;
  bool closed_ = false;  // guarded by mutex_
};

class TcpListener final : public Listener {
 public:
  explicit TcpListener(std::shared_ptr<TcpAcceptor> acceptor)
      : acceptor_(std::move(acceptor)), address_(acceptor_->address()) {}
  ~TcpListener() override { acceptor_->close(); }
  std::string address() const override { return address_; }

 private:
  std::shared_ptr<TcpAcceptor> acceptor_;
  std::string address_;
};

// One connect: resolve, try each endpoint, all within one deadline.
class Connecting : public std::enable_shared_from_this<Connecting> {
 public:
  using Done = std::function<void(Result<std::unique_ptr<ByteStream>>)>;

  Connecting(std::shared_ptr<TcpState> state, std::string address, Done done)
      : state_(std::move(state)),
        address_(std::move(address)),
        done_(std::move(done)),
        resolver_(state_->reactor->io()),
        socket_(state_->reactor->io()) {}

  /// Requires: the transport has not stopped.
  void start(const Result<net::HostPort>& to, Duration timeout) {
    if (!to) {
      state_->reactor->post(
          [self = shared_from_this(), error = to.error()] { self->finish(muster::fail(error)); });
      return;
    }
    auto& timers = *state_->reactor;
    deadline_ = timers.schedule(timers.clock().now() + timeout, [self = shared_from_this(),
                                                                 timeout] {
      self->finish(muster::fail(ErrorCode::kTimeout, "cannot connect to " + self->address_ +
                                                         ": no answer within " + seconds(timeout)));
    });
    const std::scoped_lock lock(mutex_);
    error_code error;
    const auto numeric = boost::asio::ip::make_address(to->host, error);
    if (!error) return connect({tcp::endpoint(numeric, to->port)});
    resolver_.async_resolve(to->host, std::to_string(to->port), tcp::resolver::numeric_service,
                            [self = shared_from_this()](const error_code& failed,
                                                        const tcp::resolver::results_type& found) {
                              const Reactor::CallbackScope scope(*self->state_->reactor);
                              if (failed) return self->failed(failed);
                              std::vector<tcp::endpoint> endpoints;
                              for (const auto& entry : found) endpoints.push_back(entry.endpoint());
                              const std::scoped_lock inner(self->mutex_);
                              if (!self->finished_) self->connect(std::move(endpoints));
                            });
  }

  void stop() {
    finish(muster::fail(ErrorCode::kCancelled,
                        "cannot connect to " + address_ + ": the transport has stopped"));
  }

 private:
  // Requires: mutex_.
  void connect(std::vector<tcp::endpoint> endpoints) {
    endpoints_ = std::move(endpoints);
    boost::asio::async_connect(
        socket_, endpoints_,
        [self = shared_from_this()](const error_code& error, const tcp::endpoint&) {
          const Reactor::CallbackScope scope(*self->state_->reactor);
          if (error) return self->failed(error);
          std::unique_lock lock(self->mutex_);
          if (self->finished_) return;
          auto stream = self->state_->adopt(std::move(self->socket_));
          lock.unlock();
          self->finish(std::move(stream));
        });
  }

  void failed(const error_code& error) {
    const bool stopped = error == boost::asio::error::operation_aborted;
    finish(muster::fail(stopped ? ErrorCode::kCancelled : ErrorCode::kUnavailable,
                        "cannot connect to " + address_ + ": " + net::system_text(error)));
  }

  void finish(Result<std::unique_ptr<ByteStream>> result) {
    {
      const std::scoped_lock lock(mutex_);
      if (std::exchange(finished_, true)) return;
      resolver_.cancel();
      error_code ignored;
      socket_.close(ignored);
    }
    state_->reactor->cancel(deadline_);
    std::exchange(done_, nullptr)(std::move(result));
  }

  const std::shared_ptr<TcpState> state_;
  const std::string address_;
  Done done_;
  TimerId deadline_ = 0;
  std::mutex mutex_;
  // Guarded by mutex_:
  tcp::resolver resolver_;
  tcp::socket socket_;
  std::vector<tcp::endpoint> endpoints_;
  bool finished_ = false;
};

class TcpTransport final : public Transport {
 public:
  explicit TcpTransport(const TcpOptions& options) : state_(std::make_shared<TcpState>(options)) {}
  ~TcpTransport() override { stop(); }

  Result<std::unique_ptr<Listener>> listen(
      const std::string& address,
      std::function<void(std::unique_ptr<ByteStream>)> on_accept) override {
    const auto parsed = net::parse_address(address);
    if (!parsed) return fail(parsed.error());
    error_code error;
    tcp::resolver resolver(state_->reactor->io());
    const auto found =
        resolver.resolve(parsed->host, std::to_string(parsed->port), tcp::resolver::passive, error);
    if (error || found.empty()) return cannot_listen(address, error);
    auto acceptor = std::make_shared<TcpAcceptor>(state_, std::move(on_accept));
    if (error = acceptor->open(*found.begin()); error) return cannot_listen(address, error);
    const std::scoped_lock lock(mutex_);
    if (stopped_) {
      return fail(ErrorCode::kCancelled,
                  "cannot listen on " + address + ": the transport has stopped");
    }
    acceptor->accept();
    remember(acceptors_, acceptor);
    return std::make_unique<TcpListener>(std::move(acceptor));
  }

  void connect(const std::string& address, Duration timeout,
               std::function<void(Result<std::unique_ptr<ByteStream>>)> done) override {
    const auto connecting = std::make_shared<Connecting>(state_, address, std::move(done));
    {
      const std::scoped_lock lock(mutex_);
      if (!stopped_) {
        connecting->start(net::parse_address(address), timeout);
        remember(connects_, connecting);
        return;
      }
    }
    connecting->stop();
  }

  Timers& timers() override { return *state_->reactor; }

  void stop() override {
    std::vector<std::weak_ptr<TcpAcceptor>> acceptors;
    std::vector<std::weak_ptr<Connecting>> connects;
    {
      const std::scoped_lock lock(mutex_);
      stopped_ = true;
      acceptors.swap(acceptors_);
      connects.swap(connects_);
    }
    state_->reactor->stop();
    for (const auto& weak : acceptors) {
      if (const auto acceptor = weak.lock()) acceptor->close();
    }
    for (const auto& weak : connects) {
      if (const auto connecting = weak.lock()) connecting->stop();
    }
    state_->close_all();
    state_->reactor->drain();
  }

 private:
  template <class T>
  static void remember(std::vector<std::weak_ptr<T>>& all, const std::shared_ptr<T>& one) {
    std::erase_if(all, [](const auto& other) { return other.expired(); });
    all.push_back(one);
  }
  static tl::unexpected<Error> cannot_listen(const std::string& address, const error_code& error) {
    return fail(ErrorCode::kUnavailable,
                "cannot listen on " + address + ": " + net::system_text(error));
  }

  const std::shared_ptr<TcpState> state_;
  std::mutex mutex_;
  // Guarded by mutex_. What begins does so under it and is remembered: the stop ends it.
  std::vector<std::weak_ptr<TcpAcceptor>> acceptors_;
  std::vector<std::weak_ptr<Connecting>> connects_;
  bool stopped_ = false;
};

}  // namespace

std::unique_ptr<Transport> make_tcp_transport(TcpOptions options) {
  return std::make_unique<TcpTransport>(options);
}

}  // namespace muster
