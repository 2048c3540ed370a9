#include "ddpm/distributed/communicator.h"

namespace ddpm {
namespace {

class Alone final : public Communicator {
 public:
  Alone() : Communicator(World{}) {}
  void sum(std::span<const torch::Tensor>) override {}
  void broadcast(std::span<const torch::Tensor>) override {}

 private:
  void exchange(const torch::Tensor& from, const torch::Tensor& to) override { to.copy_(from); }
  void gather_into(const torch::Tensor& own, const torch::Tensor& all) override { all.copy_(own); }
};

// Puts the sum of the rows of `parts`, in their order, in `sum`.
void add_rows(const torch::Tensor& parts, const torch::Tensor& sum) {
  sum.copy_(parts[0]);
  for (std::int64_t row = 1; row < parts.size(0); ++row) sum.add_(parts[row]);
}

}  // namespace

void Communicator::sum(std::span<const torch::Tensor> tensors) {
  torch::NoGradGuard no_grad;
  for (const torch::Tensor& tensor : tensors) sum_in_order(tensor.view({-1}));
}

torch::Tensor Communicator::gather(const torch::Tensor& own) {
  std::vector<std::int64_t> shape = own.sizes().vec();
  shape.insert(shape.begin(), world_.size);
  const torch::Tensor all = torch::empty(shape, own.options());
  gather_into(own.view({-1}), all.view({-1}));
  return all;
}

// Each rank adds one part of the tensor, of all ranks, and then all get all parts: twice the bytes of the tensor
// pass through each process, however many there are. What is left over is short and is added by everybody.
void Communicator::sum_in_order(const torch::Tensor& flat) {
  const std::int64_t share = flat.numel() / world_.size, parted = share * world_.size;
  if (share > 0) {
    const torch::Tensor body = flat.narrow(0, 0, parted);
    const torch::Tensor parts = torch::empty({world_.size, share}, flat.options());
    exchange(body, parts.view({-1}));
    const torch::Tensor own = torch::empty({share}, flat.options());
    add_rows(parts, own);
    gather_into(own, body);
  }
  if (const std::int64_t rest = flat.numel() - parted; rest > 0) {
    const torch::Tensor tail = flat.narrow(0, parted, rest);
    add_rows(gather(tail.contiguous()), tail);
  }
}

Communicator& alone() {
  static Alone communicator;
  return communicator;
}

}  // namespace ddpm
