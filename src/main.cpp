// ddpm: train denoising diffusion models and sample from them. See README.md.
#include "ddpm/cli/app.h"

int main(int argc, char** argv) { return ddpm::run_command_line(argc, argv); }
