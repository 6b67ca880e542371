#pragma once
// A random run of actors on the simulator, all of it drawn from one seed: nodes that join, part,
// crash and start again; actors that are made, called, told, passed around, stopped and killed; and
// the checks of what must be true whatever happened.
//
// Threads: one.

#include "sim/actors/member.h"

#include <muster/testing/sim_world.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace muster::sim {

/// What may go wrong in a run beside what actors do.
enum class Weather {
  kCalm,     ///< nothing: then nothing may be lost
  kNetwork,  ///< connections break, nodes are cut off
  kNodes,    ///< and nodes crash, exit, shut down and start again
};

class Workload {
 public:
  explicit Workload(std::uint64_t seed);
  ~Workload();
  Workload(const Workload&) = delete;
  Workload& operator=(const Workload&) = delete;

  /// The whole run, to the shutdown of all; faults() then says what was wrong.
  void run();
  const std::vector<std::string>& faults() const noexcept { return ledger_.faults; }
  /// What was done, a line each.
  const std::vector<std::string>& log() const noexcept { return log_; }
  const Ledger& ledger() const noexcept { return ledger_; }
  Weather weather() const noexcept { return weather_; }

 private:
  struct Hand {
    Number actor = 0;
    Handle<Member> handle;
  };
  struct Node {
    std::string name;
    std::string label;  // of this life of it
    Runtime* runtime = nullptr;
    Number sender = 0;
    Number kept_sender = 0;  // of calls with retry, which others may overtake
    std::vector<Hand> hands;
  };
  struct Deed {
    unsigned weight;
    Weather from;  // done from this weather on
    void (Workload::*run)();
  };
  static const std::vector<Deed>& deeds();

  // Choices
  bool chance(unsigned one_in) { return random_.below(one_in) == 0; }
  Duration draw(Duration most) {
    return Duration(random_.below(static_cast<std::uint64_t>(most.count()) + 1));
  }
  Node& any_node();
  /// Null when the node has none.
  Hand* any_hand(Node& node);
  Handle<Member> any_handle(Node& node);
  void note(const Node& node, std::string what);

  // Deeds: of actors
  void spawn();
  void find();
  void call();
  void tell();
  void run_task();
  void copy_hand();
  void drop_hand();
  void stop();
  void kill();
  void monitor();
  // of nodes
  void join();
  void lose_connections();
  void cut_off();
  void crash_node();
  void exit_node();
  void shut_node_down();
  void start_node();

  template <auto M, class... Args>
  void call_method(Node& node, const Hand& hand, std::string_view what, const Args&... args);
  template <auto M, class... Args>
  void tell_method(Node& node, const Hand& hand, std::string_view what, const Args&... args);
  Task<> task(Handle<Member> handle, Number actor, Number sender);
  void got(const std::string& label, const Handle<Member>& handle);
  Result<std::uint64_t> told(const Stamp& stamp, const std::string& label,
                             Result<Handle<Member>> given);

  Node& start(const std::string& name);
  void bury(const std::string& name);
  Node* by_label(const std::string& label);
  bool joined(const std::string& a, const std::string& b);
  void some_time();
  void settle();
  void check_mailboxes();
  void note_connections();
  void check_lives();
  void check_end();

  Random random_;
  Random member_random_;
  const Weather weather_;
  const testing::LinkOptions link_;
  testing::SimWorld world_;
  Ledger ledger_;
  std::map<std::string, Node> nodes_;  // that live
  std::vector<Node> buried_;
  std::map<std::string, int> finding_;  // look-ups under way, by node
  std::vector<std::string> log_;
  std::uint32_t starts_ = 0;
};

}  // namespace muster::sim
