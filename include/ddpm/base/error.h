// The program's exceptions. Every error that a user can cause or must react to is a `ddpm::Error`;
// its type decides the exit code of the program (docs/cli.md). The message says what failed, which
// file or key, why, and what to do about it.
#pragma once

#include <stdexcept>
#include <string>

namespace ddpm {

// Exit codes of the program; a contract with scripts.
enum class ExitCode : int {
  kSuccess = 0,
  kFailure = 1,     // the machine or the program: out of memory, no device, I/O
  kUsage = 2,       // command line or config
  kData = 3,        // images and data sets
  kCheckpoint = 4,  // checkpoints and model files
  kNonFinite = 5,   // training diverged
  // 128 + signal.
  kHungUp = 129,
  kInterrupted = 130,
  kPipeClosed = 141,  // who read standard output has gone
  kTerminated = 143,
};

class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ExitCode code() const noexcept { return code_; }

 private:
  ExitCode code_;
};

// A file could not be read, written, synced or renamed.
struct IoError : Error {
  explicit IoError(const std::string& message) : Error(ExitCode::kFailure, message) {}
};

// A file or folder that exists, or may exist, cannot be accessed: permission denied, a stale handle
// of a network file system, a failing disk. That says nothing about its content, so nobody may take
// it for missing or damaged.
struct AccessError : IoError {
  explicit AccessError(const std::string& message) : IoError(message) {}
};

// To be called in a handler of `error`, the reason why a file was not read. Throws `Blamed` with
// its message if the file is to blame: it is missing, too large or no file. Throws an AccessError
// again as it is.
template <class Blamed>
[[noreturn]] void blame_file(const IoError& error) {
  if (dynamic_cast<const AccessError*>(&error) != nullptr) throw;
  throw Blamed(error.what());
}

// The requested device does not exist or ran out of memory.
struct DeviceError : Error {
  explicit DeviceError(const std::string& message) : Error(ExitCode::kFailure, message) {}
};

// Wrong command line, unknown config key, value out of range, contradictory settings.
struct ConfigError : Error {
  explicit ConfigError(const std::string& message) : Error(ExitCode::kUsage, message) {}
};

// Missing, empty, broken or hostile data files.
struct DataError : Error {
  explicit DataError(const std::string& message) : Error(ExitCode::kData, message) {}
};

// Missing, damaged or mismatching weights and checkpoints.
struct CheckpointError : Error {
  explicit CheckpointError(const std::string& message) : Error(ExitCode::kCheckpoint, message) {}
};

// The loss or a gradient became infinite or NaN.
struct NonFiniteError : Error {
  explicit NonFiniteError(const std::string& message) : Error(ExitCode::kNonFinite, message) {}
};

// What `read` returns, which opens a file of data by a reader that is made for models too: what is
// wrong with the file is then the data's fault. `prefix` begins the message.
template <class Read>
auto read_as_data(const Read& read, const std::string& prefix = "") {
  try {
    return read();
  } catch (const CheckpointError& error) {
    throw DataError(prefix + error.what());
  }
}

}  // namespace ddpm
