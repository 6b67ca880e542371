#include "tools/muster/summary.h"

#include "tools/muster/progress.h"

#include <fmt/format.h>

namespace muster::tool {

std::string summary_table(const training::TrainResult& r) {
  std::string out;
  const auto row = [&out](const char* name, const std::string& value) {
    out += fmt::format("{:<14}{}\n", name, value);
  };
  row("ended", std::string(training::to_string(r.reason)));
  if (r.test_accuracy) row("test accuracy", fmt::format("{:.4f}", *r.test_accuracy));
  if (r.test_loss) row("test loss", fmt::format("{:.4f}", *r.test_loss));
  if (r.samples != 0) row("train loss", fmt::format("{:.4f}", r.train_loss));
  row("rounds", fmt::format("{}", r.rounds));
  row("samples", fmt::format("{}", r.samples));
  row("wall", fmt::format("{:.2f} s (compute {:.2f} s, sync {:.2f} s; evaluation {:.2f} s beside)",
                          r.wall_s, r.compute_s, r.sync_s, r.evaluate_s));
  if (r.wall_s > 0 && r.samples != 0)
    row("rate", count_text(static_cast<double>(r.samples) / r.wall_s) + " samples/s");
  row("sent", bytes_text(r.bytes_sent) + " of arrays, both ways");
  if (r.wire_bytes_sent + r.wire_bytes_received != 0)
    row("on the wire",
        bytes_text(r.wire_bytes_sent) + " written, " + bytes_text(r.wire_bytes_received) + " read");
  row("workers lost", fmt::format("{}", r.lost.size()));
  for (const auto& lost : r.lost)
    row("", fmt::format("worker {} ({}) {} in round {} after {:.1f} s: {}", lost.worker, lost.place,
                        training::to_string(lost.reason), lost.round, lost.seconds, lost.cause));
  if (!r.params_sha256.empty()) row("params sha256", r.params_sha256);
  if (!r.record.empty()) row("record", r.record);
  return out;
}

}  // namespace muster::tool
