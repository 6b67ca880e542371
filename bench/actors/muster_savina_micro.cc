#include <vector>

#include "bench/actors/muster_savina.h"

namespace savina {
namespace {

using namespace muster;

class Receiver {
 public:
  explicit Receiver(Round& round) : member_(round) {}
  void message() {
    if (++member_.count == kMailboxSenders * kMailboxMessages) this_actor::stop();
  }

 private:
  Member member_;
};
MUSTER_ACTOR(Receiver, message);

class Sender {
 public:
  Sender(Round& round, Handle<Receiver> receiver)
      : member_(round), receiver_(std::move(receiver)) {}
  void run() {
    for (std::int64_t i = 0; i < kMailboxMessages; ++i) receiver_.send<&Receiver::message>();
  }

 private:
  Member member_;
  Handle<Receiver> receiver_;
};
MUSTER_ACTOR(Sender, run);

double mailbox_performance(unsigned threads) {
  Round round(kMailboxSenders + 1);
  Runtime runtime(options_for(threads));
  round.start();
  // The senders never wait: room for all.
  const auto receiver =
      runtime.spawn<Receiver>({.mailbox_capacity = kMailboxSenders * kMailboxMessages}, round);
  for (std::int64_t i = 0; i < kMailboxSenders; ++i) {
    runtime.spawn<Sender>({}, round, receiver).send<&Sender::run>();
  }
  const double seconds = finish(round, runtime);
  round.expect("messages", kMailboxSenders * kMailboxMessages);
  return seconds;
}

class Node {
 public:
  Node(Round& round, Handle<Node> parent)
      : member_(round), round_(round), parent_(std::move(parent)) {}
  void spread(std::uint32_t depth) {
    if (depth == 1) {
      report();
      return;
    }
    for (int i = 0; i < 2; ++i) {
      this_actor::runtime()
          .spawn<Node>({.detached = true}, round_, this_actor::handle<Node>())
          .send<&Node::spread>(depth - 1);
    }
  }
  void result(std::uint32_t nodes) {
    nodes_ += nodes;
    if (++results_ == 2) report();
  }

 private:
  void report() {
    if (parent_.valid()) {
      parent_.send<&Node::result>(nodes_);
    } else {
      member_.count = nodes_;
    }
    this_actor::stop();
  }

  Member member_;
  Round& round_;
  Handle<Node> parent_;
  std::uint32_t nodes_ = 1;
  int results_ = 0;
};
MUSTER_ACTOR(Node, spread, result);

double actor_creation(unsigned threads) {
  constexpr std::int64_t kNodes = (std::int64_t{1} << kCreationDepth) - 1;
  Round round(kNodes);
  Runtime runtime(options_for(threads));
  round.start();
  runtime.spawn<Node>({.detached = true}, round, Handle<Node>())
      .send<&Node::spread>(kCreationDepth);
  const double seconds = finish(round, runtime);
  round.expect("actors", kNodes);
  return seconds;
}

class Source;
class Drain {
 public:
  explicit Drain(Round& round) : member_(round) {}
  void take(std::int64_t value) { member_.count += value; }
  void window(const Handle<Source>& sender);
  void finish(std::int64_t sources) {
    if (++finished_ == sources) this_actor::stop();
  }

 private:
  Member member_;
  std::int64_t finished_ = 0;
};

class Source {
 public:
  Source(Round& round, Handle<Drain> drain, std::int64_t sources)
      : member_(round), drain_(std::move(drain)), sources_(sources) {}
  void start() {
    for (std::int64_t i = 0; i < kStreamWindowsAhead; ++i) send_window();
  }
  void acknowledged() {
    if (++acknowledged_ < windows()) {
      if (sent_ < windows()) send_window();
      return;
    }
    drain_.send<&Drain::finish>(sources_);
    this_actor::stop();
  }

 private:
  std::int64_t windows() const { return kStreamMessages / sources_ / kStreamWindow; }
  void send_window();

