# `cmake --install` writes a tree that can be moved and whose program runs from any folder.
#
# LibTorch (over a gigabyte) is not copied: the program's RUNPATH gives its folder. With
# DDPM_BUNDLE_LIBTORCH=ON the needed libraries are copied to lib/ddpm instead, and RUNPATH is
# relative.
#
# The program is not installed as a target, for which CMake would rewrite RUNPATH: it prepares that
# by ending the RUNPATH of the built program in an empty entry, and an empty entry lets the loader
# search the current folder (tests/check_runpath.sh). So the built program is copied as it is, and a
# bundle gets a program that is linked for it.
include(GNUInstallDirs)

if(TARGET ddpm_main)
  if(DDPM_BUNDLE_LIBTORCH)
    if(DDPM_WITH_CUDA)
      message(FATAL_ERROR "DDPM_BUNDLE_LIBTORCH is for CPU builds: add -DDDPM_CUDA=OFF.")
    endif()
    add_executable(ddpm_bundled "${PROJECT_SOURCE_DIR}/src/main.cpp")
    target_link_libraries(ddpm_bundled PRIVATE ddpm_cli ddpm::warnings)
    set_target_properties(ddpm_bundled PROPERTIES
      OUTPUT_NAME ddpm RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bundled"
      BUILD_WITH_INSTALL_RPATH ON
      INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}/ddpm")
    install(TARGETS ddpm_bundled RUNTIME_DEPENDENCY_SET ddpm_libraries)
    # The system's own libraries are not copied.
    install(RUNTIME_DEPENDENCY_SET ddpm_libraries
            POST_EXCLUDE_REGEXES "^/lib" "^/usr/lib"
            DIRECTORIES "${TORCH_INSTALL_PREFIX}/lib"
            LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}/ddpm")
  else()
    install(PROGRAMS "$<TARGET_FILE:ddpm_main>" DESTINATION "${CMAKE_INSTALL_BINDIR}")
  endif()
endif()

install(DIRECTORY "${PROJECT_SOURCE_DIR}/configs" DESTINATION "${CMAKE_INSTALL_DATADIR}/ddpm")
foreach(document README.md CHANGELOG.md LICENSE)
  if(EXISTS "${PROJECT_SOURCE_DIR}/${document}")
    install(FILES "${PROJECT_SOURCE_DIR}/${document}" DESTINATION "${CMAKE_INSTALL_DOCDIR}")
  endif()
endforeach()
install(FILES "${PROJECT_SOURCE_DIR}/src/tokenizer/embedded/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}"
        RENAME LICENSE.CLIP-vocabulary)
