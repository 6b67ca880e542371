#pragma once
/// Eigen dense vectors and matrices as arguments and results of actor calls: numeric arrays with
/// the shape (rows, columns), first index fastest.

#include <muster/codec.h>

#include <Eigen/Core>
#include <array>

namespace muster {

/// Row-major matrices are transposed on the way, so that both sides may differ in their storage.
template <class S, int R, int C, int O, int MR, int MC>
struct Codec<Eigen::Matrix<S, R, C, O, MR, MC>> {
  using M = Eigen::Matrix<S, R, C, O, MR, MC>;
  static constexpr bool wireable = detail::Number<S>;

  static void encode(Encoder& e, const M& value) { write(e, value, nullptr); }
  static void encode(Encoder& e, M&& value) {
    if (static_cast<std::size_t>(value.size()) * sizeof(S) < kExternalBytesMin) {
      return write(e, value, nullptr);
    }
    auto owner = std::make_shared<const M>(std::move(value));
    write(e, *owner, owner);
  }
  static M decode(Decoder& d) {
    const auto view = d.array(detail::element_type_of<S>());
    if (d.failed()) return M();
    const std::uint64_t rows = view.shape.empty() ? view.count : view.shape[0];
    const std::uint64_t columns = view.shape.size() < 2 ? 1 : view.shape[1];
    const bool fits = view.shape.size() <= 2 && (R == Eigen::Dynamic || rows == std::uint64_t(R)) &&
                      (C == Eigen::Dynamic || columns == std::uint64_t(C)) &&
                      (MR == Eigen::Dynamic || rows <= std::uint64_t(MR)) &&
                      (MC == Eigen::Dynamic || columns <= std::uint64_t(MC));
    if (!fits) {
      d.fail("expected a matrix of " + size_name(R) + " x " + size_name(C) + ", found " +
             std::to_string(rows) + " x " + std::to_string(columns));
      return M();
    }
    using ColumnMajor = Eigen::Matrix<S, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor>;
    return Eigen::Map<const ColumnMajor>(static_cast<const S*>(view.data),
                                         static_cast<Eigen::Index>(rows),
                                         static_cast<Eigen::Index>(columns));
  }

 private:
  static void write(Encoder& e, const M& value, std::shared_ptr<const void> owner) {
    if constexpr (M::IsRowMajor && !M::IsVectorAtCompileTime) {
      using ColumnMajor = Eigen::Matrix<S, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor>;
      auto turned = std::make_shared<const ColumnMajor>(value);
      put(e, turned->data(), value, turned);
    } else {
      put(e, value.data(), value, std::move(owner));
    }
  }
  static void put(Encoder& e, const S* data, const M& value, std::shared_ptr<const void> owner) {
    const std::array<std::uint64_t, 2> shape = {static_cast<std::uint64_t>(value.rows()),
                                                static_cast<std::uint64_t>(value.cols())};
    e.array(detail::element_type_of<S>(), data, static_cast<std::size_t>(value.size()),
            std::move(owner), shape);
  }
  static std::string size_name(int n) {
    return n == Eigen::Dynamic ? std::string("any size") : std::to_string(n);
  }
};

}  // namespace muster
