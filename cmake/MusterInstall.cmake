# The installed package: headers, static libraries, the tool, and the files by which
# find_package(muster) and pkg-config find them.
#   component development: headers, libraries, package files     component tool: bin/muster
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(muster_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/muster)

# muster_export(TARGET NAME): installs a library as muster::NAME.
function(muster_export target name)
  if(NOT TARGET ${target})
    return()
  endif()
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
  install(TARGETS ${target} EXPORT muster-targets
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
endfunction()

muster_export(muster_public_headers public_headers)
muster_export(muster_runtime runtime)
muster_export(muster_optim optim)
muster_export(muster_actors actors)
muster_export(muster_testing testing)
install(EXPORT muster-targets NAMESPACE muster:: DESTINATION ${muster_package_dir}
  COMPONENT development)

install(DIRECTORY ${PROJECT_SOURCE_DIR}/runtime/include/ ${PROJECT_SOURCE_DIR}/optim/include/
  ${PROJECT_SOURCE_DIR}/actors/include/
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development FILES_MATCHING PATTERN "*.h")

# The headers and the tool speak of these pages.
install(FILES ${PROJECT_SOURCE_DIR}/README.md ${PROJECT_SOURCE_DIR}/LICENSE
  ${PROJECT_SOURCE_DIR}/CONTRIBUTING.md DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT development)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs ${PROJECT_SOURCE_DIR}/examples
  DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT development
  PATTERN CMakeLists.txt EXCLUDE)

set(MUSTER_BOOST_VERSION ${Boost_VERSION_MAJOR}.${Boost_VERSION_MINOR})
configure_file(${PROJECT_SOURCE_DIR}/cmake/muster-config.cmake.in
  ${PROJECT_BINARY_DIR}/package/muster-config.cmake @ONLY)
# Before 1.0 a new minor version may change the interface.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/package/muster-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/package/muster-config.cmake
  ${PROJECT_BINARY_DIR}/package/muster-config-version.cmake
  DESTINATION ${muster_package_dir} COMPONENT development)

# pkg-config: one package, all libraries; the linker takes what is used.
set(MUSTER_PC_REQUIRES "capnp, kj, tbb, libcrypto, zlib, fmt")
if(MUSTER_OPENBLAS_FOUND)
  string(APPEND MUSTER_PC_REQUIRES ", openblas")
endif()
# The prefix is given relative to the file, so that an installed tree may be moved.
file(RELATIVE_PATH MUSTER_PC_PREFIX /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
string(REGEX REPLACE "/$" "" MUSTER_PC_PREFIX ${MUSTER_PC_PREFIX})
configure_file(${PROJECT_SOURCE_DIR}/cmake/muster.pc.in ${PROJECT_BINARY_DIR}/package/muster.pc
  @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/package/muster.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)

if(TARGET muster)
  install(TARGETS muster RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT tool)
endif()
