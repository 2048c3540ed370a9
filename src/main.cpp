// ddpm: train denoising diffusion models and sample from them. See README.md.
#include <cstdio>
#include <cstdlib>

#include "ddpm/cli/app.h"

// LibTorch registers its operators before main() and undoes it after. The second takes as long as a third
// of `ddpm --version` and changes nothing, so the process ends without it, once all output is written.
int main(int argc, char** argv) {
  const int code = ddpm::run_command_line(argc, argv);
  std::fflush(nullptr);
  std::_Exit(code);
}
