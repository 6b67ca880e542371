#pragma once
// What is wrong with a command line, in the tool's own words.

#include <CLI/CLI.hpp>

#include <string>

namespace muster::tool {

/// One line: what was found, what was expected and, for a word that is nearly a known one, which:
/// "unknown flag --ronds; did you mean --rounds?". `error` is what parsing `app` threw.
std::string usage_error(const CLI::App& app, const CLI::ParseError& error);

/// A validator for a number from `min` to `max`, whole or not.
CLI::Validator number_in(double min, double max);
CLI::Validator integer_in(std::uint64_t min, std::uint64_t max);

}  // namespace muster::tool
