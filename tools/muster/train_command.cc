// muster train: the head of a run.

#include "tools/muster/children.h"
#include "tools/muster/commands.h"
#include "tools/muster/options.h"
#include "tools/muster/progress.h"
#include "tools/muster/signals.h"
#include "tools/muster/summary.h"
#include "tools/muster/time_slices.h"

#include <muster/training/record.h>
#include <muster/training/train.h>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <mutex>

namespace muster::tool {
namespace {

using training::TrainConfig;
using training::Trainer;
using training::TrainResult;

constexpr Duration kChildrenLeave = 5s;  // from the run's end to the last child's exit
constexpr Duration kExitFollows = 1s;    // from a connection's end to that of its process

struct TrainCommand {
  std::shared_ptr<ConfigFlags> flags;
  bool json = false;
  bool dry_run = false;
  bool quiet = false;
};

/// runs/20260102-030405-NAME, with -2, -3, ... behind where that exists.
std::string default_record(const std::string& name) {
  const auto now = static_cast<std::time_t>(wall_clock_seconds());
  const std::string base = fmt::format("runs/{:%Y%m%d-%H%M%S}-{}", fmt::gmtime(now), name);
  std::string folder = base;
  std::error_code unusable;  // is said when the folder is made
  for (int i = 2; std::filesystem::exists(folder, unusable); ++i)
    folder = fmt::format("{}-{}", base, i);
  return folder;
}

/// The address at which a process of this machine reaches `listening`.
std::string loopback_of(const std::string& listening) {
  constexpr std::string_view kAny = "0.0.0.0:";
  if (listening.starts_with(kAny)) return "127.0.0.1:" + listening.substr(kAny.size());
  return listening;
}

/// Hands the requests of signals and children to the Trainer, which comes and goes.
class Control {
 public:
  void attach(Trainer* trainer) {
    const std::lock_guard lock(mutex_);
    trainer_ = trainer;
    if (trainer_ == nullptr) return;
    if (stop_) trainer_->stop_after_round();
    if (error_) trainer_->abort(*error_);
  }
  void stop() {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    if (trainer_ != nullptr) trainer_->stop_after_round();
  }
  void abort(Error error) {
    const std::lock_guard lock(mutex_);
    if (trainer_ != nullptr) trainer_->abort(error);
    error_ = std::move(error);
  }

 private:
  std::mutex mutex_;  // guards all below
  Trainer* trainer_ = nullptr;
  bool stop_ = false;
  std::optional<Error> error_;
};

/// Notices when the run has begun: before that, a child that ends has failed the run.
class BeginWatch final : public training::ProgressSink {
 public:
  explicit BeginWatch(ProgressPrinter& printer) : printer_(printer) {}
  void on_joined(std::uint64_t joined, std::uint64_t wanted) override {
    printer_.on_joined(joined, wanted);
  }
  void on_start(const training::RunStart& start) override {
    begun_ = true;
    printer_.on_start(start);
  }
  void on_round(const training::RoundReport& report) override { printer_.on_round(report); }
  void on_lost(const training::LostWorker& lost) override { printer_.on_lost(lost); }
  bool begun() const { return begun_; }

