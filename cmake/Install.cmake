# `cmake --install`: a tree that may be moved and runs from any folder.
#
# LibTorch (over a gigabyte) stays where it is and the program's RUNPATH names its folder; with
# DDPM_BUNDLE_LIBTORCH=ON the needed libraries are copied to lib/ddpm instead, and RUNPATH is relative.
include(GNUInstallDirs)

if(TARGET ddpm_main)
  if(DDPM_BUNDLE_LIBTORCH)
    if(DDPM_WITH_CUDA)
      message(FATAL_ERROR "DDPM_BUNDLE_LIBTORCH is for CPU builds: add -DDDPM_CUDA=OFF.")
    endif()
    set_target_properties(ddpm_main PROPERTIES
      INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}/ddpm")
    install(TARGETS ddpm_main RUNTIME_DEPENDENCY_SET ddpm_libraries)
    # The system's own libraries are not copied.
    install(RUNTIME_DEPENDENCY_SET ddpm_libraries
            POST_EXCLUDE_REGEXES "^/lib" "^/usr/lib"
            DIRECTORIES "${TORCH_INSTALL_PREFIX}/lib"
            LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}/ddpm")
  else()
    # Not INSTALL_RPATH_USE_LINK_PATH: that leaves out folders below the source tree, such as .venv.
    set_target_properties(ddpm_main PROPERTIES INSTALL_RPATH "${TORCH_INSTALL_PREFIX}/lib")
    install(TARGETS ddpm_main)
  endif()
endif()

install(DIRECTORY "${PROJECT_SOURCE_DIR}/configs" DESTINATION "${CMAKE_INSTALL_DATADIR}/ddpm")
foreach(document README.md CHANGELOG.md LICENSE)
  if(EXISTS "${PROJECT_SOURCE_DIR}/${document}")
    install(FILES "${PROJECT_SOURCE_DIR}/${document}" DESTINATION "${CMAKE_INSTALL_DOCDIR}")
  endif()
endforeach()
