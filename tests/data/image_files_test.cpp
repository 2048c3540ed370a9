#include "ddpm/data/image_files.h"

#include <gtest/gtest.h>

#include "ddpm/base/error.h"
#include "ddpm/data/load.h"
#include "support/files.h"
#include "support/gzip.h"
#include "support/tar.h"
#include "support/zip.h"

namespace ddpm {
namespace {

using testing::contains;
using Names = std::vector<std::string>;

// A picture of one grey pixel.
std::string picture(std::uint8_t value) { return encode_png(Image(1, 1, 1, value)); }

class FindImageFiles : public ::testing::Test {
 protected:
  ImageFiles find() {
    config_.cache = "off";
    if (config_.path.empty()) config_.path = folder_.path().string();
    return find_image_files(config_);
  }
  // "cats/1.png=0 dogs/2.png=1 ".
  std::string labels() {
    std::string text;
    for (const ImageFile& image : find().images)
      text += image.path.string() + "=" + std::to_string(image.label) + " ";
    return text;
  }
  std::string error() {
    return testing::message_of<DataError>([&] { find(); });
  }
  void use(DataSource source, const std::filesystem::path& path) {
    config_.source = source;
    config_.path = path.string();
  }

  testing::TemporaryFolder folder_;
  DataConfig config_{.source = DataSource::kFolder, .path = {}};
};

TEST_F(FindImageFiles, SortsFilesAndTakesSubFoldersAsClasses) {
  for (const char* name : {"dogs/2.JPG", "cats/deep/er/1.png", "cats/0.bmp", "root.jpeg",
                           "notes.txt", ".hidden/x.png", "birds/readme.md"})
    folder_.write(name, "x");
  std::filesystem::create_directory(folder_ / "fish");
  EXPECT_EQ(labels(), "cats/0.bmp=0 cats/deep/er/1.png=0 dogs/2.JPG=1 root.jpeg=-1 ");
  const ImageFiles files = find();
  EXPECT_EQ(files.class_names, (Names{"cats", "dogs"}));
  EXPECT_EQ(files.empty_classes, (Names{"birds", "fish"}));
  EXPECT_EQ(files.full_name(0), (folder_ / "cats/0.bmp").string());
}

TEST_F(FindImageFiles, CountsWhatItPassesOver) {
  for (const char* name : {"a.png", "a.gif", "b.gif", "c.GIF", "README", "@eaDir/a.png",
                           "__MACOSX/a.png", "x/$RECYCLE.BIN/b.png"})
    folder_.write(name, "x");
  const ImageFiles files = find();
  EXPECT_EQ(files.images.size(), 1U);
  EXPECT_EQ(passed_over_text(files), "3 .gif files, 3 excluded files, 1 extensionless file");
}

TEST_F(FindImageFiles, LeavesOutWhatPatternsSay) {
  for (const char* name : {"a/thumb_1.png", "a/1.png", "raw/b/2.png", "raw/3.png", "b/raw/4.png"})
    folder_.write(name, "x");
  config_.exclude = {"thumb_*"};
  EXPECT_EQ(labels(), "a/1.png=0 b/raw/4.png=1 raw/3.png=2 raw/b/2.png=2 ");
  config_.exclude = {"thumb_?.png", "raw/*"};
  EXPECT_EQ(labels(), "a/1.png=0 b/raw/4.png=1 ");
  config_.exclude = {"raw"};
  EXPECT_EQ(labels(), "a/1.png=0 a/thumb_1.png=0 ");
  EXPECT_TRUE(find().empty_classes == Names{"b"});
}

TEST_F(FindImageFiles, SaysWhatIsMissing) {
  EXPECT_TRUE(contains(error(), "has no .png, .jpg, .jpeg, .jpe, .jfif, .webp or .bmp file"));
  folder_.write("a.heic", "x");
  EXPECT_TRUE(contains(error(), "passed over: 1 .heic file")) << error();
  use(DataSource::kFolder, folder_ / "none");
  EXPECT_TRUE(contains(error(), "does not exist"));
  use(DataSource::kFolder, folder_.write("file", "x"));
  EXPECT_TRUE(contains(error(), "is neither a folder nor a file with images")) << error();
  use(DataSource::kFolder, folder_.write("a.png", picture(1)));
  EXPECT_TRUE(contains(error(), "is one image; data.path names the folder around it")) << error();
  const std::filesystem::path packed = folder_.write("p.tar.bz2", "BZh91AY");
  use(DataSource::kFolder, packed);
  EXPECT_TRUE(
      contains(error(), "is compressed by bzip2; unpack it first: tar -xf " + packed.string()))
      << error();
  for (const DataSource source : {DataSource::kZip, DataSource::kTar}) {
    use(source, folder_ / "file");
    EXPECT_TRUE(contains(error(), "file")) << error();
  }
}

TEST_F(FindImageFiles, SaysWhatToDoWithShards) {
  const auto error_for = [&](const std::string& folder, const std::string& file) {
    folder_.write(folder + "/" + file, "x");
    use(DataSource::kFolder, folder_ / folder);
    return error();
  };
  const std::string root = folder_.path().string();
  EXPECT_TRUE(contains(error_for("tars", "000.tar"),
                       ": cat " + root + "/tars/*.tar > " + root + "/tars.tar"));
  EXPECT_TRUE(contains(error_for("zips", "000.zip"), ": unzip '" + root + "/zips/*.zip' -d "));
  EXPECT_TRUE(contains(error_for("tables", "0.parquet"), "load_dataset('" + root + "/tables'"));
  EXPECT_FALSE(contains(error_for("texts", "0.txt"), ". "));
}

// As OpenAI's programs name the images of CIFAR-10 and others.
TEST_F(FindImageFiles, TakesClassesFromPrefixes) {
  for (const char* name : {"dog_1.png", "x/cat_2.png", "cat_1_b.png"}) folder_.write(name, "x");
  config_.labels = LabelSource::kPrefix;
  EXPECT_EQ(labels(), "cat_1_b.png=0 dog_1.png=1 x/cat_2.png=0 ");
  EXPECT_EQ(find().class_names, (Names{"cat", "dog"}));
  config_.labels = LabelSource::kNone;
  EXPECT_EQ(labels(), "cat_1_b.png=-1 dog_1.png=-1 x/cat_2.png=-1 ");
  folder_.write("x/plain.png", "x");
  config_.labels = LabelSource::kPrefix;
  EXPECT_TRUE(contains(error(), "plain.png"));
}

TEST_F(FindImageFiles, TakesClassesFromADatasetFile) {
  for (const char* name : {"00000/img0.png", "00000/img1.png", "00001/img2.png"})
    folder_.write(name, "x");
  const auto write = [&](const std::string& text) { folder_.write("dataset.json", text); };
  write(R"({"labels": [["00001/img2.png", 0], ["00000/img0.png", 9], ["00000/img1.png", 3]]})");
  EXPECT_EQ(labels(), "00000/img0.png=9 00000/img1.png=3 00001/img2.png=0 ");
  EXPECT_TRUE(find().class_names.empty());
  config_.labels = LabelSource::kFolder;
  EXPECT_EQ(labels(), "00000/img0.png=0 00000/img1.png=0 00001/img2.png=1 ");
  config_.labels = LabelSource::kAuto;
  write(R"({"labels": null})");  // EDM's tool writes this for sets without labels
  EXPECT_EQ(find().class_names, (Names{"00000", "00001"}));
  config_.labels = LabelSource::kFile;
  EXPECT_TRUE(contains(error(), "no dataset.json with labels"));
  write(R"({"labels": [["00001/img2.png", 0]]})");
  EXPECT_TRUE(contains(error(), "dataset.json has no class for image '" +
                                    (folder_ / "00000/img0.png").string() + "' and 1 other"))
      << error();
  for (const char* bad : {R"({"labels": [["00001/img2.png", 0]]})", R"({"labels": [[1, 2]]})",
                          R"({"labels": [["00000/img0.png", [0, 1]]]})",
                          R"({"labels": [["00000/img0.png", -1]]})", R"({"labels": 7)"}) {
    write(bad);
    EXPECT_TRUE(contains(error(), "dataset.json")) << error();
  }
}

// As people pack a data set, and as their programs unpack it.
TEST_F(FindImageFiles, TakesClassesFromADatasetFileInAFolder) {
  const std::string labels_text = R"({"labels": [["00000/1.png", 4], ["00000/2.png", 5]]})";
  use(DataSource::kZip, folder_.write("edm.zip", testing::zip({{"edm/dataset.json", labels_text},
                                                               {"edm/00000/1.png", picture(1)},
                                                               {"edm/00000/2.png", picture(1)}})));
  EXPECT_EQ(labels(), "edm/00000/1.png=4 edm/00000/2.png=5 ");
  for (const char* name : {"x/edm/00000/1.png", "x/edm/00000/2.png"}) folder_.write(name, "x");
  folder_.write("x/edm/dataset.json", labels_text);
  use(DataSource::kFolder, folder_ / "x");
  EXPECT_EQ(labels(), "edm/00000/1.png=4 edm/00000/2.png=5 ");
  // One in a folder beside images does not speak of them all.
  folder_.write("x/3.png", "x");
  EXPECT_EQ(labels(), "3.png=-1 edm/00000/1.png=0 edm/00000/2.png=0 ");
  EXPECT_EQ(passed_over_text(find()), "1 .json file");
}

// WebDataset: files of one sample have one key.
TEST_F(FindImageFiles, ReadsATarOfSamples) {
  using testing::tar_member;
  const std::string tar = tar_member("train/b.x.png", picture(20)) +
                          tar_member("train/b.x.cls", "7\n") +
                          tar_member("train/a.png", picture(10)) + tar_member("train/a.cls", "3") +
                          tar_member("train/a.txt", "a caption") + testing::tar_end();
  for (const auto& file :
       {folder_.write("a.tar", tar), folder_.write("b.tar.gz", testing::gzip(tar))}) {
    use(DataSource::kTar, file);
    EXPECT_EQ(labels(), "train/a.png=3 train/b.x.png=7 ");
    const ImageFiles files = find();
    EXPECT_EQ(read_image(files, 0, Orientation::kExif).pixels[0], 10);
    EXPECT_EQ(read_image(files, 1, Orientation::kExif).pixels[0], 20);
    EXPECT_EQ(files.full_name(0), file.string() + ": train/a.png");
    EXPECT_EQ(passed_over_text(files), "1 .txt file");
  }
  use(DataSource::kTar,
      folder_.write("c.tar", tar_member("a.png", picture(1)) + tar_member("a.cls", "cat") +
                                 testing::tar_end()));
  EXPECT_TRUE(contains(error(), "'cat'")) << error();
  use(DataSource::kTar,
      folder_.write("e.tar", tar_member("a.png", picture(1)) + tar_member("a.cls", "1") +
                                 tar_member("b.png", picture(1)) + tar_member("c.png", picture(1)) +
                                 tar_member("d.png", picture(1)) + testing::tar_end()));
  EXPECT_TRUE(contains(error(), "there is no .cls file for image")) << error();
  EXPECT_TRUE(contains(error(), ": b.png' and 2 others")) << error();
  use(DataSource::kTar,
      folder_.write("d.tar", tar_member("cifar/data_batch_1.bin", "x") + testing::tar_end()));
  EXPECT_TRUE(contains(error(), "data.source=cifar10")) << error();
}

// A sample is one image, whatever else is stored of it.
TEST_F(FindImageFiles, TakesOneImageOfASample) {
  const auto write_tar = [&](const std::vector<std::string>& names) {
    std::string tar;
    for (const std::string& name : names)
      tar += testing::tar_member(name, name.ends_with(".cls") ? "1" : picture(1));
    use(DataSource::kTar, folder_.write("a.tar", tar + testing::tar_end()));
  };
  write_tar({"1.cls", "1.cond.jpg", "1.jpg", "1.png", "2.jpg", "2.cls", "2.cond.jpg", "2.png"});
  EXPECT_EQ(labels(), "1.jpg=1 2.jpg=1 ");
  EXPECT_EQ(passed_over_text(find()), "2 .cond.jpg files, 2 .png files");
  // Captions tell samples too.
  write_tar({"1.json", "1.mask.png", "1.webp"});
  EXPECT_EQ(labels(), "1.webp=-1 ");
  EXPECT_EQ(passed_over_text(find()), "1 .json file, 1 .mask.png file");
  // Files with dots in their names are not samples of one key.
  write_tar({"2024.01.05.jpg", "2024.01.06.jpg", "2024.01.05.txt", "notes.txt"});
  EXPECT_EQ(find().images.size(), 2U);
  write_tar({"1.jpg", "1.png"});
  EXPECT_EQ(find().images.size(), 2U);
}

TEST_F(FindImageFiles, ReadsJoinedTars) {
  using testing::tar_member;
  const std::string first =
      tar_member("a/1.png", picture(10)) + tar_member("b/1.png", picture(20)) + testing::tar_end();
  const std::string second =
      tar_member("b/1.png", picture(30)) + tar_member("b/2.png", picture(40)) + testing::tar_end();
  use(DataSource::kTar, folder_.write("both.tar", first + second));
  EXPECT_EQ(labels(), "a/1.png=0 b/1.png=1 b/2.png=1 ");
  const ImageFiles files = find();
  EXPECT_EQ(passed_over_text(files), "1 replaced file");
  EXPECT_EQ(read_image(files, 1, Orientation::kExif).pixels[0], 30);
  EXPECT_EQ(read_image(files, 2, Orientation::kExif).pixels[0], 40);
}

// Links in an archive have no content of their own; files with images are found without them.
TEST_F(FindImageFiles, CountsLinksInArchives) {
  using testing::tar_member;
  use(DataSource::kTar,
      folder_.write("links.tar",
                    tar_member("birds/a.png", picture(1)) + tar_member("cats/a.png", picture(1)) +
                        tar_member("dogs/b.png", "", '1') + tar_member("dogs/c.png", "", '2') +
                        tar_member("dogs/.d.png", "", '2') + testing::tar_end()));
  EXPECT_EQ(labels(), "birds/a.png=0 cats/a.png=1 ");
  EXPECT_EQ(passed_over_text(find()), "1 hidden file, 2 linked files");
  EXPECT_EQ(find().empty_classes, Names{"dogs"});
  const auto zip_with_mode = [&](std::uint32_t mode) {
    return folder_.write("a.zip", testing::zip({{"dogs/b.png", picture(1)}}, false, mode));
  };
  use(DataSource::kZip, zip_with_mode(0120777));
  EXPECT_TRUE(contains(error(), "passed over: 1 linked file")) << error();
  use(DataSource::kZip, zip_with_mode(0100644));
  EXPECT_EQ(labels(), "dogs/b.png=-1 ");
}

// The folder in which everything in an archive lies is no class.
TEST_F(FindImageFiles, ReadsAZip) {
  for (const bool compressed : {false, true}) {
    const auto file =
        folder_.write("photos.zip", testing::zip({{"photos/", ""},
                                                  {"photos/dogs/b.png", picture(20)},
                                                  {"photos/cats/a.png", picture(10)},
                                                  {"photos/fish/a.gif", "x"},
                                                  {"__MACOSX/photos/cats/._a.png", "x"}},
                                                 compressed));
    use(DataSource::kZip, file);
    EXPECT_EQ(labels(), "photos/cats/a.png=0 photos/dogs/b.png=1 ");
    const ImageFiles files = find();
    EXPECT_EQ(files.class_names, (Names{"cats", "dogs"}));
    EXPECT_EQ(files.empty_classes, Names{"fish"});
    EXPECT_EQ(read_image(files, 1, Orientation::kExif).pixels[0], 20);
  }
}

TEST_F(FindImageFiles, KnowsTheNamesOfOtherPrograms) {
  use(DataSource::kZip,
      folder_.write("win.zip", testing::zip({{"a\\1.png", picture(1)}, {"b\\1.png", picture(2)}})));
  EXPECT_EQ(labels(), "a/1.png=0 b/1.png=1 ");
  use(DataSource::kZip, folder_.write("dot.zip", testing::zip({{"./a/1.png", picture(1)},
                                                               {"./b/1.png", picture(2)}})));
  EXPECT_EQ(labels(), "a/1.png=0 b/1.png=1 ");
  use(DataSource::kZip,
      folder_.write("edm.zip",
                    testing::zip({{"00000/1.png", picture(1)},
                                  {"dataset.json", R"({"labels": [["00000\\1.png", 4]]})"}})));
  EXPECT_EQ(labels(), "00000/1.png=4 ");
}

TEST_F(FindImageFiles, ShowsNamesThatAreNoText) {
  folder_.write("caf\xe9/1.png", "x");
  folder_.write("red\x1b[31m/1.png", "x");
  EXPECT_EQ(find().class_names, (Names{"caf\\xE9", "red\\x1B[31m"}));
  folder_.write("caf\\xE9/1.png", "x");
  EXPECT_EQ(find().class_names, (Names{"caf\\\\xE9", "caf\\xE9", "red\\x1B[31m"}));
}

}  // namespace
}  // namespace ddpm
