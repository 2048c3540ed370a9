#include "current_error.h"

#include <c10/util/Exception.h>

#include <exception>
#include <filesystem>
#include <new>

#include "ddpm/base/format.h"
#include "ddpm/base/text.h"

namespace ddpm::cli {

Error current_error() {
  try {
    throw;
  } catch (const Error& error) {
    return error;
  } catch (const c10::Error& error) {
    return {ExitCode::kFailure, std::string("LibTorch: ") + error.what_without_backtrace()};
  } catch (const std::bad_alloc&) {
    return {ExitCode::kFailure, "out of memory"};
  } catch (const std::filesystem::filesystem_error& error) {
    return {ExitCode::kFailure,
            format_text("cannot access '{}': {}", shown(error.path1()), error.code().message())};
  } catch (const std::exception& error) {
    return {ExitCode::kFailure, error.what()};
  }
}

}  // namespace ddpm::cli
