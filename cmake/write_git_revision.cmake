# cmake -DSOURCE_DIR=... -DOUTPUT=... -P write_git_revision.cmake
# The revision is "unknown" without .git (a source archive) and ends in "-dirty" if files changed.
set(revision "")
if(EXISTS "${SOURCE_DIR}/.git")
  # safe.directory is needed because root may build a tree that belongs to another user.
  execute_process(
    COMMAND git -c "safe.directory=*" -C "${SOURCE_DIR}" describe --always --dirty --abbrev=12
            --exclude=*
    OUTPUT_VARIABLE revision OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE status)
endif()
if(revision STREQUAL "")
  set(revision "unknown")
endif()

set(text "#define DDPM_GIT_REVISION \"${revision}\"\n")
set(old "")
if(EXISTS "${OUTPUT}")
  file(READ "${OUTPUT}" old)
endif()
if(NOT old STREQUAL text)
  file(WRITE "${OUTPUT}" "${text}")
endif()
