// The built tool against peers that speak something else, another version, or lie: what it says,
// what it answers, and that its run goes on.

#include "integration/train/tool.h"

#include <gmock/gmock.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "runtime/wire/frame.h"
#include "runtime/wire/messages.h"

namespace muster::test {
namespace {

constexpr std::uint32_t kLie[2] = {0, 0xFFFFFFFF};  // one segment of 32 GiB

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  out.sin_port = htons(port);
  return out;
}

/// One end of a connection, by hand. Every wait has a deadline.
class RawPeer {
 public:
  explicit RawPeer(int fd) : fd_(fd) {
    const timeval patience{kPatienceMs / 1000, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  ~RawPeer() { ::close(fd_); }
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;

  /// Connects to "127.0.0.1:PORT".
  static int connect(const std::string& address) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const auto port = std::stoi(address.substr(address.find(':') + 1));
    const sockaddr_in to = loopback(static_cast<std::uint16_t>(port));
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) ADD_FAILURE();
    return fd;
  }

  void say(const void* bytes, std::size_t size) {
    EXPECT_EQ(::send(fd_, bytes, size, MSG_NOSIGNAL), static_cast<ssize_t>(size));
  }
  void say(const wire::OutgoingMessage& message) {
    const auto bytes = message.to_bytes();
    say(bytes.data(), bytes.size());
  }
  /// All that comes until the other end closes.
  std::string text() {
    std::string out;
    char buffer[4096];
    for (ssize_t n = 0; (n = ::recv(fd_, buffer, sizeof buffer, 0)) > 0;)
      out.append(buffer, static_cast<std::size_t>(n));
    return out;
  }
  /// The next frame.
  wire::IncomingMessage frame() {
    while (frames_.empty()) {
      const auto into = reader_.target();
      const auto n = ::recv(fd_, into.data(), into.size(), 0);
      const bool ok = n > 0 && reader_.commit(static_cast<std::size_t>(n),
                                              [this](const wire::IncomingMessage& message) {
                                                frames_.push_back(message);
                                                return true;
                                              });
      if (!ok) {
        ADD_FAILURE() << "no whole frame came";
        return {};
      }
    }
    wire::IncomingMessage out = std::move(frames_.front());
    frames_.erase(frames_.begin());
    return out;
  }
  /// What the next reject says.
  std::string rejection() {
    for (;;) {
      const wire::IncomingMessage next = frame();
      if (next.kind() == wire::FrameKind::kNone) return "no frame";
      if (next.kind() == wire::FrameKind::kReject) return wire::parse_error(next)->message;
    }
  }

  static wire::HelloFrame hello() {
    wire::HelloFrame out;
    out.nonce.assign(wire::kNonceBytes, std::byte{1});
    out.message_bytes_max = 1 << 30;
    out.node_hi = 5;
    return out;
  }

 private:
  int fd_;
  wire::FrameReader reader_{wire::Limits()};
  std::vector<wire::IncomingMessage> frames_;
};

/// A socket on a free port, which listens or will.
class RawServer {
 public:
  explicit RawServer(bool listens = true) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at = loopback(0);
    socklen_t size = sizeof at;
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&at), size), 0);
    if (listens) listen();
    EXPECT_EQ(::getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &size), 0);
    address_ = "127.0.0.1:" + std::to_string(ntohs(at.sin_port));
    const timeval patience{kPatienceMs / 1000, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  ~RawServer() { ::close(fd_); }
  RawServer(const RawServer&) = delete;
  RawServer& operator=(const RawServer&) = delete;

  const std::string& address() const { return address_; }
  void listen() const { EXPECT_EQ(::listen(fd_, 1), 0); }
  int accept() const { return ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC); }

 private:
  int fd_;
  std::string address_;
};

class ToolPeerTest : public ToolTest {
 protected:
  /// A run that waits for one worker at `address()`.
  std::vector<std::string> listening() const {
    return job("r", {"--listen", "127.0.0.1:0", "--workers", "1", "--rounds", "5"});
  }
  void expect_run_goes_on(Tool& head) const {
    Tool node({"node", "--join", head.address()});
    EXPECT_EQ(head.wait(), 0) << head.words();
    EXPECT_EQ(node.wait(), 0) << node.words();
  }
  /// A node that joins `server`, which answers the hello with `challenge`.
  void expect_node_refuses(const wire::OutgoingMessage& challenge, const std::string& line) const {
    const RawServer server;
    Tool node({"node", "--join", server.address()});
    RawPeer peer(server.accept());
    EXPECT_EQ(peer.frame().kind(), wire::FrameKind::kHello);
    peer.say(challenge);
    EXPECT_EQ(node.wait(), 2);
    EXPECT_EQ(plain(node.words()), "muster: " + line + "\n");
  }
};

TEST_F(ToolPeerTest, NodeSaysThatNobodyAnswersYet) {
  const RawServer server(false);
  Tool node({"node", "--join", server.address()});
  ASSERT_TRUE(node.wait_for_words("trying again for 30 s\n"));
  EXPECT_EQ(
      plain(node.words()),
      "muster: cannot connect to 127.0.0.1:PORT: connection refused; trying again for 30 s\n");
  server.listen();
  RawPeer peer(server.accept());
  EXPECT_EQ(peer.frame().kind(), wire::FrameKind::kHello);
}

