// A node's side of a run: find the averager, run one worker until it ends.

#include "actors/averager/averager.h"
#include "actors/place.h"
#include "actors/worker/worker.h"

#include <muster/training/node.h>

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <condition_variable>
#include <memory>
#include <mutex>

namespace muster::training {
namespace {

class EndBox {
 public:
  void set(WorkerEnd end) {
    const std::lock_guard lock(mutex_);
    if (!end_) end_ = std::move(end);
    changed_.notify_all();
  }
  WorkerEnd take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return end_.has_value(); });
    return *end_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<WorkerEnd> end_;
};

Result<TrainConfig> ask_config(const Handle<Averager>& averager, Duration deadline) {
  auto enlisted = averager.with({.timeout = deadline}).call<&Averager::enlist>().result();
  if (!enlisted) return fail(enlisted.error());
  return parse_toml(enlisted->config, "the run's configuration");
}

double seconds(Duration time) {
  return std::chrono::duration<double>(time).count();
}

constexpr Duration kJoinAgainAfter = 200ms;

Task<> pause() {
  co_await sleep_for(kJoinAgainAfter);
}

/// Nodes and the run they belong to are started in any order.
Result<NodeId> join_when_it_listens(Runtime& runtime, const NodeOptions& options) {
  const TimePoint end = runtime.clock().now() + options.deadline;
  for (bool told = false;; told = true) {
    auto joined = runtime.join(options.address, end - runtime.clock().now());
    const bool again = !joined && joined.error().code == ErrorCode::kUnavailable &&
                       runtime.clock().now() + kJoinAgainAfter < end;
    if (!again) return joined;
    if (!told && options.on_progress) {
      options.on_progress(fmt::format("{}; trying again for {:g} s", joined.error().message,
                                      seconds(options.deadline)));
    }
    if (auto paused = runtime.run(pause()).result(); !paused) return fail(paused.error());
  }
}

}  // namespace

std::string this_place() {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host[0] = '?';
  return "pid " + std::to_string(::getpid()) + " on " + host.data();
}

Result<std::string> take_part(Runtime& runtime, const NodeOptions& options) {
  if (auto joined = join_when_it_listens(runtime, options); !joined) return fail(joined.error());
  auto averager = runtime.find<Averager>(kAveragerName, options.deadline);
  if (!averager && runtime.peers().empty())
    return fail(ErrorCode::kUnavailable,
                options.address + ": the connection ended before a training run was found there");
  if (!averager && averager.error().code == ErrorCode::kTimeout)
    return fail(ErrorCode::kTimeout,
                fmt::format("{}: found a Muster node there, but no training run within {:g} s",
                            options.address, seconds(options.deadline)));
  if (!averager) return fail(averager.error());
  auto config = ask_config(*averager, options.deadline);
  if (!config) return fail(config.error());
  if (options.on_progress) {
    options.on_progress(
        fmt::format("takes part in the run at {} (workers: {})", options.address, config->workers));
  }
  if (!options.data_dir.empty()) config->data.dir = options.data_dir;
  ObjectiveFactory factory =
      options.objectives ? options.objectives(*config) : dataset_objectives(*config);
  auto end = std::make_shared<EndBox>();
  auto worker = runtime.try_spawn<Worker>(
      {}, Worker::Setup{std::move(*config), std::move(factory), *averager, this_place(),
                        [end](WorkerEnd how) { end->set(std::move(how)); }});
  if (!worker) return fail(worker.error());
  auto gone = runtime.monitor(*worker).then(
      [end](Result<Down> down) { end->set(fail(down ? down->cause : down.error())); });
  worker->send<&Worker::start>();
  WorkerEnd how = end->take();
  worker->stop();
  // The stop comes after the message that ended the worker, whose reply must still leave.
  (void)gone.result(options.deadline);
  return how;
}

}  // namespace muster::training
