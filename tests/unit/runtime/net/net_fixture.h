#pragma once
// Vocabulary of the network tests: recorded events, and two nodes over any of the transports.

#include <gtest/gtest.h>
#include <muster/net.h>
#include <muster/testing/sim_network.h>

#include <condition_variable>
#include <mutex>

#include "runtime/net/session.h"

namespace muster::net {

// Waits of tests on real threads end by news, or after this much as a failure.
inline constexpr std::chrono::seconds kTestPatience{60};

// A session's events, kept. Thread-safe.
class Recorder : public SessionEvents {
 public:
  void on_ready(const PeerInfo& peer) override {
    record([&] { peers.push_back(peer); });
  }
  std::size_t on_message(const wire::IncomingMessage& message) override {
    return record([&] { messages.push_back(message); }), 1;
  }
  void on_batch_end() override {
    record([&] { ++batches; });
  }
  void on_closed(const Error& cause) override {
    record([&] { causes.push_back(cause); });
  }

  template <class F>
  void record(F&& f) {
    const std::scoped_lock lock(mutex);
    f();
    news.notify_all();
  }
  template <class F>
  auto with_lock(F&& f) {
    const std::scoped_lock lock(mutex);
    return f();
  }
  bool ready() {
    return with_lock([&] { return !peers.empty(); });
  }
  bool closed() {
    return with_lock([&] { return !causes.empty(); });
  }
  std::size_t count() {
    return with_lock([&] { return messages.size(); });
  }

  std::mutex mutex;
  std::condition_variable news;
  std::vector<PeerInfo> peers;
  std::vector<wire::IncomingMessage> messages;
  std::vector<Error> causes;
  int batches = 0;
};

inline wire::OutgoingMessage call(std::uint64_t actor, std::uint64_t id, std::size_t payload = 64) {
  return wire::encode_call({.call_id = id, .actor = actor}, 1, nullptr,
                           [&](Encoder& e) { e.text(std::string(payload, 'x')); });
}

inline std::uint64_t call_id(const wire::IncomingMessage& m) {
  return wire::parse_call(m)->call_id;
}

// A kind of network, with a way to wait on it.
class TestNet {
 public:
  virtual ~TestNet() = default;
  virtual std::unique_ptr<Transport> transport(const std::string& name) = 0;
  virtual std::string listen_address(const std::string& name) = 0;
  // True when `done` came to hold. `where` tells of changes.
  virtual bool wait(Recorder& where, const std::function<bool()>& done) = 0;
};

class VirtualNet : public TestNet {
 public:
  bool wait(Recorder&, const std::function<bool()>& done) override {
    return timers.run_until(done, 600s);
  }
  testing::VirtualTimers timers;
};

class SimNet final : public VirtualNet {
 public:
  std::unique_ptr<Transport> transport(const std::string& name) override {
    return network.make_transport(name);
  }
  std::string listen_address(const std::string& name) override { return name + ":0"; }
  testing::SimNetwork network{7, timers};
};

class LoopbackNet final : public VirtualNet {
 public:
  std::unique_ptr<Transport> transport(const std::string&) override {
    return network->make_transport(&timers);
  }
  std::string listen_address(const std::string&) override { return "loop:0"; }
  std::shared_ptr<LoopbackNetwork> network = make_loopback_network();
};

class ThreadedNet : public TestNet {
 public:
  bool wait(Recorder& where, const std::function<bool()>& done) override {
    // `done` may take the recorder's lock itself, so it runs outside of it.
    for (int i = 0; !done(); ++i) {
      if (i > 100000) return false;
      std::unique_lock lock(where.mutex);
      where.news.wait_for(lock, std::chrono::milliseconds(2));
      waited += std::chrono::milliseconds(2);
      if (waited > kTestPatience) return false;
    }
    return true;
  }
  std::chrono::milliseconds waited{0};
};

class ThreadedLoopbackNet final : public ThreadedNet {
 public:
  std::unique_ptr<Transport> transport(const std::string&) override {
    return network->make_transport();
  }
  std::string listen_address(const std::string&) override { return "loop:0"; }
  std::shared_ptr<LoopbackNetwork> network = make_loopback_network();
};

class TcpNet final : public ThreadedNet {
 public:
  std::unique_ptr<Transport> transport(const std::string&) override { return make_tcp_transport(); }
  std::string listen_address(const std::string&) override { return "127.0.0.1:0"; }
};

// Two nodes, "a" connects to "b".
struct Pair {
  explicit Pair(TestNet& n) : net(n), a(n.transport("a")), b(n.transport("b")) {
    a_options.node = {1, 1};
    b_options.node = {2, 2};
    b_options.role = Role::kAcceptor;
    a_options.nonce_seed = 11;
    b_options.nonce_seed = 22;
  }
  ~Pair() {
    if (a) a->stop();
    if (b) b->stop();
    // Recorded messages may be all that is left of a session.
    a_session.reset();
    with_b([&] { b_session.reset(); });
  }

