// The table of fields of TrainConfig.

#include <muster/training/config.h>

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

namespace muster::training {
namespace {

using Strings = std::vector<std::string>;

struct Naming {
  std::string path;
  std::string flag;
  std::string doc;
};

std::string number(double value) {
  return fmt::format("{}", value);
}

template <class Access>
Field integer(Naming names, std::uint64_t min, std::uint64_t max, Access access) {
  Field field{std::move(names.path),
              std::move(names.flag),
              std::move(names.doc),
              fmt::format("an integer from {} to {}", min, max),
              {},
              {},
              {}};
  field.get = [access](const TrainConfig& c) { return FieldValue(std::uint64_t(access(c))); };
  field.set = [access, min, max](TrainConfig& c, const FieldValue& value) {
    const auto* v = std::get_if<std::uint64_t>(&value);
    if (v == nullptr || *v < min || *v > max) return false;
    auto& target = access(c);
    target = static_cast<std::remove_reference_t<decltype(target)>>(*v);
    return true;
  };
  return field;
}

std::optional<double> as_real(const FieldValue& value) {
  if (const auto* v = std::get_if<double>(&value)) return *v;
  if (const auto* v = std::get_if<std::uint64_t>(&value)) return static_cast<double>(*v);
  return std::nullopt;
}

/// Interval of reals; `open_below` leaves out `min` itself, `open_above` leaves out `max`.
struct Interval {
  double min = 0;
  double max = 0;
  bool open_below = false;
  bool open_above = false;

