#include <deque>
#include <unordered_map>
#include <vector>

#include "bench/actors/muster_savina.h"

namespace savina {
namespace {

using namespace muster;

using Map = std::unordered_map<std::int32_t, std::int32_t>;

class Client;
class Dictionary {
 public:
  Dictionary(Round& round, Map map) : map_(std::move(map)), member_(round) {}
  void write(const Handle<Client>& sender, std::int32_t key, std::int32_t value);
  void read(const Handle<Client>& sender, std::int32_t key);
  void finish() { this_actor::stop(); }

 private:
  Map map_;
  Member member_;  // last, so that the clock does not see the map go
};

class Master;
class Client {
 public:
  Client(Round& round, Handle<Master> master, Handle<Dictionary> dictionary, std::int64_t id)
      : member_(round),
        master_(std::move(master)),
        dictionary_(std::move(dictionary)),
        random_(id + kDictionaryMessages + kDictionaryWritePercent) {}
  void work();
  void result(std::int32_t value) {
    expect_equal("value in the dictionary", value, key_);
    ++member_.count;
    work();
  }

 private:
  Member member_;
  Handle<Master> master_;
  Handle<Dictionary> dictionary_;
  WideRandom random_;
  std::int64_t sent_ = 0;
  std::int32_t key_ = 0;
};

class Master {
 public:
  Master(Round& round, Handle<Dictionary> dictionary)
      : member_(round), dictionary_(std::move(dictionary)) {
    for (std::int64_t i = 0; i < kDictionaryWorkers; ++i) {
      clients_.push_back(this_actor::runtime().spawn<Client>(
          {}, round, this_actor::handle<Master>(), dictionary_, i));
      clients_.back().send<&Client::work>();
    }
  }
  void finished() {
    if (++finished_ < kDictionaryWorkers) return;
    dictionary_.send<&Dictionary::finish>();
    this_actor::stop();
  }

 private:
  Member member_;
  Handle<Dictionary> dictionary_;
  std::vector<Handle<Client>> clients_;
  std::int64_t finished_ = 0;
};
MUSTER_ACTOR(Dictionary, write, read, finish);
MUSTER_ACTOR(Client, work, result);
MUSTER_ACTOR(Master, finished);

void Dictionary::write(const Handle<Client>& sender, std::int32_t key, std::int32_t value) {
  map_[key] = value;
  sender.send<&Client::result>(value);
}
void Dictionary::read(const Handle<Client>& sender, std::int32_t key) {
  sender.send<&Client::result>(map_.at(key));
}
void Client::work() {
  if (sent_++ == kDictionaryMessages) {
    master_.send<&Master::finished>();
    this_actor::stop();
    return;
  }
  const bool write = random_.next_below(100) < kDictionaryWritePercent;
  key_ = static_cast<std::int32_t>(random_.next_below(kDictionaryKeys));
  // Every key holds itself, so that each answer can be checked.
  if (write) {
    dictionary_.send<&Dictionary::write>(this_actor::handle<Client>(), key_, key_);
  } else {
    dictionary_.send<&Dictionary::read>(this_actor::handle<Client>(), key_);
  }
}

double concdict(unsigned threads) {
  Round round(kDictionaryWorkers + 2);
  Runtime runtime(options_for(threads));
  Map map;
  for (std::int32_t key = 0; key < kDictionaryKeys; ++key) map[key] = key;
  // Not on the clock: filling the map would be most of it.
  const auto dictionary = runtime.spawn<Dictionary>({}, round, std::move(map));
  round.start();
  const auto master = runtime.spawn<Master>({}, round, dictionary);
  const double seconds = finish(round, runtime);
  round.expect("answers", kDictionaryWorkers * kDictionaryMessages);
  return seconds;
}

class Manager;
class ItemProducer {
 public:
  ItemProducer(Round& round, Handle<Manager> manager)
      : member_(round), manager_(std::move(manager)) {}
  void produce();

 private:
  Member member_;
  Handle<Manager> manager_;
  double item_ = 0;
  std::int64_t produced_ = 0;
};

class ItemConsumer {
 public:
  ItemConsumer(Round& round, Handle<Manager> manager)
      : member_(round), manager_(std::move(manager)) {}
  void consume(double item, const Handle<ItemProducer>& producer);
  void finish() { this_actor::stop(); }

