// The loopback network: byte streams inside one process, bytes arrive at once.

#include <muster/net.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "runtime/net/address.h"
#include "runtime/time/timer_queue.h"

namespace muster {
namespace {

// Bytes a pipe holds before writes are refused.
constexpr std::size_t kPipeBytes = 1024 * 1024;

// Timers on a thread of their own, for a transport that was given none.
class TimerThread final : public Timers {
 public:
  TimerThread() : thread_([this] { run(); }) {}
  ~TimerThread() override { stop(); }

  const Clock& clock() const override { return steady_clock(); }
  bool cancel(TimerId id) override { return queue_.cancel(id); }
  TimerId schedule(TimePoint when, std::function<void()> callback) override {
    if (stopped_) return 0;
    bool earliest = false;
    const TimerId id = queue_.schedule(when, std::move(callback), &earliest);
    if (earliest) {
      const std::scoped_lock lock(mutex_);
      news_ = true;
      wake_.notify_one();
    }
    return id;
  }
  // Joins the thread, then runs what is due on this one and drops the rest.
  void stop() {
    {
      const std::scoped_lock lock(mutex_);
      if (std::exchange(stopping_, true)) return;
      wake_.notify_one();
    }
    thread_.join();
    while (queue_.run_due(clock().now()) > 0) {
    }
    stopped_ = true;
    queue_.clear();
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      lock.unlock();
      queue_.run_due(clock().now());
      const auto next = queue_.next();
      lock.lock();
      const auto awake = [this] { return stopping_ || std::exchange(news_, false); };
      if (next) {
        wake_.wait_for(lock, *next - clock().now(), awake);
      } else {
        wake_.wait(lock, awake);
      }
    }
  }

  TimerQueue queue_;
  std::atomic<bool> stopped_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
  bool news_ = false;      // guarded by mutex_
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;     // last: it uses the others
};

Error closed_here(const std::string& peer) {
  return {ErrorCode::kCancelled, "connection to " + peer + " closed", {}};
}
Error closed_there(const std::string& peer) {
  return {ErrorCode::kUnavailable, peer + " closed the connection", {}};
}

// One end of a connection: what it may read, and who waits for what. Both ends share one lock.
struct End {
  std::shared_ptr<Timers> timers;
  std::string peer;
  std::vector<std::byte> inbox;
  std::size_t taken = 0;  // of the inbox
  std::span<std::byte> into;
  ByteStream::IoHandler reader;
  std::function<void()> writer;  // waits for room in the other end's inbox
  bool closed = false;

  std::size_t held() const { return inbox.size() - taken; }
};

struct Pipe {
  std::mutex mutex;
  End ends[2];  // guarded by mutex
};

class LoopbackStream final : public ByteStream {
 public:
  LoopbackStream(std::shared_ptr<Pipe> pipe, int side)
      : pipe_(std::move(pipe)), side_(side), timers_(own().timers), peer_(own().peer) {}
  ~LoopbackStream() override { close(); }

  void read_some(std::span<std::byte> into, IoHandler done) override {
    const std::scoped_lock lock(pipe_->mutex);
    own().into = into;
    own().reader = std::move(done);
    if (own().held() > 0 || own().closed || other().closed) wake_reader(pipe_, side_);
  }

  Result<std::size_t> try_write(std::span<const Slice> slices) override {
    const std::scoped_lock lock(pipe_->mutex);
    if (own().closed) return fail(closed_here(peer_));
    if (other().closed) return fail(closed_there(peer_));
    std::size_t room = kPipeBytes - std::min(kPipeBytes, other().held());
    std::size_t count = 0;
    for (const Slice& slice : slices) {
      const Slice part = slice.first(std::min(slice.size(), room));
      other().inbox.insert(other().inbox.end(), part.begin(), part.end());
      count += part.size();
      room -= part.size();
    }
    if (count > 0) wake_reader(pipe_, 1 - side_);
    return count;
  }

