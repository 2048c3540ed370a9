// Files and folders of sound and of spectrograms, as inputs and outputs of a command.
#pragma once

#include <torch/types.h>

#include <filesystem>
#include <functional>
#include <string_view>
#include <vector>

#include "ddpm/architecture/hifi_gan.h"

namespace ddpm {

struct FilePair {
  std::filesystem::path input, output;
};

// The outputs of these inputs. A file as input has the file `output`, whose extension must be one
// of `extensions`. A folder has the folder `output`: for every file below it that `is_input`
// accepts, the same relative path with the first of `extensions`. Throws ConfigError for another
// extension; DataError if the input is missing, the folder has no such file, or two of its files
// would have one output.
std::vector<FilePair> pair_files(const std::filesystem::path& input,
                                 const std::filesystem::path& output,
                                 const std::vector<std::string_view>& extensions,
                                 const std::function<bool(const std::filesystem::path&)>& is_input);

// Calls use(pair) for each and then finish(). If there are several, a DataError of one is logged,
// the others go on, and at the end a DataError says how many failed.
void for_each_file(
    const std::vector<FilePair>& files, const std::function<void(const FilePair&)>& use,
    const std::function<void()>& finish = [] {});

// The spectrogram of a file of sound (audio/sound.h), [bands,frames]. Throws DataError.
torch::Tensor mel_of_file(const std::filesystem::path& path, const MelConfig& config);

}  // namespace ddpm
