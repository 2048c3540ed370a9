# DDPM_SANITIZE=address,undefined instruments everything that is built here, but not LibTorch.
# Therefore the check `vptr`, which needs LibTorch's hidden type information, is off, and tests run
# with detect_container_overflow=0 (see CMakePresets.json).
if(DDPM_SANITIZE)
  add_compile_options($<$<COMPILE_LANGUAGE:C,CXX>:-fsanitize=${DDPM_SANITIZE}>
                      $<$<COMPILE_LANGUAGE:C,CXX>:-fno-omit-frame-pointer>)
  add_link_options(-fsanitize=${DDPM_SANITIZE})
  if(DDPM_SANITIZE MATCHES "undefined")
    add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fno-sanitize=vptr>)
    # An error found ends the program, so that tests and fuzzers cannot miss it.
    add_compile_options($<$<COMPILE_LANGUAGE:C,CXX>:-fno-sanitize-recover=undefined>)
  endif()
endif()