  bool holds(double v) const {
    return (open_below ? v > min : v >= min) && (open_above ? v < max : v <= max);
  }
  std::string describe() const {
    return fmt::format("{}{}, {}{}", open_below ? '(' : '[', number(min), number(max),
                       open_above ? ')' : ']');
  }
};

template <class Access>
Field real(Naming names, Interval range, Access access) {
  Field field{std::move(names.path),
              std::move(names.flag),
              std::move(names.doc),
              "a number in " + range.describe(),
              {},
              {},
              {}};
  field.get = [access](const TrainConfig& c) { return FieldValue(double(access(c))); };
  field.set = [access, range](TrainConfig& c, const FieldValue& value) {
    const auto v = as_real(value);
    if (!v || !range.holds(*v)) return false;
    access(c) = *v;
    return true;
  };
  return field;
}

template <class Access>
Field boolean(Naming names, Access access) {
  Field field{std::move(names.path),
              std::move(names.flag),
              std::move(names.doc),
              "true or false",
              {},
              {},
              {}};
  field.get = [access](const TrainConfig& c) { return FieldValue(bool(access(c))); };
  field.set = [access](TrainConfig& c, const FieldValue& value) {
    const auto* v = std::get_if<bool>(&value);
    if (v == nullptr) return false;
    access(c) = *v;
    return true;
  };
  return field;
}

template <class Access>
Field text(Naming names, std::string expected, bool (*fits)(const std::string&), Access access) {
  Field field{std::move(names.path),
              std::move(names.flag),
              std::move(names.doc),
              std::move(expected),
              {},
              {},
              {}};
  field.get = [access](const TrainConfig& c) { return FieldValue(std::string(access(c))); };
  field.set = [access, fits](TrainConfig& c, const FieldValue& value) {
    const auto* v = std::get_if<std::string>(&value);
    if (v == nullptr || !fits(*v)) return false;
    access(c) = *v;
    return true;
  };
  return field;
}

std::string one_of(const Strings& choices) {
  std::string out = "one of";
  for (std::size_t i = 0; i < choices.size(); ++i)
    out += fmt::format("{} \"{}\"", i == 0 ? "" : ",", choices[i]);
  return out;
}

/// `words` pairs each value with its spelling.
template <class Enum, class Access>
Field choice(Naming names, std::vector<std::pair<Enum, std::string>> words, Access access) {
  Strings choices;
  for (const auto& word : words) choices.push_back(word.second);
  Field field{std::move(names.path),
              std::move(names.flag),
              std::move(names.doc),
              one_of(choices),
              choices,
              {},
              {}};
  field.get = [access, words](const TrainConfig& c) {
    const Enum value = access(c);
    for (const auto& word : words)
      if (word.first == value) return FieldValue(word.second);
    return FieldValue(std::string("?"));
  };
  field.set = [access, words](TrainConfig& c, const FieldValue& value) {
    const auto* v = std::get_if<std::string>(&value);
    if (v == nullptr) return false;
    for (const auto& word : words) {
      if (word.second != *v) continue;
      access(c) = word.first;
      return true;
    }
    return false;
  };
  return field;
}

/// Pairs every value with to_string() of it.
template <class Enum>
std::vector<std::pair<Enum, std::string>> spelled(std::initializer_list<Enum> values) {
  std::vector<std::pair<Enum, std::string>> out;
  for (const Enum value : values) out.emplace_back(value, std::string(to_string(value)));
  return out;
}

Field hidden_layers() {
  Field field{"model.hidden",
              "--hidden",
              "sizes of the MLP's hidden layers",
              "a list of at most 16 integers from 1 to 100000",
              {},
              {},
              {}};
  field.get = [](const TrainConfig& c) { return FieldValue(c.model.hidden); };
  field.set = [](TrainConfig& c, const FieldValue& value) {
    const auto* v = std::get_if<std::vector<std::uint64_t>>(&value);
    if (v == nullptr || v->size() > 16) return false;
    if (!std::ranges::all_of(*v, [](auto n) { return n >= 1 && n <= 100000; })) return false;
    c.model.hidden = *v;
    return true;
  };
  return field;
}

Field milestones() {
  Field field{"schedule.milestones",
              "--milestones",
              "step: fractions of the run where the step size is multiplied by the factor",
              "an ascending list of numbers in (0, 1)",
              {},
              {},
              {}};
  field.get = [](const TrainConfig& c) { return FieldValue(c.schedule.milestones); };
  field.set = [](TrainConfig& c, const FieldValue& value) {
    std::vector<double> numbers;
    if (const auto* reals = std::get_if<std::vector<double>>(&value)) numbers = *reals;
    const auto* integers = std::get_if<std::vector<std::uint64_t>>(&value);
    if (integers != nullptr) numbers.assign(integers->begin(), integers->end());
    if (integers == nullptr && !std::holds_alternative<std::vector<double>>(value)) return false;
    if (!std::ranges::is_sorted(numbers)) return false;
    if (!std::ranges::all_of(numbers, [](double f) { return f > 0 && f < 1; })) return false;
    c.schedule.milestones = std::move(numbers);
    return true;
  };
  return field;
}

/// The estimator is optional: none is spelled "auto".
Field estimator() {
  using optim::Estimator;
  Strings choices{"auto"};
  for (const Estimator e :
       {Estimator::kGradient, Estimator::kHutchinson, Estimator::kHutchinsonBlock})
    choices.emplace_back(to_string(e));
  Field field{"scaling.estimator",
              "--estimator",
              "what D absorbs; auto: hutchinson for oasis, gradient for the others",
              one_of(choices),
              choices,
              {},
              {}};
  field.get = [](const TrainConfig& c) {
    return FieldValue(c.scaling.estimator ? std::string(to_string(*c.scaling.estimator))
                                          : std::string("auto"));
  };
  field.set = [](TrainConfig& c, const FieldValue& value) {
    const auto* v = std::get_if<std::string>(&value);
    if (v == nullptr) return false;
    const auto parsed = optim::parse_estimator(*v);
    if (!parsed && *v != "auto") return false;
    c.scaling.estimator = parsed;
    return true;
  };
  return field;
}

bool any_text(const std::string&) {
  return true;
}
bool is_name(const std::string& s) {
  return !s.empty() && s.size() <= 64 && std::ranges::all_of(s, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  }) && s[0] != '.';
}
bool is_address_or_empty(const std::string& s) {
  if (s.empty()) return true;
  const auto colon = s.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == s.size()) return false;
  const std::string port = s.substr(colon + 1);
  if (port.size() > 5 || !std::ranges::all_of(port, [](char c) { return c >= '0' && c <= '9'; }))
    return false;
  return std::stoul(port) <= 65535;
}

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::uint64_t kManySteps = 1000000000;

