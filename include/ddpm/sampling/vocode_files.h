// The work of `ddpm vocode` after its model is loaded.
#pragma once

#include <filesystem>
#include <vector>

#include "ddpm/audio/wav.h"
#include "ddpm/base/error.h"
#include "ddpm/sampling/vocoder.h"

namespace ddpm {

struct VocodeRequest {
  std::filesystem::path input;  // a file or a folder of files
  bool input_is_sound = false;  // else spectrograms
  // A .wav file, "-" for standard output, or for a folder of inputs a folder.
  std::filesystem::path output;
  WavFormat format = WavFormat::kPcm16;
  std::int64_t chunk_frames = 0;  // see VocoderJob
  std::int64_t batch_size = 0;    // files whose sounds are made together; 0: Vocoder::jobs_at_once
  bool picture = false;           // also the spectrogram of the result, NAME.png beside NAME.wav
  bool overwrite = false;         // files of an earlier call may be replaced
};

struct VocodedFile {
  std::filesystem::path input, output;
  double sound_seconds = 0;  // length of the sound
  // Time that was needed, in which several files may have been made: then the share of this one's
  // length.
  double seconds = 0;            // for the generator and writing
  double generator_seconds = 0;  // for the generator alone
};

// Writes the sound of every input and calls `done` after each. Returns kSuccess, or if a signal
// stops it the signal's code; the file that it was writing is then not there. Throws ConfigError if
// the output has the wrong ending or exists, DataError for inputs that cannot be used. In a folder
// such inputs are logged and passed over, and the error comes at the end.
ExitCode vocode_files(Vocoder& vocoder, const VocodeRequest& request,
                      const std::function<void(const VocodedFile&)>& done);

}  // namespace ddpm
