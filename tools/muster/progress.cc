#include "tools/muster/progress.h"

#include <fmt/format.h>

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace muster::tool {
namespace {

constexpr Duration kRedrawEvery = 100ms;

/// Three significant digits before a unit of a power of 1000.
std::string with_unit(double value, const std::array<const char*, 6>& units) {
  std::size_t unit = 0;
  while (value >= 999.5 && unit + 1 < units.size()) {
    value /= 1000;
    ++unit;
  }
  const int digits = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return fmt::format("{:.{}f}{}{}", value, digits, *units[unit] == '\0' ? "" : " ", units[unit]);
}

}  // namespace

std::string bytes_text(std::uint64_t bytes) {
  return with_unit(static_cast<double>(bytes), {"B", "kB", "MB", "GB", "TB", "PB"});
}

std::string count_text(double value) {
  return with_unit(value, {"", "k", "M", "G", "T", "P"});
}

std::string seconds_text(double seconds) {
  const auto whole = static_cast<std::uint64_t>(std::llround(std::max(0.0, seconds)));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
}

std::string progress_text(const Progress& p, std::size_t width) {
  struct Part {
    int rank;  // 0 goes last
    std::string text;
  };
  std::vector<Part> parts;
  parts.push_back({0, p.rounds == 0 ? fmt::format("round {}", p.round)
                                    : fmt::format("round {}/{}", p.round, p.rounds)});
  parts.push_back({3, fmt::format("loss {:.4f}", p.loss)});
  if (p.accuracy) parts.push_back({1, fmt::format("test {:.4f}", *p.accuracy)});
  parts.push_back({4, fmt::format("{}samples/s", count_text(p.samples_per_s) + " ")});
  parts.push_back({5, bytes_text(p.bytes_sent) + " sent"});
  if (p.seconds_left) parts.push_back({2, seconds_text(*p.seconds_left) + " left"});
  for (int rank = 5;; --rank) {
    std::string line;
    for (const Part& part : parts) line += (line.empty() ? "" : "  ") + part.text;
    if (line.size() <= width || parts.size() == 1) return line.substr(0, width);
    std::erase_if(parts, [rank](const Part& part) { return part.rank == rank; });
  }
}

const Progress& ProgressMeter::add(const training::RoundReport& report) {
  samples_ += report.samples;
  progress_.round = report.round;
  progress_.loss = report.train_loss;
  progress_.bytes_sent += report.bytes_sent;
  if (report.test_accuracy) progress_.accuracy = report.test_accuracy;
  if (report.seconds > 0) progress_.samples_per_s = static_cast<double>(samples_) / report.seconds;
  if (progress_.rounds != 0 && report.round > 0 && progress_.rounds >= report.round) {
    progress_.seconds_left = report.seconds / static_cast<double>(report.round) *
                             static_cast<double>(progress_.rounds - report.round);
  }
  return progress_;
}

std::size_t ProgressPrinter::width() const {
  winsize size{};
  if (::ioctl(::fileno(options_.out), TIOCGWINSZ, &size) == 0 && size.ws_col > 1)
    return size.ws_col - 1U;  // the last column wraps on some terminals
  return 79;
}

void ProgressPrinter::on_joined(std::uint64_t joined, std::uint64_t wanted) {
  const std::lock_guard lock(mutex_);
  if (options_.quiet) return;
  if (options_.terminal) {
    std::fprintf(options_.out, "\r\033[K%s",
                 fmt::format("{} of {} workers joined", joined, wanted).c_str());
    std::fflush(options_.out);
    drawn_ = true;
  } else if (joined == wanted) {
    std::fprintf(options_.out, "%s\n",
                 fmt::format("{} worker{} joined", joined, joined == 1 ? "" : "s").c_str());
  }
}

void ProgressPrinter::on_start(const training::RunStart& start) {
  {
    const std::lock_guard lock(mutex_);
    meter_.start(start.rounds);
  }
  if (options_.quiet) return;
  std::uint64_t samples = 0;
  for (const auto share : start.share_sizes) samples += share;
  note(fmt::format("{} workers, {} parameters, {} samples", start.workers, start.dim, samples));
}

void ProgressPrinter::on_round(const training::RoundReport& report) {
  const std::lock_guard lock(mutex_);
  meter_.add(report);
  if (options_.quiet) return;
  if (!options_.terminal) {
    if (!report.test_accuracy) return;
    std::fprintf(options_.out, "%s\n", progress_text(meter_.progress(), 200).c_str());
    std::fflush(options_.out);
    return;
  }
  const TimePoint now = options_.clock->now();
  if (drawn_ && now - last_drawn_ < kRedrawEvery) return;
  last_drawn_ = now;
  redraw();
}

void ProgressPrinter::on_lost(const training::LostWorker& lost) {
  const std::lock_guard lock(mutex_);
  const bool said = lost.cause == last_note_;
  write_line(fmt::format("worker {} ({}) {} in round {}{}{}", lost.worker, lost.place,
                         training::to_string(lost.reason), lost.round, said ? "" : ": ",
                         said ? "" : lost.cause));
}

void ProgressPrinter::note(const std::string& line) {
  const std::lock_guard lock(mutex_);
  write_line(line);
}

void ProgressPrinter::write_line(const std::string& line) {
  clear();
  std::fprintf(options_.out, "%s\n", line.c_str());
  std::fflush(options_.out);
  last_note_ = line;
}

void ProgressPrinter::finish() {
  const std::lock_guard lock(mutex_);
  if (!options_.terminal || options_.quiet) return;
  if (meter_.progress().round > 0) redraw();
  if (drawn_) std::fprintf(options_.out, "\n");
  drawn_ = false;
  std::fflush(options_.out);
}

void ProgressPrinter::redraw() {
  std::fprintf(options_.out, "\r\033[K%s", progress_text(meter_.progress(), width()).c_str());
  std::fflush(options_.out);
  drawn_ = true;
}

void ProgressPrinter::clear() {
  if (!drawn_) return;
  std::fprintf(options_.out, "\r\033[K");
  drawn_ = false;
}

}  // namespace muster::tool
