# ddpm_kernels: the hand-written CUDA kernels (src/kernels), or their stand-in where there is no CUDA
# compiler or LibTorch is used without CUDA.
#
# Sets DDPM_WITH_KERNELS (0 or 1). The sources know nothing of LibTorch, so its flags stay away.
set(DDPM_CUDA_ARCHITECTURES "" CACHE STRING
    "GPU architectures to compile kernels for, as CMAKE_CUDA_ARCHITECTURES takes them; empty: the GPU of this machine, else all that the toolkit and the kernels know")

# What nvidia-smi says this machine has, "90a-real" for example; empty without a GPU.
function(ddpm_native_architectures result)
  set(${result} "" PARENT_SCOPE)
  execute_process(COMMAND nvidia-smi --query-gpu=compute_cap --format=csv,noheader
                  OUTPUT_VARIABLE capabilities ERROR_QUIET RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    return()
  endif()
  string(REGEX MATCHALL "[0-9]+\\.[0-9]+" capabilities "${capabilities}")
  list(REMOVE_DUPLICATES capabilities)
  list(TRANSFORM capabilities REPLACE "\\." "")
  list(TRANSFORM capabilities REPLACE "^90$" "90a")
  list(TRANSFORM capabilities APPEND "-real")
  set(${result} "${capabilities}" PARENT_SCOPE)
endfunction()

# Architectures from Ampere to Blackwell that this nvcc knows.
function(ddpm_portable_architectures result)
  execute_process(COMMAND "${CMAKE_CUDA_COMPILER}" --list-gpu-code OUTPUT_VARIABLE known ERROR_QUIET)
  set(list "")
  foreach(architecture IN ITEMS 80 86 89 90 100 120)
    if(known MATCHES "sm_${architecture}")
      list(APPEND list "${architecture}-real")
    endif()
  endforeach()
  list(TRANSFORM list REPLACE "^90-real$" "90a-real")
  set(${result} "${list}" PARENT_SCOPE)
endfunction()

set(DDPM_WITH_KERNELS 0)
if(NOT DDPM_WITH_CUDA)
  set(kernels_text "no (LibTorch is used without CUDA)")
else()
  include(CheckLanguage)
  if(NOT CMAKE_CUDA_COMPILER)
    find_program(nvcc nvcc HINTS "${DDPM_TORCH_NVIDIA}/bin" PATHS /usr/local/cuda/bin NO_CACHE)
    if(nvcc)
      set(CMAKE_CUDA_COMPILER "${nvcc}" CACHE FILEPATH "CUDA compiler")
    endif()
  endif()
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    set(DDPM_WITH_KERNELS 1)
  else()
    set(kernels_text "no (no CUDA compiler; LibTorch's own operators are several times slower)")
  endif()
endif()

if(DDPM_WITH_KERNELS)
  set(CMAKE_CUDA_ARCHITECTURES OFF)  # set by target below
  set(CMAKE_CUDA_RUNTIME_LIBRARY Shared)  # the compiler from PyPI comes without the static one
  enable_language(CUDA)
  find_package(CUDAToolkit REQUIRED)
  set(architectures "${DDPM_CUDA_ARCHITECTURES}")
  if(NOT architectures)
    ddpm_native_architectures(architectures)
  endif()
  if(NOT architectures)
    ddpm_portable_architectures(architectures)
  endif()
  file(GLOB kernel_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/kernels/*.cu")
  add_library(ddpm_kernels STATIC ${kernel_sources})
  set_target_properties(ddpm_kernels PROPERTIES
    CUDA_ARCHITECTURES "${architectures}" CUDA_STANDARD 17 CUDA_RUNTIME_LIBRARY None)
  # The runtime library that LibTorch itself loads, so that the process has one.
  file(GLOB torch_cudart "${DDPM_TORCH_NVIDIA}/lib/libcudart.so.*")
  if(torch_cudart)
    list(GET torch_cudart 0 torch_cudart)
    target_link_libraries(ddpm_kernels PUBLIC "${torch_cudart}")
  else()
    target_link_libraries(ddpm_kernels PUBLIC CUDA::cudart)
  endif()
  # Headers of LibTorch's CUDA parts want the toolkit's.
  target_include_directories(ddpm_kernels SYSTEM PUBLIC ${CUDAToolkit_INCLUDE_DIRS})
  list(JOIN architectures ", " kernels_text)
else()
  add_library(ddpm_kernels STATIC "${PROJECT_SOURCE_DIR}/src/kernels/none.cpp")
endif()
target_include_directories(ddpm_kernels PUBLIC "${PROJECT_SOURCE_DIR}/include")
target_compile_definitions(ddpm_kernels PUBLIC DDPM_WITH_KERNELS=${DDPM_WITH_KERNELS})
message(STATUS "Kernels: ${kernels_text}")
