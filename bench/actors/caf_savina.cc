#include "bench/actors/caf_savina.h"

#include <vector>

namespace savina {
namespace {

using caf::actor;
using caf::anon_send;
using caf::atom;
using caf::atom_constant;
using caf::behavior;
using caf::stateful_actor;

using start_atom = atom_constant<atom("start")>;
using ping_atom = atom_constant<atom("ping")>;
using pong_atom = atom_constant<atom("pong")>;
using finish_atom = atom_constant<atom("finish")>;

struct PingState {
  Member member;
  actor pong;
  std::int64_t left = kPings;
};
behavior ping_actor(stateful_actor<PingState>* self, Round* round, actor pong) {
  self->state.member.join(*round);
  self->state.pong = std::move(pong);
  return {[=](start_atom) {
            self->send(self->state.pong, ping_atom::value, self);
            --self->state.left;
          },
          [=](pong_atom, const actor&) {
            if (self->state.left > 0) {
              self->send(self, start_atom::value);
            } else {
              self->send(self->state.pong, finish_atom::value);
              self->quit();
            }
          }};
}

struct CountState {
  Member member;
};
behavior pong_actor(stateful_actor<CountState>* self, Round* round) {
  self->state.member.join(*round);
  return {[=](ping_atom, const actor& sender) {
            self->send(sender, pong_atom::value, self);
            ++self->state.member.count;
          },
          [=](finish_atom) { self->quit(); }};
}

double pingpong(unsigned threads) {
  Round round(2);
  System system(threads);
  round.start();
  const actor pong = system.actors.spawn(pong_actor, &round);
  const actor ping = system.actors.spawn(ping_actor, &round, pong);
  anon_send(ping, start_atom::value);
  const double seconds = round.wait();
  round.expect("pongs", kPings);
  return seconds;
}

using increment_atom = atom_constant<atom("increment")>;
using retrieve_atom = atom_constant<atom("retrieve")>;
using result_atom = atom_constant<atom("result")>;

behavior counter_actor(stateful_actor<CountState>* self, Round* round) {
  self->state.member.join(*round);
  return {[=](increment_atom) { ++self->state.member.count; },
          [=](retrieve_atom, const actor& sender) {
            self->send(sender, result_atom::value, self->state.member.count);
            self->quit();
          }};
}

struct ProducerState {
  Member member;
  actor counter;
};
behavior producer_actor(stateful_actor<ProducerState>* self, Round* round, actor counter) {
  self->state.member.join(*round);
  self->state.counter = std::move(counter);
  return {[=](start_atom) {
            for (std::int64_t i = 0; i < kIncrements; ++i) {
              self->send(self->state.counter, increment_atom::value);
            }
            self->send(self->state.counter, retrieve_atom::value, self);
          },
          [=](result_atom, std::int64_t count) {
            self->state.member.count = count;
            self->quit();
          }};
}

double count(unsigned threads) {
  Round round(2);
  System system(threads);
  round.start();
  const actor counter = system.actors.spawn(counter_actor, &round);
  const actor producer = system.actors.spawn(producer_actor, &round, counter);
  anon_send(producer, start_atom::value);
  const double seconds = round.wait();
  round.expect("increments, as counted and as retrieved", 2 * kIncrements);
  return seconds;
}

using work_atom = atom_constant<atom("work")>;

behavior worker_actor(stateful_actor<CountState>* self, Round* round, std::int64_t messages) {
  self->state.member.join(*round);
  return {[=](work_atom) {
    compute();
    if (++self->state.member.count == messages) self->quit();
  }};
}

double fjthrput(unsigned threads) {
  Round round(kThroughputActors);
  System system(threads);
  round.start();
  std::vector<actor> workers;
  for (std::int64_t i = 0; i < kThroughputActors; ++i) {
    workers.push_back(system.actors.spawn(worker_actor, &round, kThroughputMessages));
  }
  for (std::int64_t i = 0; i < kThroughputMessages; ++i) {
    for (const actor& worker : workers) anon_send(worker, work_atom::value);
  }
  const double seconds = round.wait();
  round.expect("messages", kThroughputMessages * kThroughputActors);
  return seconds;
}

double fjcreate(unsigned threads) {
  Round round(kForkedActors);
  System system(threads);
  round.start();
  for (std::int64_t i = 0; i < kForkedActors; ++i) {
    anon_send(system.actors.spawn<caf::lazy_init>(worker_actor, &round, std::int64_t{1}),
              work_atom::value);
  }
  const double seconds = round.wait();
  round.expect("messages", kForkedActors);
  return seconds;
}

using connect_atom = atom_constant<atom("connect")>;
using pass_atom = atom_constant<atom("pass")>;
using leave_atom = atom_constant<atom("leave")>;

struct LinkState {
  Member member;
  actor next;
};
behavior link_actor(stateful_actor<LinkState>* self, Round* round) {
  self->state.member.join(*round);
  return {[=](connect_atom, const actor& next) { self->state.next = next; },
          [=](pass_atom, std::int64_t left) {
            ++self->state.member.count;
            if (left > 0) {
              self->send(self->state.next, pass_atom::value, left - 1);
            } else {
              self->send(self->state.next, leave_atom::value, kRingActors - 1);
            }
          },
          [=](leave_atom, std::int64_t left) {
            if (left > 0) self->send(self->state.next, leave_atom::value, left - 1);
            self->quit();
          }};
}

double threadring(unsigned threads) {
  Round round(kRingActors);
  System system(threads);
  round.start();
  std::vector<actor> ring;
  for (std::int64_t i = 0; i < kRingActors; ++i) {
    ring.push_back(system.actors.spawn(link_actor, &round));
  }
  for (std::size_t i = 0; i < ring.size(); ++i) {
    anon_send(ring[i], connect_atom::value, ring[(i + 1) % ring.size()]);
  }
  anon_send(ring[0], pass_atom::value, kRingHops);
  const double seconds = round.wait();
  round.expect("hops", kRingHops + 1);
  return seconds;
}

using meet_atom = atom_constant<atom("meet")>;
using change_atom = atom_constant<atom("change")>;
using fade_atom = atom_constant<atom("fade")>;
using faded_atom = atom_constant<atom("faded")>;

struct CreatureState {
  Member member;
  actor mall;
  std::int32_t colour = 0;
  std::int64_t meetings = 0;
};
void go_to_mall(stateful_actor<CreatureState>* self) {
  self->send(self->state.mall, meet_atom::value, self->state.colour, self);
}
behavior creature_actor(stateful_actor<CreatureState>* self, Round* round, actor mall,
                        std::int32_t colour) {
  self->state.member.join(*round);
  self->state.mall = std::move(mall);
  self->state.colour = colour;
  go_to_mall(self);
  return {[=](meet_atom, std::int32_t other, const actor& sender) {
            self->state.colour = complement(self->state.colour, other);
            ++self->state.meetings;
            self->send(sender, change_atom::value, self->state.colour, self);
            go_to_mall(self);
          },
          [=](change_atom, std::int32_t changed, const actor&) {
            self->state.colour = changed;
            ++self->state.meetings;
            go_to_mall(self);
          },
          [=](fade_atom, const actor& sender) {
            self->state.colour = kFaded;
            self->send(sender, faded_atom::value, self->state.meetings, self);
            self->quit();
          }};
}

struct MallState {
  Member member;
  std::int64_t left = kMeetings;
  std::int64_t faded = 0;
  actor waiting;
};
behavior mall_actor(stateful_actor<MallState>* self, Round* round) {
  self->state.member.join(*round);
  for (std::int32_t i = 0; i < kCreatures; ++i) {
    self->spawn(creature_actor, round, caf::actor_cast<actor>(self), i % 3);
  }
  return {[=](meet_atom, std::int32_t colour, const actor& sender) {
            auto& state = self->state;
            if (state.left == 0) {
              self->send(sender, fade_atom::value, self);
            } else if (!state.waiting) {
              state.waiting = sender;
            } else {
              --state.left;
              self->send(state.waiting, meet_atom::value, colour, sender);
              state.waiting = nullptr;
            }
          },
          [=](faded_atom, std::int64_t meetings, const actor&) {
            self->state.member.count += meetings;
            if (++self->state.faded == kCreatures) self->quit();
          }};
}

double chameneos(unsigned threads) {
  Round round(kCreatures + 1);
  System system(threads);
  round.start();
  const actor mall = system.actors.spawn(mall_actor, &round);
  const double seconds = round.wait();
  round.expect("meetings, as both creatures count them", 2 * kMeetings);
  return seconds;
}

using peers_atom = atom_constant<atom("peers")>;
using finished_atom = atom_constant<atom("finished")>;

struct PeerState {
  Member member;
  PseudoRandom random{0};
  actor sink;
  std::vector<actor> peers;
  std::int64_t expected = -1;
};
behavior peer_actor(stateful_actor<PeerState>* self, Round* round, std::int64_t id, actor sink) {
  self->state.member.join(*round);
  self->state.random = PseudoRandom(id);
  self->state.sink = std::move(sink);
  return {[=](peers_atom, const std::vector<actor>& peers) { self->state.peers = peers; },
          [=](ping_atom, std::int64_t sender) {
            self->send(self->state.peers[static_cast<std::size_t>(sender)], pong_atom::value, id);
          },
          [=](pong_atom, std::int64_t sender) {
            auto& state = self->state;
            expect_equal("sender of a pong", sender, state.expected);
            if (state.member.count == kBigPings) {
              self->send(state.sink, finished_atom::value);
              return;
            }
            state.expected = state.random.next_below(kBigActors);
            self->send(state.peers[static_cast<std::size_t>(state.expected)], ping_atom::value, id);
            ++state.member.count;
          },
          [=](finish_atom) { self->quit(); }};
}

struct SinkState {
  Member member;
  std::vector<actor> peers;
  std::int64_t finished = 0;
};
behavior sink_actor(stateful_actor<SinkState>* self, Round* round) {
  self->state.member.join(*round);
  return {[=](peers_atom, const std::vector<actor>& peers) { self->state.peers = peers; },
          [=](finished_atom) {
            if (++self->state.finished < kBigActors) return;
            for (const actor& peer : self->state.peers) self->send(peer, finish_atom::value);
            self->quit();
          }};
}

double big(unsigned threads) {
  Round round(kBigActors + 1);
  System system(threads);
  round.start();
  const actor sink = system.actors.spawn(sink_actor, &round);
  std::vector<actor> peers;
  for (std::int64_t i = 0; i < kBigActors; ++i) {
    peers.push_back(system.actors.spawn(peer_actor, &round, i, sink));
  }
  anon_send(sink, peers_atom::value, peers);
  for (const actor& peer : peers) anon_send(peer, peers_atom::value, peers);
  for (const actor& peer : peers) anon_send(peer, pong_atom::value, std::int64_t{-1});
  const double seconds = round.wait();
  round.expect("pings", kBigActors * kBigPings);
  return seconds;
}

}  // namespace

Bodies caf_messaging_bodies() {
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
  savina::Bodies bodies = savina::caf_messaging_bodies();
  bodies.merge(savina::caf_concurrency_bodies());
  bodies.merge(savina::caf_micro_bodies());
  return savina::run_benchmarks("caf", bodies, argc, argv);
}