TEST_F(ToolPeerTest, NodeNamesAWebServer) {
  const RawServer server;
  Tool node({"node", "--join", server.address()});
  RawPeer peer(server.accept());
  constexpr char kAnswer[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
  peer.say(kAnswer, sizeof kAnswer - 1);
  EXPECT_EQ(node.wait(), 2);
  EXPECT_EQ(plain(node.words()),
            "muster: 127.0.0.1:PORT does not speak the Muster protocol: it sent \"HTTP/1.1 400 Bad "
            "Request\"\n");
}

TEST_F(ToolPeerTest, NodeNamesAnotherProtocol) {
  auto other = RawPeer::hello();
  other.protocol = "other";
  expect_node_refuses(wire::encode_challenge(other),
                      "127.0.0.1:PORT speaks protocol \"other\", this node \"muster\"");
}

TEST_F(ToolPeerTest, NodeNamesAnotherVersion) {
  auto newer = RawPeer::hello();
  newer.version_min = newer.version_max = 9;
  expect_node_refuses(wire::encode_challenge(newer),
                      "127.0.0.1:PORT speaks protocol version 9, this node version 1");
}

TEST_F(ToolPeerTest, NodeNamesAFrameThatLiesAboutItsSize) {
  const RawServer server;
  Tool node({"node", "--join", server.address(), "--deadline", "1"});
  RawPeer peer(server.accept());
  EXPECT_EQ(peer.frame().kind(), wire::FrameKind::kHello);
  peer.say(wire::encode_challenge(RawPeer::hello()));
  EXPECT_EQ(peer.frame().kind(), wire::FrameKind::kProof);
  peer.say(wire::encode_ready({}));
  peer.say(kLie, sizeof kLie);
  EXPECT_EQ(peer.rejection(),
            "bad frame: a frame of 34359738368 bytes, at most 2147483648 are allowed");
  EXPECT_EQ(node.wait(), 1);
  EXPECT_EQ(plain(node.last_words()),
            "muster: 127.0.0.1:PORT: the connection ended before a training run was found there");
  EXPECT_THAT(plain(node.words()),
              testing::HasSubstr("the connection with node ID ended: 127.0.0.1:PORT sent a bad "
                                 "frame: a frame of 34359738368 bytes, at most 2147483648 are "
                                 "allowed\n"));
}

TEST_F(ToolPeerTest, NodeNamesAMusterNodeWithoutARun) {
  const RawServer server;
  Tool node({"node", "--join", server.address(), "--deadline", "0.5"});
  RawPeer peer(server.accept());
  EXPECT_EQ(peer.frame().kind(), wire::FrameKind::kHello);
  peer.say(wire::encode_challenge(RawPeer::hello()));
  EXPECT_EQ(peer.frame().kind(), wire::FrameKind::kProof);
  peer.say(wire::encode_ready({}));
  EXPECT_EQ(node.wait(), 1);
  EXPECT_EQ(plain(node.words()),
            "muster: 127.0.0.1:PORT: found a Muster node there, but no training run within 0.5 "
            "s\n");
}

TEST_F(ToolPeerTest, NodeNamesAnAddressWhereNobodyListens) {
  std::string address;
  {
    const RawServer server;
    address = server.address();
  }
  Tool node({"node", "--join", address, "--deadline", "0.3"});
  EXPECT_EQ(node.wait(), 1);
  EXPECT_EQ(plain(node.words()),
            "muster: cannot connect to 127.0.0.1:PORT: connection refused; trying again for 0.3 s\n"
            "muster: cannot connect to 127.0.0.1:PORT: connection refused\n");
}

TEST_F(ToolPeerTest, RunAnswersABrowserAndGoesOn) {
  Tool head(listening());
  RawPeer browser(RawPeer::connect(head.address()));
  constexpr char kRequest[] = "GET / HTTP/1.1\r\n\r\n";
  browser.say(kRequest, sizeof kRequest - 1);
  EXPECT_EQ(browser.text(),
            "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 54\r\n"
            "Connection: close\r\n\r\nThis port is a Muster node's; it does not speak HTTP.\n");
  expect_run_goes_on(head);
}

TEST_F(ToolPeerTest, RunTellsAnotherVersionAndGoesOn) {
  Tool head(listening());
  RawPeer peer(RawPeer::connect(head.address()));
  auto newer = RawPeer::hello();
  newer.version_min = newer.version_max = 9;
  peer.say(wire::encode_hello(newer));
  EXPECT_EQ(peer.rejection(), "this node speaks protocol version 1, you version 9");
  expect_run_goes_on(head);
}

TEST_F(ToolPeerTest, RunNamesAFrameThatLiesAboutItsSizeAndGoesOn) {
  Tool head(listening());
  RawPeer peer(RawPeer::connect(head.address()));
  peer.say(wire::encode_hello(RawPeer::hello()));
  EXPECT_EQ(peer.frame().kind(), wire::FrameKind::kChallenge);
  peer.say(wire::encode_proof({}));
  EXPECT_EQ(peer.frame().kind(), wire::FrameKind::kReady);
  const std::size_t before = head.words().size();
  peer.say(kLie, sizeof kLie);
  const std::string found = "a frame of 34359738368 bytes, at most 2147483648 are allowed";
  EXPECT_EQ(peer.rejection(), "bad frame: " + found);
  ASSERT_TRUE(head.wait_for_words("bad frame"));
  ASSERT_TRUE(head.wait_for_words("allowed\n"));
  EXPECT_EQ(plain(head.words().substr(before)),
            "the connection with node ID ended: 127.0.0.1:PORT sent a bad frame: " + found + "\n");
  expect_run_goes_on(head);
}

}  // namespace
}  // namespace muster::test
