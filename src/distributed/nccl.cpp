#include "communicators.h"
#include "ddpm/base/error.h"
#include "ddpm/base/format.h"

#if DDPM_WITH_NCCL
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <nccl.h>

#include <cstdlib>
#include <cstring>
#include <stdexcept>
#endif

namespace ddpm {

#if DDPM_WITH_NCCL
namespace {

void check(ncclResult_t result, const char* call) {
  if (result == ncclSuccess) return;
  throw DeviceError(
      format_text("{}: {} ({})", call, ncclGetErrorString(result), ncclGetLastError(nullptr)));
}

ncclDataType_t type_of(const torch::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case torch::kFloat32:
      return ncclFloat32;
    case torch::kFloat64:
      return ncclFloat64;
    case torch::kBFloat16:
      return ncclBfloat16;
    case torch::kInt64:
      return ncclInt64;
    default:
      throw std::logic_error("no sum over processes of tensors of this type");
  }
}

// NCCL prints what NCCL_DEBUG asks for to standard output, where this program prints results. NVLink multicast adds
// in an order that changes from run to run.
void set_environment(bool in_order) {
  if (std::getenv("NCCL_DEBUG") != nullptr)
    ::setenv("NCCL_DEBUG_FILE", "/dev/stderr", /*overwrite=*/0);
  if (in_order) ::setenv("NCCL_NVLS_ENABLE", "0", /*overwrite=*/0);
}

ncclUniqueId share_id(const World& world, c10d::Store& store) {
  constexpr const char* kKey = "nccl";
  ncclUniqueId id{};
  if (world.leads()) {
    check(ncclGetUniqueId(&id), "ncclGetUniqueId");
    store.set(kKey, std::string(id.internal, sizeof id.internal));
    return id;
  }
  store.wait({kKey});
  std::memcpy(id.internal, store.get_to_str(kKey).data(), sizeof id.internal);
  return id;
}

// NCCL's own interface, on the current stream, so that its work is part of a recording like any other. It is never
// destroyed: that would wait for work of processes that may be gone, and the process ends soon after.
class Nccl final : public Communicator {
 public:
  Nccl(const World& world, c10d::Store& store, torch::Device device, bool in_order)
      : Communicator(world), in_order_(in_order) {
    set_environment(in_order);
    const ncclUniqueId id = share_id(world, store);
    const c10::cuda::CUDAGuard guard(device);
    check(ncclCommInitRank(&comm_, static_cast<int>(world.size), id, static_cast<int>(world.rank)),
          "ncclCommInitRank");
  }

  // The sum of two does not depend on their order.
  void sum(std::span<const torch::Tensor> tensors) override {
    if (in_order_ && world().size > 2) return Communicator::sum(tensors);
    check(ncclGroupStart(), "ncclGroupStart");
    for (const torch::Tensor& tensor : tensors)
      check(ncclAllReduce(tensor.data_ptr(), tensor.data_ptr(), count(tensor), type_of(tensor),
                          ncclSum, comm_, stream()),
            "ncclAllReduce");
    check(ncclGroupEnd(), "ncclGroupEnd");
  }

  void broadcast(std::span<const torch::Tensor> tensors) override {
    for (const torch::Tensor& tensor : tensors)
      check(ncclBroadcast(tensor.data_ptr(), tensor.data_ptr(), tensor.nbytes(), ncclUint8,
                          /*root=*/0, comm_, stream()),
            "ncclBroadcast");
  }

 private:
  static std::size_t count(const torch::Tensor& tensor) {
    return static_cast<std::size_t>(tensor.numel());
  }
  static cudaStream_t stream() { return c10::cuda::getCurrentCUDAStream().stream(); }

  void exchange(const torch::Tensor& from, const torch::Tensor& to) override {
    const std::size_t part = from.nbytes() / static_cast<std::size_t>(world().size);
    const auto* source = static_cast<const char*>(from.const_data_ptr());
    auto* target = static_cast<char*>(to.mutable_data_ptr());
    check(ncclGroupStart(), "ncclGroupStart");
    for (int rank = 0; rank < static_cast<int>(world().size); ++rank) {
      const std::size_t place = static_cast<std::size_t>(rank) * part;
      check(ncclSend(source + place, part, ncclUint8, rank, comm_, stream()), "ncclSend");
      check(ncclRecv(target + place, part, ncclUint8, rank, comm_, stream()), "ncclRecv");
    }
    check(ncclGroupEnd(), "ncclGroupEnd");
  }

  void gather_into(const torch::Tensor& own, const torch::Tensor& all) override {
    check(ncclAllGather(own.const_data_ptr(), all.mutable_data_ptr(), own.nbytes(), ncclUint8,
                        comm_, stream()),
          "ncclAllGather");
  }

  bool in_order_;
  ncclComm_t comm_ = nullptr;
};

}  // namespace

std::unique_ptr<Communicator> make_nccl(const World& world, const Store& store,
                                        torch::Device device, bool in_order) {
  return std::make_unique<Nccl>(world, *store, device, in_order);
}
#else
std::unique_ptr<Communicator> make_nccl(const World&, const Store&, torch::Device, bool) {
  throw DeviceError(
      "several GPUs cannot compute together: this program was built without NCCL (nccl.h and libnccl.so.2 beside "
      "LibTorch); run one process");
}
#endif

}  // namespace ddpm
