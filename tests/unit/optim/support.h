#pragma once
/// What the tests of optim share: seeds that a failing run can be repeated with, scripted
/// objectives, temporary folders.

#include <gtest/gtest.h>
#include <muster/optim/objective.h>
#include <muster/random.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace muster::optim::testing {

/// The seed of a random test: MUSTER_TEST_SEED, or 1.
inline std::uint64_t test_seed() {
  const char* text = std::getenv("MUSTER_TEST_SEED");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : 1;
}

/// Put at the head of a random test: a failure prints how to repeat it.
#define MUSTER_SEEDED(random)                                                                \
  SCOPED_TRACE("MUSTER_TEST_SEED=" + std::to_string(::muster::optim::testing::test_seed())); \
  ::muster::Random random(::muster::optim::testing::test_seed())

template <class Real>
AlignedVector<Real> normals(Random& random, std::size_t n, double scale = 1) {
  AlignedVector<Real> v(n);
  for (Real& x : v) x = static_cast<Real>(scale * random.normal());
  return v;
}

inline std::vector<std::uint32_t> first_samples(std::size_t n) {
  std::vector<std::uint32_t> samples(n);
  for (std::size_t i = 0; i < n; ++i) samples[i] = static_cast<std::uint32_t>(i);
  return samples;
}

/// Returns the gradients it was given, one a call, whatever the parameters.
template <class Real>
class ScriptedObjective final : public BasicObjective<Real> {
 public:
  ScriptedObjective(std::size_t dim, std::vector<Real> gradients)
      : dim_(dim), gradients_(std::move(gradients)) {}
  std::size_t dim() const override { return dim_; }
  std::size_t sample_count() const override { return 1; }
  double loss_and_gradient(std::span<const Real>, Batch, std::span<Real> gradient) override {
    const auto at = gradients_.begin() + static_cast<std::ptrdiff_t>(call_ * dim_);
    std::copy_n(at, dim_, gradient.begin());
    ++call_;
    return loss;
  }
  double loss = 1;

 private:
  std::size_t dim_;
  std::vector<Real> gradients_;
  std::size_t call_ = 0;
};

/// A folder of its own, gone at the end of the test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "muster_optim_XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }
  std::string write(const std::string& name, const std::vector<std::uint8_t>& bytes) const {
    const std::string path = *this / name;
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    return path;
  }

 private:
  std::string path_;
};

/// ||a - b|| / max(||b||, tiny).
template <class A, class B>
double relative_error(const A& a, const B& b) {
  double difference = 0;
  double norm = 1e-300;
  for (std::size_t i = 0; i < b.size(); ++i) {
    const double d = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    difference += d * d;
    norm += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  return std::sqrt(difference / norm);
}

}  // namespace muster::optim::testing
