// The kernels for processors with AVX2; built with -mavx2.
#define MUSTER_KERNELS_NAMESPACE avx2
#include "optim/kernels/kernels.inc"