  void wait_writable(std::function<void()> done) override {
    const std::scoped_lock lock(pipe_->mutex);
    own().writer = std::move(done);
    if (own().closed || other().closed || other().held() < kPipeBytes) wake_writer(*pipe_, side_);
  }

  void close() override { close_end(pipe_, side_); }

  std::string peer_address() const override { return peer_; }

  static void close_end(const std::shared_ptr<Pipe>& pipe, int side) {
    const std::scoped_lock lock(pipe->mutex);
    if (std::exchange(pipe->ends[side].closed, true)) return;
    for (const int each : {0, 1}) {
      wake_reader(pipe, each);
      wake_writer(*pipe, each);
    }
  }

 private:
  End& own() { return pipe_->ends[side_]; }
  End& other() { return pipe_->ends[1 - side_]; }

  // Requires: the lock. The bytes are taken when the handler runs.
  static void wake_reader(const std::shared_ptr<Pipe>& pipe, int side) {
    End& end = pipe->ends[side];
    if (!end.reader) return;
    end.timers->schedule(
        end.timers->clock().now(),
        [pipe, side, done = std::exchange(end.reader, nullptr)] { done(deliver(*pipe, side)); });
  }

  static void wake_writer(Pipe& pipe, int side) {
    End& end = pipe.ends[side];
    if (!end.writer) return;
    end.timers->schedule(end.timers->clock().now(), std::exchange(end.writer, nullptr));
  }

  static Result<std::size_t> deliver(Pipe& pipe, int side) {
    const std::scoped_lock lock(pipe.mutex);
    End& end = pipe.ends[side];
    if (end.closed) return fail(closed_here(end.peer));
    const std::size_t count = std::min(end.held(), end.into.size());
    if (count == 0) return fail(closed_there(end.peer));
    std::memcpy(end.into.data(), end.inbox.data() + end.taken, count);
    end.taken += count;
    if (end.held() == 0) {
      end.inbox.clear();
      end.taken = 0;
    } else if (end.taken >= kPipeBytes) {
      end.inbox.erase(end.inbox.begin(),
                      end.inbox.begin() + static_cast<std::ptrdiff_t>(end.taken));
      end.taken = 0;
    }
    wake_writer(pipe, 1 - side);
    return count;
  }

  const std::shared_ptr<Pipe> pipe_;
  const int side_;
  const std::shared_ptr<Timers> timers_;
  const std::string peer_;
};

// The ends of streams that a transport must close when it stops.
struct OwnEnds {
  void add(const std::shared_ptr<Pipe>& pipe, int side) {
    const std::scoped_lock lock(mutex);
    std::erase_if(ends, [](const auto& end) { return end.first.expired(); });
    ends.emplace_back(pipe, side);
  }
  void close_all() {
    std::vector<std::pair<std::weak_ptr<Pipe>, int>> all;
    {
      const std::scoped_lock lock(mutex);
      all.swap(ends);
    }
    for (const auto& [weak, side] : all) {
      if (const auto pipe = weak.lock()) LoopbackStream::close_end(pipe, side);
    }
  }
  std::mutex mutex;
  std::vector<std::pair<std::weak_ptr<Pipe>, int>> ends;  // guarded by mutex
};

struct Listening {
  std::shared_ptr<Timers> timers;
  std::shared_ptr<OwnEnds> ends;
  std::shared_ptr<std::function<void(std::unique_ptr<ByteStream>)>> on_accept;
};

struct NetworkState {
  std::mutex mutex;
  // Guarded by mutex:
  std::map<std::string, Listening> listening;
  std::uint16_t last_port = 40000;
  std::uint64_t connections = 0;
};

class LoopbackListener final : public Listener {
 public:
  LoopbackListener(std::shared_ptr<NetworkState> state, std::string address)
      : state_(std::move(state)), address_(std::move(address)) {}
  ~LoopbackListener() override {
    const std::scoped_lock lock(state_->mutex);
    state_->listening.erase(address_);
  }
  std::string address() const override { return address_; }

