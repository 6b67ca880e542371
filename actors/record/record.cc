// The folder of a run: writing and reading.

#include <muster/training/record.h>

#include <muster/optim/npy.h>
#include <muster/training/train.h>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

namespace muster::training {
namespace {

namespace fs = std::filesystem;

constexpr const char* kConfigName = "config.toml";
constexpr const char* kRoundsName = "rounds.jsonl";
constexpr const char* kParametersName = "parameters.npy";
constexpr const char* kSummaryName = "summary.json";

tl::unexpected<Error> cannot_write(const std::string& path, int error) {
  return fail(ErrorCode::kUnavailable,
              path + ": cannot be written: " + std::generic_category().message(error));
}

struct FileCloser {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, FileCloser>;

/// Writes the whole file or leaves what was there.
Result<void> write_whole(const std::string& path, const std::string& text) {
  const std::string temporary = path + ".tmp";
  File file(std::fopen(temporary.c_str(), "wb"));
  if (!file) return cannot_write(path, errno);
  const bool written = std::fwrite(text.data(), 1, text.size(), file.get()) == text.size() &&
                       std::fflush(file.get()) == 0 && ::fsync(::fileno(file.get())) == 0;
  const int error = errno;
  file.reset();
  if (!written) {
    std::remove(temporary.c_str());
    return cannot_write(path, error);
  }
  if (std::rename(temporary.c_str(), path.c_str()) != 0) return cannot_write(path, errno);
  return {};
}

}  // namespace

struct RecordWriter::Impl {
  std::string folder;
  File rounds;
  int rounds_error = 0;  // errno of the first line that failed

  std::string path(const char* name) const { return (fs::path(folder) / name).string(); }
};

RecordWriter::RecordWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RecordWriter::~RecordWriter() = default;

const std::string& RecordWriter::folder() const noexcept {
  return impl_->folder;
}

Result<std::unique_ptr<RecordWriter>> RecordWriter::create(const std::string& folder,
                                                           const TrainConfig& config) {
  auto impl = std::make_unique<Impl>();
  impl->folder = folder;
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return cannot_write(folder, error.value());
  for (const char* name : {kConfigName, kRoundsName}) {
    if (fs::exists(impl->path(name), error))
      return fail(ErrorCode::kInvalid,
                  folder + ": holds a record already (" + name + " exists); name another folder");
  }
  if (auto done = write_whole(impl->path(kConfigName), to_toml(config, resolved(config))); !done)
    return fail(done.error());
  impl->rounds.reset(std::fopen(impl->path(kRoundsName).c_str(), "wb"));
  if (!impl->rounds) return cannot_write(impl->path(kRoundsName), errno);
  return std::unique_ptr<RecordWriter>(new RecordWriter(std::move(impl)));
}

void RecordWriter::on_round(const RoundReport& report) {
  const std::string line = round_json(report) + "\n";
  const bool written =
      std::fwrite(line.data(), 1, line.size(), impl_->rounds.get()) == line.size() &&
      std::fflush(impl_->rounds.get()) == 0;
  if (!written && impl_->rounds_error == 0) impl_->rounds_error = errno;
}

Result<void> RecordWriter::finish(const TrainResult& result) {
  if (impl_->rounds_error != 0) return cannot_write(impl_->path(kRoundsName), impl_->rounds_error);
  if (::fsync(::fileno(impl_->rounds.get())) != 0)
    return cannot_write(impl_->path(kRoundsName), errno);
  if (!result.parameters.empty()) {
    auto done = optim::write_npy<float>(impl_->path(kParametersName), result.parameters.span());
    if (!done) return done;
  }
  return write_whole(impl_->path(kSummaryName), summary_json(result) + "\n");
}

Result<Record> read_record(const std::string& folder) {
  auto config = load_toml((fs::path(folder) / kConfigName).string());
  if (!config) return fail(config.error());
  auto parameters = optim::read_npy<float>((fs::path(folder) / kParametersName).string());
  if (!parameters) return fail(parameters.error());
  return Record{std::move(*config), std::move(*parameters)};
}

Result<optim::Evaluation> evaluate_record(const std::string& folder, const std::string& data_dir) {
  auto record = read_record(folder);
  if (!record) return fail(record.error());
  if (!data_dir.empty()) record->config.data.dir = data_dir;
  try {
    const auto objective = dataset_objectives(record->config)(Seat{0, 0, true}).objective;
    if (objective->dim() != record->parameters.size())
      return fail(ErrorCode::kInvalid,
                  folder + ": " + kParametersName + " holds " +
                      std::to_string(record->parameters.size()) +
                      " parameters, the model of its configuration on these data has " +
                      std::to_string(objective->dim()));
    const auto found = objective->evaluate(record->parameters);
    if (!found) return fail(ErrorCode::kInvalid, folder + ": there is no test set");
    return *found;
  } catch (...) {
    return fail(error_from_current_exception());
  }
}

}  // namespace muster::training
