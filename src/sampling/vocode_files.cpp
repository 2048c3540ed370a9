#include "ddpm/sampling/vocode_files.h"

#include <algorithm>
#include <iostream>
#include <memory>

#include "ddpm/audio/mel_scale.h"
#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/format.h"
#include "ddpm/base/log.h"
#include "ddpm/base/output.h"
#include "ddpm/base/signals.h"
#include "ddpm/base/stopwatch.h"
#include "ddpm/base/text.h"
#include "ddpm/data/mel_spectrogram.h"
#include "ddpm/data/sound_files.h"
#include "ddpm/image/codec.h"
#include "ddpm/image/spectrogram.h"
#include "ddpm/io/mel_file.h"

namespace ddpm {
namespace {

constexpr std::string_view kStandardOutput = "-";

// Writes the sound of one spectrogram and keeps it if there will be a picture of it.
class SoundOutput {
 public:
  SoundOutput(const VocodeRequest& request, const fs::path& path, const MelConfig& mel,
              std::int64_t samples)
      : keep_(request.picture), path_(path), mel_(mel) {
    WavWriter::Sink sink = [](std::span<const std::byte> bytes) {
      std::cout.write(reinterpret_cast<const char*>(bytes.data()),
                      static_cast<std::streamsize>(bytes.size()));
      std::cout.flush();
      if (!std::cout) throw IoError("standard output cannot be written to");
    };
    if (path != kStandardOutput) {
      file_.emplace(path);
      sink = [this](std::span<const std::byte> bytes) { file_->write(bytes); };
    }
    writer_.emplace(std::move(sink), mel.sampling_rate, samples, request.format);
  }

  void write(std::span<const float> samples) {
    writer_->write(samples);
    if (keep_) sound_.insert(sound_.end(), samples.begin(), samples.end());
  }

  void finish() {
    if (file_) file_->finish();
    if (!keep_) return;
    try {
      write_picture();
    } catch (const DataError& error) {  // the sound itself is whole
      log_warning("{}: there is no picture of it: {}", shown(path_), error.what());
    }
  }

 private:
  void write_picture() const {
    const torch::Tensor mel = mel_spectrogram(sound_, mel_);
    SpectrogramPlot plot{
        .bands = mel.size(0),
        .frames = mel.size(1),
        .values = {mel.const_data_ptr<float>(), static_cast<std::size_t>(mel.numel())},
        .seconds = static_cast<double>(sound_.size()) / static_cast<double>(mel_.sampling_rate),
        .title = printable(path_.filename().string())};
    const double low = hertz_to_mel(mel_.lowest), high = hertz_to_mel(mel_.highest);
    for (const double hertz : {250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0, 16000.0}) {
      const double position = (hertz_to_mel(hertz) - low) / (high - low);
      if (position > 0 && position < 1)
        plot.labels.push_back({position * static_cast<double>(mel_.bands + 1) - 1,
                               format_text("{} Hz", static_cast<int>(hertz))});
    }
    write_png(fs::path(path_).replace_extension(".png"), draw_spectrogram(plot));
  }

  bool keep_;
  fs::path path_;
  MelConfig mel_;
  std::optional<FileWriter> file_;
  std::optional<WavWriter> writer_;
  std::vector<float> sound_;
};

torch::Tensor read_input(const fs::path& input, const VocodeRequest& request,
                         const MelConfig& mel) {
  return request.input_is_sound ? mel_of_file(input, mel) : read_mel(input, mel.bands);
}

// Files whose sounds are made together.
class Group {
 public:
  Group(Vocoder& vocoder, const VocodeRequest& request) : vocoder_(vocoder), request_(request) {}

  bool is_full() const {
    const std::int64_t size =
        request_.batch_size > 0 ? request_.batch_size : vocoder_.jobs_at_once();
    return static_cast<std::int64_t>(sounds_.size()) >= size;
  }

  void add(const FilePair& files) {
    const MelConfig& config = vocoder_.config().mel;
    const torch::Tensor mel = read_input(files.input, request_, config);
    const std::int64_t samples = mel.size(1) * config.hop_size;
    sounds_.push_back({files, samples, nullptr});
    jobs_.push_back({.mel = mel, .chunk = request_.chunk_frames, .sink = {}});
  }

  // Writes the files and empties the group. If the program is asked to stop, none is written.
  void write(const std::function<void(const VocodedFile&)>& done) {
    const Stopwatch watch;
    const double generator_start = vocoder_.seconds();
    std::int64_t samples = 0;
    for (std::size_t i = 0; i < sounds_.size(); ++i) {
      open(sounds_[i], jobs_[i]);
      samples += sounds_[i].samples;
    }
    if (vocoder_(jobs_)) {
      for (Sound& sound : sounds_) sound.output->finish();
      const double seconds = watch.seconds(), generator = vocoder_.seconds() - generator_start;
      for (const Sound& sound : sounds_) {
        const double share = static_cast<double>(sound.samples) / static_cast<double>(samples);
        done({.input = sound.files.input,
              .output = sound.files.output,
              .sound_seconds = static_cast<double>(sound.samples) /
                               static_cast<double>(vocoder_.config().mel.sampling_rate),
              .seconds = seconds * share,
              .generator_seconds = generator * share});
      }
    }
    sounds_.clear();
    jobs_.clear();
  }

 private:
  struct Sound {
    FilePair files;
    std::int64_t samples;
    std::unique_ptr<SoundOutput> output;
  };

  void open(Sound& sound, VocoderJob& job) const {
    sound.output = std::make_unique<SoundOutput>(request_, sound.files.output,
                                                 vocoder_.config().mel, sound.samples);
    job.sink = [output = sound.output.get()](std::span<const float> part) {
      output->write(part);
      return !stop_requested();
    };
  }

  Vocoder& vocoder_;
  const VocodeRequest& request_;
  std::vector<Sound> sounds_;
  std::vector<VocoderJob> jobs_;
};

// What the command will write, before its work begins.
void check_outputs(const VocodeRequest& request, const std::vector<FilePair>& files) {
  if (request.picture && request.output == kStandardOutput)
    throw ConfigError("--picture: there is no place beside standard output; give --output a file");
  for (const FilePair& pair : files) {
    if (pair.output == kStandardOutput) continue;
    check_output_file(pair.output, request.overwrite);
    if (request.picture)
      check_output_file(fs::path(pair.output).replace_extension(".png"), request.overwrite);
  }
}

}  // namespace

ExitCode vocode_files(Vocoder& vocoder, const VocodeRequest& request,
                      const std::function<void(const VocodedFile&)>& done) {
  const bool to_standard_output = request.output == kStandardOutput;
  if (to_standard_output && is_folder(request.input))
    throw ConfigError(
        "--output: the sound of a folder of files needs a folder, not standard output");
  const std::vector<FilePair> files =
      to_standard_output
          ? std::vector<FilePair>{{request.input, request.output}}
          : pair_files(request.input, request.output, {".wav"},
                       request.input_is_sound ? has_sound_extension : has_mel_extension);
  check_outputs(request, files);
  Group group(vocoder, request);
  for_each_file(
      files,
      [&](const FilePair& pair) {
        if (stop_requested()) return;
        group.add(pair);
        if (group.is_full()) group.write(done);
      },
      [&] { group.write(done); });
  return stop_exit_code();
}

}  // namespace ddpm
