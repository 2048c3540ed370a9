# DDPM_SANITIZE=address,undefined instruments everything built here. LibTorch itself stays
# uninstrumented, therefore `vptr` (it needs LibTorch's hidden type information) is left out and
# tests run with detect_container_overflow=0 (see CMakePresets.json).
if(DDPM_SANITIZE)
  add_compile_options($<$<COMPILE_LANGUAGE:C,CXX>:-fsanitize=${DDPM_SANITIZE}>
                      $<$<COMPILE_LANGUAGE:C,CXX>:-fno-omit-frame-pointer>)
  add_link_options(-fsanitize=${DDPM_SANITIZE})
  if(DDPM_SANITIZE MATCHES "undefined")
    add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fno-sanitize=vptr>)
    # A finding ends the program, so that neither tests nor fuzzers pass over it.
    add_compile_options($<$<COMPILE_LANGUAGE:C,CXX>:-fno-sanitize-recover=undefined>)
  endif()
endif()
