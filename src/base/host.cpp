#include "ddpm/base/host.h"

#include <unistd.h>

#include <array>

namespace ddpm {

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "localhost";
}

}  // namespace ddpm
