# One static library and one test program per folder: every *_test.cc belongs to the folder's test program without
# being listed, so a test cannot be forgotten.
option(CLOCHE_WERROR "Warnings are errors" ON)
set(stub_asked_for OFF)
if(NOT "$ENV{CLOCHE_STUB}" STREQUAL "" AND NOT "$ENV{CLOCHE_STUB}" STREQUAL "0")
  set(stub_asked_for ON)
endif()
option(CLOCHE_STUB "Build what only answers, without kernels: see include/cloche/stub.h" ${stub_asked_for})
set(CLOCHE_SANITIZE "" CACHE STRING "Sanitizers, as -fsanitize= takes them")

add_library(cloche_flags INTERFACE)
target_compile_options(cloche_flags INTERFACE -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion
  -fno-strict-aliasing $<$<BOOL:${CLOCHE_WERROR}>:-Werror>)
target_include_directories(cloche_flags INTERFACE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include)
target_compile_definitions(cloche_flags INTERFACE _FILE_OFFSET_BITS=64 CLOCHE_VERSION="${PROJECT_VERSION}")
if(CLOCHE_SANITIZE)
  target_compile_options(cloche_flags INTERFACE -fsanitize=${CLOCHE_SANITIZE} -fno-omit-frame-pointer -g)
  target_link_options(cloche_flags INTERFACE -fsanitize=${CLOCHE_SANITIZE})
endif()

# The headers that nearly every file includes, read once: most of the time to build would go into them. tools/tidy and
# the preset clang compile without.
file(WRITE ${CMAKE_BINARY_DIR}/empty.cc.new "")
file(COPY_FILE ${CMAKE_BINARY_DIR}/empty.cc.new ${CMAKE_BINARY_DIR}/empty.cc ONLY_IF_DIFFERENT)
add_library(cloche_headers OBJECT ${CMAKE_BINARY_DIR}/empty.cc)
add_executable(cloche_test_headers ${CMAKE_BINARY_DIR}/empty.cc)  # Programs and libraries are compiled differently.
set(common_headers <algorithm> <array> <chrono> <functional> <memory> <optional> <span> <string> <string_view> <vector>
  ${CMAKE_SOURCE_DIR}/src/base/format_once.h)
target_precompile_headers(cloche_headers PRIVATE ${common_headers})
target_precompile_headers(cloche_test_headers PRIVATE ${common_headers} <gtest/gtest.h> <gmock/gmock.h>)
foreach(target cloche_headers cloche_test_headers)
  target_link_libraries(${target} PRIVATE cloche_flags fmt::fmt-header-only)
endforeach()
target_link_libraries(cloche_test_headers PRIVATE GTest::gtest GTest::gmock GTest::gtest_main)
target_compile_options(cloche_test_headers PRIVATE -O0)

# cloche_test(NAME SOURCE...): the unit tests of one folder. Optimizing tests takes longer than they run.
function(cloche_test name)
  add_executable(${name}_test ${ARGN})
  target_precompile_headers(${name}_test REUSE_FROM cloche_test_headers)
  target_compile_options(${name}_test PRIVATE -O0)
  target_link_libraries(${name}_test PRIVATE GTest::gtest GTest::gmock GTest::gtest_main)
  add_test(NAME unit.${name} COMMAND ${name}_test)
  set_tests_properties(unit.${name} PROPERTIES LABELS unit TIMEOUT 120)
endfunction()

# cloche_library(NAME [DEPS other...]): library cloche_NAME from this folder's *.cc, tests from its *_test.cc.
function(cloche_library name)
  cmake_parse_arguments(ARG "" "" "DEPS;TEST_DEPS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS *.cc)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "(_test|_main)\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  if(sources)
    add_library(cloche_${name} STATIC ${sources})
    target_precompile_headers(cloche_${name} REUSE_FROM cloche_headers)
    set(scope PUBLIC)
  else()
    add_library(cloche_${name} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_link_libraries(cloche_${name} ${scope} cloche_flags fmt::fmt-header-only)
  foreach(dep ${ARG_DEPS})
    target_link_libraries(cloche_${name} ${scope} cloche_${dep})
  endforeach()
  if(tests)
    cloche_test(${name} ${tests})
    target_link_libraries(${name}_test PRIVATE cloche_${name})
    foreach(dep ${ARG_TEST_DEPS})
      target_link_libraries(${name}_test PRIVATE cloche_${dep})
    endforeach()
  endif()
endfunction()

# cloche_program(NAME MAIN [DEPS ...]): a static program, so that its start costs no dynamic linking.
function(cloche_program name main)
  cmake_parse_arguments(ARG "" "" "DEPS" ${ARGN})
  add_executable(${name} ${main})
  target_link_libraries(${name} PRIVATE cloche_flags fmt::fmt-header-only)
  foreach(dep ${ARG_DEPS})
    target_link_libraries(${name} PRIVATE cloche_${dep})
  endforeach()
  if(NOT CLOCHE_SANITIZE)
    target_link_options(${name} PRIVATE -static -no-pie -Wl,--gc-sections)
  endif()
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
endfunction()

# cloche_shared(TARGET FOLDER NAME SOVERSION EXPORTS [object...]): a shared library of these objects and of what is
# linked to it. It needs the C library alone, and exports what its map says.
function(cloche_shared target folder name soversion exports)
  add_library(${target} SHARED ${ARGN})
  target_link_options(${target} PRIVATE -Wl,--version-script=${exports} -Wl,--gc-sections -Wl,--no-undefined)
  if(NOT CLOCHE_SANITIZE)
    target_link_options(${target} PRIVATE -static-libstdc++ -static-libgcc)
  endif()
  set_target_properties(${target} PROPERTIES OUTPUT_NAME ${name} SOVERSION ${soversion} LINK_DEPENDS ${exports}
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/${folder})
endfunction()

# cloche_install_library(TARGET VERSION HEADER PC): a shared library with its C header and what pkg-config reads, PC.in
# of this folder. The installation can be moved.
function(cloche_install_library target version header pc)
  set_target_properties(${target} PROPERTIES VERSION ${version})
  file(RELATIVE_PATH PREFIX_FROM_PC /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
  configure_file(${pc}.in ${CMAKE_BINARY_DIR}/${pc} @ONLY)
  install(TARGETS ${target} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(FILES ${CMAKE_SOURCE_DIR}/include/${header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(FILES ${CMAKE_BINARY_DIR}/${pc} DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endfunction()
