#include <muster/testing/sim_world.h>

#include <algorithm>

namespace muster::testing {

SimWorld::SimWorld(std::uint64_t seed, LinkOptions link)
    : seed_(seed),
      scheduler_(timers_, mix_seed(seed, 1)),
      network_(mix_seed(seed, 2), timers_, link),
      messages_(std::make_shared<Messages>(timers_)) {}

SimWorld::SimWorld(std::uint64_t seed, ManualScheduler::Choice choice, LinkOptions link)
    : seed_(seed),
      scheduler_(timers_, std::move(choice)),
      network_(mix_seed(seed, 2), timers_, link),
      messages_(std::make_shared<Messages>(timers_)) {}

SimWorld::~SimWorld() {
  shutdown();
}

Runtime& SimWorld::start(const std::string& name, RuntimeOptions options) {
  MUSTER_CHECK(!nodes_.contains(name), name);
  // The simulated network has no addresses beyond loopback, so the rule of the door wants a token.
  if (options.token.empty()) options.token = "simulation";
  if (!options.on_error) options.on_error = [](const std::string&) {};
  RuntimeSeams seams;
  seams.executor = scheduler_.make_executor();
  seams.transport = network_.make_transport(name);
  seams.seed = mix_seed(seed_, 100 + ++started_);
  seams.interceptor = messages_;
  auto executor = seams.executor;
  Node node{started_, std::move(executor),
            std::make_unique<Runtime>(std::move(options), std::move(seams))};
  return *nodes_.emplace(name, std::move(node)).first->second.runtime;
}

void SimWorld::crash(const std::string& name) {
  bury(name);
  network_.crash(name);
}

void SimWorld::exit(const std::string& name) {
  bury(name);
  network_.exit(name);
}

void SimWorld::bury(const std::string& name) {
  const auto found = nodes_.find(name);
  MUSTER_CHECK(found != nodes_.end(), name);
  scheduler_.crash(*found->second.executor);
  crashed_.push_back(std::move(found->second));
  nodes_.erase(found);
}

void SimWorld::shutdown(const std::string& name) {
  const auto found = nodes_.find(name);
  MUSTER_CHECK(found != nodes_.end(), name);
  const Node node = std::move(found->second);  // whose end runs others' work, which may see nodes_
  nodes_.erase(found);
}

void SimWorld::shutdown() {
  while (!nodes_.empty()) {
    const auto latest =
        std::ranges::max_element(nodes_, {}, [](const auto& entry) { return entry.second.number; });
    shutdown(std::string(latest->first));
  }
  crashed_.clear();
  messages_->clear();
}

Result<void> SimWorld::expect(const MessageRule& rule, std::size_t count, Duration limit) {
  if (run_until([&] { return rule.count() >= count; }, limit)) return {};
  return fail(ErrorCode::kTimeout, "expected " + std::to_string(count) + " of " + rule.what() +
                                       " within " + std::to_string(limit / 1ms) + " ms, counted " +
                                       std::to_string(rule.count()));
}

}  // namespace muster::testing
