#include <vector>

#include "bench/actors/caf_savina.h"

namespace savina {
namespace {

using caf::actor;
using caf::anon_send;
using caf::atom;
using caf::atom_constant;
using caf::behavior;
using caf::stateful_actor;

using start_atom = atom_constant<atom("start")>;
using finish_atom = atom_constant<atom("finish")>;
using message_atom = atom_constant<atom("message")>;
using spread_atom = atom_constant<atom("spread")>;
using result_atom = atom_constant<atom("result")>;

struct CountState {
  Member member;
};

behavior receiver_actor(stateful_actor<CountState>* self, Round* round) {
  self->state.member.join(*round);
  return {[=](message_atom) {
    if (++self->state.member.count == kMailboxSenders * kMailboxMessages) self->quit();
  }};
}
void sender_actor(stateful_actor<CountState>* self, Round* round, const actor& receiver) {
  self->state.member.join(*round);
  const auto message = caf::make_message(message_atom::value);
  for (std::int64_t i = 0; i < kMailboxMessages; ++i) anon_send(receiver, message);
}

double mailbox_performance(unsigned threads) {
  Round round(kMailboxSenders + 1);
  System system(threads);
  round.start();
  const actor receiver = system.actors.spawn(receiver_actor, &round);
  for (std::int64_t i = 0; i < kMailboxSenders; ++i) {
    system.actors.spawn(sender_actor, &round, receiver);
  }
  const double seconds = round.wait();
  round.expect("messages", kMailboxSenders * kMailboxMessages);
  return seconds;
}

struct NodeState {
  Member member;
  actor parent;
  std::uint32_t nodes = 1;
  int results = 0;
};
void report(stateful_actor<NodeState>* self) {
  if (self->state.parent) {
    self->send(self->state.parent, result_atom::value, self->state.nodes);
  } else {
    self->state.member.count = self->state.nodes;
  }
  self->quit();
}
behavior node_actor(stateful_actor<NodeState>* self, Round* round, actor parent) {
  self->state.member.join(*round);
  self->state.parent = std::move(parent);
  return {[=](spread_atom, std::uint32_t depth) {
            if (depth == 1) {
              report(self);
              return;
            }
            for (int i = 0; i < 2; ++i) {
              self->send(
                  self->spawn<caf::lazy_init>(node_actor, round, caf::actor_cast<actor>(self)),
                  spread_atom::value, depth - 1);
            }
          },
          [=](result_atom, std::uint32_t nodes) {
            self->state.nodes += nodes;
            if (++self->state.results == 2) report(self);
          }};
}

double actor_creation(unsigned threads) {
  constexpr std::int64_t kNodes = (std::int64_t{1} << kCreationDepth) - 1;
  Round round(kNodes);
  System system(threads);
  round.start();
  anon_send(system.actors.spawn<caf::lazy_init>(node_actor, &round, actor()), spread_atom::value,
            kCreationDepth);
  const double seconds = round.wait();
  round.expect("actors", kNodes);
  return seconds;
}

using take_atom = atom_constant<atom("take")>;
using window_atom = atom_constant<atom("window")>;
using ack_atom = atom_constant<atom("ack")>;

struct DrainState {
  Member member;
  std::int64_t finished = 0;
};
behavior drain_actor(stateful_actor<DrainState>* self, Round* round) {
  self->state.member.join(*round);
  return {[=](take_atom, std::int64_t value) { self->state.member.count += value; },
          [=](window_atom, const actor& sender) { self->send(sender, ack_atom::value); },
          [=](finish_atom, std::int64_t sources) {
            if (++self->state.finished == sources) self->quit();
          }};
}

struct SourceState {
  Member member;
  actor drain;
  std::int64_t sent = 0;
  std::int64_t acknowledged = 0;
};
void send_window(stateful_actor<SourceState>* self) {
  ++self->state.sent;
  for (std::int64_t i = 1; i <= kStreamWindow; ++i) {
    self->send(self->state.drain, take_atom::value, i);
  }
  self->send(self->state.drain, window_atom::value, self);
}
behavior source_actor(stateful_actor<SourceState>* self, Round* round, actor drain,
                      std::int64_t sources) {
  self->state.member.join(*round);
  self->state.drain = std::move(drain);
  const std::int64_t windows = kStreamMessages / sources / kStreamWindow;
  return {[=](start_atom) {
            for (std::int64_t i = 0; i < kStreamWindowsAhead; ++i) send_window(self);
          },
          [=](ack_atom) {
            if (++self->state.acknowledged < windows) {
              if (self->state.sent < windows) send_window(self);
              return;
            }
            self->send(self->state.drain, finish_atom::value, sources);
            self->quit();
          }};
}

double stream(unsigned threads, std::int64_t count) {
  Round round(count + 1);
  System system(threads);
  round.start();
  const actor drain = system.actors.spawn(drain_actor, &round);
  std::vector<actor> sources;
  for (std::int64_t i = 0; i < count; ++i) {
    sources.push_back(system.actors.spawn(source_actor, &round, drain, count));
    anon_send(sources.back(), start_atom::value);
  }
  const double seconds = round.wait();
  round.expect("sum of the values",
               kStreamMessages / kStreamWindow * (kStreamWindow * (kStreamWindow + 1) / 2));
  return seconds;
}

behavior echo_actor(stateful_actor<CountState>* self, Round* round) {
  self->state.member.join(*round);
  return {[](std::int64_t value) { return value; }};
}

struct CallerState {
  Member member;
  actor echo;
  caf::duration timeout;
  std::int64_t next = 0;
};
void call_next(stateful_actor<CallerState>* self) {
  auto& state = self->state;
  if (state.next == kCalls) {
    self->quit();
    return;
  }
  self->request(state.echo, state.timeout, state.next++).then([=](std::int64_t value) {
    self->state.member.count += value;
    call_next(self);
  });
}
behavior caller_actor(stateful_actor<CallerState>* self, Round* round, actor echo,
                      caf::duration timeout) {
  self->state.member.join(*round);
  self->state.echo = std::move(echo);
  self->state.timeout = timeout;
  return {[=](start_atom) { call_next(self); }};
}

double request_reply(unsigned threads, caf::duration timeout) {
  Round round(2);
  System system(threads);
  round.start();
  anon_send(
      system.actors.spawn(caller_actor, &round, system.actors.spawn(echo_actor, &round), timeout),
      start_atom::value);
  const double seconds = round.wait();
  round.expect("sum of the answers", kCalls * (kCalls - 1) / 2);
  return seconds;
}

using touch_atom = atom_constant<atom("touch")>;

struct IdleState {
  std::atomic<std::int64_t>* touched = nullptr;
};
behavior idle_actor(stateful_actor<IdleState>* self, std::atomic<std::int64_t>* touched) {
  self->state.touched = touched;
  return {[=](touch_atom) { self->state.touched->fetch_add(1, std::memory_order_release); }};
}

// In portions, so that the messages under way hardly count.
void make_idle(System& system, std::vector<actor>& actors, std::atomic<std::int64_t>& touched) {
  constexpr std::size_t kPortion = 1000;
  for (std::size_t i = 0; i < actors.size(); ++i) {
    actors[i] = system.actors.spawn(idle_actor, &touched);
    anon_send(actors[i], touch_atom::value);
    if ((i + 1) % kPortion == 0) wait_until(touched, static_cast<std::int64_t>(i + 1));
  }
}

double idle_memory(unsigned threads) {
  std::atomic<std::int64_t> touched = 0;
  System system(threads);
  std::vector<actor> actors(kMemoryActors);
  const std::int64_t before = resident_bytes();
  make_idle(system, actors, touched);
  const std::int64_t after = resident_bytes();
  return static_cast<double>(after - before) / kMemoryActors;
}

double idle_cpu(unsigned threads) {
  std::atomic<std::int64_t> touched = 0;
  System system(threads);
  std::vector<actor> actors(kIdleActors);
  make_idle(system, actors, touched);
  return idle_cpu_percent();
}

}  // namespace

Bodies caf_micro_bodies() {
  return {{"mailbox_performance", mailbox_performance},
          {"actor_creation", actor_creation},
          {"one_to_one", [](unsigned threads) { return stream(threads, 1); }},
          {"many_to_one", [](unsigned threads) { return stream(threads, kStreamSources); }},
          {"request_reply", [](unsigned threads) { return request_reply(threads, caf::infinite); }},
          {"request_reply_deadline",
           [](unsigned threads) {
             return request_reply(threads, caf::duration(std::chrono::seconds(60)));
           }},
          {"idle_memory", idle_memory},
          {"idle_cpu", idle_cpu}};
}

}  // namespace savina
