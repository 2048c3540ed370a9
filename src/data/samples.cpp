#include <algorithm>

#include "ddpm/base/text.h"
#include "listing.h"

namespace ddpm {
namespace {

// ".mask.jpg" for "train/000017.mask.jpg".
std::string after_key(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  return name.substr(std::min(name.find('.'), name.size()));
}

// Whether `a` should be taken rather than `b`, of the same sample.
bool is_plainer(const std::string& a, const std::string& b) {
  const auto dots_a = std::ranges::count(a, '.'), dots_b = std::ranges::count(b, '.');
  return dots_a != dots_b ? dots_a < dots_b : a < b;
}

}  // namespace

std::string sample_key(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  return (path.parent_path() / name.substr(0, name.find('.'))).string();
}

void keep_one_image_per_sample(ImageFiles& files) {
  std::set<std::string> samples = files.sample_keys;
  for (const auto& [path, content] : files.label_files)
    if (path.ends_with(kClassEnding)) samples.insert(sample_key(path));
  if (samples.empty()) return;
  std::map<std::string, std::string> taken;  // what follows the key, by key
  for (const ImageFile& image : files.images) {
    const std::string key = sample_key(image.path), ending = after_key(image.path);
    if (!samples.contains(key)) continue;
    const auto [best, is_first] = taken.emplace(key, ending);
    if (!is_first && is_plainer(ending, best->second)) best->second = ending;
  }
  std::erase_if(files.images, [&](const ImageFile& image) {
    const auto best = taken.find(sample_key(image.path));
    const std::string ending = after_key(image.path);
    if (best == taken.end() || best->second == ending) return false;
    ++files.passed_over[printable(ending)];
    return true;
  });
}

}  // namespace ddpm
