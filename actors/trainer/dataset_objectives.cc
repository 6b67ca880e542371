// The built-in models on image data, as objectives for each seat of a run.

#include <muster/optim/objectives.h>
#include <muster/training/train.h>

#include <filesystem>
#include <mutex>

namespace muster::training {
namespace {

using DatasetPtr = std::shared_ptr<const optim::Dataset>;

/// Reads each set once, when it is first asked for. Any thread.
class DatasetSource {
 public:
  explicit DatasetSource(TrainConfig config) : config_(std::move(config)) {}

  DatasetPtr train() { return get(train_, "train"); }
  DatasetPtr test() { return get(test_, "t10k"); }
  const TrainConfig& config() const { return config_; }

  /// The share of a worker; the split is made once.
  std::vector<std::uint32_t> share(std::uint64_t worker, std::uint64_t workers) {
    const DatasetPtr set = train();
    const std::lock_guard lock(mutex_);
    if (shares_.size() != workers)
      shares_ = value_or_throw(
          optim::split(set->labels(), set->classes(), config_.split, workers, config_.seed));
    return shares_[worker];
  }

 private:
  DatasetPtr get(DatasetPtr& slot, const std::string& prefix) {
    const std::lock_guard lock(mutex_);
    if (slot) return slot;
    if (directory_.empty()) directory_ = value_or_throw(find_dataset(config_.data.dir));
    optim::ImageOptions options;
    options.normalise = config_.data.normalise;
    if (options.normalise == optim::Normalise::kMeanStd) {
      // The test set is normalised by the training set, so that both are needed.
      check_folder("train");
      check_folder("t10k");
      auto both = value_or_throw(optim::load_image_dataset(directory_, options));
      train_ = std::move(both.train);
      test_ = std::move(both.test);
    } else {
      check_folder(prefix);
      slot = std::make_shared<const optim::Dataset>(value_or_throw(optim::load_idx_pair(
          file(prefix + "-images-idx3-ubyte"), file(prefix + "-labels-idx1-ubyte"), options)));
    }
    return slot;
  }

  /// A file that lacks is mended in the configuration, so the message names the field and its flag.
  void check_folder(const std::string& prefix) const {
    namespace fs = std::filesystem;
    std::error_code ignored;
    const std::string what =
        config_.data.dir.empty() ? directory_ : "data.dir (--data) = " + config_.data.dir;
    if (!fs::is_directory(directory_, ignored))
      throw Exception(Error{ErrorCode::kNotFound, what + ": there is no such folder", {}});
    for (const char* suffix : {"-images-idx3-ubyte", "-labels-idx1-ubyte"}) {
      const std::string name = prefix + suffix;
      if (fs::exists(file(name), ignored)) continue;
      throw Exception(
          Error{ErrorCode::kNotFound,
                what + ": expected " + name + " or " + name + ".gz in this folder, found neither",
                {}});
    }
  }

  /// The plain file where there is one, else the compressed one, else the plain name.
  std::string file(const std::string& name) const {
    const std::string plain = (std::filesystem::path(directory_) / name).string();
    std::error_code ignored;
    const bool packed =
        !std::filesystem::exists(plain, ignored) && std::filesystem::exists(plain + ".gz", ignored);
    return packed ? plain + ".gz" : plain;
  }

  const TrainConfig config_;
  std::mutex mutex_;  // guards all below
  std::string directory_;
  DatasetPtr train_;
  DatasetPtr test_;
  std::vector<optim::Share> shares_;
};

std::shared_ptr<optim::Objective> make_model(const TrainConfig& config, const DatasetPtr& train,
                                             const DatasetPtr& test) {
  if (config.model.kind == ModelKind::kLogistic)
    return std::make_shared<optim::LogisticRegression>(
        train, test, optim::LogisticOptions{.l2 = config.model.l2});
  std::vector<std::size_t> layers{train->features()};
  layers.insert(layers.end(), config.model.hidden.begin(), config.model.hidden.end());
  layers.push_back(train->classes());
  return std::make_shared<optim::Mlp>(std::move(layers), train, test);
}

}  // namespace

ObjectiveFactory dataset_objectives(const TrainConfig& config) {
  return [source = std::make_shared<DatasetSource>(config)](const Seat& seat) {
    WorkerTask task;
    if (seat.evaluation) {
      // Where the workers are in this process, their data are proved before the run begins.
      const TrainConfig& c = source->config();
      const bool here = seat.workers != 0 && c.processes == 0 && c.network.listen.empty();
      if (here) (void)source->train();
      const DatasetPtr test = source->test();
      task.objective = make_model(c, test, test);
    } else {
      task.objective = make_model(source->config(), source->train(), nullptr);
      task.samples = source->share(seat.worker, seat.workers);
    }
    return task;
  };
}

}  // namespace muster::training
