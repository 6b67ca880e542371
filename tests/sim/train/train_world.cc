#include "sim/train/train_world.h"

#include <muster/optim/objectives.h>
#include <muster/training/node.h>

#include <fmt/format.h>

#include <cstdlib>

namespace muster::training {
namespace {

constexpr Duration kPatience = 5s;  // for joining a node and finding the averager

/// Passes everything on and notes where it was asked.
class Recorded final : public optim::Objective {
 public:
  using Log = std::vector<std::vector<float>>;
  Recorded(std::shared_ptr<optim::Objective> inner, std::shared_ptr<Log> gradients,
           std::shared_ptr<Log> evaluations)
      : inner_(std::move(inner)),
        gradients_(std::move(gradients)),
        evaluations_(std::move(evaluations)) {}
  std::size_t dim() const override { return inner_->dim(); }
  std::size_t sample_count() const override { return inner_->sample_count(); }
  double loss_and_gradient(std::span<const float> x, optim::Batch batch,
                           std::span<float> gradient) override {
    gradients_->emplace_back(x.begin(), x.end());
    return inner_->loss_and_gradient(x, batch, gradient);
  }
  std::optional<optim::Evaluation> evaluate(std::span<const float> x) override {
    evaluations_->emplace_back(x.begin(), x.end());
    return inner_->evaluate(x);
  }
  void initial_parameters(std::uint64_t seed, std::span<float> x) const override {
    inner_->initial_parameters(seed, x);
  }

