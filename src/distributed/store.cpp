#include "store.h"

#include <c10/util/Logging.h>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <cstdlib>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"

namespace ddpm {

Store host_store(const std::string& host, std::uint16_t& port, std::chrono::milliseconds timeout) {
  c10d::TCPStoreOptions options;
  options.port = port;
  options.isServer = true;
  options.waitWorkers = false;
  options.timeout = timeout;
  try {
    auto store = c10::make_intrusive<c10d::TCPStore>(host, options);
    port = store->getPort();
    return store;
  } catch (const std::exception& error) {
    const std::string reason = reason_of(error);
    if (reason.find("EADDRINUSE") == std::string::npos)
      throw Error(ExitCode::kFailure, format_text("rank 0 cannot wait for the others at {}:{}: {}",
                                                  host, port, reason));
    throw Error(
        ExitCode::kFailure,
        format_text(
            "port {} of this host is taken, perhaps by another run: set MASTER_PORT to a free "
            "one for all processes",
            port));
  }
}

Store join_store(const std::string& host, std::uint16_t port, std::chrono::milliseconds timeout) {
  c10d::TCPStoreOptions options;
  options.port = port;
  options.waitWorkers = false;
  options.timeout = timeout;
  try {
    return c10::make_intrusive<c10d::TCPStore>(host, options);
  } catch (const std::exception& error) {
    throw Error(
        ExitCode::kFailure,
        format_text(
            "nobody answers at {}:{}, where rank 0 should wait: was it started, and is this its "
            "host (MASTER_ADDR) and port (MASTER_PORT)? {}",
            host, port, reason_of(error)));
  }
}

std::string reason_of(const std::exception& error) {
  const auto* torch = dynamic_cast<const c10::Error*>(&error);
  const std::string text = torch != nullptr ? torch->what_without_backtrace() : error.what();
  return text.substr(0, text.find('\n'));
}

std::string text_of(c10d::Store& store, const std::string& key) {
  return store.check({key}) ? store.get_to_str(key) : "";
}

void silence_c10d() {
  ::setenv("TORCH_CPP_LOG_LEVEL", "FATAL", /*overwrite=*/0);
  c10::initLogging();
}

}  // namespace ddpm
