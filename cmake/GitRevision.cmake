# Target ddpm_git_revision: keeps <build>/generated/git_revision.h up to date on every build. The
# file is rewritten only when the revision changes, and only src/base/version.cpp includes it.
set(DDPM_GENERATED_DIR "${PROJECT_BINARY_DIR}/generated")
add_custom_target(ddpm_git_revision
  COMMAND "${CMAKE_COMMAND}" "-DSOURCE_DIR=${PROJECT_SOURCE_DIR}"
          "-DOUTPUT=${DDPM_GENERATED_DIR}/git_revision.h"
          -P "${CMAKE_CURRENT_LIST_DIR}/write_git_revision.cmake"
  BYPRODUCTS "${DDPM_GENERATED_DIR}/git_revision.h"
  COMMENT "")
