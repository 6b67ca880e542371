// Nodes of a random run, and what must be true when all is quiet and when all is over.

#include <fmt/format.h>

#include <algorithm>

#include "sim/actors/workload.h"

namespace muster::sim {
namespace {

constexpr Duration kPeerTimeout = 800ms;
// After this nothing that was begun is left: deadlines, naps, the silence of lost nodes.
constexpr Duration kSettled = 4s;

}  // namespace

// --- deeds ---------------------------------------------------------------------------------------

Workload::Node& Workload::start(const std::string& name) {
  RuntimeOptions options;
  options.listen = name + ":1";
  options.peer_timeout = kPeerTimeout;
  options.drain_timeout = 50ms;
  Node& node = nodes_[name];
  node.name = name;
  node.label = fmt::format("{}{}", name, ++starts_);
  node.runtime = &world_.start(name, std::move(options));
  node.sender = ledger_.add_sender(node.label);
  node.kept_sender = ledger_.add_kept_sender(node.label);
  note(node, "start");
  return node;
}

void Workload::join() {
  Node& node = any_node();
  const std::string to = any_node().name;
  if (to == node.name) return;
  const std::string label = node.label;
  note(node, "join " + to);
  const auto joined = node.runtime->join(to + ":1", draw(100ms));
  if (!joined && weather_ == Weather::kCalm && joined.error().code != ErrorCode::kTimeout) {
    ledger_.fault(fmt::format("{} joining {}: {}", label, to, joined.error().describe()));
  }
}

void Workload::lose_connections() {
  Node& node = any_node();
  const Node& other = any_node();
  note(node, "lose connections with " + other.label);
  world_.network().drop_connections(node.name, other.name);
}

void Workload::cut_off() {
  Node& node = any_node();
  const Node& other = any_node();
  if (&node == &other) return;
  const Duration length = draw(chance(2) ? 100ms : 2s);
  note(node, fmt::format("cut off from {} for {} ms", other.label, length / 1ms));
  world_.network().partition(node.name, other.name);
  world_.timers().schedule_in(
      length, [this, a = node.name, b = other.name] { world_.network().heal(a, b); });
}

// Its handles stay: they were in the process that is gone, and nothing drops them there.
void Workload::bury(const std::string& name) {
  ledger_.gone(nodes_.at(name).label);
  buried_.push_back(std::move(nodes_.at(name)));
  nodes_.erase(name);
}

void Workload::crash_node() {
  if (nodes_.size() < 2) return;
  const std::string name = any_node().name;
  note(nodes_.at(name), "crash");
  bury(name);
  world_.crash(name);
}

void Workload::exit_node() {
  if (nodes_.size() < 2) return;
  const std::string name = any_node().name;
  note(nodes_.at(name), "exit");
  bury(name);
  world_.exit(name);
}

void Workload::shut_node_down() {
  if (nodes_.size() < 2) return;
  Node node = std::move(any_node());
  note(node, "shut down");
  nodes_.erase(node.name);
  world_.shutdown(node.name);
  for (const auto& [number, actor] : ledger_.actors()) {
    if (actor.node == node.label && actor.object != nullptr) {
      ledger_.fault(fmt::format("actor {} lives after the shutdown of its node", number));
    }
  }
  ledger_.check_calls_ended_of(node.label);
  for (const Hand& hand : node.hands) {
    auto late = hand.handle.call<&Member::drop>(Stamp{});
    if (!late.ready() || late.result().error().code != ErrorCode::kUnavailable) {
      ledger_.fault(fmt::format("a call after the shutdown of {} did not fail", node.label));
    }
  }
}

void Workload::start_node() {
  for (const char* name : {"a", "b", "c"}) {
    if (nodes_.contains(name)) continue;
    start(name);
    return;
  }
}

// --- what must be true ---------------------------------------------------------------------------

bool Workload::joined(const std::string& a, const std::string& b) {
  const Node* one = by_label(a);
  const Node* other = by_label(b);
  if (one == nullptr || other == nullptr) return false;
  return std::ranges::any_of(one->runtime->peers(), [&](const PeerInfo& peer) {
    return peer.node == other->runtime->node_id();
  });
}

void Workload::settle() {
  for (const auto& [a, node_a] : nodes_) {
    for (const auto& [b, node_b] : nodes_) {
      if (a < b) world_.network().heal(a, b);
    }
  }
  world_.run_for(kSettled);
  ledger_.check_calls_ended(false);
  ledger_.check_quiet();
  check_lives();
  for (const auto& [name, node] : nodes_) {
    if (finding_[node.label] != 0) {
      ledger_.fault(
          fmt::format("{} look-ups of {} have not ended", finding_[node.label], node.label));
    }
  }
  std::uint64_t dead_letters = 0;
  for (const auto& [name, node] : nodes_) dead_letters += node.runtime->stats().dead_letters;
  if (weather_ == Weather::kCalm) ledger_.check_one_way(dead_letters);
}

void Workload::note_connections() {
  for (const auto& [name, node] : nodes_) {
    for (const auto& [other_name, other] : nodes_) {
      const auto peers = node.runtime->peers();
      if (std::ranges::count(peers, other.runtime->node_id(), &PeerInfo::node) > 1) {
        ledger_.joined_twice(node.label, other.label);
      }
    }
  }
}

void Workload::check_mailboxes() {
  for (const ActorInfo& info : any_node().runtime->actors()) {
    const auto number = ledger_.find(info.id);
    if (!number) continue;  // its constructor is under way
    // What tells it to stop comes in whatever waits.
    const std::size_t waiting =
        info.mailbox_depth - (info.ending && info.mailbox_depth > 0 ? 1 : 0);
    const Ledger::Actor& actor = ledger_.actors().at(*number);
    if (waiting > actor.capacity) {
      ledger_.fault(fmt::format("{} messages wait for actor {}, whose mailbox holds {}", waiting,
                                *number, actor.capacity));
    }
  }
}

void Workload::check_lives() {
  std::map<Number, std::set<std::string>> held;  // on which nodes
  const auto hold = [&](const std::string& label, const Handle<Member>& handle) {
    if (const auto number = ledger_.find(handle.id())) held[*number].insert(label);
  };
  for (const auto& [name, node] : nodes_) {
    for (const Hand& hand : node.hands) hold(node.label, hand.handle);
  }
  for (const auto& [number, actor] : ledger_.actors()) {
    if (actor.object == nullptr || by_label(actor.node) == nullptr) continue;
    for (const auto& kept : actor.object->kept()) hold(actor.node, kept);
  }
  std::map<std::string, std::size_t> living;
  for (const auto& [number, actor] : ledger_.actors()) {
    if (by_label(actor.node) == nullptr) continue;
    const bool lives = actor.object != nullptr;
    living[actor.node] += lives ? 1 : 0;
    if (lives && actor.must_end) {
      ledger_.fault(fmt::format("actor {} lives although it was told to end", number));
    }
    const auto& holders = held[number];
    // A handle that was on a node which was lost meanwhile may come back too late.
    const bool sure = weather_ == Weather::kCalm || !actor.travelled;
    if (!lives && !actor.doomed && (actor.detached || (sure && holders.contains(actor.node)))) {
      ledger_.fault(
          fmt::format("actor {} of {} is dead, but nobody told it to end", number, actor.node));
    }
    // At least one of those who could keep it alive: on its node, or joined with it.
    const bool counted = std::ranges::any_of(holders, [&](const std::string& label) {
      return label == actor.node || joined(label, actor.node);
    });
    if (lives && !actor.detached && !counted) {
      ledger_.fault(fmt::format("actor {} of {} lives without a handle", number, actor.node));
    }
  }
  for (const auto& [name, node] : nodes_) {
    for (const ActorInfo& info : node.runtime->actors()) {
      const auto number = ledger_.find(info.id);
      if (!number || info.mailbox_depth != 0 || info.state != ActorState::kIdle) {
        ledger_.fault(fmt::format("{} is {} and {} messages wait for it", info.name,
                                  to_string(info.state), info.mailbox_depth));
      } else if (info.handles == 0 && !ledger_.actors().at(*number).detached) {
        ledger_.fault(fmt::format("actor {} counts no handles, and lives", *number));
      }
    }
    if (node.runtime->stats().actors != living[node.label]) {
      ledger_.fault(fmt::format("{} counts {} actors, {} live there", node.label,
                                node.runtime->stats().actors, living[node.label]));
    }
  }
}

void Workload::check_end() {
  std::vector<Node> last;
  for (auto& [name, node] : nodes_) last.push_back(std::move(node));
  nodes_.clear();
  if (chance(2)) last.clear();  // handles before the runtimes, or after them
  world_.shutdown();
  last.clear();
  buried_.clear();
  world_.run_for(10s);  // what was on its way arrives, and timers of connections find them gone
  ledger_.check_calls_ended(true);
  for (const auto& [number, actor] : ledger_.actors()) {
    if (actor.object != nullptr) ledger_.fault(fmt::format("actor {} was left", number));
  }
  for (const auto& [label, count] : finding_) {
    if (count != 0) ledger_.fault(fmt::format("{} look-ups of {} have not ended", count, label));
  }
  if (const auto left = world_.scheduler().ready(); left != 0) {
    ledger_.fault(fmt::format("{} pieces of work were left", left));
  }
  if (const auto left = world_.timers().pending(); left != 0) {
    ledger_.fault(fmt::format("{} timers were left", left));
  }
}

}  // namespace muster::sim
