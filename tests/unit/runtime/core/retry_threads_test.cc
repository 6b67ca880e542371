// Calls that outlive their connection, over TCP and on threads.

#include <muster/net.h>

#include <atomic>
#include <mutex>
#include <numeric>
#include <set>
#include <thread>

#include "unit/runtime/core/clerk.h"

namespace muster::test {
namespace {

/// TCP whose connections, those made from here, can be cut.
class CutTransport final : public Transport {
 public:
  Result<std::unique_ptr<Listener>> listen(
      const std::string& address,
      std::function<void(std::unique_ptr<ByteStream>)> on_accept) override {
    return tcp_->listen(address, std::move(on_accept));
  }
  void connect(const std::string& address, Duration timeout,
               std::function<void(Result<std::unique_ptr<ByteStream>>)> done) override {
    tcp_->connect(address, timeout, [this, done = std::move(done)](auto stream) {
      if (stream) stream = std::make_unique<Stream>(*this, std::move(*stream));
      done(std::move(stream));
    });
  }
  Timers& timers() override { return tcp_->timers(); }
  void stop() override { tcp_->stop(); }
  /// How many there were.
  std::size_t cut() {
    const std::scoped_lock lock(mutex_);
    for (ByteStream* stream : streams_) stream->close();
    return streams_.size();
  }

 private:
  class Stream final : public ByteStream {
   public:
    Stream(CutTransport& transport, std::unique_ptr<ByteStream> inner)
        : transport_(transport), inner_(std::move(inner)) {
      const std::scoped_lock lock(transport_.mutex_);
      transport_.streams_.insert(inner_.get());
    }
    ~Stream() override {
      const std::scoped_lock lock(transport_.mutex_);
      transport_.streams_.erase(inner_.get());
    }
    void read_some(std::span<std::byte> into, IoHandler done) override {
      inner_->read_some(into, std::move(done));
    }
    Result<std::size_t> try_write(std::span<const Slice> slices) override {
      return inner_->try_write(slices);
    }
    void wait_writable(std::function<void()> done) override {
      inner_->wait_writable(std::move(done));
    }
    void close() override { inner_->close(); }
    std::string peer_address() const override { return inner_->peer_address(); }

   private:
    CutTransport& transport_;
    const std::unique_ptr<ByteStream> inner_;
  };

  const std::shared_ptr<Transport> tcp_ = make_tcp_transport();
  std::mutex mutex_;
  std::set<ByteStream*> streams_;  // guarded by mutex_
};

// contract 12.1, 12.2, 12.3
TEST(RetryThreadsTest, EachMessageIsHandledOnceAndInOrderOverTcp) {
  constexpr int kCallers = 3, kRounds = 60;
  const RuntimeOptions quiet{.threads = 2, .listen = "127.0.0.1:0", .on_error = [](const auto&) {}};
  Runtime node(quiet);
  const auto transport = std::make_shared<CutTransport>();
  Runtime head(quiet, {.transport = transport});
  value_or_throw(head.join(node.listen_address(), 60s));
  std::vector<Handle<Clerk>> made;
  std::vector<std::thread> callers;
  std::atomic<int> wrong{0}, done{0};
  for (int c = 0; c < kCallers; ++c) {
    const std::string name = "clerk " + std::to_string(c);
    made.push_back(node.spawn<Clerk>({.name = name, .detached = true}));
    callers.emplace_back([&, kept = value_or_throw(head.find<Clerk>(name, 60s))
                                        .with({.timeout = 120s, .retry = true})] {
      for (int round = 0; round < kRounds; ++round) {
        std::vector<Future<int>> calls;
        for (int i = 0; i < 10; ++i) calls.push_back(kept.call<&Clerk::file>(10 * round + i));
        for (int i = 0; i < 10; ++i) {
          const auto end = calls[static_cast<std::size_t>(i)].result(120s);
          if (!end || *end != 10 * round + i) ++wrong;
        }
        ++done;
      }
    });
  }
  std::size_t cuts = 0;
  for (int next = 5; done < kCallers * kRounds; std::this_thread::yield()) {
    if (done < next) continue;
    cuts += transport->cut();
    next += 5;
  }
  for (auto& caller : callers) caller.join();
  EXPECT_GT(cuts, 3U);
  EXPECT_EQ(wrong, 0);
  std::vector<int> all(10 * kRounds);
  std::iota(all.begin(), all.end(), 0);
  for (const auto& clerk : made) EXPECT_EQ(clerk.call<&Clerk::filed>().get(60s), all);
}

}  // namespace
}  // namespace muster::test
