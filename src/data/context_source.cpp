#include "ddpm/data/context_source.h"

#include <utility>

#include "ddpm/base/random.h"
#include "ddpm/data/order.h"

namespace ddpm {

ContextSource::ContextSource(Contexts contexts, const ImageStore& images,
                             const ContextRequest& request, torch::Device device)
    : file_(std::move(contexts)), request_(request), rows_(file_.rows_of(images)) {
  const std::vector<std::int64_t> empty(static_cast<std::size_t>(request.count), -1);
  batch_ = file_.read(empty).to(device);
}

std::int64_t ContextSource::row_at(std::uint64_t position) const {
  const RandomKey key{
      .seed = request_.seed, .stream = RandomStream::kContextDropout, .sample = position};
  if (static_cast<double>(unit_float(random_word(key, 0))) < request_.dropout) return -1;
  return rows_[dataset_index(position, rows_.size(), request_.seed)];
}

void ContextSource::prepare(std::uint64_t first_position) {
  std::vector<std::int64_t> rows;
  for (std::int64_t i = 0; i < request_.count; ++i)
    rows.push_back(row_at(first_position + static_cast<std::uint64_t>(i)));
  batch_.copy_(file_.read(rows));
}

}  // namespace ddpm
