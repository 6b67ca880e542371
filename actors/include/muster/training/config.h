#pragma once
/// TrainConfig: the one value that describes a training run. A TOML file, command-line flags and
/// C++ code fill the same fields; fields() is the table that drives all three, the writer and the
/// checks, so that none of them can know a field that the others do not.
///
/// Threads: values and pure functions.

#include <muster/error.h>
#include <muster/optim/dataset.h>
#include <muster/optim/scaling.h>
#include <muster/optim/schedule.h>
#include <muster/optim/split.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace muster::training {

enum class ModelKind : std::uint8_t { kMlp, kLogistic };
enum class Averaging : std::uint8_t {
  kSamples,  ///< a worker counts by the samples it used in the round
  kEqual,    ///< every worker counts the same
};
std::string_view to_string(ModelKind) noexcept;
std::string_view to_string(Averaging) noexcept;

struct ModelConfig {
  ModelKind kind = ModelKind::kMlp;
  std::vector<std::uint64_t> hidden{200, 200};  ///< MLP: hidden layers; the data give the ends
  double l2 = 0;                                ///< logistic: ridge penalty
  friend bool operator==(const ModelConfig&, const ModelConfig&) = default;
};

struct DataConfig {
  std::string dir;  ///< folder of the IDX files; empty: see find_dataset()
  optim::Normalise normalise = optim::Normalise::kUnit;
  friend bool operator==(const DataConfig&, const DataConfig&) = default;
};

struct LocalConfig {
  std::uint64_t steps = 10;  ///< local steps a round
  std::uint64_t batch = 64;
  double momentum = 0.9;
  bool debias_momentum = false;  ///< divide the momentum by 1 - momentum^t, as Adam does
  double weight_decay = 0;
  friend bool operator==(const LocalConfig&, const LocalConfig&) = default;
};

struct RoundConfig {
  Averaging averaging = Averaging::kSamples;
  std::uint64_t refresh_every = 5;  ///< global scope: rounds between refreshes of the scaling
  double deadline_s = 10;           ///< a worker silent for so long in a round is dropped
  std::uint64_t evaluate_every = 20;
  double evaluation_deadline_s = 300;  ///< an evaluation that takes longer fails the run
  friend bool operator==(const RoundConfig&, const RoundConfig&) = default;
};

struct StopConfig {
  std::uint64_t rounds = 400;  ///< 0: no limit
  double target_accuracy = 0;  ///< 0: none
  double time_limit_s = 0;     ///< 0: none
  friend bool operator==(const StopConfig&, const StopConfig&) = default;
};

struct NetworkConfig {
  std::string listen;      ///< HOST:PORT where other machines' nodes join; empty: none wanted
  std::string token_file;  ///< its first line is the cluster's secret
  double join_deadline_s = 30;
  friend bool operator==(const NetworkConfig&, const NetworkConfig&) = default;
};

/// Defaults are the main job: the 784-200-200-10 MLP on Fashion-MNIST, 4 workers of main-class
/// fraction 0.5, Adam scaling of global scope.
struct TrainConfig {
  std::string name = "train";  ///< part of the record's folder name
  std::uint64_t seed = 1;
  std::uint64_t workers = 4;
  std::uint64_t processes = 0;  ///< 0: workers run in this process; else equal to workers
  std::uint64_t threads = 0;    ///< of this process's runtime; 0: one a core
  bool deterministic = true;    ///< equal configurations give equal parameters, to the bit
  ModelConfig model;
  DataConfig data;
  optim::SplitSpec split{.kind = optim::SplitKind::kMainClass};
  LocalConfig local;
  optim::Schedule schedule{.kind = optim::ScheduleKind::kCosine, .base = 0.003};  ///< step size
  optim::ScalingConfig scaling{.rule = optim::ScalingRule::kAdam,
                               .estimator = std::nullopt,
                               .beta = 0.95,
                               .floor = 1e-4,
                               .floor_mode = optim::FloorMode::kAdd};
  RoundConfig round;
  StopConfig stop;
  NetworkConfig network;
  std::string record;  ///< folder of the run's record; empty: the caller decides

  friend bool operator==(const TrainConfig&, const TrainConfig&) = default;
};

/// The value of one field, in the few types that files and flags can spell.
using FieldValue = std::variant<bool, std::uint64_t, double, std::string,
                                std::vector<std::uint64_t>, std::vector<double>>;

/// One row of the table.
struct Field {
  std::string path;      ///< "local.steps"; in TOML the part before the last dot is the table
  std::string flag;      ///< "--local-steps"
  std::string doc;       ///< one line
  std::string expected;  ///< "an integer from 1 to 1000000"
  std::vector<std::string> choices;  ///< the words a choice field takes; empty for other fields
  std::function<FieldValue(const TrainConfig&)> get;
  /// Stores `value`; false, and no change, when its type or range does not fit.
  std::function<bool(TrainConfig&, const FieldValue&)> set;
};

/// Every field, in the order of the written file. Lives for the whole program.
std::span<const Field> fields();

/// The field at `path`, or null.
const Field* find_field(std::string_view path);

/// Reads TOML over `base`. `file` stands for the text in messages. kInvalid with `file:line: `
/// before what was found and what was expected: a field that does not exist (with the nearest that
/// does), a value of another type or out of range, broken TOML. Checks single fields only: call
/// validate() when all sources are in.
Result<TrainConfig> parse_toml(std::string_view text, const std::string& file,
                               const TrainConfig& base = {});
/// The same for a file; kNotFound when it cannot be read.
Result<TrainConfig> load_toml(const std::string& path, const TrainConfig& base = {});

/// The whole configuration as TOML with the fields' docs as comments. parse_toml gives it back
/// exactly.
std::string to_toml(const TrainConfig& config);
/// The same; a field that is another in `here`, see resolved(), has that value in its comment.
std::string to_toml(const TrainConfig& config, const TrainConfig& here);

/// Sets one field from the text of a flag; lists are comma-separated, the empty list is "".
/// kInvalid: "--local-steps 0: expected an integer from 1 to 1000000".
Result<void> set_from_text(TrainConfig& config, const Field& field, const std::string& text);

/// Checks every field and how they fit together. kInvalid names the fields, what was found and
/// what is allowed.
Result<void> validate(const TrainConfig& config);

/// The one of `words` that `word` misspells: the nearest within one edit (a letter added, left out,
/// replaced, or two swapped) for every three letters; empty when there is none.
std::string nearest_word(std::string_view word, std::span<const std::string> words);

/// The folder of the training data: `dir` when not empty; else, where MUSTER_DATASETS is set, it or
/// its fashion-mnist; else the first that holds them of PREFIX/share/datasets/fashion-mnist, PREFIX
/// being the folder above the program's, and /usr/share/datasets/fashion-mnist. kNotFound lists
/// where it looked.
Result<std::string> find_dataset(const std::string& dir);

/// What a run on this machine makes of the fields that a valid configuration leaves to it, whatever
/// its objectives: the estimator of the scaling, and the threads.
TrainConfig resolved(TrainConfig config);

}  // namespace muster::training
