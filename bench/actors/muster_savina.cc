#include "bench/actors/muster_savina.h"

#include <vector>

namespace savina {
namespace {

using namespace muster;

class Pong;
class Ping {
 public:
  Ping(Round& round, Handle<Pong> pong) : member_(round), pong_(std::move(pong)) {}
  void ping();
  void pong(const Handle<Pong>& sender);

 private:
  Member member_;
  Handle<Pong> pong_;
  std::int64_t left_ = kPings;
};

class Pong {
 public:
  explicit Pong(Round& round) : member_(round) {}
  void ping(const Handle<Ping>& sender) {
    sender.send<&Ping::pong>(this_actor::handle<Pong>());
    ++member_.count;
  }
  void finish() { this_actor::stop(); }

 private:
  Member member_;
};
MUSTER_ACTOR(Ping, ping, pong);
MUSTER_ACTOR(Pong, ping, finish);

void Ping::ping() {
  pong_.send<&Pong::ping>(this_actor::handle<Ping>());
  --left_;
}
void Ping::pong(const Handle<Pong>&) {
  if (left_ > 0) {
    this_actor::send<&Ping::ping>();
  } else {
    pong_.send<&Pong::finish>();
    this_actor::stop();
  }
}

double pingpong(unsigned threads) {
  Round round(2);
  Runtime runtime(options_for(threads));
  round.start();
  const auto pong = runtime.spawn<Pong>({}, round);
  const auto ping = runtime.spawn<Ping>({}, round, pong);
  ping.send<&Ping::ping>();
  const double seconds = finish(round, runtime);
  round.expect("pongs", kPings);
  return seconds;
}

class Producer;
class Counter {
 public:
  explicit Counter(Round& round) : member_(round) {}
  void increment() { ++member_.count; }
  void retrieve(const Handle<Producer>& sender);

 private:
  Member member_;
};

class Producer {
 public:
  Producer(Round& round, Handle<Counter> counter) : member_(round), counter_(std::move(counter)) {}
  void produce() {
    for (std::int64_t i = 0; i < kIncrements; ++i) counter_.send<&Counter::increment>();
    counter_.send<&Counter::retrieve>(this_actor::handle<Producer>());
  }
  void result(std::int64_t count) {
    member_.count = count;
    this_actor::stop();
  }

 private:
  Member member_;
  Handle<Counter> counter_;
};
MUSTER_ACTOR(Counter, increment, retrieve);
MUSTER_ACTOR(Producer, produce, result);

void Counter::retrieve(const Handle<Producer>& sender) {
  sender.send<&Producer::result>(member_.count);
  this_actor::stop();
}

double count(unsigned threads) {
  Round round(2);
  Runtime runtime(options_for(threads));
  round.start();
  // The producer sends all in one handler: room for every increment and the question after them.
  const auto counter = runtime.spawn<Counter>({.mailbox_capacity = kIncrements + 1}, round);
  const auto producer = runtime.spawn<Producer>({}, round, counter);
  producer.send<&Producer::produce>();
  const double seconds = finish(round, runtime);
  round.expect("increments, as counted and as retrieved", 2 * kIncrements);
  return seconds;
}

class Worker {
 public:
  Worker(Round& round, std::int64_t messages) : member_(round), messages_(messages) {}
  void work() {
    compute();
    if (++member_.count == messages_) this_actor::stop();
  }

