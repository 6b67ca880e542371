#include "tools/muster/options.h"

#include <fmt/format.h>

#include <cerrno>
#include <fstream>
#include <system_error>

namespace muster::tool {
namespace {

using training::Field;
using training::TrainConfig;

struct Spell {
  std::string operator()(bool v) const { return v ? "true" : "false"; }
  std::string operator()(std::uint64_t v) const { return std::to_string(v); }
  std::string operator()(double v) const { return fmt::format("{}", v); }
  std::string operator()(const std::string& v) const { return v; }
  template <class T>
  std::string operator()(const std::vector<T>& values) const {
    return fmt::format("{}", fmt::join(values, ","));
  }
};

/// What stands for the value in the help.
std::string placeholder(const Field& field, const training::FieldValue& value) {
  if (!field.choices.empty()) return "WORD";
  if (std::holds_alternative<std::uint64_t>(value)) return "N";
  if (std::holds_alternative<double>(value)) return "X";
  if (std::holds_alternative<std::vector<std::uint64_t>>(value)) return "N,N,...";
  if (std::holds_alternative<std::vector<double>>(value)) return "X,X,...";
  if (field.expected.starts_with("HOST:PORT")) return "HOST:PORT";
  return field.expected == "a path" ? "PATH" : "TEXT";
}

/// "--local-steps" takes a value; "--deterministic" may stand alone and has a "--no-" form.
void add_field(CLI::App& command, const Field& field, const std::shared_ptr<ConfigFlags>& flags) {
  const TrainConfig defaults;
  const auto value = field.get(defaults);
  const std::string shown = std::visit(Spell{}, value);
  const auto dot = field.path.find('.');
  const std::string group = dot == std::string::npos ? "run" : field.path.substr(0, dot);
  std::string doc = field.doc;
  if (!field.choices.empty()) {
    doc += ":";
    for (const auto& word : field.choices) doc += " " + word;
  }
  CLI::Option* option = nullptr;
  if (std::holds_alternative<bool>(value)) {
    const std::string off = "--no-" + field.flag.substr(2);
    option = command.add_flag_callback(
        field.flag, [flags, &field] { flags->values.emplace_back(&field, "true"); }, doc);
    command
        .add_flag_callback(
            off, [flags, &field] { flags->values.emplace_back(&field, "false"); },
            "not " + field.flag)
        ->group(group);
  } else {
    option = command.add_option_function<std::string>(
        field.flag,
        [flags, &field](const std::string& text) { flags->values.emplace_back(&field, text); },
        doc + (shown.empty() ? "" : " [" + shown + "]"));
    option->type_name(placeholder(field, value))
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  }
  option->group(group);
}

}  // namespace

std::shared_ptr<ConfigFlags> add_config_flags(CLI::App& command) {
  auto flags = std::make_shared<ConfigFlags>();
  command.add_option("FILE", flags->file, "TOML file; `muster train --dry-run` shows its fields")
      ->type_name("");
  for (const Field& field : training::fields()) add_field(command, field, flags);
  return flags;
}

Result<TrainConfig> resolve(const ConfigFlags& flags) {
  TrainConfig config;
  const std::uint64_t workers_default = config.workers;
  for (const auto& [field, text] : flags.values)
    if (text.starts_with("--"))
      return fail(ErrorCode::kInvalid,
                  fmt::format("{}: expected a value, found {}", field->flag, text));
  config.workers = 0;  // no source can say 0: it marks that none has spoken
  if (!flags.file.empty()) {
    auto loaded = training::load_toml(flags.file, config);
    if (!loaded) return loaded;
    config = std::move(*loaded);
  }
  for (const auto& [field, text] : flags.values)
    if (auto done = training::set_from_text(config, *field, text); !done) return fail(done.error());
  if (config.workers == 0)
    config.workers = config.processes != 0 ? config.processes : workers_default;
  if (auto ok = training::validate(config); !ok) return fail(ok.error());
  return config;
}

Result<std::string> read_token(const std::string& path) {
  if (path.empty()) return std::string();
  const std::string where = "--token-file " + path;
  errno = 0;
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  if (!in && !in.eof())
    return fail(ErrorCode::kNotFound,
                where + ": cannot be read: " + std::generic_category().message(errno));
  const auto first = line.find_first_not_of(" \t\r");
  if (first == std::string::npos)
    return fail(ErrorCode::kInvalid, where + ": its first line is empty; expected a secret");
  return line.substr(first, line.find_last_not_of(" \t\r") - first + 1);
}

}  // namespace muster::tool
