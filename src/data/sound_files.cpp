#include "ddpm/data/sound_files.h"

#include <algorithm>
#include <set>

#include "ddpm/audio/sound.h"
#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/format.h"
#include "ddpm/base/log.h"
#include "ddpm/base/text.h"
#include "ddpm/data/mel_spectrogram.h"

namespace ddpm {

std::vector<FilePair> pair_files(const fs::path& input, const fs::path& output,
                                 const std::vector<std::string_view>& extensions,
                                 const std::function<bool(const fs::path&)>& is_input) {
  if (!path_exists(input)) throw DataError(shown(input) + ": no such file or folder");
  if (!is_folder(input)) {
    if (std::ranges::find(extensions, lower_case(output.extension().string())) == extensions.end())
      throw ConfigError(format_text("--output: '{}' must end with {}", shown(output),
                                    join_names(extensions, " or ")));
    return {{input, output}};
  }
  std::vector<FilePair> pairs;
  std::set<fs::path> outputs;
  for (const fs::path& file : list_files_recursively(input)) {
    if (!is_input(file)) continue;
    pairs.push_back({input / file, (output / file).replace_extension(extensions.front())});
    if (!outputs.insert(pairs.back().output).second)
      throw DataError(
          format_text("{}: another file of the folder has the same name without its "
                      "extension, so both would become {}",
                      shown(pairs.back().input), shown(pairs.back().output)));
  }
  if (pairs.empty())
    throw DataError(shown(input) + ": there is no file of this kind in the folder");
  return pairs;
}

void for_each_file(const std::vector<FilePair>& files,
                   const std::function<void(const FilePair&)>& use,
                   const std::function<void()>& finish) {
  std::int64_t failed = 0;
  for (const FilePair& pair : files) {
    try {
      use(pair);
    } catch (const DataError& error) {
      if (files.size() == 1) throw;
      log_error("{}", error.what());
      ++failed;
    }
  }
  finish();
  if (failed > 0)
    throw DataError(format_text("{} of {} files could not be used", failed, files.size()));
}

torch::Tensor mel_of_file(const fs::path& path, const MelConfig& config) {
  const Sound sound = at_rate(read_sound(path), config.sampling_rate, shown(path));
  try {
    return mel_spectrogram(sound.samples, config);
  } catch (const DataError& error) {
    throw DataError(format_text("{}: {}", shown(path), error.what()));
  }
}

}  // namespace ddpm
