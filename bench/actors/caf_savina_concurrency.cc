#include <deque>
#include <unordered_map>
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
using finished_atom = atom_constant<atom("finished")>;
using write_atom = atom_constant<atom("write")>;
using read_atom = atom_constant<atom("read")>;
using result_atom = atom_constant<atom("result")>;

using Map = std::unordered_map<std::int32_t, std::int32_t>;

struct DictionaryState {
  Map map;
  Member member;  // last, so that the clock does not see the map go
};
behavior dictionary_actor(stateful_actor<DictionaryState>* self, Round* round, Map* filled) {
  self->state.member.join(*round);
  self->state.map = std::move(*filled);
  return {[=](write_atom, const actor& sender, std::int32_t key, std::int32_t value) {
            self->state.map[key] = value;
            self->send(sender, result_atom::value, value);
          },
          [=](read_atom, const actor& sender, std::int32_t key) {
            self->send(sender, result_atom::value, self->state.map.at(key));
          },
          [=](finish_atom) { self->quit(); }};
}

struct ClientState {
  Member member;
  actor master;
  actor dictionary;
  WideRandom random{1};
  std::int64_t sent = 0;
  std::int32_t key = 0;
};
void work(stateful_actor<ClientState>* self) {
  auto& state = self->state;
  if (state.sent++ == kDictionaryMessages) {
    self->send(state.master, finished_atom::value);
    self->quit();
    return;
  }
  const bool write = state.random.next_below(100) < kDictionaryWritePercent;
  state.key = static_cast<std::int32_t>(state.random.next_below(kDictionaryKeys));
  // Every key holds itself, so that each answer can be checked.
  if (write) {
    self->send(state.dictionary, write_atom::value, self, state.key, state.key);
  } else {
    self->send(state.dictionary, read_atom::value, self, state.key);
  }
}
behavior client_actor(stateful_actor<ClientState>* self, Round* round, actor master,
                      actor dictionary, std::int64_t id) {
  self->state.member.join(*round);
  self->state.master = std::move(master);
  self->state.dictionary = std::move(dictionary);
  self->state.random = WideRandom(id + kDictionaryMessages + kDictionaryWritePercent);
  return {[=](start_atom) { work(self); },
          [=](result_atom, std::int32_t value) {
            expect_equal("value in the dictionary", value, self->state.key);
            ++self->state.member.count;
            work(self);
          }};
}

struct MasterState {
  Member member;
  actor dictionary;
  std::vector<actor> clients;
  std::int64_t finished = 0;
};
behavior master_actor(stateful_actor<MasterState>* self, Round* round, actor dictionary) {
  self->state.member.join(*round);
  for (std::int64_t i = 0; i < kDictionaryWorkers; ++i) {
    self->state.clients.push_back(
        self->spawn(client_actor, round, caf::actor_cast<actor>(self), dictionary, i));
    self->send(self->state.clients.back(), start_atom::value);
  }
  self->state.dictionary = std::move(dictionary);
  return {[=](finished_atom) {
    if (++self->state.finished < kDictionaryWorkers) return;
    self->send(self->state.dictionary, finish_atom::value);
    self->quit();
  }};
}

double concdict(unsigned threads) {
  Round round(kDictionaryWorkers + 2);
  System system(threads);
  Map map;
  for (std::int32_t key = 0; key < kDictionaryKeys; ++key) map[key] = key;
  // Not on the clock: filling the map would be most of it.
  const actor dictionary = system.actors.spawn(dictionary_actor, &round, &map);
  round.start();
  const actor master = system.actors.spawn(master_actor, &round, dictionary);
  const double seconds = round.wait();
  round.expect("answers", kDictionaryWorkers * kDictionaryMessages);
  return seconds;
}

using produce_atom = atom_constant<atom("produce")>;
using produced_atom = atom_constant<atom("produced")>;
using item_atom = atom_constant<atom("item")>;
using consume_atom = atom_constant<atom("consume")>;
using available_atom = atom_constant<atom("available")>;