 private:
  Member member_;
  Handle<Manager> manager_;
  double item_ = 0;
};

class Manager {
 public:
  explicit Manager(Round& round);
  void item(double item, const Handle<ItemProducer>& producer);
  void available(const Handle<ItemConsumer>& consumer);
  void produced() {
    ++finished_;
    finish_if_done();
  }

 private:
  void finish_if_done() {
    if (finished_ < kProducers || std::ssize(consumers_) < kConsumers) return;
    for (const auto& consumer : consumers_) consumer.send<&ItemConsumer::finish>();
    this_actor::stop();
  }

  Member member_;
  std::vector<Handle<ItemProducer>> producers_;
  std::deque<Handle<ItemProducer>> held_back_;  // until the buffer has room
  std::deque<Handle<ItemConsumer>> consumers_;  // those that wait for an item
  std::deque<std::pair<double, Handle<ItemProducer>>> items_;
  std::int64_t finished_ = 0;
};
MUSTER_ACTOR(ItemProducer, produce);
MUSTER_ACTOR(ItemConsumer, consume, finish);
MUSTER_ACTOR(Manager, item, available, produced);

void ItemProducer::produce() {
  if (produced_ == kItemsPerProducer) {
    manager_.send<&Manager::produced>();
    this_actor::stop();
    return;
  }
  item_ = process_item(item_, kItemCost);
  manager_.send<&Manager::item>(item_, this_actor::handle<ItemProducer>());
  ++produced_;
}
void ItemConsumer::consume(double item, const Handle<ItemProducer>&) {
  item_ = process_item(item_ + item, kItemCost);
  ++member_.count;
  manager_.send<&Manager::available>(this_actor::handle<ItemConsumer>());
}
Manager::Manager(Round& round) : member_(round) {
  const auto self = this_actor::handle<Manager>();
  Runtime& runtime = this_actor::runtime();
  for (std::int64_t i = 0; i < kConsumers; ++i) {
    // A consumer at work is known to nobody else.
    consumers_.push_back(runtime.spawn<ItemConsumer>({.detached = true}, round, self));
  }
  for (std::int64_t i = 0; i < kProducers; ++i) {
    producers_.push_back(runtime.spawn<ItemProducer>({}, round, self));
  }
  for (const auto& producer : producers_) producer.send<&ItemProducer::produce>();
}
void Manager::item(double item, const Handle<ItemProducer>& producer) {
  if (consumers_.empty()) {
    items_.emplace_back(item, producer);
  } else {
    consumers_.front().send<&ItemConsumer::consume>(item, producer);
    consumers_.pop_front();
  }
  if (std::ssize(items_) >= kBufferSize - kProducers) {
    held_back_.push_back(producer);
  } else {
    producer.send<&ItemProducer::produce>();
  }
}
void Manager::available(const Handle<ItemConsumer>& consumer) {
  if (items_.empty()) {
    consumers_.push_back(consumer);
    finish_if_done();
    return;
  }
  consumer.send<&ItemConsumer::consume>(items_.front().first, items_.front().second);
  items_.pop_front();
  if (held_back_.empty()) return;
  held_back_.front().send<&ItemProducer::produce>();
  held_back_.pop_front();
}

double bndbuffer(unsigned threads) {
  Round round(kProducers + kConsumers + 1);
  Runtime runtime(options_for(threads));
  round.start();
  const auto manager = runtime.spawn<Manager>({}, round);
  const double seconds = finish(round, runtime);
  round.expect("items", kProducers * kItemsPerProducer);
  return seconds;
}

class Arbitrator;
class Philosopher {
 public:
  Philosopher(Round& round, std::size_t id, Handle<Arbitrator> arbitrator)
      : member_(round), id_(id), arbitrator_(std::move(arbitrator)) {}
  void start();
  void denied() { start(); }
  void eat();

