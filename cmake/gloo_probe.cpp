// Whether a program that uses c10d's gloo with our declarations compiles and links (cmake/Distributed.cmake).
#include <torch/csrc/distributed/c10d/HashStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

int main() {
  auto options = c10d::ProcessGroupGloo::Options::create_default();
  options->devices = {c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1")};
  const auto store = c10::make_intrusive<c10d::HashStore>();
  return c10::make_intrusive<c10d::ProcessGroupGloo>(store, 0, 1, options)->getSize() - 1;
}
