# Build helpers: one static library, one test program and any number of benchmarks and fuzz targets per folder.

add_library(hadal_flags INTERFACE)
target_include_directories(hadal_flags INTERFACE ${PROJECT_SOURCE_DIR}/src)
target_compile_options(hadal_flags INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 and 13 see bounds broken inside std::string's own operator+ (GCC bugs 105329, 105651), depending on the
  # optimiser's mood and on the length of this folder's path. The sanitizer builds find what is real.
  target_compile_options(hadal_flags INTERFACE -Wno-array-bounds -Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread)
  if(HADAL_UNITY)
    # Where files are compiled together GCC takes a class in an anonymous namespace for one of a header, and, with more
    # inlined, a std::variant that was moved from for one that was never written; and a local name may be another file's too.
    # Builds file by file keep these warnings.
    target_compile_options(hadal_flags INTERFACE -Wno-subobject-linkage -Wno-maybe-uninitialized -Wno-shadow)
  endif()
endif()
if(HADAL_WERROR)
  target_compile_options(hadal_flags INTERFACE -Werror)
endif()
find_package(Threads REQUIRED)
target_link_libraries(hadal_flags INTERFACE Threads::Threads)
if(HADAL_SANITIZE)
  target_compile_options(hadal_flags INTERFACE -fsanitize=${HADAL_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(hadal_flags INTERFACE -fsanitize=${HADAL_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC's manual: sanitizers make this warning wrong at times (a moved std::variant, here).
    target_compile_options(hadal_flags INTERFACE -Wno-maybe-uninitialized)
  endif()
endif()
if(HADAL_FUZZ)
  target_compile_options(hadal_flags INTERFACE -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all)
  target_link_options(hadal_flags INTERFACE -fsanitize=address,undefined)
endif()

# The standard headers that nearly every file includes, compiled once for all libraries, and with GoogleTest once for all
# tests (programs are compiled as -fPIE, which cannot share the libraries' header). Files with options of their own, the
# kernels of one instruction set, cannot share it either and set SKIP_PRECOMPILE_HEADERS.
set(HADAL_COMMON_HEADERS
  <algorithm> <array> <atomic> <charconv> <chrono> <cmath> <condition_variable> <cstdint> <cstdio> <cstdlib> <cstring>
  <deque> <functional> <map> <memory> <mutex> <optional> <set> <span> <string> <string_view> <thread> <unordered_map>
  <utility> <variant> <vector>)
# And a folder's files are compiled eight at a time: what they include and what templates make of it is then compiled once
# for all eight, which halves the build. Names in a file's anonymous namespace must differ within the folder
# (tools/check_names.py). Tests, whose helpers like to share names, are compiled one by one.
set(HADAL_UNITY_BATCH 8)
if(HADAL_UNITY)
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/pch.cc CONTENT "int main() { return 0; }\n")
  add_library(hadal_pch STATIC ${CMAKE_BINARY_DIR}/pch.cc)
  target_link_libraries(hadal_pch PRIVATE hadal_flags)
  target_precompile_headers(hadal_pch PRIVATE ${HADAL_COMMON_HEADERS})
  if(HADAL_TESTS)
    find_package(GTest REQUIRED)
    add_executable(hadal_test_pch ${CMAKE_BINARY_DIR}/pch.cc)
    target_link_libraries(hadal_test_pch PRIVATE hadal_flags GTest::gmock GTest::gtest)
    target_precompile_headers(hadal_test_pch PRIVATE ${HADAL_COMMON_HEADERS} <random> <gmock/gmock.h> <gtest/gtest.h>)
  endif()
endif()

# hadal_library(NAME [SEPARATE] SOURCES... DEPS folder... LINK library...)
# Makes hadal_NAME. DEPS name other hadal folders; LINK names outside libraries. SEPARATE: each file is compiled by itself
# in unity builds too: kernels, whose code the optimiser must see alone, and tables that have one name in every file.
function(hadal_library name)
  cmake_parse_arguments(A "SEPARATE" "" "SOURCES;DEPS;LINK;PRIVATE_LINK" ${ARGN})
  add_library(hadal_${name} STATIC ${A_SOURCES})
  if(HADAL_FUZZ)
    # Only what a fuzz target links is built.
    set_target_properties(hadal_${name} PROPERTIES EXCLUDE_FROM_ALL ON)
  endif()
  target_link_libraries(hadal_${name} PUBLIC hadal_flags ${A_LINK} PRIVATE ${A_PRIVATE_LINK})
  if(HADAL_UNITY)
    target_precompile_headers(hadal_${name} REUSE_FROM hadal_pch)
    if(NOT A_SEPARATE)
      set_target_properties(hadal_${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE ${HADAL_UNITY_BATCH})
    endif()
  endif()
  foreach(dep ${A_DEPS})
    target_link_libraries(hadal_${name} PUBLIC hadal_${dep})
  endforeach()
endfunction()

# hadal_test(NAME SOURCES... DEPS folder... [LABELS label...] [TIMEOUT seconds])
# Makes the GoogleTest program NAME and registers it with CTest.
function(hadal_test name)
  if(NOT HADAL_TESTS OR HADAL_FUZZ)
    return()
  endif()
  cmake_parse_arguments(A "" "TIMEOUT" "SOURCES;DEPS;LINK;LABELS" ${ARGN})
  find_package(GTest REQUIRED)
  add_executable(${name} ${A_SOURCES})
  target_link_libraries(${name} PRIVATE hadal_flags GTest::gmock GTest::gtest GTest::gtest_main ${A_LINK})
  if(HADAL_UNITY)
    target_precompile_headers(${name} REUSE_FROM hadal_test_pch)
  endif()
  foreach(dep ${A_DEPS})
    target_link_libraries(${name} PRIVATE hadal_${dep})
  endforeach()
  target_compile_definitions(${name} PRIVATE HADAL_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  add_test(NAME ${name} COMMAND ${name})
  if(NOT A_TIMEOUT)
    set(A_TIMEOUT 300)
  endif()
  if(HADAL_SANITIZE)
    math(EXPR A_TIMEOUT "${A_TIMEOUT} * 6")
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${A_TIMEOUT} LABELS "${A_LABELS}")
endfunction()

# hadal_bench(NAME SOURCES... DEPS folder...): a program under build/*/bench that prints figures; never part of the tests.
function(hadal_bench name)
  if(NOT HADAL_BENCH OR HADAL_FUZZ)
    return()
  endif()
  cmake_parse_arguments(A "" "" "SOURCES;DEPS;LINK" ${ARGN})
  add_executable(${name} ${A_SOURCES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bench)
  target_link_libraries(${name} PRIVATE hadal_flags ${A_LINK})
  foreach(dep ${A_DEPS})
    target_link_libraries(${name} PRIVATE hadal_${dep})
  endforeach()
endfunction()

# hadal_fuzz(NAME SOURCES... DEPS folder...): a libFuzzer program under build/fuzz/fuzz, built by the preset `fuzz`.
function(hadal_fuzz name)
  if(NOT HADAL_FUZZ)
    return()
  endif()
  cmake_parse_arguments(A "" "" "SOURCES;DEPS;LINK" ${ARGN})
  add_executable(${name} ${A_SOURCES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
  target_link_libraries(${name} PRIVATE hadal_flags ${A_LINK})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  foreach(dep ${A_DEPS})
    target_link_libraries(${name} PRIVATE hadal_${dep})
  endforeach()
endfunction()
