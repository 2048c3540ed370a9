// An image that cannot be accessed is not a bad image: no setting skips it.
#include <gtest/gtest.h>

#include <cerrno>

#include "ddpm/base/error.h"
#include "ddpm/data/load.h"
#include "ddpm/data/scan.h"
#include "ddpm/image/codec.h"
#include "support/faulty_file_system.h"
#include "support/files.h"

namespace ddpm {
namespace {

using testing::contains;
using testing::message_of;

TEST(LoadFolder, NamesAnImageThatMayNotBeReadWhateverTheSettings) {
  const testing::TemporaryFolder folder;
  for (const char* name : {"a.png", "b.png", "c.png"}) write_png(folder / name, Image(4, 4, 1));
  for (const int error : {EACCES, EIO, ESTALE})
    for (const OnBadImage policy : {OnBadImage::kError, OnBadImage::kSkip}) {
      testing::UnreadableFileSystem denying(folder / "b.png", error);
      const ReplaceFileSystem replaced(denying);
      const DataConfig config{.source = DataSource::kFolder,
                              .path = folder.path().string(),
                              .on_bad_image = policy,
                              .cache = "off"};
      for (const std::string& message : {message_of<AccessError>([&] { load_images(config); }),
                                         message_of<AccessError>([&] { summarize_data(config); })})
        EXPECT_TRUE(contains(message, (folder / "b.png").string())) << message;
    }
}

TEST(LoadFolder, NamesAFolderThatMayNotBeListed) {
  const testing::TemporaryFolder folder;
  std::filesystem::create_directory(folder / "a");
  write_png(folder / "a/a.png", Image(4, 4, 1));
  testing::UnreadableFileSystem denying(folder / "a", EACCES);
  const ReplaceFileSystem replaced(denying);
  const DataConfig config{
      .source = DataSource::kFolder, .path = folder.path().string(), .cache = "off"};
  EXPECT_TRUE(
      contains(message_of<AccessError>([&] { load_images(config); }), (folder / "a").string()));
}

}  // namespace
}  // namespace ddpm
