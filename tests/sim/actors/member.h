#pragma once
// The actor of a random run: it does whatever its messages tell it, and writes all of it into the
// ledger.
//
// Threads: one.

#include "sim/actors/ledger.h"

#include <muster/random.h>

namespace muster::sim {

/// A message under way in a handler, for as long as the handler lives.
class Turn {
 public:
  Turn(Member& member, const Stamp& stamp);
  ~Turn();
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  /// The handler returns its message's number.
  std::uint64_t done();

 private:
  Member& member_;
  const Stamp stamp_;
};

/// A call whose end is awaited: abandoned when the one who waits goes first.
class Waiting {
 public:
  Waiting(Ledger& ledger, const Stamp& stamp) : ledger_(ledger), stamp_(stamp) {}
  ~Waiting() {
    if (!ended_) ledger_.abandoned(stamp_);
  }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;
  void ended(const Result<std::uint64_t>& answer) {
    ended_ = true;
    ledger_.ended(stamp_, answer);
  }

 private:
  Ledger& ledger_;
  const Stamp stamp_;
  bool ended_ = false;
};

class Member {
 public:
  Member(Ledger* ledger, Random* random, Number number);
  ~Member();
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;

  std::uint64_t work(const Stamp& stamp);
  std::uint64_t refuse(const Stamp& stamp);
  Task<std::uint64_t> nap(Stamp stamp, std::chrono::microseconds time);
  /// Asks `other` to work, and passes it a handle on the way.
  Task<std::uint64_t> relay(Stamp stamp, Handle<Member> other, Handle<Member> passed);
  std::uint64_t keep(const Stamp& stamp, const Handle<Member>& other);
  std::uint64_t drop(const Stamp& stamp);
  /// One of the handles it keeps, or none.
  Handle<Member> give(const Stamp& stamp);
  /// Tells all it keeps to work, one way.
  std::uint64_t fan_out(const Stamp& stamp);
  /// Tells itself to work, later.
  std::uint64_t later(const Stamp& stamp, std::chrono::microseconds delay);
  /// Makes an actor on its node and keeps it.
  std::uint64_t breed(const Stamp& stamp);
  void crash(const Stamp& stamp);
  std::uint64_t leave(const Stamp& stamp);

  Number number() const noexcept { return number_; }
  const std::vector<Handle<Member>>& kept() const noexcept { return kept_; }

 private:
  friend class Turn;
  void seen(const Handle<Member>& handle);

  Ledger& ledger_;
  Random& random_;
  const Number number_;
  std::vector<Handle<Member>> kept_;
  bool busy_ = false;
};

MUSTER_ACTOR(Member, work, refuse, nap, relay, keep, drop, give, fan_out, later, breed, crash,
             leave);

}  // namespace muster::sim
