# muster_layer(NAME SOURCES ... DEPS ... PRIVATE_DEPS ...): one layer of a component, an object
# library whose link line is its only way to see another layer. Components gather their layers into
# one static library.
include(CheckCXXCompilerFlag)

add_library(muster_flags INTERFACE)
target_compile_options(muster_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
  -Wold-style-cast -Woverloaded-virtual -Wcast-qual)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 reports these falsely inside libstdc++ and Boost when inlining at -O2 and above.
  target_compile_options(muster_flags INTERFACE -Wno-maybe-uninitialized -Wno-restrict
    -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread -Wno-dangling-pointer
    -Wno-free-nonheap-object)
endif()
if(MUSTER_WERROR)
  target_compile_options(muster_flags INTERFACE -Werror)
endif()
if(MUSTER_SANITIZE)
  add_compile_options(-fsanitize=${MUSTER_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${MUSTER_SANITIZE})
  if(MUSTER_SANITIZE MATCHES thread AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Asio has fences that ThreadSanitizer cannot see; its locks, which it sees, order the same.
    add_compile_options(-Wno-tsan)
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND MUSTER_SANITIZE MATCHES "undefined")
    # What Clang 14 puts before functions for this check it cannot put before coroutines' parts:
    # "Cannot represent a difference across sections".
    add_compile_options(-fno-sanitize=function)
  endif()
endif()

function(muster_layer name)
  cmake_parse_arguments(L "" "" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(muster_${name} OBJECT ${L_SOURCES})
  target_include_directories(muster_${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(muster_${name} PUBLIC ${L_DEPS} PRIVATE ${L_PRIVATE_DEPS} muster_flags)
endfunction()

# muster_use_pch(TARGET HEADER... | REUSE_FROM TARGET): precompiled headers, unless disabled. Sources
# include what they use all the same: clang-tidy sees them without.
option(MUSTER_PCH "Use precompiled headers" ON)
function(muster_use_pch target)
  if(NOT MUSTER_PCH)
    return()
  endif()
  if("${ARGV1}" STREQUAL REUSE_FROM)
    target_precompile_headers(${target} ${ARGN})
  else()
    target_precompile_headers(${target} PRIVATE ${ARGN})
  endif()
endfunction()