  void connect() {
    auto listening = b->listen(net.listen_address("b"), [this](std::unique_ptr<ByteStream> s) {
      auto started = Session::start(std::move(s), b->timers(), b_options, b_events);
      b_events->record([&] { b_session = started; });
    });
    ASSERT_TRUE(listening) << listening.error().message;
    listener = std::move(*listening);
    address = listener->address();
    a->connect(address, 10s, [this](Result<std::unique_ptr<ByteStream>> s) {
      ASSERT_TRUE(s) << s.error().message;
      auto started = Session::start(std::move(*s), a->timers(), a_options, a_events);
      a_events->record([&] { a_session = started; });
    });
  }
  void connect_and_wait() {
    connect();
    ASSERT_TRUE(net.wait(*a_events, [&] { return a_events->ready() || a_events->closed(); }));
    ASSERT_TRUE(net.wait(*b_events, [&] { return b_events->ready() || b_events->closed(); }));
  }
  // The causes with which both ended.
  std::pair<Error, Error> ends() {
    EXPECT_TRUE(net.wait(*a_events, [&] { return a_events->closed(); }));
    EXPECT_TRUE(net.wait(*b_events, [&] { return b_events->closed(); }));
    return {a_events->with_lock([&] { return a_events->causes.at(0); }),
            b_events->with_lock([&] { return b_events->causes.at(0); })};
  }
  template <class F>
  void with_b(F&& f) {
    b_events->with_lock(std::forward<F>(f));
  }
  Session& session_a() {
    const std::scoped_lock lock(a_events->mutex);
    return *a_session;
  }
  Session& session_b() {
    const std::scoped_lock lock(b_events->mutex);
    return *b_session;
  }

  TestNet& net;
  std::unique_ptr<Transport> a, b;
  SessionOptions a_options, b_options;
  std::shared_ptr<Recorder> a_events = std::make_shared<Recorder>();
  std::shared_ptr<Recorder> b_events = std::make_shared<Recorder>();
  std::unique_ptr<Listener> listener;
  std::string address;
  std::shared_ptr<Session> a_session, b_session;
};

// Tests over every kind of network.
enum class NetKind { kSim, kLoopback, kThreadedLoopback, kTcp };

inline std::unique_ptr<TestNet> make_net(NetKind kind) {
  switch (kind) {
    case NetKind::kSim:
      return std::make_unique<SimNet>();
    case NetKind::kLoopback:
      return std::make_unique<LoopbackNet>();
    case NetKind::kThreadedLoopback:
      return std::make_unique<ThreadedLoopbackNet>();
    default:
      return std::make_unique<TcpNet>();
  }
}

inline std::string kind_name(const ::testing::TestParamInfo<NetKind>& info) {
  static constexpr const char* kNames[] = {"Sim", "Loopback", "ThreadedLoopback", "Tcp"};
  return kNames[static_cast<int>(info.param)];
}

}  // namespace muster::net
