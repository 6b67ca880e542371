// The kernels for every processor of the architecture.
#define MUSTER_KERNELS_NAMESPACE baseline
#include "optim/kernels/kernels.inc"
