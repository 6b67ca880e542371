// muster eval: measures the parameters of a record.

#include "tools/muster/commands.h"

#include <muster/training/record.h>

#include <fmt/format.h>

#include <cstdio>
#include <memory>

namespace muster::tool {
namespace {

struct EvalOptions {
  std::string record;
  std::string data;
  bool json = false;
};

int evaluate(const EvalOptions& options) {
  const auto measured = training::evaluate_record(options.record, options.data);
  if (!measured) {
    if (options.json)
      fmt::print("{{\"test_accuracy\":null,\"test_loss\":null,\"samples\":0,\"error\":{}}}\n",
                 training::json_text(measured.error().describe()));
    throw Exception(measured.error());
  }
  const optim::Evaluation& found = *measured;
  const std::string accuracy = found.accuracy ? fmt::format("{}", *found.accuracy) : "null";
  if (options.json)
    fmt::print("{{\"test_accuracy\":{},\"test_loss\":{},\"samples\":{},\"error\":null}}\n",
               accuracy, found.loss, found.samples);
  else
    fmt::print("test accuracy {}\ntest loss     {:.6f}\nsamples       {}\n", accuracy, found.loss,
               found.samples);
  return kExitDone;
}

}  // namespace

void add_eval_command(CLI::App& app, Action& action) {
  auto options = std::make_shared<EvalOptions>();
  CLI::App* command = app.add_subcommand("eval", "Measure the parameters of a run's record");
  command->group("Commands");
  command->add_option("RECORD", options->record, "the record's folder")->required()->type_name("");
  command->add_option("--data", options->data, "folder of the IDX files, if not the run's")
      ->type_name("PATH");
  command->add_flag("--json", options->json, "print one JSON object");
  command->footer(
      "Example:\n  muster eval runs/20260102-030405-train\n\n"
      "Exit status: 0 done; 2 the record or the data cannot be read or do not fit.");
  command->callback([&action, options] { action = [options] { return evaluate(*options); }; });
}

}  // namespace muster::tool
