#include "communicators.h"
#include "ddpm/base/error.h"
#include "ddpm/distributed/process_group.h"

#if DDPM_WITH_GLOO
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#endif

namespace ddpm {

#if DDPM_WITH_GLOO
namespace {

// A process that hangs is found by the monitor, which knows which it is; gloo's own limit comes later.
constexpr std::chrono::milliseconds kTimeout = std::chrono::hours(24);

class Gloo final : public Communicator {
 public:
  Gloo(const World& world, const Store& store) : Communicator(world) {
    auto options = c10d::ProcessGroupGloo::Options::create_default(kTimeout);
    // The name of a host may stand for an address that nobody is connected to; its own, nearest one always works.
    if (world.local_size == world.size)
      options->devices = {c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1")};
    group_ = c10::make_intrusive<c10d::ProcessGroupGloo>(
        c10::make_intrusive<c10d::PrefixStore>("gloo", store), static_cast<int>(world.rank),
        static_cast<int>(world.size), options);
  }

  void broadcast(std::span<const torch::Tensor> tensors) override {
    for (const torch::Tensor& tensor : tensors) {
      std::vector<torch::Tensor> list = {bytes_of(tensor.view({-1}))};
      wait([&] { return group_->broadcast(list); });
    }
  }

 private:
  // What is only moved needs no type.
  static torch::Tensor bytes_of(const torch::Tensor& flat) { return flat.view(torch::kUInt8); }

  void exchange(const torch::Tensor& from, const torch::Tensor& to) override {
    torch::Tensor input = bytes_of(from), output = bytes_of(to);
    std::vector<std::int64_t> equal_parts;
    wait([&] { return group_->alltoall_base(output, input, equal_parts, equal_parts); });
  }

  void gather_into(const torch::Tensor& own, const torch::Tensor& all) override {
    torch::Tensor input = bytes_of(own), output = bytes_of(all);
    wait([&] { return group_->_allgather_base(output, input); });
  }

  template <class Begin>
  static void wait(const Begin& begin) {
    try {
      begin()->wait();
    } catch (const std::exception& error) {
      throw ConnectionLost("the connection to another process broke: " + reason_of(error));
    }
  }

  c10::intrusive_ptr<c10d::ProcessGroupGloo> group_;
};

}  // namespace

std::unique_ptr<Communicator> make_gloo(const World& world, const Store& store, torch::Device) {
  return std::make_unique<Gloo>(world, store);
}
#else
std::unique_ptr<Communicator> make_gloo(const World&, const Store&, torch::Device) {
  throw DeviceError(
      "several processes cannot compute together on CPUs: the LibTorch of this program has no gloo that it "
      "can use; run one process, with more threads");
}
#endif

}  // namespace ddpm
