#include "ddpm/sampling/vocoder.h"

#include <algorithm>

#include "ddpm/architecture/hifi_gan_graph.h"
#include "ddpm/architecture/receptive_field.h"
#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/log.h"
#include "ddpm/io/hifi_gan_file.h"
#include "ddpm/io/weights.h"
#include "ddpm/nn/bound_network.h"

namespace ddpm {
namespace {

// Frames whose sound a window gives. More would save little of the context, which is computed twice;
// the feature maps of a window take 200 MB for the largest published generator.
constexpr std::int64_t kKeptFrames = 512;

HifiGanGenerator load_generator(const HifiGanFile& file, const Runtime& runtime) {
  const BoundNetwork<HifiGanGenerator> network(HifiGanGenerator(file.config), runtime.compute_dtype,
                                               runtime.device);
  load_tensors(without_weight_norm(file.tensors), network.tensors());
  return network.net();
}

// Passes samples on in pieces of a fixed size.
class Chunks {
 public:
  Chunks(std::int64_t size, const SoundSink& sink)
      : size_(static_cast<std::size_t>(size)), sink_(sink) {}

  // Whether the sink wants more.
  bool add(std::span<const float> samples) {
    if (size_ == 0) return sink_(samples);
    waiting_.insert(waiting_.end(), samples.begin(), samples.end());
    std::size_t done = 0;
    for (; waiting_.size() - done >= size_; done += size_)
      if (!sink_(std::span(waiting_).subspan(done, size_))) return false;
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(done));
    return true;
  }
  bool finish() { return waiting_.empty() || sink_(waiting_); }

 private:
  std::size_t size_;  // 0: as they come
  const SoundSink& sink_;
  std::vector<float> waiting_;
};

}  // namespace

std::vector<VocoderWindow> plan_windows(std::int64_t frames, std::int64_t kept,
                                        std::int64_t context) {
  if (frames <= kept + 2 * context) return {{0, frames, 0, frames}};
  // As many windows as needed, but equally filled: the last one does not compute much twice.
  const std::int64_t inner = frames - 2 * context;
  const std::int64_t count = (inner + kept - 1) / kept;
  const std::int64_t step = (inner + count - 1) / count;
  const std::int64_t length = step + 2 * context;
  std::vector<VocoderWindow> windows;
  std::int64_t done = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t begin = std::min(i * step, frames - length);
    const std::int64_t end = i + 1 == count ? frames : begin + length - context;
    windows.push_back({begin, begin + length, done, end});
    done = end;
  }
  return windows;
}

std::int64_t frames_of_context(const HifiGanConfig& config) {
  const PhaseField hop = receptive_field(hifi_gan_graph(config).axes.at(0).graph).whole_period;
  return std::max(hop.left, hop.right);
}

Vocoder::Vocoder(const std::filesystem::path& model, const Runtime& runtime)
    : runtime_(runtime), context_(0), generator_(nullptr) {
  const HifiGanFile file = open_hifi_gan(model);
  config_ = file.config;
  context_ = frames_of_context(config_);
  generator_ = load_generator(file, runtime_);
}

bool Vocoder::operator()(const torch::Tensor& mel, std::int64_t chunk, const SoundSink& sink) {
  const std::int64_t hop = hop_of(config_);
  Chunks chunks(chunk * hop, sink);
  for (const VocoderWindow& window : plan_windows(mel.size(1), kKeptFrames, context_)) {
    const torch::Tensor piece = mel.slice(1, window.begin, window.end).unsqueeze(0);
    const torch::Tensor sound = generator_(piece.to(runtime_.device))
                                    .to(torch::kCPU, torch::kFloat32)
                                    .flatten()
                                    .contiguous();
    const torch::Tensor kept = sound.slice(0, (window.kept_begin - window.begin) * hop,
                                           (window.kept_end - window.begin) * hop);
    if (!chunks.add({kept.const_data_ptr<float>(), static_cast<std::size_t>(kept.numel())}))
      return false;
  }
  return chunks.finish();
}

}  // namespace ddpm
