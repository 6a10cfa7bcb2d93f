# envtool_library(NAME SOURCES ... [PRIVATE target ...])
#   One static library of one layer: src/NAME + include/envtool/NAME. Links the libraries that
#   cmake/layers.cmake allows it, so that table is the only place where a dependency is written.
# envtool_unit_test(NAME SOURCES ... [PRIVATE target ...])
#   The Catch2 program `test_NAME` of tests/unit/NAME.
include(${CMAKE_CURRENT_LIST_DIR}/layers.cmake)

function(envtool_allowed_dependencies name out)
  foreach(row IN LISTS ENVTOOL_LAYERS)
    if(row MATCHES "^${name}:(.*)$")
      string(REPLACE "," ";" dependencies "${CMAKE_MATCH_1}")
      set(${out} ${dependencies} PARENT_SCOPE)
      return()
    endif()
  endforeach()
  message(FATAL_ERROR "`${name}` has no row in cmake/layers.cmake")
endfunction()

function(envtool_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;PRIVATE" ${ARGN})
  add_library(envtool_${name} STATIC ${ARG_SOURCES})
  add_library(envtool::${name} ALIAS envtool_${name})
  target_include_directories(envtool_${name}
    PUBLIC ${PROJECT_SOURCE_DIR}/include PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(envtool_${name} PRIVATE envtool_compile_options ${ARG_PRIVATE})
  envtool_allowed_dependencies(${name} dependencies)
  foreach(dependency IN LISTS dependencies)
    target_link_libraries(envtool_${name} PUBLIC envtool_${dependency})
  endforeach()
endfunction()

function(envtool_unit_test name)
  if(NOT ENVTOOL_BUILD_TESTS)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "SOURCES;PRIVATE" ${ARGN})
  list(TRANSFORM ARG_SOURCES PREPEND ${PROJECT_SOURCE_DIR}/tests/unit/${name}/)
  add_executable(test_${name} ${ARG_SOURCES})
  target_link_libraries(test_${name}
    PRIVATE envtool_${name} envtool_test_main envtool_compile_options ${ARG_PRIVATE})
  target_include_directories(test_${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/support)
  target_precompile_headers(test_${name} REUSE_FROM envtool_test_main)
  # GCC 12 takes assignments of literals to std::string in long test functions for writes beyond the
  # short string's buffer when it optimises (GCC bug 105329); the sanitizer preset looks for real ones.
  target_compile_options(test_${name} PRIVATE
    $<$<CXX_COMPILER_ID:GNU>:-Wno-array-bounds> $<$<CXX_COMPILER_ID:GNU>:-Wno-stringop-overflow>)
  target_compile_definitions(test_${name} PRIVATE
    ENVTOOL_TEST_DATA="${PROJECT_SOURCE_DIR}/tests/data"
    ENVTOOL_SHARED_DATA="${PROJECT_SOURCE_DIR}/../shared/data")
  # A suite that runs nothing must not count as passed.
  add_test(NAME unit.${name} COMMAND test_${name} -w NoTests)
  set_tests_properties(unit.${name} PROPERTIES LABELS unit TIMEOUT 1200)
endfunction()
