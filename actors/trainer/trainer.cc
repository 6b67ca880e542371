// Trainer: wires averager, evaluator and workers, and waits for the end.

#include "actors/averager/averager.h"
#include "actors/averager/evaluator.h"
#include "actors/place.h"
#include "actors/worker/worker.h"

#include <muster/training/node.h>
#include <muster/training/record.h>
#include <muster/training/train.h>

#include <openssl/evp.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

namespace muster::training {
namespace {

/// The end of the run, handed from the averager's thread to the waiting one.
class Ending {
 public:
  void set(TrainResult result) {
    const std::lock_guard lock(mutex_);
    if (!result_) result_ = std::move(result);
    changed_.notify_all();
  }
  TrainResult take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return result_.has_value(); });
    return *result_;
  }
  bool there() {
    const std::lock_guard lock(mutex_);
    return result_.has_value();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<TrainResult> result_;
};

/// Passes everything on to the record and to the user's sink.
class Watchers final : public ProgressSink {
 public:
  Watchers(RecordWriter* record, ProgressSink* user) : record_(record), user_(user) {}

  void on_joined(std::uint64_t joined, std::uint64_t wanted) override {
    if (user_ != nullptr) user_->on_joined(joined, wanted);
  }
  void on_start(const RunStart& start) override {
    if (user_ != nullptr) user_->on_start(start);
  }
  void on_round(const RoundReport& report) override {
    if (record_ != nullptr) record_->on_round(report);
    if (user_ != nullptr) user_->on_round(report);
  }
  void on_lost(const LostWorker& lost) override {
    if (user_ != nullptr) user_->on_lost(lost);
  }

 private:
  RecordWriter* record_;
  ProgressSink* user_;
};

/// Of the workers in this process.
std::uint64_t shared_threads(const TrainConfig& config) {
  return std::min(config.workers, resolved(config).threads);
}

TrainResult failed_result(Error error) {
  TrainResult result;
  result.error = std::move(error);
  return result;
}

}  // namespace

struct Trainer::Impl {
  std::shared_ptr<Ending> ending = std::make_shared<Ending>();
  std::unique_ptr<RecordWriter> record;
  std::unique_ptr<Watchers> watchers;
  Handle<Averager> averager;
  Handle<Evaluator> evaluator;
  std::vector<Handle<Worker>> workers;
  Future<void> averager_gone;
  const Runtime* home = nullptr;
  RuntimeStats before;  // the runtime may have had other traffic

  void spawn_workers(Runtime& runtime, const TrainConfig& config, const ObjectiveFactory& factory) {
    for (std::uint64_t i = 0; i < config.workers; ++i) {
      auto worker = runtime.spawn<Worker>(
          {}, Worker::Setup{config, factory, averager, "this process", nullptr});
      worker.send<&Worker::start>();
      workers.push_back(std::move(worker));
    }
  }

  ~Impl() {
    for (const auto& worker : workers) worker.kill();
    if (evaluator.valid()) evaluator.kill();
    if (averager.valid()) averager.kill();
    // After this the averager calls the watchers no more. A timeout leaves a handler that hangs.
    if (averager_gone.valid()) (void)averager_gone.result(kShutdownWait);
  }

  static constexpr Duration kShutdownWait = 10s;
};

Trainer::Trainer(Runtime& runtime, const TrainConfig& config, ObjectiveFactory factory,
                 ProgressSink* sink)
    : impl_(std::make_unique<Impl>()) {
  value_or_throw(validate(config));
  impl_->home = &runtime;
  impl_->before = runtime.stats();
  auto objective = factory(Seat{0, config.workers, true}).objective;
  if (!objective || objective->dim() == 0)
    throw Exception(Error{ErrorCode::kInvalid, "the objective has no parameters", {}});
  AlignedVector<float> x0(objective->dim());
  objective->initial_parameters(config.seed, x0);
  if (!config.record.empty())
    impl_->record = value_or_throw(RecordWriter::create(config.record, config));
  impl_->watchers = std::make_unique<Watchers>(impl_->record.get(), sink);

  const bool remote = config.processes != 0 || !config.network.listen.empty();
  impl_->evaluator = runtime.spawn<Evaluator>({}, std::move(objective));
  impl_->averager = runtime.spawn<Averager>(
      {.name = remote ? kAveragerName : ""},
      Averager::Setup{config, Array<float>(std::move(x0)), impl_->evaluator,
                      remote ? 0 : shared_threads(config), impl_->watchers.get(),
                      [ending = impl_->ending](TrainResult r) { ending->set(std::move(r)); }});
  impl_->averager_gone =
      runtime.monitor(impl_->averager).then([ending = impl_->ending](Result<Down> down) {
        Error cause = down ? down->cause : down.error();
        cause.message = "the averager ended early: " + cause.message;
        ending->set(failed_result(std::move(cause)));
      });
  impl_->averager.send<&Averager::start>();
  if (!remote) impl_->spawn_workers(runtime, config, factory);
}

Trainer::~Trainer() = default;

void Trainer::stop_after_round() {
  impl_->averager.send<&Averager::stop_after_round>();
}
void Trainer::abort(Error error) {
  impl_->averager.send<&Averager::abort>(std::move(error));
}

TrainResult Trainer::wait(const std::function<void(TrainResult&)>& amend) {
  TrainResult result = impl_->ending->take();
  const RuntimeStats now = impl_->home->stats();
  result.wire_bytes_sent = now.bytes_sent - impl_->before.bytes_sent;
  result.wire_bytes_received = now.bytes_received - impl_->before.bytes_received;
  if (result.samples == 0) {  // nothing was trained: these would be the starting point's
    result.parameters = {};
    result.params_sha256.clear();
  }
  if (impl_->record) result.record = impl_->record->folder();
  if (amend) amend(result);
  if (!impl_->record) return result;
  if (auto written = impl_->record->finish(result); !written && result.ok()) {
    result.reason = StopReason::kFailed;
    result.error = written.error();
  }
  return result;
}

TrainResult train(Runtime& runtime, const TrainConfig& config, ObjectiveFactory factory,
                  ProgressSink* sink) {
  Trainer trainer(runtime, config, std::move(factory), sink);
  return trainer.wait();
}

std::string params_sha256(std::span<const float> params) {
  static_assert(std::endian::native == std::endian::little, "hashes the bytes as they lie");
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  const int ok =
      EVP_Digest(params.data(), params.size_bytes(), digest, &size, EVP_sha256(), nullptr);
  MUSTER_CHECK(ok == 1, params.size());
  std::string out;
  for (unsigned int i = 0; i < size; ++i) {
    constexpr char kDigits[] = "0123456789abcdef";
    out += kDigits[digest[i] >> 4];
    out += kDigits[digest[i] & 15];
  }
  return out;
}

}  // namespace muster::training