 private:
  Member member_;
  std::int64_t messages_;
};
MUSTER_ACTOR(Worker, work);

double fjthrput(unsigned threads) {
  Round round(kThroughputActors);
  Runtime runtime(options_for(threads));
  round.start();
  std::vector<Handle<Worker>> workers;
  for (std::int64_t i = 0; i < kThroughputActors; ++i) {
    workers.push_back(runtime.spawn<Worker>({}, round, kThroughputMessages));
  }
  for (std::int64_t i = 0; i < kThroughputMessages; ++i) {
    for (const auto& worker : workers) worker.send<&Worker::work>();
  }
  const double seconds = finish(round, runtime);
  round.expect("messages", kThroughputMessages * kThroughputActors);
  return seconds;
}

double fjcreate(unsigned threads) {
  Round round(kForkedActors);
  Runtime runtime(options_for(threads));
  round.start();
  // The handle goes at once: each actor ends by itself after its message.
  for (std::int64_t i = 0; i < kForkedActors; ++i) {
    runtime.spawn<Worker>({}, round, kForkedActors).send<&Worker::work>();
  }
  const double seconds = finish(round, runtime);
  round.expect("messages", kForkedActors);
  return seconds;
}

class Link {
 public:
  explicit Link(Round& round) : member_(round) {}
  void connect(const Handle<Link>& next) { next_ = next; }
  void pass(std::int64_t left) {
    ++member_.count;
    if (left > 0) {
      next_.send<&Link::pass>(left - 1);
    } else {
      next_.send<&Link::leave>(kRingActors - 1);
    }
  }
  void leave(std::int64_t left) {
    if (left > 0) next_.send<&Link::leave>(left - 1);
    this_actor::stop();
  }

 private:
  Member member_;
  Handle<Link> next_;
};
MUSTER_ACTOR(Link, connect, pass, leave);

double threadring(unsigned threads) {
  Round round(kRingActors);
  Runtime runtime(options_for(threads));
  round.start();
  std::vector<Handle<Link>> ring;
  for (std::int64_t i = 0; i < kRingActors; ++i) ring.push_back(runtime.spawn<Link>({}, round));
  for (std::size_t i = 0; i < ring.size(); ++i) {
    ring[i].send<&Link::connect>(ring[(i + 1) % ring.size()]);
  }
  ring[0].send<&Link::pass>(kRingHops);
  const double seconds = finish(round, runtime);
  round.expect("hops", kRingHops + 1);
  return seconds;
}

class Mall;
class Creature {
 public:
  Creature(Round& round, Handle<Mall> mall, std::int32_t colour);
  void meet(std::int32_t colour, const Handle<Creature>& sender);
  void change(std::int32_t colour, const Handle<Creature>& sender);
  void fade(const Handle<Mall>& sender);

 private:
  void go_to_mall();

  Member member_;
  Handle<Mall> mall_;
  std::int32_t colour_;
  std::int64_t meetings_ = 0;
};

class Mall {
 public:
  explicit Mall(Round& round);
  void meet(std::int32_t colour, const Handle<Creature>& sender) {
    if (left_ == 0) {
      sender.send<&Creature::fade>(this_actor::handle<Mall>());
    } else if (!waiting_.valid()) {
      waiting_ = sender;
    } else {
      --left_;
      waiting_.send<&Creature::meet>(colour, sender);
      waiting_ = {};
    }
  }
  void faded(std::int64_t meetings, const Handle<Creature>&) {
    member_.count += meetings;
    if (++faded_ == kCreatures) this_actor::stop();
  }

