// Every kernel against its reference, to the bit, at sizes around vector widths and block ends.
#include <muster/optim/kernels.h>

#include <cstring>
#include <limits>
#include <thread>

#include "optim/kernels/table.h"
#include "unit/optim/support.h"

namespace muster::optim::kernels {
namespace {

using testing::normals;

constexpr std::size_t kSizes[] = {0, 1, 2, 3, 7, 8, 9, 15, 31, 63, 1000, 4095, 4096, 4097, 100003};
constexpr Accumulation kKinds[] = {Accumulation::kSum, Accumulation::kSquared,
                                   Accumulation::kLinear};

template <class Real>
bool same_bits(const AlignedVector<Real>& a, const AlignedVector<Real>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(Real)) == 0);
}

/// The vectors of one step; `optional` ones may be emptied.
template <class Real>
struct Vectors {
  AlignedVector<Real> x, g, m, dhat, accumulator;
  Vectors(Random& random, std::size_t n)
      : x(normals<Real>(random, n)),
        g(normals<Real>(random, n)),
        m(normals<Real>(random, n)),
        dhat(normals<Real>(random, n)),
        accumulator(normals<Real>(random, n)) {
    for (Real& d : dhat) d = Real(0.1) + std::abs(d);
    for (Real& a : accumulator) a = std::abs(a);
  }
  bool operator==(const Vectors& o) const {
    return same_bits(x, o.x) && same_bits(m, o.m) && same_bits(accumulator, o.accumulator);
  }
};

template <class Real>
class KernelsTest : public ::testing::Test {
 protected:
  StepConstants constants(FloorMode mode) const {
    return {.gamma = 0.03,
            .momentum = 0.9,
            .weight_decay = 0.01,
            .beta = 0.95,
            .floor = 0.4,
            .cap = 1.1,
            .floor_mode = mode};
  }
};
using Reals = ::testing::Types<float, double>;
TYPED_TEST_SUITE(KernelsTest, Reals);

TYPED_TEST(KernelsTest, StepEqualsReferenceWithAndWithoutEachOptionalVector) {
  using Real = TypeParam;
  MUSTER_SEEDED(random);
  for (std::size_t n : kSizes) {
    for (unsigned given = 0; given < 8; ++given) {
      for (Accumulation kind : kKinds) {
        Vectors<Real> fast(random, n);
        if ((given & 1) == 0) fast.m.clear();
        if ((given & 2) == 0) fast.dhat.clear();
        if ((given & 4) == 0) fast.accumulator.clear();
        Vectors<Real> slow = fast;
        const StepConstants c = this->constants(FloorMode::kMax);
        step<Real>(c, kind, fast.x, fast.g, fast.m, fast.dhat, fast.accumulator);
        reference::step<Real>(c, kind, slow.x, slow.g, slow.m, slow.dhat, slow.accumulator);
        ASSERT_TRUE(fast == slow) << "n " << n << " given " << given;
      }
    }
  }
}

TYPED_TEST(KernelsTest, ScaledStepsEqualReferenceAndCountTheSameClips) {
  using Real = TypeParam;
  MUSTER_SEEDED(random);
  for (std::size_t n : kSizes) {
    for (Accumulation kind : kKinds) {
      for (FloorMode mode : {FloorMode::kMax, FloorMode::kAdd}) {
        for (bool momentum : {false, true}) {
          Vectors<Real> fast(random, n);
          if (!momentum) fast.m.clear();
          Vectors<Real> slow = fast;
          const StepConstants c = this->constants(mode);
          const ClipCounts a =
              refresh_and_step<Real>(c, kind, fast.x, fast.g, fast.m, fast.accumulator);
          const ClipCounts b =
              reference::refresh_and_step<Real>(c, kind, slow.x, slow.g, slow.m, slow.accumulator);
          ASSERT_TRUE(fast == slow && a == b) << "n " << n;
          ASSERT_TRUE(n < 1000 || b.floored + b.capped > 0);
          const ClipCounts d =
              step_by_accumulator<Real>(c, kind, fast.x, fast.g, fast.m, fast.accumulator);
          const ClipCounts e = reference::step_by_accumulator<Real>(c, kind, slow.x, slow.g, slow.m,
                                                                    slow.accumulator);
          ASSERT_TRUE(fast == slow && d == e) << "n " << n;
        }
      }
    }
  }
}

