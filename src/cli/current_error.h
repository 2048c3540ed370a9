// What went wrong, in one form.
#pragma once

#include "ddpm/base/error.h"

namespace ddpm::cli {

// The exception that is being handled, with the message and the exit code that the program gives for it, also for
// those of LibTorch and of the standard library. To be called in a handler.
Error current_error();

}  // namespace ddpm::cli
