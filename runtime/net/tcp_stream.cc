#include "runtime/net/tcp_stream.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <boost/asio/error.hpp>
#include <cctype>

#include "runtime/net/address.h"

namespace muster::net {
namespace {

constexpr std::size_t kSlicesMax = 64;

}  // namespace

std::string system_text(const boost::system::error_code& error) {
  std::string text = error.message();
  if (!text.empty()) text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  return text;
}

TcpConnection::TcpConnection(std::shared_ptr<Reactor> reactor, boost::asio::ip::tcp::socket socket)
    : reactor_(std::move(reactor)), socket_(std::move(socket)) {
  boost::system::error_code ignored;
  socket_.non_blocking(true, ignored);
  socket_.set_option(boost::asio::ip::tcp::no_delay(true), ignored);
  const auto peer = socket_.remote_endpoint(ignored);
  peer_address_ = format_address(peer.address().to_string(), peer.port());
}

Error TcpConnection::cause(const boost::system::error_code& error) const {
  if (closed_ || error == boost::asio::error::operation_aborted) {
    return {ErrorCode::kCancelled, "connection to " + peer_address_ + " closed", {}};
  }
  if (error == boost::asio::error::eof) {
    return {ErrorCode::kUnavailable, peer_address_ + " closed the connection", {}};
  }
  return {ErrorCode::kUnavailable,
          "connection to " + peer_address_ + " lost: " + system_text(error),
          {}};
}

void TcpConnection::read_some(std::span<std::byte> into, ByteStream::IoHandler done) {
  read_into_ = into;
  read_done_ = std::move(done);
  // Asio tries to read at once. Mostly in vain, so what the callback has to send goes first.
  reactor_->after_callback(shared_from_this());
}

void TcpConnection::start() {
  const std::scoped_lock lock(mutex_);
  const auto into = read_into_;
  auto done = std::move(read_done_);
  if (closed_) {
    reactor_->post([self = shared_from_this(), done = std::move(done)] {
      done(muster::fail(self->cause(boost::asio::error::operation_aborted)));
    });
    return;
  }
  socket_.async_read_some(boost::asio::buffer(into.data(), into.size()),
                          [self = shared_from_this(), done = std::move(done)](
                              const boost::system::error_code& error, std::size_t count) {
                            const Reactor::CallbackScope scope(*self->reactor_);
                            if (error) {
                              done(muster::fail(self->cause(error)));
                            } else {
                              done(count);
                            }
                          });
}

Result<std::size_t> TcpConnection::try_write(std::span<const ByteStream::Slice> slices) {
  std::array<iovec, kSlicesMax> parts;
  const std::size_t count = std::min(slices.size(), kSlicesMax);
  for (std::size_t i = 0; i < count; ++i) {
    parts[i].iov_base = const_cast<std::byte*>(slices[i].data());  // sendmsg does not write there
    parts[i].iov_len = slices[i].size();
  }
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = count;
  for (;;) {
    if (closed_) return muster::fail(cause(boost::asio::error::operation_aborted));
    const ssize_t written =
        ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (written >= 0) return static_cast<std::size_t>(written);
    if (errno == EAGAIN || errno == EWOULDBLOCK) return std::size_t{0};
    if (errno == EINTR) continue;
    return muster::fail(cause(boost::system::error_code(errno, boost::system::system_category())));
  }
}

void TcpConnection::wait_writable(std::function<void()> done) {
  const std::scoped_lock lock(mutex_);
  if (closed_) return reactor_->post(std::move(done));
  socket_.async_wait(
      boost::asio::ip::tcp::socket::wait_write,
      [self = shared_from_this(), done = std::move(done)](const boost::system::error_code&) {
        const Reactor::CallbackScope scope(*self->reactor_);
        done();
      });
}

void TcpConnection::close() {
  const std::scoped_lock lock(mutex_);
  if (closed_) return;
  closed_ = true;
  boost::system::error_code ignored;
  socket_.shutdown(boost::asio::ip::tcp::socket::shutdown_both, ignored);
  socket_.cancel(ignored);
}

}  // namespace muster::net
