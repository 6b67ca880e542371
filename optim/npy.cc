#include <muster/optim/npy.h>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <type_traits>

#include "optim/data/file.h"

namespace muster::optim {
namespace {

static_assert(std::endian::native == std::endian::little, ".npy is written as memory lies");

constexpr std::string_view kMagic("\x93NUMPY\x01\x00", 8);
constexpr std::size_t kPrefix = 10;     // magic, version, header length (16-bit)
constexpr std::size_t kAlignment = 64;  // of the data, as NumPy writes it
constexpr std::uint64_t kBytesMax = std::uint64_t{1} << 40;

template <class Real>
constexpr std::string_view kDescr = std::is_same_v<Real, float> ? "<f4" : "<f8";

/// Everything before the data.
std::string make_header(std::string_view descr, std::size_t count) {
  std::string dictionary =
      fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({},), }}", descr, count);
  const std::size_t unpadded = kPrefix + dictionary.size() + 1;
  dictionary.append((kAlignment - unpadded % kAlignment) % kAlignment, ' ');
  dictionary += '\n';
  std::string header(kMagic);
  header += static_cast<char>(dictionary.size() & 0xFF);
  header += static_cast<char>(dictionary.size() >> 8);
  return header + dictionary;
}

bool write_all(int fd, const void* data, std::size_t size) {
  const char* at = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t n = ::write(fd, at, size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    at += n;
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

/// A name beside `path` that no other writer of this machine uses.
std::string temporary_beside(const std::string& path) {
  static std::atomic<unsigned> count{0};
  return fmt::format("{}.{}.{}.tmp", path, ::getpid(), count.fetch_add(1));
}

/// The value after `key` in the header's dictionary, without surrounding blanks; empty if absent.
std::string_view field(std::string_view header, std::string_view key, char end) {
  const std::size_t at = header.find(key);
  if (at == std::string_view::npos) return {};
  std::string_view rest = header.substr(at + key.size());
  rest.remove_prefix(std::min(rest.size(), rest.find_first_not_of(": ")));
  return rest.substr(0, rest.find(end));
}

/// The one size in "(N,": none for any other shape.
bool parse_count(std::string_view shape, std::uint64_t& count) {
  if (!shape.starts_with('(') || !shape.ends_with(',')) return false;
  const char* end = shape.data() + shape.size() - 1;
  const auto [stop, error] = std::from_chars(shape.data() + 1, end, count);
  return error == std::errc() && stop == end;
}

}  // namespace

template <class Real>
Result<void> write_npy(const std::string& path, std::span<const Real> values) {
  const std::string header = make_header(kDescr<Real>, values.size());
  const std::string temporary = temporary_beside(path);
  const auto refuse = [&](const char* what) {
    const int cause = errno;
    ::unlink(temporary.c_str());
    return fail(ErrorCode::kInvalid,
                fmt::format("cannot {} {}: {}", what, path, std::strerror(cause)));
  };
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0) return refuse("create");
  const bool written = write_all(fd, header.data(), header.size()) &&
                       write_all(fd, values.data(), values.size_bytes()) && ::fsync(fd) == 0;
  if (!written) {
    const int cause = errno;
    ::close(fd);
    errno = cause;
    return refuse("write");
  }
  if (::close(fd) != 0) return refuse("write");
  if (::rename(temporary.c_str(), path.c_str()) != 0) return refuse("rename to");
  return {};
}

template <class Real>
Result<AlignedVector<Real>> read_npy(const std::string& path) {
  const auto bytes = read_file(path, kBytesMax);
  if (!bytes) return fail(bytes.error());
  const std::string_view text(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  const auto corrupt = [&](std::string what) {
    return fail(ErrorCode::kCorrupt, path + ": " + what);
  };
  if (text.size() < kPrefix || !text.starts_with(kMagic)) {
    return corrupt("not a .npy file of version 1.0");
  }
  const std::size_t length = (*bytes)[8] | (std::size_t{(*bytes)[9]} << 8);
  if (text.size() < kPrefix + length) {
    return corrupt(fmt::format("truncated: found {} bytes, expected a header of {}", text.size(),
                               kPrefix + length));
  }
  const std::string_view header = text.substr(kPrefix, length);
  const std::string_view descr = field(header, "'descr'", ',');
  const std::string_view order = field(header, "'fortran_order'", ',');
  const std::string_view shape = field(header, "'shape'", ')');
  if (descr != fmt::format("'{}'", kDescr<Real>)) {
    return fail(ErrorCode::kInvalid,
                fmt::format("{}: found element type {}, expected '{}'", path, descr, kDescr<Real>));
  }
  std::uint64_t count = 0;
  if ((order != "False" && order != "True") || !parse_count(shape, count)) {
    return fail(ErrorCode::kInvalid,
                fmt::format("{}: found shape {}), expected one dimension", path, shape));
  }
  const std::uint64_t held = text.size() - kPrefix - length;
  if (count > held / sizeof(Real) || held != count * sizeof(Real)) {
    return corrupt(fmt::format("found {} bytes of data, expected {} values of {} bytes", held,
                               count, sizeof(Real)));
  }
  AlignedVector<Real> values(count);
  if (count > 0) std::memcpy(values.data(), text.data() + kPrefix + length, held);
  return values;
}

template Result<void> write_npy(const std::string&, std::span<const float>);
template Result<void> write_npy(const std::string&, std::span<const double>);
template Result<AlignedVector<float>> read_npy(const std::string&);
template Result<AlignedVector<double>> read_npy(const std::string&);

}  // namespace muster::optim