 private:
  Member member_;
  std::size_t id_;
  Handle<Arbitrator> arbitrator_;
};

class Arbitrator {
 public:
  explicit Arbitrator(Round& round) : member_(round), taken_(kPhilosophers) {}
  void hungry(const Handle<Philosopher>& philosopher, std::size_t id) {
    const std::size_t next = (id + 1) % taken_.size();
    if (taken_[id] || taken_[next]) {
      philosopher.send<&Philosopher::denied>();
      return;
    }
    taken_[id] = taken_[next] = true;
    philosopher.send<&Philosopher::eat>();
  }
  void done(std::size_t id) { taken_[id] = taken_[(id + 1) % taken_.size()] = false; }
  void leave() {
    if (++left_ == kPhilosophers) this_actor::stop();
  }

 private:
  Member member_;
  std::vector<bool> taken_;
  std::int64_t left_ = 0;
};
MUSTER_ACTOR(Philosopher, start, denied, eat);
MUSTER_ACTOR(Arbitrator, hungry, done, leave);

void Philosopher::start() {
  arbitrator_.send<&Arbitrator::hungry>(this_actor::handle<Philosopher>(), id_);
}
void Philosopher::eat() {
  arbitrator_.send<&Arbitrator::done>(id_);
  if (++member_.count < kMeals) {
    this_actor::send<&Philosopher::start>();
  } else {
    arbitrator_.send<&Arbitrator::leave>();
    this_actor::stop();
  }
}

double philosopher(unsigned threads) {
  Round round(kPhilosophers + 1);
  Runtime runtime(options_for(threads));
  round.start();
  const auto arbitrator = runtime.spawn<Arbitrator>({}, round);
  std::vector<Handle<Philosopher>> philosophers;
  for (std::size_t i = 0; i < kPhilosophers; ++i) {
    philosophers.push_back(runtime.spawn<Philosopher>({}, round, i, arbitrator));
  }
  for (const auto& one : philosophers) one.send<&Philosopher::start>();
  const double seconds = finish(round, runtime);
  round.expect("meals", kPhilosophers * kMeals);
  return seconds;
}

class Teller;
class Account {
 public:
  explicit Account(Round& round) : member_(round) {}
  ~Account() { member_.count = static_cast<std::int64_t>(balance_); }
  void debit(double amount) { balance_ += amount; }
  // Savina's account puts aside what comes until the other has answered: so does a Task.
  Task<> credit(Handle<Teller> teller, double amount, Handle<Account> recipient);
  void finish() { this_actor::stop(); }

 private:
  Member member_;
  double balance_ = kInitialBalance;
};

class Teller {
 public:
  explicit Teller(Round& round) : member_(round) {
    for (std::int64_t i = 0; i < kAccounts; ++i) {
      accounts_.push_back(this_actor::runtime().spawn<Account>({}, round));
    }
  }
  void start() {
    for (std::int64_t i = 0; i < kTransactions; ++i) {
      const auto [source, destination] = next_accounts(random_);
      accounts_[source].send<&Account::credit>(this_actor::handle<Teller>(), next_amount(random_),
                                               accounts_[destination]);
    }
  }
  void done() {
    if (++done_ < kTransactions) return;
    for (const auto& account : accounts_) account.send<&Account::finish>();
    this_actor::stop();
  }

 private:
  Member member_;
  std::vector<Handle<Account>> accounts_;
  PseudoRandom random_{123456};
  std::int64_t done_ = 0;
};
MUSTER_ACTOR(Account, debit, credit, finish);
MUSTER_ACTOR(Teller, start, done);

Task<> Account::credit(Handle<Teller> teller, double amount, Handle<Account> recipient) {
  balance_ -= amount;
  co_await recipient.call<&Account::debit>(amount);
  teller.send<&Teller::done>();
}

double banking(unsigned threads) {
  Round round(kAccounts + 1);
  Runtime runtime(options_for(threads));
  round.start();
  const auto teller = runtime.spawn<Teller>({}, round);
  teller.send<&Teller::start>();
  const double seconds = finish(round, runtime);
  round.expect("sum of the balances", kAccounts * static_cast<std::int64_t>(kInitialBalance));
  return seconds;
}

}  // namespace

Bodies concurrency_bodies() {
  return {{"concdict", concdict},
          {"bndbuffer", bndbuffer},
          {"philosopher", philosopher},
          {"banking", banking}};
}

}  // namespace savina