  Member member_;
  Handle<Drain> drain_;
  std::int64_t sources_;
  std::int64_t sent_ = 0;
  std::int64_t acknowledged_ = 0;
};
MUSTER_ACTOR(Drain, take, window, finish);
MUSTER_ACTOR(Source, start, acknowledged);

void Drain::window(const Handle<Source>& sender) {
  sender.send<&Source::acknowledged>();
}
void Source::send_window() {
  ++sent_;
  for (std::int64_t i = 1; i <= kStreamWindow; ++i) drain_.send<&Drain::take>(i);
  drain_.send<&Drain::window>(this_actor::handle<Source>());
}

double stream(unsigned threads, std::int64_t count) {
  Round round(count + 1);
  Runtime runtime(options_for(threads));
  round.start();
  const auto drain = runtime.spawn<Drain>({}, round);
  std::vector<Handle<Source>> sources;
  for (std::int64_t i = 0; i < count; ++i) {
    sources.push_back(runtime.spawn<Source>({}, round, drain, count));
    sources.back().send<&Source::start>();
  }
  const double seconds = finish(round, runtime);
  round.expect("sum of the values",
               kStreamMessages / kStreamWindow * (kStreamWindow * (kStreamWindow + 1) / 2));
  return seconds;
}

class Echo {
 public:
  explicit Echo(Round& round) : member_(round) {}
  std::int64_t echo(std::int64_t value) { return value; }

 private:
  Member member_;
};
MUSTER_ACTOR(Echo, echo);

class Caller {
 public:
  Caller(Round& round, Handle<Echo> echo) : member_(round), echo_(std::move(echo)) {}
  Task<> run() {
    for (std::int64_t i = 0; i < kCalls; ++i) member_.count += co_await echo_.call<&Echo::echo>(i);
    this_actor::stop();
  }

 private:
  Member member_;
  Handle<Echo> echo_;
};
MUSTER_ACTOR(Caller, run);

double request_reply(unsigned threads, Duration timeout) {
  Round round(2);
  Runtime runtime(options_for(threads));
  round.start();
  // Nobody but the caller keeps the handle of the other: that one ends when the caller does.
  runtime
      .spawn<Caller>({.detached = true}, round,
                     runtime.spawn<Echo>({}, round).with({.timeout = timeout}))
      .send<&Caller::run>();
  const double seconds = finish(round, runtime);
  round.expect("sum of the answers", kCalls * (kCalls - 1) / 2);
  return seconds;
}

class Idle {
 public:
  explicit Idle(std::atomic<std::int64_t>& touched) : touched_(touched) {}
  void touch() { touched_.fetch_add(1, std::memory_order_release); }

 private:
  std::atomic<std::int64_t>& touched_;
};
MUSTER_ACTOR(Idle, touch);

// In portions, so that the messages under way hardly count.
void make_idle(Runtime& runtime, std::vector<Handle<Idle>>& actors,
               std::atomic<std::int64_t>& touched) {
  constexpr std::size_t kPortion = 1000;
  for (std::size_t i = 0; i < actors.size(); ++i) {
    actors[i] = runtime.spawn<Idle>({}, touched);
    actors[i].send<&Idle::touch>();
    if ((i + 1) % kPortion == 0) wait_until(touched, static_cast<std::int64_t>(i + 1));
  }
}

double idle_memory(unsigned threads) {
  std::atomic<std::int64_t> touched = 0;
  Runtime runtime(options_for(threads));
  std::vector<Handle<Idle>> actors(kMemoryActors);
  const std::int64_t before = resident_bytes();
  make_idle(runtime, actors, touched);
  const std::int64_t after = resident_bytes();
  return static_cast<double>(after - before) / kMemoryActors;
}

double idle_cpu(unsigned threads) {
  std::atomic<std::int64_t> touched = 0;
  Runtime runtime(options_for(threads));
  std::vector<Handle<Idle>> actors(kIdleActors);
  make_idle(runtime, actors, touched);
  return idle_cpu_percent();
}

}  // namespace

Bodies micro_bodies() {
  return {{"mailbox_performance", mailbox_performance},
          {"actor_creation", actor_creation},
          {"one_to_one", [](unsigned threads) { return stream(threads, 1); }},
          {"many_to_one", [](unsigned threads) { return stream(threads, kStreamSources); }},
          {"request_reply", [](unsigned threads) { return request_reply(threads, kForever); }},
          {"request_reply_deadline", [](unsigned threads) { return request_reply(threads, 60s); }},
          {"idle_memory", idle_memory},
          {"idle_cpu", idle_cpu}};
}

}  // namespace savina
