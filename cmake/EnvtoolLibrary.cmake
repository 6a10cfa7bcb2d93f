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
  set(existing)
  foreach(source IN LISTS ARG_SOURCES) # BOOTSTRAP: while the libraries are being written
    if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${source})
      list(APPEND existing ${source})
    endif()
  endforeach()
  if(NOT existing)
    file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/empty.cpp "")
    set(existing ${CMAKE_CURRENT_BINARY_DIR}/empty.cpp)
  endif()
  add_library(envtool_${name} STATIC ${existing})
  add_library(envtool::${name} ALIAS envtool_${name})
  target_include_directories(envtool_${name}
    PUBLIC ${PROJECT_SOURCE_DIR}/include PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(envtool_${name} PRIVATE envtool_compile_options ${ARG_PRIVATE})
  envtool_allowed_dependencies(${name} dependencies)
  foreach(dependency IN LISTS dependencies)
    if(NOT TARGET envtool_${dependency}) # BOOTSTRAP
      continue()
    endif()
    target_link_libraries(envtool_${name} PUBLIC envtool_${dependency})
  endforeach()
endfunction()

function(envtool_unit_test name)
  if(NOT ENVTOOL_BUILD_TESTS)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "SOURCES;PRIVATE" ${ARGN})
  list(TRANSFORM ARG_SOURCES PREPEND ${PROJECT_SOURCE_DIR}/tests/unit/${name}/)
  set(existing)
  foreach(source IN LISTS ARG_SOURCES) # BOOTSTRAP
    if(EXISTS ${source})
      list(APPEND existing ${source})
    endif()
  endforeach()
  if(NOT existing)
    return()
  endif()
  add_executable(test_${name} ${existing})
  target_link_libraries(test_${name}
    PRIVATE envtool_${name} envtool_test_main envtool_compile_options ${ARG_PRIVATE})
  target_include_directories(test_${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/support)
  target_compile_definitions(test_${name} PRIVATE
    ENVTOOL_TEST_DATA="${PROJECT_SOURCE_DIR}/tests/data"
    ENVTOOL_SHARED_DATA="${PROJECT_SOURCE_DIR}/../shared/data")
  add_test(NAME unit.${name} COMMAND test_${name})
  # Exit code 4 of Catch2: no test ran. A suite that runs nothing must not count as passed.
  set_tests_properties(unit.${name} PROPERTIES LABELS unit TIMEOUT 300)
endfunction()
