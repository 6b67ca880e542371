#include "runtime/core/run_watch.h"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <thread>

#include "runtime/core/runtime_core.h"

namespace muster::detail {

namespace {

// How often in a budget running handlers are looked at.
constexpr int kLooksPerBudget = 4;
constexpr Duration kLookEveryMin = 1ms;
constexpr std::size_t kToldAtOnce = 64;  // the rest at the next look

}  // namespace

// --- one actor -----------------------------------------------------------------------------------

bool CellWatch::concerns(const Message* message) noexcept {
  return message != nullptr && !message->is_stop && !message->is_wait();
}

void CellWatch::run_begins() {
  runs_.add(*this);
}

void CellWatch::run_ends() noexcept {
  runs_.remove(*this);
}

void CellWatch::message_begins(Message& message, std::uint64_t number) {
  TimePoint now{};
  if (runs_.options_.timings) {
    now = runs_.now();
    const std::uint64_t probe = probe_.load(std::memory_order_acquire);
    if (probe != 0 && number >= probe) {
      const TimePoint delivered{Duration(probe_at_.load(std::memory_order_relaxed))};
      runs_.meters_.queue_wait.record(now - delivered);
      probe_.store(0, std::memory_order_release);
    }
  }
  if (runs_.options_.message_events) {
    message.begin_told = 1;
    tell(EventKind::kMessageBegun, message);
  }
  begin_slice(message.method(), now, true);
}

void CellWatch::slice_begins(std::string_view method) {
  begin_slice(method, runs_.options_.timings ? runs_.now() : TimePoint(), false);
}

void CellWatch::begin_slice(std::string_view method, TimePoint now, bool message) noexcept {
  const std::scoped_lock lock(mutex_);
  method_ = method;
  in_slice_ = true;
  ++slices_;
  slice_began_ = now;
  if (message) message_began_ = now;
}

void CellWatch::slice_ends(bool of_handler) noexcept {
  const TimePoint now = runs_.options_.timings ? runs_.now() : TimePoint();
  Duration time{0};
  {
    const std::scoped_lock lock(mutex_);
    if (!std::exchange(in_slice_, false)) return;
    time = now - slice_began_;
    busy_ += time;
  }
  if (runs_.options_.timings && of_handler) runs_.meters_.handler_time.record(time);
}

void CellWatch::message_ends(Message& message) const {
  if (!message.begin_told) return;
  message.begin_told = 0;
  tell(EventKind::kMessageEnded, message);
}

void CellWatch::tell(EventKind kind, const Message& message) const {
  const auto address = reinterpret_cast<std::uintptr_t>(&message);
  cell_.tell({.kind = kind, .method = message.method(), .message = address});
}

void CellWatch::delivered(std::uint64_t number) noexcept {
  if (!runs_.options_.timings || probe_.load(std::memory_order_acquire) != 0) return;
  probe_at_.store(runs_.now().time_since_epoch().count(), std::memory_order_relaxed);
  probe_.store(number, std::memory_order_release);
}

CellWatch::Seen CellWatch::see() const {
  const TimePoint now = runs_.options_.timings ? runs_.now() : TimePoint();
  const auto since = [now](TimePoint then) { return std::max(now - then, Duration::zero()); };
  const std::scoped_lock lock(mutex_);
  if (!in_slice_) return {{}, busy_, since(message_began_)};
  return {method_, busy_ + since(slice_began_), since(message_began_)};
}

// --- all of them ---------------------------------------------------------------------------------

std::unique_ptr<RunWatch> RunWatch::make(const RuntimeOptions& options, Timers& timers,
                                         Meters& meters) {
  const bool messages = options.message_events && options.on_event;
  if (!messages && !options.timings && options.stall_budget <= Duration::zero()) return nullptr;
  return std::unique_ptr<RunWatch>(new RunWatch(options, timers, meters));
}

void RunWatch::add(CellWatch& watch) {
  if (options_.stall_budget <= Duration::zero()) return;
  watch.shard_ = std::hash<std::thread::id>()(std::this_thread::get_id()) % shards_.size();
  Shard& shard = shards_[watch.shard_];
  {
    const std::scoped_lock lock(shard.mutex);
    shard.running.push_front(watch);
  }
  if (!armed_.load(std::memory_order_relaxed)) arm();
}

void RunWatch::remove(CellWatch& watch) noexcept {
  if (options_.stall_budget <= Duration::zero()) return;
  Shard& shard = shards_[watch.shard_];
  const std::scoped_lock lock(shard.mutex);
  shard.running.erase(shard.running.iterator_to(watch));
}

void RunWatch::arm() {
  const std::scoped_lock lock(mutex_);
  if (stopped_ || armed_.exchange(true)) return;
  const Duration period =
      std::max<Duration>(options_.stall_budget / kLooksPerBudget, kLookEveryMin);
  timer_ = timers_.schedule(now() + period, [this] { tick(); });
}

void RunWatch::tick() {
  std::vector<Stall> stalls;
  stalls.reserve(kToldAtOnce);  // nothing is allocated under a lock
  look(now(), stalls);
  // Whoever begins to run after this look at the lists finds the timer not armed.
  armed_.store(false);
  const bool running = std::ranges::any_of(shards_, [](Shard& shard) {
    const std::scoped_lock lock(shard.mutex);
    return !shard.running.empty();
  });
  if (running) arm();
  for (const Stall& stall : stalls) tell(stall);
}

void RunWatch::look(TimePoint now, std::vector<Stall>& stalls) {
  for (Shard& shard : shards_) {
    const std::scoped_lock lock(shard.mutex);
    for (CellWatch& watch : shard.running) {
      const std::scoped_lock own(watch.mutex_);
      if (!watch.in_slice_) continue;
      if (watch.slices_ != watch.seen_slice_) {
        watch.seen_slice_ = watch.slices_;
        watch.seen_at_ = now;
        watch.told_ = false;
      } else if (!watch.told_ && now - watch.seen_at_ >= options_.stall_budget &&
                 stalls.size() < kToldAtOnce) {
        watch.told_ = true;
        stalls.push_back({&watch.cell_, watch.method_, now - watch.seen_at_});
      }
    }
  }
}

void RunWatch::tell(const Stall& stall) {
  meters_.stalls.fetch_add(1, std::memory_order_relaxed);
  std::array<char, 32> time{};
  std::snprintf(time.data(), time.size(), "%.3g s",
                std::chrono::duration<double>(stall.time).count());
  stall.cell->core().report(
      stall.cell->describe() + ": " +
      (stall.method.empty() ? "a handler that had waited" : std::string(stall.method)) +
      " has run for " + time.data() + " without a pause and goes on");
  stall.cell->tell({.kind = EventKind::kStalled, .method = stall.method, .time = stall.time});
}

void RunWatch::stop() {
  TimerId timer = 0;
  {
    const std::scoped_lock lock(mutex_);
    stopped_ = true;
    timer = std::exchange(timer_, 0);
  }
  if (timer != 0) timers_.cancel(timer);
}

}  // namespace muster::detail
