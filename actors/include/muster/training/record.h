#pragma once
/// The record of a run: a folder with config.toml, rounds.jsonl, parameters.npy and summary.json.
/// docs/records.md describes each field.
///
/// Threads: a RecordWriter belongs to one thread at a time; the functions have no state.

#include <muster/error.h>
#include <muster/optim/objective.h>
#include <muster/training/config.h>
#include <muster/training/report.h>

#include <memory>
#include <string>

namespace muster::training {

/// Writes a record as the run goes on, so that what was committed survives whatever ends it: the
/// configuration first, each round as one flushed line, the parameters and the summary at the end,
/// those three whole or not at all (a temporary file, then a rename).
class RecordWriter final : public ProgressSink {
 public:
  /// Makes the folder and its parents. kInvalid when it holds a record already, kUnavailable when
  /// it cannot be written; the message names the path.
  static Result<std::unique_ptr<RecordWriter>> create(const std::string& folder,
                                                      const TrainConfig& config);
  ~RecordWriter() override;

  void on_round(const RoundReport& report) override;
  /// The last write. kUnavailable with the path of the first file that could not be written, a line
  /// of rounds.jsonl included.
  Result<void> finish(const TrainResult& result);

  const std::string& folder() const noexcept;

 private:
  struct Impl;
  explicit RecordWriter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// One object, without line breaks: what summary.json holds and `muster train --json` prints.
std::string summary_json(const TrainResult& result);
/// One object, without line breaks: a line of rounds.jsonl.
std::string round_json(const RoundReport& report);

/// The text as a JSON string, quotes included; bytes that are not UTF-8 are replaced.
std::string json_text(const std::string& text);

struct Record {
  TrainConfig config;
  AlignedVector<float> parameters;
};

/// Reads config.toml and parameters.npy. The error names the file.
Result<Record> read_record(const std::string& folder);

/// Measures the record's parameters on the test set of its configuration; `data_dir` replaces
/// data.dir when not empty. kInvalid when the parameters do not fit the model.
Result<optim::Evaluation> evaluate_record(const std::string& folder, const std::string& data_dir);

}  // namespace muster::training
