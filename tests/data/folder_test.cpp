#include "ddpm/data/folder.h"

#include <gtest/gtest.h>

#include "ddpm/base/error.h"
#include "support/files.h"

namespace ddpm {
namespace {

using testing::contains;

TEST(ListImageFolder, SortsFilesAndTakesSubFoldersAsClasses) {
  const testing::TemporaryFolder folder;
  for (const char* name : {"dogs/2.JPG", "cats/deep/er/1.png", "cats/0.bmp", "root.jpeg",
                           "notes.txt", ".hidden/x.png", "empty/readme.md"})
    folder.write(name, "x");
  const ImageFolder found = list_image_folder(folder.path());
  EXPECT_EQ(found.class_names, (std::vector<std::string>{"cats", "dogs"}));
  std::string text;
  for (const FolderImage& image : found.images)
    text += image.path.string() + "=" + std::to_string(image.label) + " ";
  EXPECT_EQ(text, "cats/0.bmp=0 cats/deep/er/1.png=0 dogs/2.JPG=1 root.jpeg=-1 ");
}

TEST(ListImageFolder, SaysWhatIsMissing) {
  const testing::TemporaryFolder folder;
  const auto error_of = [](const std::filesystem::path& path) {
    return testing::message_of<DataError>([&] { list_image_folder(path); });
  };
  EXPECT_TRUE(contains(error_of(folder / "none"), "does not exist"));
  EXPECT_TRUE(contains(error_of(folder.path()), "has no .png, .jpg, .jpeg or .bmp file"));
  EXPECT_TRUE(contains(error_of(folder.write("file", "x")), "is not a folder"));
  EXPECT_TRUE(contains(error_of(""), "data.path"));
}

}  // namespace
}  // namespace ddpm
