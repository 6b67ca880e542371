#pragma once
// What a run looks like in the terminal while it goes on.

#include <muster/clock.h>
#include <muster/training/report.h>

#include <cstdio>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace muster::tool {

/// The figures of the progress line.
struct Progress {
  std::uint64_t round = 0;
  std::uint64_t rounds = 0;  ///< 0: no limit
  double loss = 0;
  std::optional<double> accuracy;  ///< the last one measured
  double samples_per_s = 0;
  std::uint64_t bytes_sent = 0;
  std::optional<double> seconds_left;
  friend bool operator==(const Progress&, const Progress&) = default;
};

/// The line, at most `width` columns: parts that do not fit are left out, the least important
/// first (bytes, rate, loss, time left, accuracy, round).
std::string progress_text(const Progress& progress, std::size_t width);

/// "1.50 GB", "512 B": three significant digits, decimal units.
std::string bytes_text(std::uint64_t bytes);
/// "131 k", "4.20 M".
std::string count_text(double value);
/// "45 s", "3 min 20 s", "2 h 5 min".
std::string seconds_text(double seconds);

/// Sums up reports into the figures above. A value; one thread at a time.
class ProgressMeter {
 public:
  void start(std::uint64_t rounds) { progress_.rounds = rounds; }
  const Progress& add(const training::RoundReport& report);
  const Progress& progress() const noexcept { return progress_; }

 private:
  Progress progress_;
  std::uint64_t samples_ = 0;
};

/// Writes the run to a stream: a line that is redrawn on a terminal, occasional plain lines
/// elsewhere. Any thread.
class ProgressPrinter final : public training::ProgressSink {
 public:
  struct Options {
    std::FILE* out = stderr;
    bool terminal = false;
    bool quiet = false;  ///< notes only
    const Clock* clock = nullptr;
  };
  explicit ProgressPrinter(Options options) : options_(options) {}

  void on_joined(std::uint64_t joined, std::uint64_t wanted) override;
  void on_start(const training::RunStart& start) override;
  void on_round(const training::RoundReport& report) override;
  void on_lost(const training::LostWorker& lost) override;
  /// A whole line that stays, between redraws. The cause of a loss is not said again right after
  /// it.
  void note(const std::string& line);
  /// Ends the redrawn line.
  void finish();

 private:
  void write_line(const std::string& line);
  void redraw();
  void clear();
  std::size_t width() const;

  const Options options_;
  std::mutex mutex_;  // guards all below
  ProgressMeter meter_;
  TimePoint last_drawn_{};
  bool drawn_ = false;
  std::string last_note_;
};

}  // namespace muster::tool
