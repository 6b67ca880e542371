#include "sim/actors/member.h"

#include <fmt/format.h>

#include <stdexcept>

namespace muster::sim {

namespace {
constexpr std::size_t kKeptMax = 4;
}

Turn::Turn(Member& member, const Stamp& stamp) : member_(member), stamp_(stamp) {
  member_.ledger_.begun(stamp_, member_.number_);
  if (std::exchange(member_.busy_, true)) {
    member_.ledger_.fault(member_.ledger_.describe(stamp_) + " is handled beside another");
  }
}
Turn::~Turn() {
  member_.busy_ = false;
}
std::uint64_t Turn::done() {
  member_.ledger_.finished(stamp_);
  return stamp_.message;
}

Member::Member(Ledger* ledger, Random* random, Number number)
    : ledger_(*ledger), random_(*random), number_(number) {
  ledger_.born(number_, *this);
}
Member::~Member() {
  if (busy_) ledger_.fault(fmt::format("actor {} is destroyed in a handler", number_));
  ledger_.died(number_);
}

void Member::seen(const Handle<Member>& handle) {
  if (const auto number = ledger_.find(handle.id())) {
    ledger_.seen(*number, ledger_.node_of(number_));
  }
}

std::uint64_t Member::work(const Stamp& stamp) {
  return Turn(*this, stamp).done();
}

std::uint64_t Member::refuse(const Stamp& stamp) {
  const Turn turn(*this, stamp);
  ledger_.threw(stamp);
  throw std::runtime_error("refused");
}

Task<std::uint64_t> Member::nap(Stamp stamp, std::chrono::microseconds time) {
  Turn turn(*this, stamp);
  co_await sleep_for(time);
  co_return turn.done();
}

Task<std::uint64_t> Member::relay(Stamp stamp, Handle<Member> other, Handle<Member> passed) {
  Turn turn(*this, stamp);
  const auto target = ledger_.find(other.id());
  if (!target) co_return turn.done();
  seen(other);
  if (passed.valid()) seen(passed);
  constexpr Duration kPatience = 200ms;
  const Stamp asked = ledger_.call(number_, *target, kPatience, "keep, relayed");
  Waiting waiting(ledger_, asked);
  auto future = other.with({.timeout = kPatience}).call<&Member::keep>(asked, passed);
  ledger_.placed(asked, future.ready());
  const Result<std::uint64_t> answer = co_await std::move(future).as_result();
  waiting.ended(answer);
  co_return turn.done();
}

std::uint64_t Member::keep(const Stamp& stamp, const Handle<Member>& other) {
  Turn turn(*this, stamp);
  if (other.valid()) seen(other);
  if (other.valid() && kept_.size() < kKeptMax) kept_.push_back(other);
  return turn.done();
}

std::uint64_t Member::drop(const Stamp& stamp) {
  Turn turn(*this, stamp);
  kept_.clear();
  return turn.done();
}

Handle<Member> Member::give(const Stamp& stamp) {
  Turn turn(*this, stamp);
  turn.done();
  return kept_.empty() ? Handle<Member>() : kept_[random_.below(kept_.size())];
}

std::uint64_t Member::fan_out(const Stamp& stamp) {
  Turn turn(*this, stamp);
  for (const auto& other : kept_) {
    if (const auto target = ledger_.find(other.id())) {
      other.send<&Member::work>(ledger_.send(number_, *target, "work, fanned out"));
    }
  }
  return turn.done();
}

std::uint64_t Member::later(const Stamp& stamp, std::chrono::microseconds delay) {
  Turn turn(*this, stamp);
  // A sender of its own: what it sends meanwhile comes before.
  const Number timer = ledger_.add_sender(ledger_.node_of(number_));
  this_actor::send_after<&Member::work>(delay, ledger_.send(timer, number_, "work, later"));
  return turn.done();
}

std::uint64_t Member::breed(const Stamp& stamp) {
  Turn turn(*this, stamp);
  if (kept_.size() >= kKeptMax) return turn.done();
  SpawnOptions options;
  options.mailbox_capacity = 4;
  const Number child = ledger_.add_actor(ledger_.node_of(number_), options);
  auto made = this_actor::runtime().try_spawn<Member>(options, &ledger_, &random_, child);
  if (made) {
    ledger_.made(child, made->id());
    kept_.push_back(std::move(*made));
  } else {
    ledger_.not_made(child);
  }
  return turn.done();
}

void Member::crash(const Stamp& stamp) {
  const Turn turn(*this, stamp);
  ledger_.doom(number_, !ledger_.actors().at(number_).restarts);
  MUSTER_CHECK(false, "told to crash");
}

std::uint64_t Member::leave(const Stamp& stamp) {
  Turn turn(*this, stamp);
  ledger_.doom(number_, true);
  this_actor::stop();
  return turn.done();
}

}  // namespace muster::sim
