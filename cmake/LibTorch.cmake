# ddpm::torch: LibTorch, which is found even without a CUDA toolkit.
#
# The search order is: Torch_DIR or CMAKE_PREFIX_PATH; the first Python with a recent torch (.venv
# of this source tree, then PATH); the system. Nothing is downloaded: scripts/setup.sh does that.
#
# Sets DDPM_WITH_CUDA (0 or 1), DDPM_LIBTORCH_VERSION ("2.11.0+cu130"), DDPM_CUDA_VERSION ("13.0",
# or "no" for a CPU build) and TORCH_INSTALL_PREFIX.
set(DDPM_LIBTORCH_MINIMUM 2.6)

# Finds the folders of TorchConfig.cmake in the Python packages `torch` without importing them,
# which would take seconds.
function(ddpm_torch_of_python result)
  find_program(venv_python python3 PATHS "${PROJECT_SOURCE_DIR}/.venv/bin" NO_DEFAULT_PATH NO_CACHE)
  find_program(path_python NAMES python3 python NO_CACHE)
  set(folders "")
  foreach(python IN LISTS venv_python path_python)
    if(python)
      execute_process(
        COMMAND "${python}" -c
          "import importlib.util as u; print(u.find_spec('torch').submodule_search_locations[0])"
        OUTPUT_VARIABLE package OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE status)
      if(status EQUAL 0)
        list(APPEND folders "${package}/share/cmake/Torch")
      endif()
    endif()
  endforeach()
  set(${result} "${folders}" PARENT_SCOPE)
endfunction()

# TorchConfig.cmake skips its whole CUDA part (toolkit, compiler and architecture flags, none of
# which our sources need) if this target exists.
if(NOT TARGET torch::cudart)
  add_library(torch::cudart INTERFACE IMPORTED)
endif()

function(ddpm_find_torch)
  set(CMAKE_MESSAGE_LOG_LEVEL ERROR)  # harmless warnings about libraries inside LibTorch
  find_package(Torch ${DDPM_LIBTORCH_MINIMUM} CONFIG QUIET
               NO_SYSTEM_ENVIRONMENT_PATH NO_CMAKE_SYSTEM_PATH NO_CMAKE_PACKAGE_REGISTRY)
  if(NOT Torch_FOUND)
    ddpm_torch_of_python(folders)
    find_package(Torch ${DDPM_LIBTORCH_MINIMUM} CONFIG QUIET HINTS ${folders})
  endif()
  foreach(name Torch_FOUND Torch_VERSION Torch_CONSIDERED_VERSIONS Torch_CONSIDERED_CONFIGS
               TORCH_INSTALL_PREFIX TORCH_INCLUDE_DIRS TORCH_CXX_FLAGS)
    set(${name} "${${name}}" PARENT_SCOPE)
  endforeach()
endfunction()
ddpm_find_torch()

if(NOT Torch_FOUND)
  set(seen "none was found")
  if(Torch_CONSIDERED_CONFIGS)
    set(seen "found only ${Torch_CONSIDERED_CONFIGS} (version ${Torch_CONSIDERED_VERSIONS})")
  endif()
  message(FATAL_ERROR
    "LibTorch >= ${DDPM_LIBTORCH_MINIMUM} is needed; ${seen}. Either let the script install it\n"
    "    ${PROJECT_SOURCE_DIR}/scripts/setup.sh\n"
    "or give the path of an installed one:\n"
    "    cmake -B build -DCMAKE_PREFIX_PATH=\"$(python3 -c 'import torch; print(torch.utils.cmake_prefix_path)')\"\n")
endif()
if(TORCH_CXX_FLAGS MATCHES "_GLIBCXX_USE_CXX11_ABI=0")
  message(FATAL_ERROR
    "The LibTorch in ${TORCH_INSTALL_PREFIX} was built with the old C++ ABI and cannot be linked "
    "with other libraries of this system. Run ${PROJECT_SOURCE_DIR}/scripts/setup.sh, which "
    "installs a suitable one, and configure again with an empty build folder.")
endif()

# The full version and the CUDA version are only in the Python part of a wheel.
set(DDPM_LIBTORCH_VERSION "${Torch_VERSION}")
set(libtorch_cuda_version "yes")
if(EXISTS "${TORCH_INSTALL_PREFIX}/version.py")
  file(STRINGS "${TORCH_INSTALL_PREFIX}/version.py" version_lines REGEX "^(__version__|cuda)")
  foreach(line IN LISTS version_lines)
    if(line MATCHES "^__version__ = '([^']+)'")
      set(DDPM_LIBTORCH_VERSION "${CMAKE_MATCH_1}")
    elseif(line MATCHES "^cuda.*= '([^']+)'")
      set(libtorch_cuda_version "${CMAKE_MATCH_1}")
    endif()
  endforeach()
endif()

# --- With or without CUDA ---------------------------------------------------------------------------
# Whether this machine could use CUDA: an NVIDIA GPU is visible, or there is a toolkit.
function(ddpm_machine_has_cuda result)
  find_program(nvcc nvcc PATHS /usr/local/cuda/bin NO_CACHE)
  if(EXISTS /dev/nvidiactl OR EXISTS /dev/dxg OR nvcc)
    set(${result} TRUE PARENT_SCOPE)
  else()
    set(${result} FALSE PARENT_SCOPE)
  endif()