TYPED_TEST(KernelsTest, AccumulatorKernelsEqualReference) {
  using Real = TypeParam;
  MUSTER_SEEDED(random);
  for (std::size_t n : kSizes) {
    for (Accumulation kind : kKinds) {
      Vectors<Real> fast(random, n);
      Vectors<Real> slow = fast;
      refresh<Real>(kind, 0.9, fast.g, fast.accumulator);
      reference::refresh<Real>(kind, 0.9, slow.g, slow.accumulator);
      ASSERT_TRUE(fast == slow);
      absorb<Real>(kind, 0.7, fast.dhat, fast.accumulator);
      reference::absorb<Real>(kind, 0.7, slow.dhat, slow.accumulator);
      ASSERT_TRUE(fast == slow);
      accumulate<Real>(kind, fast.g, fast.x);
      reference::accumulate<Real>(kind, slow.g, slow.x);
      ASSERT_TRUE(fast == slow);
      for (Real& a : fast.accumulator) a = std::abs(a);
      for (FloorMode mode : {FloorMode::kMax, FloorMode::kAdd}) {
        const ClipCounts a = write_dhat<Real>(kind, 0.4, 1.1, mode, fast.accumulator, fast.x);
        const ClipCounts b =
            reference::write_dhat<Real>(kind, 0.4, 1.1, mode, fast.accumulator, slow.x);
        ASSERT_TRUE(same_bits(fast.x, slow.x) && a == b);
      }
    }
  }
}

TYPED_TEST(KernelsTest, WeightedMeanEqualsReferenceForAnyNumberOfInputs) {
  using Real = TypeParam;
  MUSTER_SEEDED(random);
  for (std::size_t n : kSizes) {
    for (std::size_t inputs : {1, 2, 3, 4, 5, 8}) {
      std::vector<AlignedVector<Real>> values;
      std::vector<std::span<const Real>> spans;
      std::vector<double> equal(inputs, 1.0);
      std::vector<double> weights;
      for (std::size_t k = 0; k < inputs; ++k) {
        values.push_back(normals<Real>(random, n));
        weights.push_back(random.uniform() + 0.1);
      }
      for (const auto& v : values) spans.emplace_back(v);
      AlignedVector<Real> fast(n);
      AlignedVector<Real> slow(n);
      for (const auto& w : {equal, weights}) {
        weighted_mean<Real>(spans, w, fast);
        reference::weighted_mean<Real>(spans, w, slow);
        ASSERT_TRUE(same_bits(fast, slow)) << "n " << n << " inputs " << inputs;
      }
      weighted_mean<Real>(spans, weights, std::span<Real>(values[0]));
      ASSERT_TRUE(same_bits(values[0], slow)) << "the output may be an input";
    }
  }
}

TYPED_TEST(KernelsTest, VectorOperationsEqualReference) {
  using Real = TypeParam;
  MUSTER_SEEDED(random);
  for (std::size_t n : kSizes) {
    Vectors<Real> fast(random, n);
    Vectors<Real> slow = fast;
    add_scaled<Real>(Real(0.3), fast.g, fast.x);
    reference::add_scaled<Real>(Real(0.3), slow.g, slow.x);
    scale<Real>(Real(1.7), fast.m);
    reference::scale<Real>(Real(1.7), slow.m);
    add_product<Real>(fast.g, fast.dhat, fast.accumulator);
    reference::add_product<Real>(slow.g, slow.dhat, slow.accumulator);
    ASSERT_TRUE(fast == slow);
    ASSERT_EQ(squared_norm<Real>(fast.x), reference::squared_norm<Real>(fast.x));
    ASSERT_EQ(squared_distance<Real>(fast.x, fast.g),
              reference::squared_distance<Real>(fast.x, fast.g));
  }
}

