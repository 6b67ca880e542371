#include <muster/optim/dataset.h>
#include <muster/random.h>

#include <algorithm>

namespace muster::optim {
namespace {

template <class Real>
void convert(const std::uint8_t* __restrict in, std::size_t n, float scale, float offset,
             Real* __restrict out) {
  for (std::size_t j = 0; j < n; ++j) {
    out[j] = static_cast<Real>(static_cast<float>(in[j]) * scale + offset);
  }
}

void check_labels(const std::vector<std::uint32_t>& labels, std::size_t classes) {
  for (std::uint32_t label : labels) MUSTER_CHECK(label < classes, label, classes);
}

}  // namespace

Dataset Dataset::from_bytes(std::vector<std::uint8_t> bytes, std::size_t features,
                            std::vector<std::uint32_t> labels, std::size_t classes,
                            ByteTransform transform) {
  MUSTER_CHECK(bytes.size() == labels.size() * features, bytes.size(), labels.size(), features);
  check_labels(labels, classes);
  Dataset data;
  data.features_ = features;
  data.classes_ = classes;
  data.labels_ = std::move(labels);
  data.bytes_ = std::move(bytes);
  data.transform_ = transform;
  return data;
}

Dataset Dataset::from_floats(AlignedVector<float> values, std::size_t features,
                             std::vector<std::uint32_t> labels, std::size_t classes) {
  MUSTER_CHECK(values.size() == labels.size() * features, values.size(), labels.size(), features);
  check_labels(labels, classes);
  Dataset data;
  data.features_ = features;
  data.classes_ = classes;
  data.labels_ = std::move(labels);
  data.values_ = std::move(values);
  return data;
}

template <class Real>
void Dataset::gather(std::span<const std::uint32_t> samples, std::span<Real> out) const {
  MUSTER_CHECK(out.size() == samples.size() * features_, out.size(), samples.size(), features_);
  constexpr std::size_t kAhead = 4;  // rows lie anywhere in memory: ask for them early
  constexpr std::size_t kLine = 64;
  Real* row = out.data();
  for (std::size_t i = 0; i < samples.size(); ++i, row += features_) {
    MUSTER_CHECK(samples[i] < size(), samples[i], size());
    const std::size_t begin = samples[i] * features_;
    if (values_.empty()) {
      if (i + kAhead < samples.size() && samples[i + kAhead] < size()) {
        const std::uint8_t* next = bytes_.data() + samples[i + kAhead] * features_;
        for (std::size_t j = 0; j < features_; j += kLine) __builtin_prefetch(next + j);
      }
      convert(bytes_.data() + begin, features_, transform_.scale, transform_.offset, row);
    } else {
      std::copy_n(values_.data() + begin, features_, row);
    }
  }
}

template void Dataset::gather(std::span<const std::uint32_t>, std::span<float>) const;
template void Dataset::gather(std::span<const std::uint32_t>, std::span<double>) const;

Dataset make_clusters(const SyntheticSpec& spec, std::uint64_t seed) {
  MUSTER_CHECK(spec.samples > 0 && spec.features > 0 && spec.classes > 0, spec.samples,
               spec.features, spec.classes);
  Random random(mix_seed(seed));
  std::vector<double> centres(spec.classes * spec.features);
  for (double& c : centres) c = spec.separation * random.normal();
  Random noise(mix_seed(seed, 1 + spec.sample_seed));
  AlignedVector<float> values(spec.samples * spec.features);
  std::vector<std::uint32_t> labels(spec.samples);
  for (std::size_t i = 0; i < spec.samples; ++i) {
    labels[i] = static_cast<std::uint32_t>(i % spec.classes);
    for (std::size_t j = 0; j < spec.features; ++j) {
      values[i * spec.features + j] =
          static_cast<float>(centres[labels[i] * spec.features + j] + spec.spread * noise.normal());
    }
  }
  return Dataset::from_floats(std::move(values), spec.features, std::move(labels), spec.classes);
}

}  // namespace muster::optim