 private:
  ProgressPrinter& printer_;
  std::atomic<bool> begun_ = false;
};

Error early_exit(const ChildExit& exit) {
  std::string words = exit.last_words;
  while (!words.empty() && words.back() == '\n') words.pop_back();
  words.erase(0, words.rfind('\n') + 1);  // the cause comes last
  if (constexpr std::string_view kPrefix = "muster: "; words.starts_with(kPrefix))
    words.erase(0, kPrefix.size());
  return Error{ErrorCode::kUnavailable,
               fmt::format("worker process {} ended before the run began, {}{}{}", exit.pid,
                           exit.describe(), words.empty() ? "" : ": ", words),
               {}};
}

/// A signal is the cause of all that was seen of the process; another exit follows from a cause.
void explain(TrainResult& result, training::LostWorker& lost, const ChildExit& exit) {
  const std::string seen = lost.cause;
  const std::string how = "its process ended with " + exit.describe();
  lost.cause = exit.signalled() ? how : fmt::format("{} ({})", seen, how);
  if (!result.error) return;
  if (const auto at = result.error->message.find(seen); at != std::string::npos)
    result.error->message.replace(at, seen.size(), lost.cause);
}

/// Says of each lost worker how its process ended, and ends it where it only fell silent. The end
/// of a connection is seen a moment before that of the process behind it.
void settle_lost(TrainResult& result, Children& children) {
  for (auto& lost : result.lost) {
    int pid = 0;
    if (std::sscanf(lost.place.c_str(), "pid %d on", &pid) != 1) continue;
    const bool died = lost.reason == training::LossReason::kDied;
    if (const auto exit = children.exit_of(pid, died ? kExitFollows : Duration{}))
      explain(result, lost, *exit);
    children.kill_one(pid);
  }
}

void start_children(Children& children, const TrainConfig& config, const std::string& address) {
  const std::string program = std::filesystem::read_symlink("/proc/self/exe").string();
  std::vector<std::string> arguments{"node",
                                     "--join",
                                     loopback_of(address),
                                     "--deadline",
                                     fmt::format("{}", config.network.join_deadline_s),
                                     "--parent",
                                     std::to_string(::getpid())};
  if (!config.network.token_file.empty()) {
    arguments.push_back("--token-file");
    arguments.push_back(config.network.token_file);
  }
  for (std::uint64_t i = 0; i < config.processes; ++i) children.start(program, arguments);
}

RuntimeOptions runtime_options(const TrainConfig& config, ProgressPrinter& printer) {
  RuntimeOptions options;
  options.threads = static_cast<unsigned>(config.threads);
  options.listen = config.network.listen;
  if (options.listen.empty() && config.processes != 0) options.listen = "127.0.0.1:0";
  options.token = value_or_throw(read_token(config.network.token_file));
  options.on_error = [&printer](const std::string& line) { printer.note(line); };
  return options;
}

/// What to give `muster node --join` on another machine.
std::string joined_as(const std::string& listening) {
  for (const std::string_view wild : {"0.0.0.0:", "[::]:"}) {
    if (listening.starts_with(wild)) return "HOST:" + listening.substr(wild.size());
  }
  return listening;
}

struct Outcome {
  TrainResult result;
  bool begun = false;  // the first round was opened
};

Outcome run(const TrainConfig& config, ProgressPrinter& printer, BeginWatch& begin,
            Control& control) {
  ask_for_long_slices();
  Runtime runtime(runtime_options(config, printer));
  Children children([&](const ChildExit& exit) {
    if (!begin.begun()) control.abort(early_exit(exit));
  });
  if (config.processes == 0 && !config.network.listen.empty())
    printer.note(fmt::format("waiting for {} worker{} at {}; on each: muster node --join {}{}",
                             config.workers, config.workers == 1 ? "" : "s",
                             runtime.listen_address(), joined_as(runtime.listen_address()),
                             config.network.token_file.empty() ? "" : " --token-file FILE"));
  Trainer trainer(runtime, config, training::dataset_objectives(config), &begin);
  control.attach(&trainer);
  try {
    if (config.processes != 0) start_children(children, config, runtime.listen_address());
  } catch (const Exception& e) {
    trainer.abort(e.error());
  }
  Outcome out;
  out.result = trainer.wait([&](TrainResult& result) { settle_lost(result, children); });
  out.begun = begin.begun();
  control.attach(nullptr);
  if (!children.wait_all(kChildrenLeave)) children.kill_all();
  return out;
}

int report(const TrainCommand& command, const Outcome& outcome) {
  const TrainResult& result = outcome.result;
  const std::string table = summary_table(result);
  std::fputs(table.c_str(), command.json ? stderr : stdout);
  if (command.json) fmt::print("{}\n", training::summary_json(result));
  std::fflush(stdout);
  if (!result.ok()) {
    std::fprintf(stderr, "muster: %s\n", result.error->message.c_str());
    return outcome.begun ? kExitFailed : exit_status(result.error->code);
  }
  if (result.reason != training::StopReason::kInterrupted) return kExitDone;
  const std::string when =
      result.rounds == 0 ? "before the first round" : fmt::format("after round {}", result.rounds);
  std::fprintf(stderr, "muster: interrupted %s; the record is in %s\n", when.c_str(),
               result.record.c_str());
  return kExitInterrupted;
}

int train_or_throw(const TrainCommand& command) {
  TrainConfig config = value_or_throw(resolve(*command.flags));
  if (command.dry_run) {
    TrainConfig here = training::resolved(config);
    if (auto dir = training::find_dataset(config.data.dir)) here.data.dir = *std::move(dir);
    fmt::print("{}", training::to_toml(config, here));
    return kExitDone;
  }
  if (config.record.empty()) config.record = default_record(config.name);
  ProgressPrinter printer({.out = stderr,
                           .terminal = ::isatty(STDERR_FILENO) != 0,
                           .quiet = command.quiet,
                           .clock = &steady_clock()});
  BeginWatch begin(printer);
  Control control;
  const SignalWatch signals(
      [&] {
        printer.note(
            begin.begun()
                ? "interrupted: this round is ended and the record written; again ends at once"
                : "interrupted before the first round: the record is written");
        control.stop();
      },
      [] { ::_exit(kExitInterrupted); });
  const Outcome outcome = run(config, printer, begin, control);
  printer.finish();
  return report(command, outcome);
}

int train(const TrainCommand& command) {
  try {
    return train_or_throw(command);
  } catch (const Exception& e) {
    TrainResult nothing;
    nothing.error = e.error();
    if (command.json) fmt::print("{}\n", training::summary_json(nothing));
    throw;
  }
}

}  // namespace

void add_train_command(CLI::App& app, Action& action) {
  auto options = std::make_shared<TrainCommand>();
  CLI::App* command = app.add_subcommand("train", "Train a model on local or remote workers");
  command->group("Commands");
  options->flags = add_config_flags(*command);
  command->add_flag("--json", options->json, "print the results as one JSON object, last");
  command->add_flag("--dry-run", options->dry_run, "print the resolved configuration and stop");
  command->add_flag("--quiet", options->quiet, "no progress line");
  command->footer(
      "Examples:\n"
      "  muster train --processes 4                   workers in processes of their own\n"
      "  muster train --scaling oasis --floor 0.01    another scaling rule\n"
      "  muster train --listen 192.0.2.7:7077 --workers 8 --token-file cluster.token\n"
      "\nExit status: 0 done; 1 the run failed, its record is kept; 2 wrong flag, file, address,\n"
      "token, configuration or data, nothing was trained; 130 interrupted, record written.");
  command->callback([&action, options] { action = [options] { return train(*options); }; });
}

}  // namespace muster::tool