void add_run_fields(std::vector<Field>& out) {
  out.push_back(text(
      {"name", "--name", "part of the record's folder name"},
      "1 to 64 letters, digits, '-', '_' or '.'", is_name,
      [](auto& c) -> auto& { return c.name; }));
  out.push_back(integer(
      {"seed", "--seed", "of the split, the start, the batches and the estimator"}, 0,
      std::uint64_t{1} << 62, [](auto& c) -> auto& { return c.seed; }));
  out.push_back(integer(
      {"workers", "--workers", "number of workers"}, 1, 4096,
      [](auto& c) -> auto& { return c.workers; }));
  out.push_back(integer(
      {"processes", "--processes",
       "as many as workers: start each in a process of its own; 0: all in this one"},
      0, 4096, [](auto& c) -> auto& { return c.processes; }));
  out.push_back(integer(
      {"threads", "--threads", "threads of this process; 0: one a core"}, 0, 1024,
      [](auto& c) -> auto& { return c.threads; }));
  out.push_back(boolean(
      {"deterministic", "--deterministic",
       "equal configurations give equal parameters, to the bit"},
      [](auto& c) -> auto& { return c.deterministic; }));
  out.push_back(text(
      {"record", "--record", "folder of the record; empty: runs/TIME-NAME"}, "a path", any_text,
      [](auto& c) -> auto& { return c.record; }));
}

void add_model_fields(std::vector<Field>& out) {
  out.push_back(choice<ModelKind>(
      {"model.kind", "--model", "what is trained"},
      spelled({ModelKind::kMlp, ModelKind::kLogistic}),
      [](auto& c) -> auto& { return c.model.kind; }));
  out.push_back(hidden_layers());
  out.push_back(real(
      {"model.l2", "--l2", "ridge penalty of logistic regression"}, {0, kInfinity, false, true},
      [](auto& c) -> auto& { return c.model.l2; }));
  out.push_back(text(
      {"data.dir", "--data", "folder of the IDX files; empty: Fashion-MNIST is searched for"},
      "a path", any_text, [](auto& c) -> auto& { return c.data.dir; }));
  out.push_back(choice<optim::Normalise>(
      {"data.normalise", "--normalise", "pixels to [0, 1], or to mean 0 and deviation 1"},
      {{optim::Normalise::kUnit, "unit"}, {optim::Normalise::kMeanStd, "mean_std"}},
      [](auto& c) -> auto& { return c.data.normalise; }));
}

void add_split_fields(std::vector<Field>& out) {
  using optim::SplitKind;
  out.push_back(choice<SplitKind>(
      {"split.kind", "--split", "how samples are dealt to workers"},
      {{SplitKind::kIid, "iid"},
       {SplitKind::kMainClass, "main_class"},
       {SplitKind::kDirichlet, "dirichlet"},
       {SplitKind::kLabels, "k_labels"},
       {SplitKind::kShards, "shards"}},
      [](auto& c) -> auto& { return c.split.kind; }));
  out.push_back(real(
      {"split.p", "--split-p", "main_class: fraction of a worker's main class"}, {0, 1},
      [](auto& c) -> auto& { return c.split.main_fraction; }));
  out.push_back(real(
      {"split.a", "--split-a", "dirichlet: concentration; small is uneven"}, {0, 1e6, true},
      [](auto& c) -> auto& { return c.split.concentration; }));
  out.push_back(integer(
      {"split.k", "--split-k", "k_labels: classes a worker"}, 1, 1000000,
      [](auto& c) -> auto& { return c.split.labels; }));
  out.push_back(integer(
      {"split.shards", "--split-shards", "shards: shards a worker"}, 1, 1000000,
      [](auto& c) -> auto& { return c.split.shards; }));
}

