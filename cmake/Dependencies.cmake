# Finds the libraries except LibTorch. Installed libraries are preferred (Debian 12 and Ubuntu 24.04
# have packages of all, see scripts/setup.sh); pinned sources of the others are downloaded, unless
# DDPM_FETCH_DEPENDENCIES is OFF.
include(FetchContent)

# These belong to the compiler or the system and are never downloaded.
foreach(library Threads ZLIB OpenSSL)
  find_package(${library} QUIET)
  if(NOT ${library}_FOUND)
    message(FATAL_ERROR "${library} is not installed. Run ${PROJECT_SOURCE_DIR}/scripts/setup.sh, "
                        "which installs everything that is missing.")
  endif()
endforeach()

# ddpm_dependency(<package> <minimum> <pinned version> <url> <sha256>)
function(ddpm_dependency package minimum version url sha256)
  find_package(${package} ${minimum} QUIET)
  if(${package}_FOUND)
    message(STATUS "${package}: ${${package}_VERSION} (installed)")
    return()
  endif()
  if(NOT DDPM_FETCH_DEPENDENCIES)
    message(FATAL_ERROR "${package} >= ${minimum} is not installed. Run scripts/setup.sh, or "
                        "configure with -DDDPM_FETCH_DEPENDENCIES=ON to download it.")
  endif()
  message(STATUS "${package}: ${version} (not installed, downloading its sources)")
  set(CMAKE_CXX_CLANG_TIDY "")  # not our code
  FetchContent_Declare(${package} URL "${url}" URL_HASH SHA256=${sha256}
                       DOWNLOAD_EXTRACT_TIMESTAMP OFF)
  FetchContent_MakeAvailable(${package})
endfunction()

# Options of the downloaded projects: they build no tests and install nothing.
set(CLI11_BUILD_TESTS OFF CACHE INTERNAL "")
set(CLI11_BUILD_EXAMPLES OFF CACHE INTERNAL "")
set(CLI11_INSTALL OFF CACHE INTERNAL "")
set(JSON_BuildTests OFF CACHE INTERNAL "")
set(JSON_SystemInclude ON CACHE INTERNAL "")
set(SPDLOG_SYSTEM_INCLUDES ON CACHE INTERNAL "")
set(INSTALL_GTEST OFF CACHE INTERNAL "")
set(BUILD_GMOCK OFF CACHE INTERNAL "")

ddpm_dependency(CLI11 2.1 2.4.2
  https://github.com/CLIUtils/CLI11/archive/refs/tags/v2.4.2.tar.gz
  f2d893a65c3b1324c50d4e682c0cdc021dd0477ae2c048544f39eed6654b699a)
ddpm_dependency(nlohmann_json 3.10 3.11.3
  https://github.com/nlohmann/json/releases/download/v3.11.3/json.tar.xz
  d6c65aca6b1ed68e7a182f4757257b107ae403032760ed6ef121c9d55e81757d)
ddpm_dependency(spdlog 1.9 1.14.1
  https://github.com/gabime/spdlog/archive/refs/tags/v1.14.1.tar.gz
  1586508029a7d0670dfcb2d97575dcdc242d3868a259742b69f100801ab4e16b)
if(DDPM_BUILD_TESTS)
  ddpm_dependency(GTest 1.11 1.14.0
    https://github.com/google/googletest/archive/refs/tags/v1.14.0.tar.gz
    8ad598c73ad796e0d8280b082cebd82a630d73e73cd3c70057938a6501bba5d7)
endif()

# ddpm::stb is a set of single headers without version numbers or a CMake package, used as #include
# <stb_image.h>. The pinned commit is that of Ubuntu 24.04, the last package that still has
# stb_image_resize.h in its place.
find_path(DDPM_STB_INCLUDE_DIR stb_image_resize.h PATH_SUFFIXES stb)
if(NOT DDPM_STB_INCLUDE_DIR)
  if(NOT DDPM_FETCH_DEPENDENCIES)
    message(FATAL_ERROR "stb is not installed. Run scripts/setup.sh, or configure with "
                        "-DDDPM_FETCH_DEPENDENCIES=ON to download it.")
  endif()
  message(STATUS "stb: 5736b15 (not installed, downloading its sources)")
  FetchContent_Declare(stb
    URL https://github.com/nothings/stb/archive/5736b15f7ea0ffb08dd38af21067c314d6a3aae9.tar.gz
    URL_HASH SHA256=d00921d49b06af62aa6bfb97c1b136bec661dd11dd4eecbcb0da1f6da7cedb4c
    DOWNLOAD_EXTRACT_TIMESTAMP OFF)
  FetchContent_MakeAvailable(stb)
  set(DDPM_STB_INCLUDE_DIR "${stb_SOURCE_DIR}" CACHE PATH "Folder of stb_image.h" FORCE)
endif()
add_library(ddpm_stb INTERFACE)
add_library(ddpm::stb ALIAS ddpm_stb)
target_include_directories(ddpm_stb SYSTEM INTERFACE "${DDPM_STB_INCLUDE_DIR}")

# ddpm_optional_library(<name> <pkg-config module> <what is missing without it>): sets <name>_FOUND and
# makes the target PkgConfig::<name>.
find_package(PkgConfig QUIET)
macro(ddpm_optional_library name module consequence)
  if(PkgConfig_FOUND)
    pkg_check_modules(${name} QUIET IMPORTED_TARGET ${module})
  endif()
  if(${name}_FOUND)
    message(STATUS "lib${name}: ${${name}_VERSION} (installed)")
  else()
    message(STATUS "lib${name}: not installed; ${consequence}")
  endif()
endmacro()
ddpm_optional_library(webp libwebp "WebP files will not be read")
ddpm_optional_library(sndfile sndfile "of sound files only WAV will be read")
ddpm_optional_library(soxr soxr "sound will not be resampled")