TYPED_TEST(KernelsTest, FirstNonfiniteFindsNanAndInfinityAtEveryPlace) {
  using Real = TypeParam;
  for (std::size_t n : {1, 7, 8, 9, 4097}) {
    AlignedVector<Real> x(n, Real{1});
    EXPECT_EQ(first_nonfinite<Real>(x), n);
    for (std::size_t at : {std::size_t{0}, n / 2, n - 1}) {
      for (Real bad :
           {std::numeric_limits<Real>::quiet_NaN(), std::numeric_limits<Real>::infinity(),
            -std::numeric_limits<Real>::infinity()}) {
        x[at] = bad;
        EXPECT_EQ(first_nonfinite<Real>(x), at);
        EXPECT_EQ(reference::first_nonfinite<Real>(x), at);
        x[at] = 1;
      }
    }
    x[0] = std::numeric_limits<Real>::max();
    EXPECT_EQ(first_nonfinite<Real>(x), n);
  }
}

TYPED_TEST(KernelsTest, ResultDoesNotDependOnAddressesOrOnHowTheRangeIsCut) {
  using Real = TypeParam;
  MUSTER_SEEDED(random);
  constexpr std::size_t kSize = 10007;
  const Vectors<Real> start(random, kSize);
  const StepConstants c = this->constants(FloorMode::kMax);
  Vectors<Real> whole = start;
  const ClipCounts expected = refresh_and_step<Real>(c, Accumulation::kSquared, whole.x, whole.g,
                                                     whole.m, whole.accumulator);
  for (std::size_t parts : {1, 2, 3, 16}) {
    Vectors<Real> cut = start;
    const auto in_threads = [](std::size_t count, auto&& f) {
      std::vector<std::jthread> threads;
      for (std::size_t k = 0; k < count; ++k) threads.emplace_back([&f, k] { f(k); });
    };
    const ClipCounts counts =
        split_range(kSize, parts, in_threads, [&](std::size_t begin, std::size_t end) {
          const auto part = [&](auto& v) { return std::span(v).subspan(begin, end - begin); };
          return refresh_and_step<Real>(c, Accumulation::kSquared, part(cut.x), part(cut.g),
                                        part(cut.m), part(cut.accumulator));
        });
    EXPECT_TRUE(cut == whole && counts == expected) << parts;
  }
  for (std::size_t shift : {1, 3}) {  // the same numbers at odd addresses
    std::vector<Real> x(kSize + shift), g(kSize + shift), m(kSize + shift), a(kSize + shift);
    const auto copy = [&](const AlignedVector<Real>& from, std::vector<Real>& to) {
      std::copy(from.begin(), from.end(), to.begin() + static_cast<std::ptrdiff_t>(shift));
      return std::span<Real>(to).subspan(shift);
    };
    const auto moved = copy(start.x, x);
    refresh_and_step<Real>(c, Accumulation::kSquared, moved, copy(start.g, g), copy(start.m, m),
                           copy(start.accumulator, a));
    EXPECT_TRUE(std::equal(moved.begin(), moved.end(), whole.x.begin()));
  }
}

TEST(KernelsDispatchTest, BaselineAndAvx2GiveTheSameBits) {
  if (std::string(dispatch()) != "avx2") GTEST_SKIP() << "needs AVX2";
  MUSTER_SEEDED(random);
  Vectors<float> one(random, 5003);
  Vectors<float> two = one;
  const StepConstants c{.gamma = 0.03,
                        .momentum = 0.9,
                        .weight_decay = 0.01,
                        .beta = 0.95,
                        .floor = 0.4,
                        .cap = 1.1,
                        .floor_mode = FloorMode::kAdd};
  ClipCounts counts[2];
  const auto run = [&](const KernelTable<float>& table, Vectors<float>& v, ClipCounts* count) {
    table.refresh_and_step(c, Accumulation::kSquared, v.x.size(), v.x.data(), v.g.data(),
                           v.m.data(), v.accumulator.data(), count);
  };
  run(baseline::kFloatTable, one, &counts[0]);
#ifdef __x86_64__
  run(avx2::kFloatTable, two, &counts[1]);
#endif
  EXPECT_TRUE(one == two);
  EXPECT_EQ(counts[0], counts[1]);
  EXPECT_EQ(baseline::kFloatTable.squared_norm(one.x.size(), one.x.data()),
            squared_norm<float>(one.x));
}

TEST(KernelsDeathTest, MismatchedSizesAreABug) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  std::vector<float> x(3), g(2);
  EXPECT_DEATH(step<float>({}, Accumulation::kNone, x, g, {}, {}, {}), "size == n");
}

}  // namespace
}  // namespace muster::optim::kernels
