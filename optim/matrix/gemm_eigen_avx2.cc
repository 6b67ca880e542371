// Eigen's products for processors with AVX2 and FMA; built with -mavx2 -mfma.
#define MUSTER_GEMM_NAMESPACE avx2
#define MUSTER_EIGEN_NAMESPACE MusterEigen_avx2
#include "optim/matrix/gemm_eigen.inc"
