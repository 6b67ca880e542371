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

namespace muster::training {
namespace {

/// Number of insertions, deletions and replacements that turn `a` into `b`.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
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

std::string unknown_field(const std::string& path) {
  const auto nearest = std::ranges::min_element(fields(), {}, [&](const Field& field) {
    const auto dot = field.path.rfind('.');
    const std::string last = dot == std::string::npos ? field.path : field.path.substr(dot + 1);
    return std::min(edit_distance(path, field.path), edit_distance(path, last) + 1);
  });
  return fmt::format("unknown field \"{}\"; the nearest known one is \"{}\"", path, nearest->path);
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
  if (const char* env = std::getenv("MUSTER_DATASETS"); env != nullptr && *env != '\0') {
    places.push_back(std::string(env));
    places.push_back(std::string(env) + "/fashion-mnist");
  }
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
  const fs::path prefix = program.parent_path().parent_path();
  if (!program.empty()) places.push_back((prefix / "share/datasets/fashion-mnist").string());
  places.push_back("/usr/share/datasets/fashion-mnist");
  for (const std::string& place : places) {
    for (const char* name : {"train-images-idx3-ubyte", "train-images-idx3-ubyte.gz"})
      if (fs::exists(fs::path(place) / name, ignored)) return place;
  }
  std::string looked;
  for (const std::string& place : places) looked += (looked.empty() ? "" : ", ") + place;
  return fail(ErrorCode::kNotFound,
              "no Fashion-MNIST found; looked in " + looked +
                  "; install Debian's dataset-fashion-mnist or give data.dir");
}

}  // namespace muster::training
