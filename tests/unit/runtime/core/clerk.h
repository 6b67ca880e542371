#pragma once
// The actor of the tests of calls that outlive their connection.

#include "unit/runtime/core/fixture.h"

namespace muster::test {

/// Remembers what it was told, and answers when it is let.
class Clerk {
 public:
  int file(int number) {
    filed_.push_back(number);
    return number;
  }
  Task<int> file_slowly(int number, std::chrono::milliseconds time) {
    filed_.push_back(number);
    co_await sleep_for(time);
    co_return number;
  }
  std::vector<float> copy(int number, int size) {
    filed_.push_back(number);
    return std::vector<float>(static_cast<std::size_t>(size), static_cast<float>(number));
  }
  void refuse(int number) {
    filed_.push_back(number);
    throw std::runtime_error("refused " + std::to_string(number));
  }
  int weigh(int number, const std::vector<float>& bulk) {
    filed_.push_back(number);
    return static_cast<int>(bulk.size());
  }
  Handle<Clerk> me(int number) {
    filed_.push_back(number);
    return this_actor::handle<Clerk>();
  }
  void keep(std::optional<Handle<Clerk>> other) { kept_ = std::move(other).value(); }
  Handle<Clerk> give() const { return kept_; }
  void crash(int number) {
    filed_.push_back(number);
    MUSTER_CHECK(false, "told to crash");
  }
  Stream<int> each() { co_yield 1; }
  std::vector<int> filed() const { return filed_; }

 private:
  std::vector<int> filed_;
  Handle<Clerk> kept_;
};
MUSTER_ACTOR(Clerk, file, file_slowly, copy, refuse, weigh, me, keep, give, crash, each, filed);

}  // namespace muster::test

// Compiled once, in clerk.cc.
MUSTER_ACTOR_EXTERN(muster::test::Clerk);