 private:
  std::shared_ptr<NetworkState> state_;
  std::string address_;
};

class LoopbackTransport final : public Transport {
 public:
  LoopbackTransport(std::shared_ptr<NetworkState> state, Timers* timers)
      : state_(std::move(state)) {
    if (timers != nullptr) {
      timers_ = std::shared_ptr<Timers>(std::shared_ptr<void>(), timers);  // not owned
    } else {
      thread_ = std::make_shared<TimerThread>();
      timers_ = thread_;
    }
  }
  ~LoopbackTransport() override { stop(); }

  Result<std::unique_ptr<Listener>> listen(
      const std::string& address,
      std::function<void(std::unique_ptr<ByteStream>)> on_accept) override {
    auto parsed = net::parse_address(address);
    if (!parsed) return fail(parsed.error());
    const std::scoped_lock lock(state_->mutex);
    if (parsed->port == 0) parsed->port = ++state_->last_port;
    std::string bound = net::format_address(parsed->host, parsed->port);
    const Listening entry{
        timers_, ends_,
        std::make_shared<std::function<void(std::unique_ptr<ByteStream>)>>(std::move(on_accept))};
    if (!state_->listening.emplace(bound, entry).second) {
      return fail(ErrorCode::kUnavailable,
                  "cannot listen on " + bound + ": address already in use");
    }
    return std::make_unique<LoopbackListener>(state_, std::move(bound));
  }

  void connect(const std::string& address, Duration,
               std::function<void(Result<std::unique_ptr<ByteStream>>)> done) override {
    const std::scoped_lock lock(state_->mutex);
    const auto found = state_->listening.find(address);
    if (found == state_->listening.end()) {
      timers_->schedule(timers_->clock().now(), [done = std::move(done), address] {
        done(
            fail(ErrorCode::kUnavailable, "cannot connect to " + address + ": connection refused"));
      });
      return;
    }
    const Listening& listening = found->second;
    auto pipe = std::make_shared<Pipe>();
    pipe->ends[0].timers = timers_;
    pipe->ends[0].peer = address;
    pipe->ends[1].timers = listening.timers;
    pipe->ends[1].peer = "loopback:" + std::to_string(++state_->connections);
    const auto ours =
        std::make_shared<std::unique_ptr<ByteStream>>(std::make_unique<LoopbackStream>(pipe, 0));
    const auto theirs =
        std::make_shared<std::unique_ptr<ByteStream>>(std::make_unique<LoopbackStream>(pipe, 1));
    listening.timers->schedule(
        listening.timers->clock().now(),
        [theirs, on_accept = listening.on_accept] { (*on_accept)(std::move(*theirs)); });
    timers_->schedule(timers_->clock().now(),
                      [ours, done = std::move(done)] { done(std::move(*ours)); });
    ends_->add(pipe, 0);
    listening.ends->add(pipe, 1);
  }

  Timers& timers() override { return *timers_; }

  void stop() override {
    ends_->close_all();
    if (thread_) thread_->stop();
  }

 private:
  const std::shared_ptr<NetworkState> state_;
  std::shared_ptr<Timers> timers_;
  std::shared_ptr<TimerThread> thread_;
  const std::shared_ptr<OwnEnds> ends_ = std::make_shared<OwnEnds>();
};

class LoopbackNetworkImpl final : public LoopbackNetwork {
 public:
  std::unique_ptr<Transport> make_transport(Timers* timers) override {
    return std::make_unique<LoopbackTransport>(state_, timers);
  }

 private:
  std::shared_ptr<NetworkState> state_ = std::make_shared<NetworkState>();
};

}  // namespace

std::shared_ptr<LoopbackNetwork> make_loopback_network() {
  return std::make_shared<LoopbackNetworkImpl>();
}

}  // namespace muster
