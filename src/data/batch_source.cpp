#include "ddpm/data/batch_source.h"

#include "ddpm/ops/gather_images.h"

namespace ddpm {
namespace {

torch::Tensor move_to_device(const ImageStore& store, torch::Device device) {
  const ImageStoreInfo& info = store.info();
  const auto bytes = static_cast<double>(store.pixels().size());
  if (info.latents || !ops::can_gather_images(device, bytes)) return {};
  // from_blob needs a mutable pointer, but the copy only reads.
  auto* data = const_cast<std::uint8_t*>(store.pixels().data());
  return torch::from_blob(data,
                          {store.count(), info.stored_height, info.stored_width, info.channels},
                          torch::kUInt8)
      .to(device);
}

}  // namespace

BatchSource::BatchSource(const ImageStore& store, const BatchRequest& request, torch::Device device,
                         bool labelled)
    : store_(store),
      request_(request),
      resident_(move_to_device(store, device)),
      pixels_(torch::empty({request.count, store.height(), store.width(), store.channels()},
                           torch::TensorOptions().dtype(torch::kFloat32).device(device))),
      images_(pixels_.permute({0, 3, 1, 2})) {
  if (labelled) labels_ = std::make_unique<StepInputs>(device, request.count, 0);
}

void BatchSource::prepare(std::uint64_t first_position) {
  request_.first_position = first_position;
  if (resident_.defined()) {
    if (labels_) set_labels(batch_labels(store_, request_));
    return;
  }
  const Batch batch = make_batch(store_, request_);
  images_.copy_(batch.images);
  if (labels_) set_labels(batch.labels);
}

void BatchSource::set_labels(const torch::Tensor& labels) {
  labels_->set({labels.const_data_ptr<std::int64_t>(), static_cast<std::size_t>(labels.numel())},
               {});
}

const torch::Tensor& BatchSource::images(const torch::Tensor& first_position) {
  if (resident_.defined())
    ops::gather_images(resident_, first_position,
                       {.seed = request_.seed,
                        .horizontal_flip = request_.horizontal_flip,
                        .random_crop = request_.random_crop,
                        .symmetric = request_.range == PixelRange::kSymmetric},
                       pixels_);
  return images_;
}

}  // namespace ddpm