 private:
  const std::shared_ptr<optim::Objective> inner_;
  const std::shared_ptr<Log> gradients_;
  const std::shared_ptr<Log> evaluations_;
};

}  // namespace

std::uint64_t test_seed() {
  const char* text = std::getenv("MUSTER_TEST_SEED");
  return text ? std::strtoull(text, nullptr, 10) : 1;
}

TrainConfig small_config() {
  TrainConfig config;
  config.workers = 4;
  config.local.steps = 3;
  config.local.batch = 4;
  config.schedule = {.kind = optim::ScheduleKind::kConstant, .base = 0.05};
  config.round.refresh_every = 2;
  config.round.evaluate_every = 1;
  config.stop.rounds = 8;
  config.network.join_deadline_s = 8;
  return config;
}

ObjectiveFactory quadratics() {
  return [](const Seat& seat) {
    const auto minimum = static_cast<float>(seat.evaluation ? 0 : seat.worker + 1);
    return WorkerTask{std::make_shared<optim::Quadratic>(
                          optim::Quadratic::Spec{.a = {1, 2, 3, 4},
                                                 .b = {minimum, -minimum, 0.5F, 1 / (1 + minimum)},
                                                 .sigma = 0.1,
                                                 .seed = seat.worker,
                                                 .samples = 64,
                                                 .start = {3, 2, 1, -1}}),
                      {}};
  };
}

TrainWorld::TrainWorld(std::uint64_t seed, TrainConfig config, Options options)
    : config_(std::move(config)),
      options_(std::move(options)),
      seen_(std::make_shared<std::map<std::uint64_t, std::vector<std::vector<float>>>>()),
      evaluated_(std::make_shared<std::vector<std::vector<float>>>()),
      world(seed, options_.link) {
  Runtime& head = world.start("head", {.listen = "head:1", .peer_timeout = options_.peer_timeout});
  auto objective = recording(options_.objectives)(Seat{0, config_.workers, true}).objective;
  AlignedVector<float> x0(objective->dim());
  objective->initial_parameters(config_.seed, x0);
  if (options_.evaluator_node) {
    Runtime& node = world.start("judge", {.peer_timeout = options_.peer_timeout});
    value_or_throw(node.join("head:1", kPatience));
    const auto own =
        node.spawn<Evaluator>({.name = "evaluator", .detached = true}, std::move(objective));
    evaluator_ = value_or_throw(head.find<Evaluator>("evaluator", kPatience));
  } else {
    evaluator_ = head.spawn<Evaluator>({}, std::move(objective));
  }
  averager_ = head.spawn<Averager>(
      {.name = kAveragerName},
      Averager::Setup{config_, Array<float>(std::move(x0)), evaluator_, 0, this,
                      [this](TrainResult ended) { result = std::move(ended); }});
  averager_.send<&Averager::start>();
}

TrainWorld::~TrainWorld() = default;

ObjectiveFactory TrainWorld::recording(ObjectiveFactory inner) const {
  return [inner = std::move(inner), seen = seen_, evaluated = evaluated_](const Seat& seat) {
    WorkerTask task = inner(seat);
    auto gradients = std::make_shared<Recorded::Log>();
    if (!seat.evaluation) {
      // A place can be given again, before the first round: what counts is the last worker's.
      auto& log = (*seen)[seat.worker];
      log.clear();
      gradients = std::shared_ptr<Recorded::Log>(seen, &log);
    }
    task.objective = std::make_shared<Recorded>(task.objective, gradients, evaluated);
    return task;
  };
}

void TrainWorld::start_workers() {
  for (std::uint64_t i = 0; i < config_.workers; ++i) start_worker(node_of(i));
}

void TrainWorld::start_worker(const std::string& name) {
  if (crashed(name)) return;
  started_.insert(name);
  Runtime& node = world.start(name, {.peer_timeout = options_.peer_timeout});
  auto worker = take_part(node, name);
  if (!worker) {
    ends.emplace(name, fail(worker.error()));
    return;
  }
  const std::uint64_t before = joins_;
  worker->send<&Worker::start>();
  workers_.push_back(std::move(*worker));
  world.run_until([&] { return joins_ > before || ends.contains(name) || crashed(name); },
                  kPatience);
}

Result<Handle<Worker>> TrainWorld::take_part(Runtime& node, const std::string& name) {
  const auto gone = [&] {
    return fail(ErrorCode::kUnavailable, name + " crashed before it had a worker");
  };
  if (auto met = node.join("head:1", kPatience); !met) return fail(met.error());
  if (crashed(name)) return gone();
  auto finding = node.find_async<Averager>(kAveragerName, kPatience);
  // The node's deadlines end with it when it crashes: this wait has its own.
  world.run_until([&] { return finding.ready() || crashed(name); }, 2 * kPatience);
  if (crashed(name)) return gone();
  auto averager = std::move(finding).result(0ns);
  if (!averager) return fail(averager.error());
  return node.try_spawn<Worker>(
      {}, Worker::Setup{config_, recording(options_.objectives), *averager, name,
                        [this, name](WorkerEnd how) { ends.emplace(name, std::move(how)); }});
}

void TrainWorld::crash(const std::string& node) {
  if (!crashed_.insert(node).second) return;
  if (started_.contains(node)) world.crash(node);
}

bool TrainWorld::run_to_the_end(Duration limit) {
  return world.run_until(
      [this] {
        if (!result) return false;
        for (std::uint64_t i = 0; i < config_.workers; ++i)
          if (!crashed(node_of(i)) && !ends.contains(node_of(i))) return false;
        return true;
      },
      limit);
}

std::vector<std::string> TrainWorld::trace() const {
  std::vector<std::string> out;
  for (const auto& [when, what] : world.network().trace())
    out.push_back(fmt::format("{} {}", when.time_since_epoch().count(), what));
  for (const RoundReport& r : rounds)
    out.push_back(fmt::format("round {} of {} at {} loss {} test {}", r.round, r.workers, r.seconds,
                              r.train_loss, r.test_loss.value_or(-1)));
  for (const LostWorker& l : lost)
    out.push_back(fmt::format("lost {} in {} at {}: {}", l.place, l.round, l.seconds, l.cause));
  for (const auto& [node, how] : ends)
    out.push_back(fmt::format("{}: {}", node, how ? *how : how.error().describe()));
  if (result)
    out.push_back(fmt::format("end {} {} after {}", to_string(result->reason),
                              result->params_sha256, result->wall_s));
  out.push_back(fmt::format("{} bytes, now {}", world.network().bytes_delivered(),
                            world.now().time_since_epoch().count()));
  return out;
}

}  // namespace muster::training
