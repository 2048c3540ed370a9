#include "gather_batches.h"

#include <algorithm>
#include <numeric>

namespace ddpm {
namespace {

std::vector<std::int64_t> numbers_of_ranks(ProcessGroup& group, const std::string& name,
                                           std::int64_t own) {
  std::vector<std::int64_t> numbers;
  for (const std::string& text : group.collect(name, std::to_string(own)))
    numbers.push_back(std::stoll(text));
  return numbers;
}

}  // namespace

std::int64_t sum_over_ranks(ProcessGroup& group, const std::string& name, std::int64_t own) {
  const std::vector<std::int64_t> numbers = numbers_of_ranks(group, name, own);
  return std::accumulate(numbers.begin(), numbers.end(), std::int64_t{0});
}

// In each round every rank sends a tensor of the same shape, of zeros if it has no batch left.
std::vector<DrawnBatch> gather_batches(ProcessGroup& group, Communicator& communicator,
                                       const std::vector<DrawnBatch>& own,
                                       const DrawnShape& shape) {
  const World& world = communicator.world();
  const std::vector<std::int64_t> batches = numbers_of_ranks(group, "batches", std::ssize(own));
  const std::int64_t tensors = std::ranges::max(
      numbers_of_ranks(group, "tensors", own.empty() ? 0 : std::ssize(own.front())));
  std::vector<DrawnBatch> all;
  bool complete = true;
  for (std::int64_t round = 0; round < std::ranges::max(batches); ++round) {
    const torch::Tensor sent =
        torch::zeros({tensors, std::ranges::max(shape.batches), shape.image.channels,
                      shape.image.height, shape.image.width});
    if (round < std::ssize(own)) {
      const DrawnBatch& batch = own[static_cast<std::size_t>(round)];
      sent.narrow(1, 0, batch.front().size(0)).copy_(torch::stack(batch));
    }
    const torch::Tensor received = communicator.gather(sent);
    for (std::int64_t rank = 0; rank < world.size && complete; ++rank) {
      complete = round < batches[static_cast<std::size_t>(rank)];
      if (!complete) break;
      const auto batch = static_cast<std::size_t>(round * world.size + rank);
      all.push_back(received[rank].narrow(1, 0, shape.batches[batch]).clone().unbind());
    }
  }
  return all;
}

}  // namespace ddpm
