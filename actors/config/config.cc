// TrainConfig from flags, its checks, and the search for the data.

#include <muster/training/config.h>

#include "actors/config/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <numeric>
#include <optional>
#include <thread>

namespace muster::training {
namespace {

/// Number of insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before, last, row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before = std::exchange(last, row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({replaced, row[j - 1] + 1, last[j] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  return row.back();
}

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::vector<std::string_view> split_commas(std::string_view text) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const auto comma = std::min(text.find(','), text.size());
    parts.push_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return parts;
}

template <class Number>
std::optional<FieldValue> parse_list(std::string_view text) {
  std::vector<Number> out;
  for (const auto part : split_commas(text)) {
    const auto number = parse_number<Number>(part);
    if (!number) return std::nullopt;
    out.push_back(*number);
  }
  return FieldValue(std::move(out));
}

/// Reads `text` as the type that `like` has.
std::optional<FieldValue> parse_like(const FieldValue& like, const std::string& text) {
  const auto wrap = [](auto number) -> std::optional<FieldValue> {
    if (!number) return std::nullopt;
    return FieldValue(*number);
  };
  if (std::holds_alternative<std::string>(like)) return FieldValue(text);
  if (std::holds_alternative<double>(like)) return wrap(parse_number<double>(text));
  if (std::holds_alternative<std::uint64_t>(like)) return wrap(parse_number<std::uint64_t>(text));
  if (std::holds_alternative<std::vector<double>>(like)) return parse_list<double>(text);
  if (std::holds_alternative<std::vector<std::uint64_t>>(like))
    return parse_list<std::uint64_t>(text);
  if (text == "true") return FieldValue(true);
  if (text == "false") return FieldValue(false);
  return std::nullopt;
}

Result<void> check_stop(const TrainConfig& c) {
  if (c.stop.rounds == 0 && c.stop.target_accuracy == 0 && c.stop.time_limit_s == 0)
    return fail(ErrorCode::kInvalid,
                "stop.rounds = 0, stop.target_accuracy = 0, stop.time_limit_s = 0: expected at "
                "least one above 0, or the run never ends");
  return {};
}

Result<void> check_places(const TrainConfig& c) {
  if (c.processes != 0 && c.processes != c.workers)
    return fail(
        ErrorCode::kInvalid,
        fmt::format("processes = {}: expected 0 or workers, which is {}", c.processes, c.workers));
  return {};
}

}  // namespace

std::string nearest_word(std::string_view word, std::span<const std::string> words) {
  std::string nearest;
  std::size_t least = word.size() / 3 + 1;
  for (const std::string& known : words) {
    const std::size_t distance = edit_distance(word, known);
    if (distance >= least) continue;
    least = distance;
    nearest = known;
  }
  return nearest;
}

std::string unknown_field(const std::string& path, bool is_table) {
  std::vector<std::string> known;
  for (const Field& field : fields()) {
    const auto dot = field.path.find('.');
    if (!is_table)
      known.push_back(field.path);
    else if (dot != std::string::npos)
      known.push_back(field.path.substr(0, dot));
  }
  std::string nearest = nearest_word(path, known);
  // The right name in the wrong table.
  const std::string last = "." + path.substr(path.rfind('.') + 1);
  for (const Field& field : fields())
    if (nearest.empty() && !is_table && ("." + field.path).ends_with(last)) nearest = field.path;
  const char* quotes = is_table ? "[]" : "\"\"";
  std::string out =
      fmt::format("unknown {} {}{}{}", is_table ? "table" : "field", quotes[0], path, quotes[1]);
  if (nearest.empty()) return out + "; `muster train --dry-run` prints all that there are";
  return out + fmt::format("; did you mean {}{}{}?", quotes[0], nearest, quotes[1]);
}

Result<void> set_from_text(TrainConfig& config, const Field& field, const std::string& text) {
  const auto value = parse_like(field.get(config), text);
  if (value && field.set(config, *value)) return {};
  return fail(ErrorCode::kInvalid, fmt::format("{} {}: expected {}", field.flag,
                                               text.empty() ? "\"\"" : text, field.expected));
}

Result<void> validate(const TrainConfig& config) {
  TrainConfig scratch = config;
  for (const Field& field : fields()) {
    if (field.set(scratch, field.get(config))) continue;
    return fail(ErrorCode::kInvalid, fmt::format("{} = {}: expected {}", field.path,
                                                 field_text(field, config), field.expected));
  }
  if (auto ok = check_stop(config); !ok) return ok;
  if (auto ok = check_places(config); !ok) return ok;
  if (auto ok = optim::validate(config.schedule); !ok) return ok;
  return optim::validate(config.scaling);
}

Result<std::string> find_dataset(const std::string& dir) {
  namespace fs = std::filesystem;
  if (!dir.empty()) return dir;
  std::vector<std::string> places;
  std::error_code ignored;
  const char* env = std::getenv("MUSTER_DATASETS");
  const bool asked = env != nullptr && *env != '\0';
  if (asked) {
    places.push_back(std::string(env));
    places.push_back(std::string(env) + "/fashion-mnist");
  } else {
    const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
    const fs::path prefix = program.parent_path().parent_path();
    if (!program.empty()) places.push_back((prefix / "share/datasets/fashion-mnist").string());
    places.push_back("/usr/share/datasets/fashion-mnist");
  }
  for (const std::string& place : places) {
    for (const char* name : {"train-images-idx3-ubyte", "train-images-idx3-ubyte.gz"})
      if (fs::exists(fs::path(place) / name, ignored)) return place;
  }
  if (asked)
    return fail(ErrorCode::kNotFound,
                fmt::format("MUSTER_DATASETS={}: neither this folder nor its fashion-mnist holds "
                            "train-images-idx3-ubyte, plain or .gz",
                            env));
  std::string looked;
  for (const std::string& place : places) looked += (looked.empty() ? "" : ", ") + place;
  return fail(ErrorCode::kNotFound,
              "no Fashion-MNIST found; looked in " + looked +
                  "; install Debian's dataset-fashion-mnist or give --data (data.dir)");
}

TrainConfig resolved(TrainConfig config) {
  config.scaling.estimator = config.scaling.estimator_or_default();
  if (config.threads == 0) config.threads = std::max(1U, std::thread::hardware_concurrency());
  return config;
}

}  // namespace muster::training