void add_local_fields(std::vector<Field>& out) {
  out.push_back(integer(
      {"local.steps", "--local-steps", "local steps a round"}, 1, 1000000,
      [](auto& c) -> auto& { return c.local.steps; }));
  out.push_back(integer(
      {"local.batch", "--batch", "samples a local step"}, 1, 1000000,
      [](auto& c) -> auto& { return c.local.batch; }));
  out.push_back(real(
      {"local.momentum", "--momentum", "of the gradient; 0: none"}, {0, 1, false, true},
      [](auto& c) -> auto& { return c.local.momentum; }));
  out.push_back(boolean(
      {"local.debias_momentum", "--debias-momentum",
       "divide the momentum by 1 - momentum^t, as Adam does"},
      [](auto& c) -> auto& { return c.local.debias_momentum; }));
  out.push_back(real(
      {"local.weight_decay", "--weight-decay", "decay of the parameters"}, {0, 1},
      [](auto& c) -> auto& { return c.local.weight_decay; }));
  using optim::ScheduleKind;
  out.push_back(choice<ScheduleKind>(
      {"schedule.kind", "--schedule", "course of the step size over the run"},
      spelled({ScheduleKind::kConstant, ScheduleKind::kCosine, ScheduleKind::kStep}),
      [](auto& c) -> auto& { return c.schedule.kind; }));
  out.push_back(real(
      {"schedule.step_size", "--step-size", "step size at the start"}, {0, kInfinity, true, true},
      [](auto& c) -> auto& { return c.schedule.base; }));
  out.push_back(real(
      {"schedule.final_ratio", "--final-ratio", "cosine: last step size over first"}, {0, 1},
      [](auto& c) -> auto& { return c.schedule.final_ratio; }));
  out.push_back(real(
      {"schedule.factor", "--step-factor", "step: factor at every milestone"}, {0, 1, true},
      [](auto& c) -> auto& { return c.schedule.factor; }));
  out.push_back(milestones());
  out.push_back(real(
      {"schedule.warmup", "--warmup", "fraction of the run of the rise from 0"},
      {0, 1, false, true}, [](auto& c) -> auto& { return c.schedule.warmup; }));
}

void add_scaling_fields(std::vector<Field>& out) {
  using namespace optim;  // NOLINT: enumerations of the scaling
  out.push_back(choice<ScalingRule>(
      {"scaling.rule", "--scaling", "how the scaling absorbs its estimates"},
      spelled({ScalingRule::kIdentity, ScalingRule::kAdaGrad, ScalingRule::kRmsProp,
               ScalingRule::kAdam, ScalingRule::kOasis}),
      [](auto& c) -> auto& { return c.scaling.rule; }));
  out.push_back(choice<ScalingScope>(
      {"scaling.scope", "--scope", "one scaling for all workers, or one each"},
      spelled({ScalingScope::kGlobal, ScalingScope::kLocal}),
      [](auto& c) -> auto& { return c.scaling.scope; }));
  out.push_back(choice<LocalMerge>(
      {"scaling.combine", "--combine", "local scope: what a sync does to the workers' scalings"},
      spelled({LocalMerge::kKeep, LocalMerge::kMean, LocalMerge::kMax}),
      [](auto& c) -> auto& { return c.scaling.merge; }));
  out.push_back(estimator());
  out.push_back(integer(
      {"scaling.samples", "--hutchinson-samples", "probes a Hutchinson estimate"}, 1, 1000,
      [](auto& c) -> auto& { return c.scaling.hutchinson_samples; }));
  out.push_back(real(
      {"scaling.beta", "--beta", "memory of the scaling"}, {0, 1, false, true},
      [](auto& c) -> auto& { return c.scaling.beta; }));
  out.push_back(real(
      {"scaling.floor", "--floor", "alpha: the least the scaling divides by"},
      {0, kInfinity, false, true}, [](auto& c) -> auto& { return c.scaling.floor; }));
  out.push_back(choice<FloorMode>(
      {"scaling.floor_mode", "--floor-mode", "max(alpha, |D|), or |D| + alpha"},
      spelled({FloorMode::kMax, FloorMode::kAdd}),
      [](auto& c) -> auto& { return c.scaling.floor_mode; }));
  out.push_back(real(
      {"scaling.cap", "--cap", "Gamma: the most the scaling divides by"}, {0, kInfinity, true},
      [](auto& c) -> auto& { return c.scaling.cap; }));
  out.push_back(boolean(
      {"scaling.every_step", "--estimate-every-step",
       "global scope: estimate at every local step, not only at the sync"},
      [](auto& c) -> auto& { return c.scaling.estimate_every_step; }));
  out.push_back(integer(
      {"scaling.refresh_every", "--refresh-every",
       "global scope: rounds between refreshes of the scaling"},
      1, 1000000, [](auto& c) -> auto& { return c.round.refresh_every; }));
}