endfunction()

# The reason why libtorch_cuda cannot be used, or empty. A wheel installed without its NVIDIA
# packages (as scripts/setup.sh does on a machine without a GPU) has the library but not its
# dependencies.
function(ddpm_why_no_cuda result)
  if(NOT TARGET torch_cuda)
    set(${result} "this LibTorch is a CPU build" PARENT_SCOPE)
    return()
  endif()
  set(${result} "" PARENT_SCOPE)
  execute_process(COMMAND ldd "${TORCH_INSTALL_PREFIX}/lib/libtorch_cuda.so"
                  OUTPUT_VARIABLE libraries ERROR_QUIET)
  string(REGEX MATCHALL "[^ \t\n]+ => not found" missing "${libraries}")
  list(FILTER missing EXCLUDE REGEX "^libcuda\\.so")  # of the driver; absent on some build machines
  if(missing)
    list(TRANSFORM missing REPLACE " => not found" "")
    list(REMOVE_DUPLICATES missing)
    list(JOIN missing ", " missing)
    set(${result} "LibTorch's NVIDIA packages are not installed (${missing})" PARENT_SCOPE)
  endif()
endfunction()

set(DDPM_WITH_CUDA 0)
set(cuda_reason "DDPM_CUDA=OFF")
string(TOUPPER "${DDPM_CUDA}" cuda_wanted)
if(cuda_wanted STREQUAL "AUTO")
  ddpm_machine_has_cuda(machine_has_cuda)
  if(machine_has_cuda)
    ddpm_why_no_cuda(cuda_reason)
  else()
    set(cuda_reason "no NVIDIA GPU and no CUDA toolkit here; -DDDPM_CUDA=ON overrides")
  endif()
elseif(cuda_wanted)
  ddpm_why_no_cuda(cuda_reason)
  if(cuda_reason)
    message(FATAL_ERROR "DDPM_CUDA=ON, but ${cuda_reason}. Get a LibTorch with CUDA:\n"
                        "    ${PROJECT_SOURCE_DIR}/scripts/setup.sh --full\n"
                        "or configure with -DDDPM_CUDA=OFF in an empty build folder.")
  endif()
endif()
if(NOT cuda_reason)
  set(DDPM_WITH_CUDA 1)
endif()

# --- The target -------------------------------------------------------------------------------------
# LibTorch's own `torch_library` would always link CUDA and add an empty MKL folder to RUNPATH.
add_library(ddpm_torch INTERFACE)
add_library(ddpm::torch ALIAS ddpm_torch)
target_include_directories(ddpm_torch SYSTEM INTERFACE ${TORCH_INCLUDE_DIRS})
target_compile_definitions(ddpm_torch INTERFACE
  DDPM_WITH_CUDA=${DDPM_WITH_CUDA}
  $<TARGET_PROPERTY:torch_cpu,INTERFACE_COMPILE_DEFINITIONS>)
set_target_properties(torch_cpu PROPERTIES INTERFACE_LINK_LIBRARIES "c10")
if(DDPM_WITH_CUDA)
  # The linker would drop libtorch_cuda, because no symbol of it is used: it registers its kernels
  # when it is loaded.
  set_target_properties(torch_cuda PROPERTIES INTERFACE_LINK_LIBRARIES "c10_cuda;torch_cpu"
                                              INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "")
  target_link_libraries(ddpm_torch INTERFACE -Wl,--no-as-needed torch_cuda -Wl,--as-needed)
endif()
target_link_libraries(ddpm_torch INTERFACE torch_cpu c10)

# at::parallel_for is a template: compiled without OpenMP it is an ordinary loop. The OpenMP library
# is the one that LibTorch loads.
find_package(OpenMP COMPONENTS CXX QUIET)
if(OpenMP_CXX_FOUND)
  target_compile_options(ddpm_torch INTERFACE ${OpenMP_CXX_FLAGS})
  target_link_options(ddpm_torch INTERFACE ${OpenMP_CXX_FLAGS})
else()
  message(STATUS "OpenMP: not found, some loops on the CPU will use one thread")
endif()

# The folder of the wheel's NVIDIA packages, beside torch. It may not exist.
cmake_path(GET TORCH_INSTALL_PREFIX PARENT_PATH DDPM_TORCH_NVIDIA)
file(GLOB DDPM_TORCH_NVIDIA "${DDPM_TORCH_NVIDIA}/nvidia/cu[0-9]*")

if(DDPM_WITH_CUDA)
  set(DDPM_CUDA_VERSION "${libtorch_cuda_version}")
  set(cuda_text "yes (${DDPM_CUDA_VERSION})")
else()
  set(DDPM_CUDA_VERSION "no")
  set(cuda_text "no (${cuda_reason})")
endif()
message(STATUS "LibTorch: ${DDPM_LIBTORCH_VERSION} in ${TORCH_INSTALL_PREFIX}")
message(STATUS "CUDA: ${cuda_text}")
