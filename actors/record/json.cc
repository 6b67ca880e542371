// Results as JSON.

#include <muster/training/record.h>

#include <nlohmann/json.hpp>

namespace muster::training {
namespace {

using Json = nlohmann::ordered_json;

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json lost_json(const LostWorker& lost) {
  return {{"worker", lost.worker},
          {"place", lost.place},
          {"round", lost.round},
          {"seconds", lost.seconds},
          {"reason", to_string(lost.reason)},
          {"cause", lost.cause}};
}

}  // namespace

std::string summary_json(const TrainResult& r) {
  Json out;
  out["reason"] = to_string(r.reason);
  out["error"] = r.error ? Json(r.error->describe()) : Json(nullptr);
  out["test_accuracy"] = or_null(r.test_accuracy);
  out["test_loss"] = or_null(r.test_loss);
  out["train_loss"] = r.samples == 0 ? Json(nullptr) : Json(r.train_loss);
  out["rounds"] = r.rounds;
  out["samples"] = r.samples;
  out["wall_s"] = r.wall_s;
  out["join_s"] = r.join_s;
  out["compute_s"] = r.compute_s;
  out["sync_s"] = r.sync_s;
  out["evaluate_s"] = r.evaluate_s;
  out["bytes_sent"] = r.bytes_sent;
  out["wire_bytes_sent"] = r.wire_bytes_sent;
  out["wire_bytes_received"] = r.wire_bytes_received;
  out["workers_lost"] = r.lost.size();
  out["lost"] = Json::array();
  for (const LostWorker& lost : r.lost) out["lost"].push_back(lost_json(lost));
  out["params_sha256"] = r.params_sha256.empty() ? Json(nullptr) : Json(r.params_sha256);
  out["record"] = r.record.empty() ? Json(nullptr) : Json(r.record);
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string json_text(const std::string& text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string round_json(const RoundReport& r) {
  Json out;
  out["round"] = r.round;
  out["train_loss"] = r.train_loss;
  out["test_loss"] = or_null(r.test_loss);
  out["test_accuracy"] = or_null(r.test_accuracy);
  out["consensus_error"] = r.consensus_error;
  out["floored"] = r.floored;
  out["capped"] = r.capped;
  out["bytes_sent"] = r.bytes_sent;
  out["compute_s"] = r.compute_s;
  out["sync_s"] = r.sync_s;
  out["evaluate_s"] = r.evaluate_s;
  out["seconds"] = r.seconds;
  out["samples"] = r.samples;
  out["workers"] = r.workers;
  return out.dump();
}

}  // namespace muster::training
