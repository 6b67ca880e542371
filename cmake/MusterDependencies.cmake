# Third-party packages. Debian's cmake files are used where they exist; each library stops at the
# layer named beside it.
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED)               # Asio: net, PFR: public codec, Intrusive: time, core
find_package(CapnProto REQUIRED)                # wire
find_package(TBB REQUIRED)                      # core (executor)
find_package(OpenSSL REQUIRED COMPONENTS Crypto) # net (HMAC), actors (SHA-256 of parameters)
find_package(Eigen3 3.4 REQUIRED NO_MODULE)     # optim
find_package(ZLIB REQUIRED)                     # optim (gzip IDX files)
find_package(tl-expected REQUIRED)              # base (Result)
find_package(fmt REQUIRED)
set(MUSTER_OPENBLAS_FOUND FALSE)
if(MUSTER_OPENBLAS)
  find_package(OpenBLAS QUIET CONFIG)
  if(OpenBLAS_FOUND)
    set(MUSTER_OPENBLAS_FOUND TRUE)
  endif()
  message(STATUS "muster: OpenBLAS behind Eigen: ${MUSTER_OPENBLAS_FOUND}")
endif()
