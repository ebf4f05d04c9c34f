# What every target of the project is compiled with, in one place.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
set(CMAKE_VERIFY_INTERFACE_HEADER_SETS ON)

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)

# Not -Wnull-dereference: g++ 12 reports it inside inlined libstdc++ (reading a file through istreambuf_iterator), and
# more under sanitizers; clang-tidy's analyzer looks for the same with fewer false alarms.
add_library(portcullis_options INTERFACE)
target_compile_options(portcullis_options INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor
    -Wold-style-cast -Wcast-align -Wunused -Woverloaded-virtual
    -Wdouble-promotion -Wimplicit-fallthrough -Werror)
target_include_directories(portcullis_options INTERFACE "${CMAKE_SOURCE_DIR}")
target_compile_definitions(portcullis_options INTERFACE
    "PORTCULLIS_VERSION=\"${PROJECT_VERSION}\"")

if(CMAKE_UNITY_BUILD)
    # g++ takes the sources of a unit for headers, in which an unnamed namespace would be a mistake; and a local may have the
    # name of another source's constant.
    target_compile_options(portcullis_options INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage> -Wno-shadow)
endif()

if(PORTCULLIS_SANITIZE)
    add_compile_options(-fsanitize=${PORTCULLIS_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${PORTCULLIS_SANITIZE})
    add_compile_definitions(PORTCULLIS_SANITIZED)  # rules/counter_layout.h
endif()
# For code that nobody waits for: a sanitizer's build of it is made a quarter sooner without optimisation.
function(portcullis_compile_sooner target)
    if(PORTCULLIS_SANITIZE)
        target_compile_options(${target} PRIVATE -O0)
    endif()
endfunction()
if(PORTCULLIS_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()

find_program(PORTCULLIS_CCACHE ccache)
if(PORTCULLIS_CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER "${PORTCULLIS_CCACHE}")
endif()

# pkg-config modules as SYSTEM imported targets, so that our warnings are not theirs.
function(portcullis_find_package target module)
    pkg_check_modules(${target} REQUIRED IMPORTED_TARGET GLOBAL ${module})
endfunction()
