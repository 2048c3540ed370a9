# `cmake --install` writes a tree that can be moved and whose program runs from any folder.
#
# LibTorch (over a gigabyte) is not copied: the program's RUNPATH gives its folder. With
# DDPM_BUNDLE_LIBTORCH=ON the needed libraries are copied to lib/ddpm instead, and RUNPATH is
# relative.
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
    # INSTALL_RPATH_USE_LINK_PATH would leave out folders inside the source tree, such as .venv.
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
