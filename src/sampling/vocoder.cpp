#include "ddpm/sampling/vocoder.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "ddpm/architecture/hifi_gan_graph.h"
#include "ddpm/architecture/receptive_field.h"
#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/log.h"
#include "ddpm/base/stopwatch.h"
#include "ddpm/io/hifi_gan_file.h"
#include "ddpm/io/weights.h"
#include "ddpm/nn/bound_network.h"

namespace ddpm {
namespace {

// Frames whose sound a window gives. More would save little of the context, which is computed twice;
// the feature maps of a window take 200 MB for the largest published generator.
constexpr std::int64_t kKeptFrames = 512;

// On a GPU a window uses a multiple of this many frames, and windows are computed in batches of these
// sizes, so that there are few shapes: cuDNN spends tens of milliseconds on each new one, and a recorded
// graph has one. Shorter spectrograms are computed as they are.
constexpr std::int64_t kKeptFactor = 64;
constexpr std::array<std::int64_t, 2> kBatchSizes = {8, 2};
constexpr std::int64_t kJobsAtOnce = 16;

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

// A window of one of the jobs.
struct Piece {
  std::size_t job;
  VocoderWindow window;
};

// The part of a window's sound that is used.
std::span<const float> kept_samples(const torch::Tensor& sound, const VocoderWindow& window,
                                    std::int64_t hop) {
  const auto all =
      std::span(sound.const_data_ptr<float>(), static_cast<std::size_t>(sound.numel()));
  return all.subspan(static_cast<std::size_t>((window.kept_begin - window.begin) * hop),
                     static_cast<std::size_t>((window.kept_end - window.kept_begin) * hop));
}

}  // namespace

std::vector<VocoderWindow> plan_fixed_windows(std::int64_t frames, std::int64_t kept,
                                              std::int64_t context) {
  const std::int64_t length = kept + 2 * context;
  std::vector<VocoderWindow> windows;
  std::int64_t done = 0;
  for (std::int64_t i = 0; done < frames; ++i) {
    const std::int64_t begin = std::min(i * kept, frames - length);
    const std::int64_t end = begin + length == frames ? frames : begin + length - context;
    windows.push_back({begin, begin + length, done, end});
    done = end;
  }
  return windows;
}

std::vector<VocoderWindow> plan_windows(std::int64_t frames, std::int64_t kept,
                                        std::int64_t context) {
  if (frames <= kept + 2 * context) return {{0, frames, 0, frames}};
  // As many windows as needed, but equally filled: the last one does not compute much twice.
  const std::int64_t inner = frames - 2 * context;
  const std::int64_t count = (inner + kept - 1) / kept;
  return plan_fixed_windows(frames, (inner + count - 1) / count, context);
}

std::int64_t frames_of_context(const HifiGanConfig& config) {
  const PhaseField hop = receptive_field(hifi_gan_graph(config).axes.at(0).graph).whole_period;
  return std::max(hop.left, hop.right);
}

Vocoder::Vocoder(const std::filesystem::path& model, const Runtime& runtime) : runtime_(runtime) {
  const HifiGanFile file = open_hifi_gan(model);
  config_ = file.config;
  context_ = frames_of_context(config_);
  generator_ = load_generator(file, runtime_);
}

std::int64_t Vocoder::jobs_at_once() const { return runtime_.device.is_cuda() ? kJobsAtOnce : 1; }

std::vector<VocoderWindow> Vocoder::plan(std::int64_t frames) const {
  if (!runtime_.device.is_cuda()) return plan_windows(frames, kKeptFrames, context_);
  // Of the lengths that are allowed, the one with which the fewest frames are computed twice.
  std::vector<VocoderWindow> best;
  std::int64_t fewest = std::numeric_limits<std::int64_t>::max();
  for (std::int64_t kept = kKeptFrames; kept > 0; kept -= kKeptFactor) {
    const std::int64_t length = kept + 2 * context_;
    if (frames < length) continue;
    std::vector<VocoderWindow> windows = plan_fixed_windows(frames, kept, context_);
    const std::int64_t computed = length * static_cast<std::int64_t>(windows.size());
    if (computed < fewest) {
      fewest = computed;
      best = std::move(windows);
    }
  }
  if (best.empty()) return {{0, frames, 0, frames}};
  return best;
}

std::int64_t Vocoder::batch_size(std::int64_t length, std::size_t waiting) const {
  const bool is_fixed = length >= kKeptFactor + 2 * context_;
  if (!runtime_.device.is_cuda() || !is_fixed) return 1;
  const auto [many, few] = kBatchSizes;
  return static_cast<std::int64_t>(waiting) >= many ? many : few;
}

torch::Tensor Vocoder::compute(const std::vector<torch::Tensor>& mels, std::int64_t batch) {
  if (batch == 1)
    return generator_(mels.at(0).unsqueeze(0).to(runtime_.device))
        .to(torch::kCPU, torch::kFloat32)
        .contiguous();
  const std::int64_t bands = mels.at(0).size(0), length = mels.at(0).size(1);
  const auto [entry, is_new] = recorded_.try_emplace({length, batch}, runtime_.device);
  Recorded& recorded = entry->second;
  if (is_new) {
    recorded.mels = torch::zeros({batch, bands, length}, runtime_.device);
    recorded.result =
        torch::empty({batch, length * hop_of(config_)}, torch::TensorOptions().pinned_memory(true));
  }
  for (std::size_t i = 0; i < mels.size(); ++i)
    recorded.mels[static_cast<std::int64_t>(i)].copy_(mels[i]);
  recorded.replay([&] { recorded.sounds = generator_(recorded.mels).to(torch::kFloat32); });
  recorded.result.copy_(recorded.sounds);
  return recorded.result;
}

bool Vocoder::operator()(const std::vector<VocoderJob>& jobs) {
  const std::int64_t hop = hop_of(config_);
  std::vector<Chunks> chunks;
  std::map<std::int64_t, std::vector<Piece>> waiting;  // by the length of the window
  for (const VocoderJob& job : jobs) {
    for (const VocoderWindow& window : plan(job.mel.size(1)))
      waiting[window.end - window.begin].push_back({chunks.size(), window});
    chunks.emplace_back(job.chunk * hop, job.sink);
  }
  for (const auto& [length, pieces] : waiting) {
    for (std::size_t done = 0; done < pieces.size();) {
      const std::int64_t batch = batch_size(length, pieces.size() - done);
      const auto count = std::min(static_cast<std::size_t>(batch), pieces.size() - done);
      const std::span<const Piece> part = std::span(pieces).subspan(done, count);
      std::vector<torch::Tensor> mels;
      for (const Piece& piece : part)
        mels.push_back(jobs[piece.job].mel.slice(1, piece.window.begin, piece.window.end));
      const Stopwatch watch;
      const torch::Tensor sounds = compute(mels, batch);
      seconds_ += watch.seconds();
      for (std::size_t i = 0; i < count; ++i)
        if (!chunks[part[i].job].add(
                kept_samples(sounds[static_cast<std::int64_t>(i)], part[i].window, hop)))
          return false;
      done += count;
    }
  }
  return std::ranges::all_of(chunks, [](Chunks& sound) { return sound.finish(); });
}

}  // namespace ddpm
