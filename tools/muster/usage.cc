#include "tools/muster/usage.h"

#include <muster/training/config.h>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <ranges>
#include <vector>

namespace muster::tool {
namespace {

using Words = std::vector<std::string>;

/// "local.steps" and "local_steps" as a flag would have it, "local-steps".
std::string as_flag(std::string text) {
  std::ranges::replace_if(
      text, [](char c) { return c == '.' || c == '_'; }, '-');
  return text;
}

/// What people may type for each flag, without the leading dashes: the flag itself, and the path of
/// its field or the end of it.
std::map<std::string, std::string> spellings(const CLI::App& command) {
  std::map<std::string, std::string> out;
  for (const CLI::Option* option : command.get_options())
    for (const std::string& name : option->get_lnames()) out.emplace(name, "--" + name);
  for (const training::Field& field : training::fields()) {
    if (command.get_option_no_throw(field.flag) == nullptr) continue;
    out.emplace(as_flag(field.path), field.flag);
    out.emplace(as_flag(field.path.substr(field.path.rfind('.') + 1)), field.flag);
  }
  return out;
}

std::string full_name(const CLI::App& command) {
  return command.get_parent() == nullptr ? "muster" : "muster " + command.get_name();
}

std::string unknown_flag(const CLI::App& command, const std::string& found) {
  const std::string flag = found.substr(0, found.find('='));
  const auto known = spellings(command);
  const auto keys = std::views::keys(known);
  const std::string typed =
      as_flag(flag.substr(std::min(flag.find_first_not_of('-'), flag.size())));
  const std::string nearest = known.contains(typed)
                                  ? typed
                                  : training::nearest_word(typed, Words(keys.begin(), keys.end()));
  if (!nearest.empty())
    return fmt::format("unknown flag {}; did you mean {}?", flag, known.at(nearest));
  return fmt::format("unknown flag {}; `{} --help` lists those there are", flag,
                     full_name(command));
}

Words command_names(const CLI::App& app) {
  Words out;
  for (const CLI::App* command : app.get_subcommands(nullptr)) out.push_back(command->get_name());
  return out;
}

std::string unexpected(const CLI::App& app, const CLI::App& command, const std::string& word) {
  if (word.starts_with('-')) return unknown_flag(command, word);
  if (&command != &app)
    return fmt::format("unexpected argument \"{}\"; `{} --help` says what is expected", word,
                       full_name(command));
  const Words known = command_names(app);
  const std::string nearest = training::nearest_word(word, known);
  return fmt::format("unknown command \"{}\"; {}", word,
                     nearest.empty() ? fmt::format("expected one of {}", fmt::join(known, ", "))
                                     : fmt::format("did you mean \"{}\"?", nearest));
}

std::string missing(const CLI::App& app, const CLI::App& command) {
  if (&command == &app)
    return fmt::format("expected a command, one of {}, found none; `muster --help` tells more",
                       fmt::join(command_names(app), ", "));
  for (const CLI::Option* option : command.get_options()) {
    if (!option->get_required() || option->count() != 0) continue;
    const std::string name = option->get_name();
    return fmt::format("`{}` needs {}{}: {}", full_name(command), name,
                       option->get_positional() ? "" : " " + option->get_type_name(),
                       option->get_description());
  }
  return fmt::format("`{} --help` says what is missing", full_name(command));
}

template <class Number>
CLI::Validator within(Number min, Number max, const char* what) {
  return CLI::Validator(
      [=](const std::string& text) {
        Number value{};
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        const bool whole = error == std::errc() && end == text.data() + text.size();
        if (whole && value >= min && value <= max) return std::string();
        return fmt::format("{}: expected {} from {} to {}", text, what, min, max);
      },
      "");
}

}  // namespace

std::string usage_error(const CLI::App& app, const CLI::ParseError& error) {
  const auto chosen = app.get_subcommands();
  const CLI::App& command = chosen.empty() ? app : *chosen.front();
  const Words extra = command.remaining();
  const auto flag = std::ranges::find_if(extra, [](const auto& w) { return w.starts_with('-'); });
  if (!extra.empty())
    return unexpected(app, command, flag == extra.end() || chosen.empty() ? extra.front() : *flag);
  if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) return missing(app, command);
  std::string text = error.what();
  const auto colon = text.find(": ");
  if (colon == std::string::npos) return text;
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr)
    return text.substr(0, colon) + ": expected a value, found the end of the line";
  return text.erase(colon, 1);  // "--threads 0: expected ..."
}

CLI::Validator number_in(double min, double max) {
  return within(min, max, "a number");
}
CLI::Validator integer_in(std::uint64_t min, std::uint64_t max) {
  return within(min, max, "an integer");
}

}  // namespace muster::tool