void add_round_fields(std::vector<Field>& out) {
  out.push_back(choice<Averaging>(
      {"round.averaging", "--averaging", "what a worker's weight is"},
      spelled({Averaging::kSamples, Averaging::kEqual}),
      [](auto& c) -> auto& { return c.round.averaging; }));
  out.push_back(real(
      {"round.deadline_s", "--round-deadline",
       "seconds after which a silent worker is dropped from the run"},
      {0, 86400, true}, [](auto& c) -> auto& { return c.round.deadline_s; }));
  out.push_back(integer(
      {"round.evaluate_every", "--evaluate-every", "rounds between evaluations on the test set"}, 1,
      kManySteps, [](auto& c) -> auto& { return c.round.evaluate_every; }));
  out.push_back(real(
      {"round.evaluation_deadline_s", "--evaluation-deadline",
       "seconds, with those it waits for its turn, after which an evaluation without a result "
       "fails the run"},
      {0, 86400, true}, [](auto& c) -> auto& { return c.round.evaluation_deadline_s; }));
  out.push_back(integer(
      {"stop.rounds", "--rounds", "end after so many rounds; 0: no limit"}, 0, kManySteps,
      [](auto& c) -> auto& { return c.stop.rounds; }));
  out.push_back(real(
      {"stop.target_accuracy", "--target-accuracy", "end at this test accuracy; 0: none"}, {0, 1},
      [](auto& c) -> auto& { return c.stop.target_accuracy; }));
  out.push_back(real(
      {"stop.time_limit_s", "--time-limit", "end after so many seconds; 0: none"}, {0, 1e9},
      [](auto& c) -> auto& { return c.stop.time_limit_s; }));
  out.push_back(text(
      {"network.listen", "--listen", "HOST:PORT where `muster node --join` finds this run"},
      "HOST:PORT or nothing", is_address_or_empty,
      [](auto& c) -> auto& { return c.network.listen; }));
  out.push_back(text(
      {"network.token_file", "--token-file", "file with the cluster's secret; needed off loopback"},
      "a path", any_text, [](auto& c) -> auto& { return c.network.token_file; }));
  out.push_back(real(
      {"network.join_deadline_s", "--join-deadline", "seconds to wait for all workers to join"},
      {0, 86400, true}, [](auto& c) -> auto& { return c.network.join_deadline_s; }));
}

std::vector<Field> make_fields() {
  std::vector<Field> out;
  add_run_fields(out);
  add_model_fields(out);
  add_split_fields(out);
  add_local_fields(out);
  add_scaling_fields(out);
  add_round_fields(out);
  return out;
}

}  // namespace

std::string_view to_string(ModelKind kind) noexcept {
  return kind == ModelKind::kMlp ? "mlp" : "logistic";
}
std::string_view to_string(Averaging averaging) noexcept {
  return averaging == Averaging::kSamples ? "samples" : "equal";
}

std::span<const Field> fields() {
  static const std::vector<Field> table = make_fields();
  return table;
}

const Field* find_field(std::string_view path) {
  for (const Field& field : fields())
    if (field.path == path) return &field;
  return nullptr;
}

}  // namespace muster::training
