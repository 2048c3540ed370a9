#include "ddpm/evaluation/image_summary.h"

#include "ddpm/base/error.h"

namespace ddpm {

ImageSummarizer::ImageSummarizer(const FeatureExtractor* extractor, bool patches,
                                 std::int64_t images)
    : extractor_(extractor) {
  if (patches) patches_.emplace(images);
}

void ImageSummarizer::add(const torch::Tensor& pixels) {
  if (patches_) patches_->add(pixels, count_);
  if (extractor_ != nullptr)
    for (const torch::Tensor& part : pixels.split(extractor_->batch_size)) {
      const Features features = extractor_->extract(part);
      if (!features.features.isfinite().all().item<bool>())
        throw DataError(extractor_->name + ": some features are not finite");
      features_.push_back(features.features);
      if (features.logits.defined()) logits_.push_back(features.logits);
    }
  count_ += pixels.size(0);
}

ImageSummary ImageSummarizer::finish() const {
  ImageSummary summary{.count = count_, .features = {}, .patches = {}};
  if (!features_.empty()) summary.features.features = torch::cat(features_);
  if (!logits_.empty()) summary.features.logits = torch::cat(logits_);
  if (patches_) summary.patches = patches_->finish();
  return summary;
}

}  // namespace ddpm
