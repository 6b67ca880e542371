// IDX files, plain and gzip: any input gives an array or an error, in bounded memory.
#include <muster/optim/dataset.h>

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  constexpr std::uint64_t kBytesMax = 1 << 20;
  const unsigned dimensions = 1 + data[0] % 3;
  const auto array = muster::optim::parse_idx({data + 1, size - 1}, dimensions, "input", kBytesMax);
  if (!array) return 0;
  std::uint64_t values = 1;
  for (std::uint32_t extent : array->shape) values *= extent;
  if (array->shape.size() != dimensions || array->values.size() != values || values > kBytesMax) {
    std::abort();
  }
  return 0;
}
