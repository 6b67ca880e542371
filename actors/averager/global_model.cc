#include "actors/averager/global_model.h"

#include <muster/optim/kernels.h>

#include <algorithm>
#include <utility>

namespace muster::training {
namespace {

using Spans = std::vector<std::span<const float>>;

Spans spans_of(std::span<const Contribution> contributions, Array<float> Contribution::*member) {
  Spans out;
  for (const Contribution& c : contributions) out.push_back((c.*member).span());
  return out;
}

}  // namespace

GlobalModel::GlobalModel(const TrainConfig& config, Array<float> x0)
    : config_(config), scaling_(config.scaling, x0.size()), params_(std::move(x0)) {}

bool GlobalModel::needs_probe() const noexcept {
  return config_.scaling.scope == optim::ScalingScope::kGlobal && config_.scaling.needs_bootstrap();
}

bool GlobalModel::wants_moment(std::uint64_t round) const {
  return needs_probe() && round % config_.round.refresh_every == 0;
}

bool GlobalModel::merges() const {
  return config_.scaling.scope == optim::ScalingScope::kLocal &&
         config_.scaling.merge != optim::LocalMerge::kKeep &&
         config_.scaling.accumulation() != optim::Accumulation::kNone;
}

RoundOrder GlobalModel::order(std::uint64_t round) {
  RoundOrder order;
  order.round = round;
  order.probe = round == 0;
  order.want_moment = wants_moment(round);
  order.first_step = round == 0 ? 0 : (round - 1) * config_.local.steps;
  order.steps = config_.local.steps;
  order.total_steps = config_.stop.rounds * config_.local.steps;
  order.params = params_;
  order.divisor = std::exchange(divisor_, {});
  order.accumulator = std::exchange(accumulator_, {});
  return order;
}

bool GlobalModel::fits(const Contribution& c) const {
  const auto expected = [this](bool wanted) { return wanted ? dim() : 0; };
  return c.params.size() == expected(c.round != 0) &&
         c.moment.size() == expected(wants_moment(c.round)) &&
         c.accumulator.size() == expected(merges() && c.round != 0);
}

void GlobalModel::commit(std::uint64_t round, std::span<const Contribution> contributions,
                         RoundReport& report) {
  MUSTER_CHECK(!contributions.empty(), round);
  std::vector<double> weights;
  double loss = 0;
  for (const Contribution& c : contributions) {
    report.samples += c.samples;
    report.compute_s = std::max(report.compute_s, c.compute_s);
    report.bytes_sent += array_bytes(c);
    report.floored += c.floored;
    report.capped += c.capped;
    loss += c.loss * static_cast<double>(c.samples);
    weights.push_back(
        config_.round.averaging == Averaging::kSamples ? static_cast<double>(c.samples) : 1.0);
  }
  report.round = round;
  report.workers = contributions.size();
  report.train_loss = report.samples == 0 ? 0 : loss / static_cast<double>(report.samples);
  if (round != 0) average(contributions, weights, report);
  if (wants_moment(round)) refresh(round, contributions, weights);
  if (merges() && round != 0) merge(contributions);
  report.floored += clips_.floored;
  report.capped += clips_.capped;
}

void GlobalModel::average(std::span<const Contribution> contributions,
                          std::span<const double> weights, RoundReport& report) {
  const Spans inputs = spans_of(contributions, &Contribution::params);
  AlignedVector<float> mean(dim());
  optim::kernels::weighted_mean<float>(inputs, weights, mean);
  for (const auto input : inputs)
    report.consensus_error += optim::kernels::squared_distance<float>(input, mean);
  report.consensus_error /= static_cast<double>(inputs.size());
  params_ = Array<float>(std::move(mean));
}

void GlobalModel::refresh(std::uint64_t round, std::span<const Contribution> contributions,
                          std::span<const double> weights) {
  const Spans inputs = spans_of(contributions, &Contribution::moment);
  AlignedVector<float> mean(dim());
  optim::kernels::weighted_mean<float>(inputs, weights, mean);
  if (round == 0)
    scaling_.bootstrap(mean);
  else
    scaling_.absorb(mean);
  clips_ = scaling_.write_dhat(mean);
  divisor_ = Array<float>(std::move(mean));
}

void GlobalModel::merge(std::span<const Contribution> contributions) {
  const Spans inputs = spans_of(contributions, &Contribution::accumulator);
  AlignedVector<float> merged(dim());
  optim::merge_accumulators<float>(config_.scaling.merge, inputs, merged);
  accumulator_ = Array<float>(std::move(merged));
}

std::uint64_t array_bytes(const RoundOrder& order) {
  return (order.params.size() + order.divisor.size() + order.accumulator.size()) * sizeof(float);
}

std::uint64_t array_bytes(const Contribution& c) {
  return (c.params.size() + c.moment.size() + c.accumulator.size()) * sizeof(float);
}

}  // namespace muster::training
