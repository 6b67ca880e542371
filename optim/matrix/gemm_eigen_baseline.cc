// Eigen's products for every processor of the architecture.
#define MUSTER_GEMM_NAMESPACE baseline
#define MUSTER_EIGEN_NAMESPACE MusterEigen_baseline
#include "optim/matrix/gemm_eigen.inc"
