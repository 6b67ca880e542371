#pragma once
// The vocabulary of the tests of routers, pools and topics: a Worker, and where it lives.

#include "unit/runtime/core/fixture.h"

namespace muster::test {

/// Answers with its number.
class Worker {
 public:
  explicit Worker(int number) : number_(number) {}
  int number() {
    ++handled_;
    return number_;
  }
  Task<int> work(std::chrono::milliseconds time) {
    ++begun_;
    co_await sleep_for(time);
    ++handled_;
    co_return number_;
  }
  /// Each takes as long as its number says.
  Task<int> work_for_number() { return work(std::chrono::milliseconds(number_)); }
  Task<int> work_unless(int broken) {
    co_await sleep_for(std::chrono::milliseconds(number_));
    if (number_ % broken == 0) throw std::runtime_error("number " + std::to_string(number_));
    co_return number_;
  }
  void note(int n) { notes_.push_back(n); }
  std::vector<int> notes() const { return notes_; }
  int begun() const { return begun_; }
  int handled() const { return handled_; }

 private:
  const int number_;
  int begun_ = 0;
  int handled_ = 0;
  std::vector<int> notes_;
};
MUSTER_ACTOR(Worker, number, work, work_for_number, work_unless, note, notes, begun, handled);

class RoutingTest : public WorldTest {
 protected:
  Handle<Worker> worker(int number) { return worker_at(*home, number); }
  Handle<Worker> worker_at(Runtime& where, int number) {
    const std::string name = "worker " + std::to_string(number);
    const auto made = where.spawn<Worker>({.name = name}, number);
    return &where == &caller ? made : value_or_throw(caller.find<Worker>(name, 5s));
  }
  template <class Calls>
  static std::vector<int> numbers(Calls& calls, int times) {
    std::vector<int> all;
    for (int i = 0; i < times; ++i) all.push_back(calls.template call<&Worker::number>().get(1s));
    return all;
  }
  bool ends(const Handle<Worker>& actor) {
    auto down = caller.monitor(actor);
    return world.run_until([&] { return down.ready(); }, 5s);
  }
};

}  // namespace muster::test

// Compiled once, in routing_fixture.cc.
MUSTER_ACTOR_EXTERN(muster::test::Worker);
