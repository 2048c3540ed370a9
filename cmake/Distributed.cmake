# What several processes need to compute together: sets DDPM_WITH_GLOO (on CPUs) and DDPM_WITH_NCCL (on GPUs) to 0 or 1.
# Without them the program computes in one process.

# --- gloo is part of LibTorch, but its headers are not; the few declarations that c10d's header needs are ours. They are
# tried out, once for a build folder.
set(DDPM_GLOO_DECLARATIONS "${PROJECT_SOURCE_DIR}/src/distributed/gloo_declarations")
if(NOT DEFINED DDPM_GLOO_LINKS)
  try_compile(DDPM_GLOO_LINKS "${PROJECT_BINARY_DIR}/gloo_probe" "${CMAKE_CURRENT_LIST_DIR}/gloo_probe.cpp"
              CMAKE_FLAGS "-DINCLUDE_DIRECTORIES=${DDPM_GLOO_DECLARATIONS};${TORCH_INCLUDE_DIRS}"
              LINK_LIBRARIES torch_cpu c10
              CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON
              OUTPUT_VARIABLE gloo_output)
  if(NOT DDPM_GLOO_LINKS)
    file(WRITE "${PROJECT_BINARY_DIR}/gloo_probe.log" "${gloo_output}")
  endif()
endif()
set(DDPM_WITH_GLOO 0)
set(gloo_text "no (${PROJECT_BINARY_DIR}/gloo_probe.log says why)")
if(DDPM_GLOO_LINKS)
  set(DDPM_WITH_GLOO 1)
  set(gloo_text "yes")
endif()

# --- NCCL is the one that LibTorch loads, so that a process has only one.
set(DDPM_WITH_NCCL 0)
set(nccl_text "no")
if(DDPM_WITH_KERNELS)
  cmake_path(GET TORCH_INSTALL_PREFIX PARENT_PATH packages)
  find_path(DDPM_NCCL_INCLUDE nccl.h HINTS "${packages}/nvidia/nccl/include" ${CUDAToolkit_INCLUDE_DIRS})
  find_library(DDPM_NCCL_LIBRARY NAMES libnccl.so.2 nccl HINTS "${packages}/nvidia/nccl/lib")
  if(DDPM_NCCL_INCLUDE AND DDPM_NCCL_LIBRARY)
    set(DDPM_WITH_NCCL 1)
    set(nccl_text "${DDPM_NCCL_LIBRARY}")
  else()
    set(nccl_text "no (nccl.h or libnccl.so.2 was not found)")
  endif()
endif()
message(STATUS "Several processes: gloo ${gloo_text}, NCCL ${nccl_text}")