struct ItemState {
  Member member;
  actor manager;
  double item = 0;
  std::int64_t produced = 0;
};
behavior item_producer(stateful_actor<ItemState>* self, Round* round, actor manager) {
  self->state.member.join(*round);
  self->state.manager = std::move(manager);
  return {[=](produce_atom) {
    auto& state = self->state;
    if (state.produced == kItemsPerProducer) {
      self->send(state.manager, produced_atom::value);
      self->quit();
      return;
    }
    state.item = process_item(state.item, kItemCost);
    self->send(state.manager, item_atom::value, state.item, self);
    ++state.produced;
  }};
}
behavior item_consumer(stateful_actor<ItemState>* self, Round* round, actor manager) {
  self->state.member.join(*round);
  self->state.manager = std::move(manager);
  return {[=](consume_atom, double item, const actor&) {
            self->state.item = process_item(self->state.item + item, kItemCost);
            ++self->state.member.count;
            self->send(self->state.manager, available_atom::value, self);
          },
          [=](finish_atom) { self->quit(); }};
}

struct ManagerState {
  Member member;
  std::vector<actor> producers;
  std::deque<actor> held_back;  // until the buffer has room
  std::deque<actor> consumers;  // those that wait for an item
  std::deque<std::pair<double, actor>> items;
  std::int64_t finished = 0;
};
using ManagerActor = stateful_actor<ManagerState>;

void finish_if_done(ManagerActor* self) {
  auto& state = self->state;
  if (state.finished < kProducers || std::ssize(state.consumers) < kConsumers) return;
  for (const actor& consumer : state.consumers) self->send(consumer, finish_atom::value);
  self->quit();
}
void take_item(ManagerActor* self, double item, const actor& producer) {
  auto& state = self->state;
  if (state.consumers.empty()) {
    state.items.emplace_back(item, producer);
  } else {
    self->send(state.consumers.front(), consume_atom::value, item, producer);
    state.consumers.pop_front();
  }
  if (std::ssize(state.items) >= kBufferSize - kProducers) {
    state.held_back.push_back(producer);
  } else {
    self->send(producer, produce_atom::value);
  }
}
void serve(ManagerActor* self, const actor& consumer) {
  auto& state = self->state;
  if (state.items.empty()) {
    state.consumers.push_back(consumer);
    finish_if_done(self);
    return;
  }
  self->send(consumer, consume_atom::value, state.items.front().first, state.items.front().second);
  state.items.pop_front();
  if (state.held_back.empty()) return;
  self->send(state.held_back.front(), produce_atom::value);
  state.held_back.pop_front();
}
behavior manager_actor(ManagerActor* self, Round* round) {
  auto& state = self->state;
  state.member.join(*round);
  const auto me = caf::actor_cast<actor>(self);
  for (std::int64_t i = 0; i < kConsumers; ++i) {
    state.consumers.push_back(self->spawn(item_consumer, round, me));
  }
  for (std::int64_t i = 0; i < kProducers; ++i) {
    state.producers.push_back(self->spawn(item_producer, round, me));
  }
  for (const actor& producer : state.producers) self->send(producer, produce_atom::value);
  return {[=](item_atom, double item, const actor& producer) { take_item(self, item, producer); },
          [=](available_atom, const actor& consumer) { serve(self, consumer); },
          [=](produced_atom) {
            ++self->state.finished;
            finish_if_done(self);
          }};
}

double bndbuffer(unsigned threads) {
  Round round(kProducers + kConsumers + 1);
  System system(threads);
  round.start();
  const actor manager = system.actors.spawn(manager_actor, &round);
  const double seconds = round.wait();
  round.expect("items", kProducers * kItemsPerProducer);
  return seconds;
}

using hungry_atom = atom_constant<atom("hungry")>;
using denied_atom = atom_constant<atom("denied")>;
using eat_atom = atom_constant<atom("eat")>;
using done_atom = atom_constant<atom("done")>;
using leave_atom = atom_constant<atom("leave")>;

struct PhilosopherState {
  Member member;
  actor arbitrator;
};
behavior philosopher_actor(stateful_actor<PhilosopherState>* self, Round* round, std::size_t id,
                           actor arbitrator) {
  self->state.member.join(*round);
  self->state.arbitrator = std::move(arbitrator);
  return {[=](start_atom) { self->send(self->state.arbitrator, hungry_atom::value, self, id); },
          [=](denied_atom) { self->send(self->state.arbitrator, hungry_atom::value, self, id); },
          [=](eat_atom) {
            self->send(self->state.arbitrator, done_atom::value, id);
            if (++self->state.member.count < kMeals) {
              self->send(self, start_atom::value);
            } else {
              self->send(self->state.arbitrator, leave_atom::value);
              self->quit();
            }
          }};
}

