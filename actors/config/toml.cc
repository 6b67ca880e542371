// TrainConfig to and from TOML.

#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0

#include "actors/config/text.h"

#include <muster/training/config.h>

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <sstream>
#include <system_error>

namespace muster::training {
namespace {

/// The array as one list type; none when its elements are not numbers.
std::optional<FieldValue> list_value(const toml::array& array) {
  std::vector<std::uint64_t> integers;
  std::vector<double> reals;
  for (const toml::node& node : array) {
    if (const auto* integer = node.as_integer(); integer != nullptr && integer->get() >= 0) {
      integers.push_back(static_cast<std::uint64_t>(integer->get()));
      reals.push_back(static_cast<double>(integer->get()));
    } else if (const auto* real = node.as_floating_point(); real != nullptr) {
      reals.push_back(real->get());
    } else {
      return std::nullopt;
    }
  }
  if (reals.size() == integers.size()) return FieldValue(std::move(integers));
  return FieldValue(std::move(reals));
}

/// The node's value; none when no field has such a type.
std::optional<FieldValue> node_value(const toml::node& node) {
  if (const auto* v = node.as_boolean()) return FieldValue(v->get());
  if (const auto* v = node.as_string()) return FieldValue(v->get());
  if (const auto* v = node.as_floating_point()) return FieldValue(v->get());
  if (const auto* v = node.as_array()) return list_value(*v);
  if (const auto* v = node.as_integer()) {
    if (v->get() < 0) return FieldValue(static_cast<double>(v->get()));
    return FieldValue(static_cast<std::uint64_t>(v->get()));
  }
  return std::nullopt;
}

std::string node_text(const toml::node& node) {
  std::ostringstream out;
  node.visit([&out](const auto& value) {
    if constexpr (toml::is_value<decltype(value)> || toml::is_array<decltype(value)>)
      out << value;
    else
      out << "a table";
  });
  return out.str();
}

std::string place(const std::string& file, const toml::source_region& source) {
  return fmt::format("{}:{}: ", file, source.begin.line);
}

class Reader {
 public:
  Reader(const std::string& file, TrainConfig& config) : file_(file), config_(config) {}

  Result<void> read(const toml::table& table, const std::string& prefix) {
    for (const auto& [key, node] : table) {
      const std::string path = prefix + std::string(key.str());
      if (auto done = read_node(path, key, node); !done) return done;
    }
    return {};
  }

 private:
  Result<void> read_node(const std::string& path, const toml::key& key, const toml::node& node) {
    if (const Field* field = find_field(path)) {
      const auto value = node_value(node);
      if (value && field->set(config_, *value)) return {};
      return fail(ErrorCode::kInvalid, place(file_, node.source()) + path + " = " +
                                           node_text(node) + ": expected " + field->expected);
    }
    const auto* table = node.as_table();
    const std::string inner = path + ".";
    const bool known_table = std::ranges::any_of(
        fields(), [&](const Field& field) { return field.path.starts_with(inner); });
    if (table != nullptr && known_table) return read(*table, inner);
    if (known_table)
      return fail(ErrorCode::kInvalid, place(file_, node.source()) + path + " = " +
                                           node_text(node) + ": expected a table");
    return fail(ErrorCode::kInvalid,
                place(file_, key.source()) + unknown_field(path, table != nullptr));
  }

  const std::string& file_;
  TrainConfig& config_;
};

/// Shortest spelling of a real that TOML reads back as the same real.
std::string toml_real(double value) {
  std::string out = fmt::format("{}", value);
  if (out.find_first_of(".en") == std::string::npos) out += ".0";
  return out;
}

std::string toml_string(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\')
      out += {'\\', c};
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F)
      out += fmt::format("\\u{:04X}", static_cast<unsigned char>(c));
    else
      out += c;
  }
  return out + "\"";
}

template <class T, class Spell>
std::string toml_list(const std::vector<T>& values, Spell spell) {
  std::string out = "[";
  for (std::size_t i = 0; i < values.size(); ++i) out += (i == 0 ? "" : ", ") + spell(values[i]);
  return out + "]";
}

struct Speller {
  std::string operator()(bool v) const { return v ? "true" : "false"; }
  std::string operator()(std::uint64_t v) const { return std::to_string(v); }
  std::string operator()(double v) const { return toml_real(v); }
  std::string operator()(const std::string& v) const { return toml_string(v); }
  std::string operator()(const std::vector<std::uint64_t>& v) const { return toml_list(v, *this); }
  std::string operator()(const std::vector<double>& v) const { return toml_list(v, *this); }
};

std::string table_of(const std::string& path) {
  const auto dot = path.rfind('.');
  return dot == std::string::npos ? std::string() : path.substr(0, dot);
}

}  // namespace

std::string field_text(const Field& field, const TrainConfig& config) {
  return std::visit(Speller{}, field.get(config));
}

Result<TrainConfig> parse_toml(std::string_view text, const std::string& file,
                               const TrainConfig& base) {
  const toml::parse_result parsed = toml::parse(text, file);
  if (!parsed)
    return fail(ErrorCode::kInvalid,
                place(file, parsed.error().source()) + std::string(parsed.error().description()));
  TrainConfig config = base;
  if (auto done = Reader(file, config).read(parsed.table(), ""); !done) return fail(done.error());
  return config;
}

Result<TrainConfig> load_toml(const std::string& path, const TrainConfig& base) {
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  in.peek();  // a folder opens, and fails here
  if (!in.is_open() || in.bad())
    return fail(ErrorCode::kNotFound,
                path + ": cannot be read: " + std::generic_category().message(errno));
  text << in.rdbuf();
  return parse_toml(text.str(), path, base);
}

std::string to_toml(const TrainConfig& config) {
  return to_toml(config, config);
}

std::string to_toml(const TrainConfig& config, const TrainConfig& here) {
  std::string out;
  std::string table;
  for (const Field& field : fields()) {
    const std::string in_table = table_of(field.path);
    if (in_table != table) out += fmt::format("\n[{}]\n", table = in_table);
    const std::string name = field.path.substr(table.empty() ? 0 : table.size() + 1);
    const std::string text = field_text(field, config), made = field_text(field, here);
    const std::string note = made == text ? "" : "here " + made + "; ";
    out += fmt::format("{:<32}  # {}{}\n", name + " = " + text, note, field.doc);
  }
  return out;
}

}  // namespace muster::training
