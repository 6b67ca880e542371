#include "sim/actors/workload.h"

#include <fmt/format.h>

#include <algorithm>

namespace muster::sim {
namespace {

constexpr unsigned kPhases = 2;
constexpr unsigned kDeedsOfAPhase = 100;
constexpr std::size_t kHandsMax = 12;
constexpr Duration kCallTimeoutMax = 400ms;
// Of a message and its answer in calm weather, over a link that takes all that is written to it.
constexpr Duration kTravelMax = 150ms;

Weather draw_weather(Random& random) {
  const auto drawn = random.below(10);
  return drawn < 4 ? Weather::kCalm : drawn < 7 ? Weather::kNetwork : Weather::kNodes;
}

testing::LinkOptions draw_link(Weather weather, Random& random) {
  testing::LinkOptions link;
  if (random.below(2) == 0) link.latency_max = 5ms;
  if (random.below(3) == 0) link.bytes_per_second = 1e6;
  if (random.below(3) == 0) link.window_bytes = 256;
  if (random.below(3) == 0) link.reorder_probability = 0.2;
  if (weather != Weather::kCalm && random.below(3) == 0) link.loss_probability = 0.01;
  return link;
}

std::optional<Duration> travel_max(Weather weather, const testing::LinkOptions& link) {
  if (weather != Weather::kCalm || link.window_bytes < 10'000) return std::nullopt;
  return kTravelMax;
}

std::chrono::microseconds micros(Duration duration) {
  return std::chrono::duration_cast<std::chrono::microseconds>(duration);
}

}  // namespace

Workload::Workload(std::uint64_t seed)
    : random_(mix_seed(seed, 1001)),
      member_random_(mix_seed(seed, 1002)),
      weather_(draw_weather(random_)),
      link_(draw_link(weather_, random_)),
      world_(seed, link_),
      ledger_(world_.timers().clock(), travel_max(weather_, link_)) {}

Workload::~Workload() {
  world_.shutdown();  // while the ledger is there to write into
}

void Workload::run() {
  start("a");
  const auto more = random_.below(5) == 0 ? 0 : 1 + random_.below(2);
  for (std::uint64_t i = 0; i < more; ++i) {
    Node& node = start(i == 0 ? "b" : "c");
    static_cast<void>(node.runtime->join("a:1", 2s));
  }
  unsigned weights = 0;
  for (const Deed& deed : deeds()) weights += weather_ >= deed.from ? deed.weight : 0;
  for (unsigned phase = 0; phase < kPhases; ++phase) {
    for (unsigned i = 0; i < kDeedsOfAPhase && faults().empty(); ++i) {
      auto drawn = static_cast<unsigned>(random_.below(weights));
      for (const Deed& deed : deeds()) {
        if (weather_ < deed.from) continue;
        if (drawn < deed.weight) {
          (this->*deed.run)();
          break;
        }
        drawn -= deed.weight;
      }
      check_mailboxes();
      note_connections();
      some_time();
    }
    settle();
  }
  check_end();
}

const std::vector<Workload::Deed>& Workload::deeds() {
  static const std::vector<Deed> all = {
      {12, Weather::kCalm, &Workload::spawn},
      {20, Weather::kCalm, &Workload::find},
      {60, Weather::kCalm, &Workload::call},
      {25, Weather::kCalm, &Workload::tell},
      {4, Weather::kCalm, &Workload::run_task},
      {4, Weather::kCalm, &Workload::copy_hand},
      {10, Weather::kCalm, &Workload::drop_hand},
      {2, Weather::kCalm, &Workload::stop},
      {2, Weather::kCalm, &Workload::kill},
      {5, Weather::kCalm, &Workload::monitor},
      {3, Weather::kCalm, &Workload::join},
      {3, Weather::kNetwork, &Workload::lose_connections},
      {3, Weather::kNetwork, &Workload::cut_off},
      {2, Weather::kNodes, &Workload::crash_node},
      {2, Weather::kNodes, &Workload::exit_node},
      {2, Weather::kNodes, &Workload::shut_node_down},
      {4, Weather::kNodes, &Workload::start_node},
  };
  return all;
}

// --- choices -------------------------------------------------------------------------------------

Workload::Node& Workload::any_node() {
  auto chosen = nodes_.begin();
  std::advance(chosen, static_cast<std::ptrdiff_t>(random_.below(nodes_.size())));
  return chosen->second;
}

Workload::Hand* Workload::any_hand(Node& node) {
  if (node.hands.empty()) return nullptr;
  const auto dead = [this](const Hand& hand) {
    return ledger_.actors().at(hand.actor).object == nullptr;
  };
  Hand* hand = &node.hands[random_.below(node.hands.size())];
  for (int again = 0; again < 3 && dead(*hand); ++again) {
    hand = &node.hands[random_.below(node.hands.size())];
  }
  return hand;
}

Handle<Member> Workload::any_handle(Node& node) {
  const Hand* hand = any_hand(node);
  return hand == nullptr || chance(4) ? Handle<Member>() : hand->handle;
}

void Workload::note(const Node& node, std::string what) {
  log_.push_back(fmt::format(
      "{:9.3f} ms {}: {}",
      std::chrono::duration<double, std::milli>(world_.now().time_since_epoch() - Duration(1h))
          .count(),
      node.label, what));
}

void Workload::some_time() {
  switch (random_.below(4)) {
    case 0:
      world_.run_for(draw(chance(10) ? 300ms : 2ms));
      break;
    case 1:
      for (auto steps = random_.below(8); steps > 0; --steps) world_.scheduler().run_one();
      break;
    default:
      break;
  }
}

Workload::Node* Workload::by_label(const std::string& label) {
  for (auto& [name, node] : nodes_) {
    if (node.label == label) return &node;
  }
  return nullptr;
}

// --- deeds of actors -----------------------------------------------------------------------------

void Workload::spawn() {
  Node& node = any_node();
  if (node.hands.size() >= kHandsMax) return;
  SpawnOptions options;
  options.detached = chance(6);
  options.mailbox_capacity = chance(2) ? 1 + random_.below(3) : 1000;
  options.max_restarts = chance(3) ? 1 + static_cast<unsigned>(random_.below(4)) : 0;
  options.restart = {.backoff_min = 1ms, .backoff_max = 8ms};
  const Number number = ledger_.add_actor(node.label, options);
  options.name = fmt::format("m{}", number);
  note(node, fmt::format("spawn {}{}", options.name, options.detached ? ", detached" : ""));
  auto made = node.runtime->spawn<Member>(options, &ledger_, &member_random_, number);
  ledger_.made(number, made.id());
  node.hands.push_back({number, std::move(made)});
}

void Workload::find() {
  Node& node = any_node();
  if (ledger_.actors().empty() || node.hands.size() >= kHandsMax) return;
  std::vector<Number> wanted;  // mostly those that live, elsewhere
  const bool any = chance(8);
  for (const auto& [number, actor] : ledger_.actors()) {
    if (any || (actor.object != nullptr && actor.node != node.label)) wanted.push_back(number);
  }
  if (wanted.empty()) return;
  const Number number = wanted[random_.below(wanted.size())];
  const Ledger::Actor& actor = ledger_.actors().at(number);
  const bool was_dead = actor.lived && actor.object == nullptr && !actor.restarts;
  const ActorId id = actor.id;
  note(node, fmt::format("find m{}", number));
  ++finding_[node.label];
  auto finding = node.runtime->find_async<Member>(fmt::format("m{}", number), draw(50ms));
  static_cast<void>(
      std::move(finding).then([this, label = node.label, number, id, was_dead](auto found) {
        --finding_[label];
        if (!found) {
          const ErrorCode code = found.error().code;
          if (code != ErrorCode::kTimeout && code != ErrorCode::kCancelled) {
            ledger_.fault(fmt::format("find of m{} ended in {}", number, found.error().describe()));
          }
          return;
        }
        if (found->id() != id) ledger_.fault(fmt::format("find of m{} gave another", number));
        if (was_dead) ledger_.fault(fmt::format("m{} was found, which was dead", number));
        got(label, *found);
      }));
}

void Workload::got(const std::string& label, const Handle<Member>& handle) {
  Node* node = by_label(label);
  if (node == nullptr || !handle.valid() || node->hands.size() >= kHandsMax) return;
  const auto number = ledger_.find(handle.id());
  if (!number) return;
  node->hands.push_back({*number, handle});
  ledger_.seen(*number, label);
  // Its last handle may have gone before it was found: it ends then, found or not.
  const Node* home = by_label(ledger_.actors().at(*number).node);
  if (home == nullptr) return;
  const auto actors = home->runtime->actors();
  const auto found = std::ranges::find(actors, handle.id(), &ActorInfo::id);
  if (found == actors.end() || found->ending) ledger_.doom(*number, false);
}

Result<std::uint64_t> Workload::told(const Stamp& stamp, const std::string& label,
                                     Result<Handle<Member>> given) {
  if (!given) return fail(given.error());
  got(label, *given);
  return stamp.message;
}

template <auto M, class... Args>
void Workload::call_method(Node& node, const Hand& hand, std::string_view what,
                           const Args&... args) {
  const Duration timeout = 1ms + draw(chance(3) ? 3ms : kCallTimeoutMax - 1ms);
  note(node, fmt::format("call {} of {} within {} us", what, hand.actor, micros(timeout).count()));
  constexpr bool kMayRetry = !(std::is_same_v<Args, Handle<Member>> || ...);
  const bool retry = kMayRetry && chance(3);
  const Number sender = retry ? node.kept_sender : node.sender;
  const Stamp stamp = ledger_.call(sender, hand.actor, timeout, std::string(what));
  auto future = hand.handle.with({.timeout = timeout, .retry = retry}).call<M>(stamp, args...);
  ledger_.placed(stamp, future.ready());
  if (chance(10)) {
    ledger_.abandoned(stamp);
    return;
  }
  using R = typename decltype(future)::value_type;
  static_cast<void>(std::move(future).then([this, stamp, label = node.label](Result<R> answer) {
    if constexpr (std::is_same_v<R, std::uint64_t>) {
      ledger_.ended(stamp, answer);
    } else if constexpr (std::is_void_v<R>) {
      ledger_.ended(stamp, answer.map([&] { return stamp.message; }));
    } else {
      ledger_.ended(stamp, told(stamp, label, std::move(answer)));
    }
  }));
}

void Workload::call() {
  Node& node = any_node();
  const Hand* chosen = any_hand(node);
  if (chosen == nullptr) return;
  const Hand hand = *chosen;
  const auto drawn = random_.below(30);
  if (drawn < 8) return call_method<&Member::work>(node, hand, "work");
  if (drawn < 9) return call_method<&Member::refuse>(node, hand, "refuse");
  if (drawn < 13) return call_method<&Member::nap>(node, hand, "nap", micros(draw(20ms)));
  if (drawn < 16) return call_method<&Member::keep>(node, hand, "keep", any_handle(node));
  if (drawn < 18) return call_method<&Member::drop>(node, hand, "drop");
  if (drawn < 20) return call_method<&Member::give>(node, hand, "give");
  if (drawn < 22) return call_method<&Member::fan_out>(node, hand, "fan out");
  if (drawn < 24) return call_method<&Member::later>(node, hand, "later", micros(draw(20ms)));
  if (drawn < 26) return call_method<&Member::breed>(node, hand, "breed");
  if (drawn < 28 && ledger_.actors().at(hand.actor).restarts) {
    ledger_.doom(hand.actor, false);
    return call_method<&Member::crash>(node, hand, "crash");
  }
  if (drawn < 27) {
    ledger_.doom(hand.actor, false);
    return chance(2) ? call_method<&Member::crash>(node, hand, "crash")
                     : call_method<&Member::leave>(node, hand, "leave");
  }
  if (const Hand* other = any_hand(node)) {
    call_method<&Member::relay>(node, hand, "relay", other->handle, any_handle(node));
  }
}

template <auto M, class... Args>
void Workload::tell_method(Node& node, const Hand& hand, std::string_view what,
                           const Args&... args) {
  note(node, fmt::format("tell {} to {}", hand.actor, what));
  hand.handle.send<M>(ledger_.send(node.sender, hand.actor, std::string(what)), args...);
}

void Workload::tell() {
  Node& node = any_node();
  const Hand* chosen = any_hand(node);
  if (chosen == nullptr) return;
  const Hand hand = *chosen;
  for (auto times = 1 + random_.below(chance(4) ? 6 : 1); times > 0; --times) {
    const auto drawn = random_.below(12);
    if (drawn < 6) {
      tell_method<&Member::work>(node, hand, "work");
    } else if (drawn < 7) {
      tell_method<&Member::refuse>(node, hand, "refuse");
    } else if (drawn < 9) {
      tell_method<&Member::nap>(node, hand, "nap", micros(draw(5ms)));
    } else if (drawn < 11) {
      tell_method<&Member::fan_out>(node, hand, "fan out");
    } else {
      tell_method<&Member::keep>(node, hand, "keep", any_handle(node));
    }
  }
}

// The task is the sender: of its own, not the node's.
Task<> Workload::task(Handle<Member> handle, Number actor, Number sender) {
  for (int i = 0; i < 3; ++i) {
    const Stamp stamp = ledger_.call(sender, actor, 100ms, "work, from a task");
    Waiting waiting(ledger_, stamp);
    auto future = handle.with({.timeout = 100ms}).call<&Member::work>(stamp);
    ledger_.placed(stamp, future.ready());
    const Result<std::uint64_t> answer = co_await std::move(future).as_result();
    waiting.ended(answer);
  }
}

void Workload::run_task() {
  Node& node = any_node();
  const Hand* hand = any_hand(node);
  if (hand == nullptr) return;
  note(node, fmt::format("run a task that calls {}", hand->actor));
  static_cast<void>(
      node.runtime->run(task(hand->handle, hand->actor, ledger_.add_sender(node.label))));
}

void Workload::copy_hand() {
  Node& node = any_node();
  if (node.hands.empty() || node.hands.size() >= kHandsMax) return;
  node.hands.push_back(Hand(*any_hand(node)));
}

void Workload::drop_hand() {
  Node& node = any_node();
  if (node.hands.empty()) return;
  const auto at =
      node.hands.begin() + static_cast<std::ptrdiff_t>(random_.below(node.hands.size()));
  note(node, fmt::format("drop a handle to {}", at->actor));
  node.hands.erase(at);
}

void Workload::stop() {
  Node& node = any_node();
  const Hand* hand = any_hand(node);
  if (hand == nullptr) return;
  note(node, fmt::format("stop {}", hand->actor));
  ledger_.doom(hand->actor, hand->handle.is_local());
  hand->handle.stop();
}

void Workload::kill() {
  Node& node = any_node();
  const Hand* hand = any_hand(node);
  if (hand == nullptr) return;
  note(node, fmt::format("kill {}", hand->actor));
  ledger_.doom(hand->actor, hand->handle.is_local());
  hand->handle.kill();
}

void Workload::monitor() {
  Node& node = any_node();
  const Hand* hand = any_hand(node);
  if (hand == nullptr) return;
  note(node, fmt::format("monitor {}", hand->actor));
  ledger_.monitors(hand->actor, node.label);
  auto monitoring = node.runtime->monitor(hand->handle);
  static_cast<void>(std::move(monitoring)
                        .then([this, actor = hand->actor, label = node.label](Result<Down> down) {
                          ledger_.heard(actor, label, down);
                        }));
}

}  // namespace muster::sim