struct ArbitratorState {
  Member member;
  std::vector<bool> taken = std::vector<bool>(kPhilosophers);
  std::int64_t left = 0;
};
behavior arbitrator_actor(stateful_actor<ArbitratorState>* self, Round* round) {
  self->state.member.join(*round);
  return {[=](hungry_atom, const actor& philosopher, std::size_t id) {
            auto& taken = self->state.taken;
            const std::size_t next = (id + 1) % taken.size();
            if (taken[id] || taken[next]) {
              self->send(philosopher, denied_atom::value);
              return;
            }
            taken[id] = taken[next] = true;
            self->send(philosopher, eat_atom::value);
          },
          [=](done_atom, std::size_t id) {
            auto& taken = self->state.taken;
            taken[id] = taken[(id + 1) % taken.size()] = false;
          },
          [=](leave_atom) {
            if (++self->state.left == kPhilosophers) self->quit();
          }};
}

double philosopher(unsigned threads) {
  Round round(kPhilosophers + 1);
  System system(threads);
  round.start();
  const actor arbitrator = system.actors.spawn(arbitrator_actor, &round);
  std::vector<actor> philosophers;
  for (std::size_t i = 0; i < kPhilosophers; ++i) {
    philosophers.push_back(system.actors.spawn(philosopher_actor, &round, i, arbitrator));
  }
  for (const actor& one : philosophers) anon_send(one, start_atom::value);
  const double seconds = round.wait();
  round.expect("meals", kPhilosophers * kMeals);
  return seconds;
}

using debit_atom = atom_constant<atom("debit")>;
using credit_atom = atom_constant<atom("credit")>;

struct AccountState {
  ~AccountState() { member.count = static_cast<std::int64_t>(balance); }
  Member member;
  double balance = kInitialBalance;
};
behavior account_actor(stateful_actor<AccountState>* self, Round* round) {
  self->state.member.join(*round);
  return {[=](debit_atom, double amount) { self->state.balance += amount; },
          // Savina's account puts aside what comes until the other has answered: so does await.
          [=](credit_atom, const actor& teller, double amount, const actor& recipient) {
            self->state.balance -= amount;
            self->request(recipient, caf::infinite, debit_atom::value, amount).await([=] {
              self->send(teller, done_atom::value);
            });
          },
          [=](finish_atom) { self->quit(); }};
}

struct TellerState {
  Member member;
  std::vector<actor> accounts;
  PseudoRandom random{123456};
  std::int64_t done = 0;
};
behavior teller_actor(stateful_actor<TellerState>* self, Round* round) {
  self->state.member.join(*round);
  for (std::int64_t i = 0; i < kAccounts; ++i) {
    self->state.accounts.push_back(self->spawn(account_actor, round));
  }
  return {[=](start_atom) {
            auto& state = self->state;
            for (std::int64_t i = 0; i < kTransactions; ++i) {
              const auto [source, destination] = next_accounts(state.random);
              self->send(state.accounts[source], credit_atom::value, self,
                         next_amount(state.random), state.accounts[destination]);
            }
          },
          [=](done_atom) {
            if (++self->state.done < kTransactions) return;
            for (const actor& account : self->state.accounts) {
              self->send(account, finish_atom::value);
            }
            self->quit();
          }};
}

double banking(unsigned threads) {
  Round round(kAccounts + 1);
  System system(threads);
  round.start();
  const actor teller = system.actors.spawn(teller_actor, &round);
  anon_send(teller, start_atom::value);
  const double seconds = round.wait();
  round.expect("sum of the balances", kAccounts * static_cast<std::int64_t>(kInitialBalance));
  return seconds;
}

}  // namespace

Bodies caf_concurrency_bodies() {
  return {{"concdict", concdict},
          {"bndbuffer", bndbuffer},
          {"philosopher", philosopher},
          {"banking", banking}};
}

}  // namespace savina
