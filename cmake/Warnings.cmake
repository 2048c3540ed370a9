# ddpm::warnings: the warnings for our own code. Libraries are included as SYSTEM, without warnings.
set(warnings
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wcast-align -Wunused
  -Wextra-semi -Wdouble-promotion -Wimplicit-fallthrough
  -Wno-missing-field-initializers)  # structs of options set only the members that differ
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  list(APPEND warnings -Wduplicated-cond -Wlogical-op)
  list(APPEND warnings -Wno-maybe-uninitialized)  # false alarms about std::optional at -O2 and above
  if(CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # False alarms about std::string (GCC bugs 105651 and 105329).
    list(APPEND warnings -Wno-restrict -Wno-stringop-overflow -Wno-array-bounds)
  endif()
endif()
if(DDPM_WERROR)
  list(APPEND warnings -Werror)
endif()

add_library(ddpm_warnings INTERFACE)
add_library(ddpm::warnings ALIAS ddpm_warnings)
target_compile_options(ddpm_warnings INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:${warnings}>")
