#pragma once
// One TCP connection as a ByteStream.
//
// Threads: as ByteStream says. The descriptor stays open until the object and its last operation
// are gone, so that a write under way never meets a descriptor that was given to someone else.

#include <muster/transport.h>

#include <boost/asio/ip/tcp.hpp>
#include <mutex>

#include "runtime/net/reactor.h"

namespace muster::net {

class TcpConnection final : public Deferred, public std::enable_shared_from_this<TcpConnection> {
 public:
  // Requires: `socket` is connected, of the reactor's io_context.
  TcpConnection(std::shared_ptr<Reactor> reactor, boost::asio::ip::tcp::socket socket);

  void read_some(std::span<std::byte> into, ByteStream::IoHandler done);
  Result<std::size_t> try_write(std::span<const ByteStream::Slice> slices);
  void wait_writable(std::function<void()> done);
  void close();
  const std::string& peer_address() const { return peer_address_; }

 private:
  void start() override;  // the read
  Error cause(const boost::system::error_code& error) const;

  const std::shared_ptr<Reactor> reactor_;
  boost::asio::ip::tcp::socket socket_;
  std::string peer_address_;
  // Of the read that is about to start; it is the only one.
  std::span<std::byte> read_into_;
  ByteStream::IoHandler read_done_;
  std::mutex mutex_;
  std::atomic<bool> closed_{false};  // set under mutex_
};

// The owner's handle; destroying it closes the connection.
class TcpStream final : public ByteStream {
 public:
  explicit TcpStream(std::shared_ptr<TcpConnection> connection)
      : connection_(std::move(connection)) {}
  ~TcpStream() override { connection_->close(); }
  void read_some(std::span<std::byte> into, IoHandler done) override {
    connection_->read_some(into, std::move(done));
  }
  Result<std::size_t> try_write(std::span<const Slice> slices) override {
    return connection_->try_write(slices);
  }
  void wait_writable(std::function<void()> done) override {
    connection_->wait_writable(std::move(done));
  }
  void close() override { connection_->close(); }
  std::string peer_address() const override { return connection_->peer_address(); }

 private:
  std::shared_ptr<TcpConnection> connection_;
};

// "address already in use": the system's text, as the end of a sentence.
std::string system_text(const boost::system::error_code& error);

}  // namespace muster::net