 private:
  Member member_;
  std::int64_t left_ = kMeetings;
  std::int64_t faded_ = 0;
  Handle<Creature> waiting_;
};
MUSTER_ACTOR(Creature, meet, change, fade);
MUSTER_ACTOR(Mall, meet, faded);

Creature::Creature(Round& round, Handle<Mall> mall, std::int32_t colour)
    : member_(round), mall_(std::move(mall)), colour_(colour) {
  go_to_mall();
}
void Creature::go_to_mall() {
  mall_.send<&Mall::meet>(colour_, this_actor::handle<Creature>());
}
void Creature::meet(std::int32_t colour, const Handle<Creature>& sender) {
  colour_ = complement(colour_, colour);
  ++meetings_;
  sender.send<&Creature::change>(colour_, this_actor::handle<Creature>());
  go_to_mall();
}
void Creature::change(std::int32_t colour, const Handle<Creature>&) {
  colour_ = colour;
  ++meetings_;
  go_to_mall();
}
void Creature::fade(const Handle<Mall>& sender) {
  colour_ = kFaded;
  sender.send<&Mall::faded>(meetings_, this_actor::handle<Creature>());
  this_actor::stop();
}
Mall::Mall(Round& round) : member_(round) {
  for (std::int32_t i = 0; i < kCreatures; ++i) {
    this_actor::runtime().spawn<Creature>({.detached = true}, round, this_actor::handle<Mall>(),
                                          i % 3);
  }
}

double chameneos(unsigned threads) {
  Round round(kCreatures + 1);
  Runtime runtime(options_for(threads));
  round.start();
  const auto mall = runtime.spawn<Mall>({}, round);
  const double seconds = finish(round, runtime);
  round.expect("meetings, as both creatures count them", 2 * kMeetings);
  return seconds;
}

class Sink;
class Peer {
 public:
  Peer(Round& round, std::int64_t id, Handle<Sink> sink)
      : member_(round), id_(id), random_(id), sink_(std::move(sink)) {}
  void meet(const std::vector<Handle<Peer>>& peers) { peers_ = peers; }
  void ping(std::int64_t sender) {
    peers_[static_cast<std::size_t>(sender)].send<&Peer::pong>(id_);
  }
  void pong(std::int64_t sender);
  void finish() { this_actor::stop(); }

 private:
  Member member_;
  std::int64_t id_;
  PseudoRandom random_;
  Handle<Sink> sink_;
  std::vector<Handle<Peer>> peers_;
  std::int64_t expected_ = -1;
};

class Sink {
 public:
  explicit Sink(Round& round) : member_(round) {}
  void meet(const std::vector<Handle<Peer>>& peers) { peers_ = peers; }
  void finished() {
    if (++finished_ < kBigActors) return;
    for (const auto& peer : peers_) peer.send<&Peer::finish>();
    this_actor::stop();
  }

 private:
  Member member_;
  std::vector<Handle<Peer>> peers_;
  std::int64_t finished_ = 0;
};
MUSTER_ACTOR(Peer, meet, ping, pong, finish);
MUSTER_ACTOR(Sink, meet, finished);

void Peer::pong(std::int64_t sender) {
  expect_equal("sender of a pong", sender, expected_);
  if (member_.count == kBigPings) {
    sink_.send<&Sink::finished>();
    return;
  }
  expected_ = random_.next_below(kBigActors);
  peers_[static_cast<std::size_t>(expected_)].send<&Peer::ping>(id_);
  ++member_.count;
}

double big(unsigned threads) {
  Round round(kBigActors + 1);
  Runtime runtime(options_for(threads));
  round.start();
  const auto sink = runtime.spawn<Sink>({}, round);
  std::vector<Handle<Peer>> peers;
  for (std::int64_t i = 0; i < kBigActors; ++i) {
    peers.push_back(runtime.spawn<Peer>({}, round, i, sink));
  }
  sink.send<&Sink::meet>(peers);
  for (const auto& peer : peers) peer.send<&Peer::meet>(peers);
  for (const auto& peer : peers) peer.send<&Peer::pong>(-1);
  const double seconds = finish(round, runtime);
  round.expect("pings", kBigActors * kBigPings);
  return seconds;
}

}  // namespace

Bodies messaging_bodies() {
  return {{"pingpong", pingpong},
          {"count", count},
          {"fjthrput", fjthrput},
          {"fjcreate", fjcreate},
          {"threadring", threadring},
          {"chameneos", chameneos},
          {"big", big}};
}

}  // namespace savina

int main(int argc, char** argv) {
  savina::Bodies bodies = savina::messaging_bodies();
  bodies.merge(savina::concurrency_bodies());
  bodies.merge(savina::micro_bodies());
  return savina::run_benchmarks("muster", bodies, argc, argv);
}
