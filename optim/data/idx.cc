// The IDX format: a big-endian magic number 00 00 08 <dimensions>, one big-endian 32-bit size a
// dimension, then unsigned bytes.
#include <fmt/format.h>
#include <muster/optim/dataset.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>

namespace muster::optim {
namespace {

constexpr std::uint32_t kUnsignedBytes = 0x00000800;
constexpr std::size_t kDimensionsMax = 8;

std::uint32_t big_endian(const std::uint8_t* p) {
  return (std::uint32_t{p[0]} << 24) | (std::uint32_t{p[1]} << 16) | (std::uint32_t{p[2]} << 8) |
         p[3];
}

/// A stream of bytes, plain or inflated as it is read.
class Source {
 public:
  explicit Source(std::span<const std::uint8_t> contents) : contents_(contents) {
    gzip_ = contents.size() >= 2 && contents[0] == 0x1F && contents[1] == 0x8B;
    if (!gzip_) return;
    constexpr int kGzipOnly = 16 + MAX_WBITS;
    MUSTER_CHECK(inflateInit2(&stream_, kGzipOnly) == Z_OK);
  }
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  ~Source() {
    if (gzip_) inflateEnd(&stream_);
  }

  bool gzip() const { return gzip_; }
  /// False where a compressed stream stopped before its trailer, which proves the data whole.
  bool complete() const { return !gzip_ || ended_; }
  /// Set when the compressed stream is broken, not merely short.
  const char* broken() const { return broken_; }

  /// Fills as much of `out` as the stream has; returns how much.
  std::size_t read(std::span<std::uint8_t> out) {
    if (gzip_) return inflate_into(out);
    const std::size_t n = std::min(out.size(), contents_.size() - at_);
    if (n > 0) std::memcpy(out.data(), contents_.data() + at_, n);
    at_ += n;
    return n;
  }

 private:
  std::size_t inflate_into(std::span<std::uint8_t> out) {
    constexpr std::size_t kPiece = std::size_t{1} << 30;  // zlib counts in unsigned int
    std::size_t done = 0;
    while (done < out.size() && !ended_ && broken_ == nullptr) {
      const std::size_t in = std::min(kPiece, contents_.size() - at_);
      const std::size_t room = std::min(kPiece, out.size() - done);
      stream_.next_in = const_cast<Bytef*>(contents_.data() + at_);
      stream_.avail_in = static_cast<uInt>(in);
      stream_.next_out = out.data() + done;
      stream_.avail_out = static_cast<uInt>(room);
      const int status = inflate(&stream_, Z_NO_FLUSH);
      at_ += in - stream_.avail_in;
      done += room - stream_.avail_out;
      if (status == Z_STREAM_END) {
        ended_ = true;
      } else if (status == Z_BUF_ERROR) {
        break;  // the input ends here
      } else if (status != Z_OK) {
        broken_ = stream_.msg != nullptr ? stream_.msg : "unreadable";
      }
    }
    return done;
  }

  std::span<const std::uint8_t> contents_;
  std::size_t at_ = 0;
  bool gzip_ = false;
  bool ended_ = false;
  const char* broken_ = nullptr;
  z_stream stream_ = {};
};

tl::unexpected<Error> truncated(const Source& source, const std::string& name, std::uint64_t found,
                                std::uint64_t expected) {
  if (source.broken() != nullptr) {
    return fail(ErrorCode::kCorrupt, fmt::format("{}: damaged gzip data after {} bytes: {}", name,
                                                 found, source.broken()));
  }
  return fail(ErrorCode::kCorrupt,
              fmt::format("{}: truncated: found {} bytes{}, expected {}", name, found,
                          source.gzip() ? " after decompression" : "", expected));
}

/// The header's sizes, or what is wrong with it.
Result<std::vector<std::uint32_t>> read_shape(Source& source, unsigned dimensions,
                                              const std::string& name) {
  std::uint8_t header[4 + 4 * kDimensionsMax];
  const std::size_t length = 4 + 4 * std::size_t{dimensions};
  const std::size_t found = source.read(std::span(header).first(length));
  const std::uint32_t expected = kUnsignedBytes | dimensions;
  if (found >= 4 && big_endian(header) != expected) {
    return fail(ErrorCode::kCorrupt,
                fmt::format("{}: wrong magic: found 0x{:08x}, expected 0x{:08x}", name,
                            big_endian(header), expected));
  }
  if (found < length) return truncated(source, name, found, length);
  std::vector<std::uint32_t> shape(dimensions);
  for (std::size_t i = 0; i < shape.size(); ++i) shape[i] = big_endian(header + 4 + 4 * i);
  return shape;
}

}  // namespace

Result<IdxArray> parse_idx(std::span<const std::uint8_t> contents, unsigned dimensions,
                           const std::string& name, std::uint64_t bytes_max) {
  MUSTER_CHECK(dimensions >= 1 && dimensions <= kDimensionsMax, dimensions);
  Source source(contents);
  auto shape = read_shape(source, dimensions, name);
  if (!shape) return fail(std::move(shape.error()));

  const std::uint64_t header = 4 + 4 * std::uint64_t{dimensions};
  std::uint64_t values = 1;
  bool over = false;
  for (std::uint32_t size : *shape) {
    over = over || (size != 0 && values > bytes_max / size);
    values = over ? values : values * size;
  }
  if (over || values > bytes_max) {
    return fail(ErrorCode::kInvalid, fmt::format("{}: header claims {} bytes, allowed at most {}",
                                                 name, fmt::join(*shape, " x "), bytes_max));
  }
  // A plain file tells its size; gzip shrinks by 1032 at most, so a short one cannot hold much.
  constexpr std::uint64_t kDeflateRatioMax = 1032;
  const std::uint64_t held = contents.size();
  if (!source.gzip() && held < header + values)
    return truncated(source, name, held, header + values);
  IdxArray array{std::move(*shape), {}};
  const bool possible = !source.gzip() || values / kDeflateRatioMax <= held;
  array.values.resize(possible ? values : held * kDeflateRatioMax);
  const std::uint64_t found = source.read(array.values);
  if (found < values) return truncated(source, name, header + found, header + values);
  std::uint8_t extra = 0;
  if (source.read(std::span(&extra, 1)) != 0) {
    return fail(ErrorCode::kCorrupt,
                fmt::format("{}: found more than the {} bytes that its header claims", name,
                            header + values));
  }
  if (source.broken() != nullptr) return truncated(source, name, header + found, header + values);
  if (!source.complete()) {
    return fail(ErrorCode::kCorrupt,
                fmt::format("{}: truncated: gzip data ends before its trailer", name));
  }
  return array;
}

}  // namespace muster::optim
