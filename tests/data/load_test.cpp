#include "ddpm/data/load.h"

#include <gtest/gtest.h>

#include "ddpm/base/error.h"
#include "ddpm/data/embedded.h"
#include "ddpm/data/fit.h"
#include "ddpm/image/codec.h"
#include "support/files.h"
#include "support/gzip.h"
#include "support/npy.h"
#include "support/zip.h"

namespace ddpm {
namespace {

using testing::contains;
using testing::from_hex;
using testing::TemporaryFolder;

DataConfig folder_config(const TemporaryFolder& folder) {
  DataConfig config;
  config.source = DataSource::kFolder;
  config.path = folder.path().string();
  config.cache = "off";
  return config;
}

void write_image(const TemporaryFolder& folder, const std::string& name, int height, int width,
                 int channels, std::uint8_t value) {
  folder.write(name, encode_png(Image(height, width, channels, value)));
}

std::string error_of(const DataConfig& config) {
  return testing::message_of<DataError>([&] { load_images(config); });
}

TEST(LoadFolder, TakesImagesAsTheyAre) {
  const TemporaryFolder folder;
  write_image(folder, "b/1.png", 4, 6, 1, 20);
  write_image(folder, "a/1.png", 4, 6, 1, 10);
  const ImageStore store = load_images(folder_config(folder));
  EXPECT_EQ(store.count(), 2);
  EXPECT_EQ(store.height(), 4);
  EXPECT_EQ(store.width(), 6);
  EXPECT_EQ(store.channels(), 1);
  EXPECT_EQ(store.image(0)[0], 10);
  EXPECT_EQ(store.image(1)[23], 20);
  EXPECT_EQ(store.label(1), 1);
  EXPECT_EQ(store.info().class_names, (std::vector<std::string>{"a", "b"}));
}

TEST(LoadFolder, IsColouredIfOneImageIs) {
  const TemporaryFolder folder;
  write_image(folder, "1.png", 4, 4, 1, 10);
  write_image(folder, "2.png", 4, 4, 4, 255);
  const ImageStore store = load_images(folder_config(folder));
  EXPECT_EQ(store.channels(), 3);
  EXPECT_EQ(store.image(0)[2], 10);
  EXPECT_EQ(store.label(0), -1);
  DataConfig config = folder_config(folder);
  config.channels = 4;
  EXPECT_EQ(load_images(config).image(0)[3], 255);
}

TEST(LoadFolder, NamesTwoImagesOfDifferentSize) {
  const TemporaryFolder folder;
  write_image(folder, "1.png", 4, 4, 1, 0);
  write_image(folder, "2.png", 4, 5, 1, 0);
  const std::string error = error_of(folder_config(folder));
  for (const char* part : {"1.png' has 4x4", "2.png' has 5x4", "data.height"})
    EXPECT_TRUE(contains(error, part)) << error;
}

TEST(LoadFolder, ResizesToASquareIfOneSideIsGiven) {
  const TemporaryFolder folder;
  write_image(folder, "1.png", 4, 4, 1, 7);
  write_image(folder, "2.png", 20, 50, 3, 9);
  DataConfig config = folder_config(folder);
  config.width = 8;
  const ImageStore store = load_images(config);
  EXPECT_EQ(store.height(), 8);
  EXPECT_EQ(store.width(), 8);
  EXPECT_EQ(store.image(0).front(), 7);
  EXPECT_EQ(store.image(1).back(), 9);
}

TEST(LoadFolder, KeepsAMarginForRandomCrops) {
  const TemporaryFolder folder;
  write_image(folder, "1.png", 64, 64, 1, 7);
  DataConfig config = folder_config(folder);
  config.crop = Crop::kRandom;
  EXPECT_TRUE(
      contains(testing::message_of<ConfigError>([&] { load_images(config); }), "data.height"));
  config.height = 32;
  config.width = 16;
  const ImageStore store = load_images(config);
  EXPECT_EQ(store.height(), 32);
  EXPECT_EQ(store.info().stored_height, 36);
  EXPECT_EQ(store.info().stored_width, 18);
}

TEST(LoadFolder, NamesTheFirstBrokenImage) {
  const TemporaryFolder folder;
  write_image(folder, "a.png", 4, 4, 1, 0);
  folder.write("b.png", "");
  folder.write("c.jpg", "not a picture");
  const std::string error = error_of(folder_config(folder));
  for (const char* part :
       {"b.png' cannot be used: empty file", "ddpm inspect --data", "data.on_bad_image"})
    EXPECT_TRUE(contains(error, part)) << error;
}

TEST(LoadFolder, SkipsBrokenImagesOnRequest) {
  const TemporaryFolder folder;
  folder.write("a.png", "");
  write_image(folder, "b/b.png", 4, 4, 1, 1);
  folder.write("b/c.jpg", "not a picture");
  write_image(folder, "d/d.png", 4, 4, 1, 2);
  DataConfig config = folder_config(folder);
  config.on_bad_image = OnBadImage::kSkip;
  const ImageStore store = load_images(config);
  ASSERT_EQ(store.count(), 2);
  EXPECT_EQ(store.image(0)[0], 1);
  EXPECT_EQ(store.image(1)[0], 2);
  EXPECT_EQ(store.label(1), 1);
  std::filesystem::remove_all(folder / "b");
  std::filesystem::remove_all(folder / "d");
  EXPECT_TRUE(contains(error_of(config), "no image in"));
}

TEST(LoadFolder, StopsOnRequest) {
  const TemporaryFolder folder;
  write_image(folder, "a.png", 4, 4, 1, 0);
  const LoadOptions options{.work = {.stop = [] { return true; }}};
  EXPECT_THROW(load_images(folder_config(folder), options), Error);
}

// Two images of 2x2 and their labels.
const std::string kIdxImages = from_hex(
    "00000803"
    "00000002"
    "00000002"
    "00000002"
    "0a0a0a0a"
    "14141414");
const std::string kIdxLabels = from_hex(
    "00000801"
    "00000002"
    "0503");

TEST(LoadIdx, FindsImagesAndLabelsInAFolder) {
  const TemporaryFolder folder;
  folder.write("train-images-idx3-ubyte.gz", testing::gzip(kIdxImages));
  folder.write("train-labels-idx1-ubyte", kIdxLabels);
  DataConfig config;
  config.source = DataSource::kIdx;
  config.path = folder.path().string();
  const ImageStore store = load_images(config);
  EXPECT_EQ(store.labels(), (std::vector<std::int64_t>{5, 3}));
  EXPECT_EQ(store.image(1)[0], 20);
  EXPECT_EQ(store.channels(), 1);
}

TEST(LoadIdx, TakesAFileAndResizesIt) {
  const TemporaryFolder folder;
  DataConfig config;
  config.source = DataSource::kIdx;
  config.path = folder.write("digits.idx", kIdxImages).string();
  config.height = 4;
  config.channels = 3;
  const ImageStore store = load_images(config);
  EXPECT_EQ(store.label(0), -1);
  EXPECT_EQ(store.image(1).size(), 48U);
  EXPECT_EQ(store.image(1)[47], 20);
}

TEST(LoadIdx, SaysWhatIsWrong) {
  const TemporaryFolder folder;
  DataConfig config;
  config.source = DataSource::kIdx;
  EXPECT_TRUE(contains(error_of(config), "needs data.path"));
  config.path = folder.path().string();
  EXPECT_TRUE(contains(error_of(config), "has no train-images-idx3-ubyte"));
  folder.write("train-images-idx3-ubyte", kIdxImages);
  folder.write("train-labels-idx1-ubyte", from_hex("00000801"
                                                   "00000001"
                                                   "05"));
  EXPECT_TRUE(contains(error_of(config), "1 labels for 2 images"));
}

TEST(LoadCifar10, ReadsItsFolder) {
  const TemporaryFolder folder;
  for (int i = 1; i <= 5; ++i)
    folder.write("data_batch_" + std::to_string(i) + ".bin",
                 std::string(1, static_cast<char>(i)) + std::string(3072, 'x'));
  DataConfig config;
  config.source = DataSource::kCifar10;
  config.path = folder.path().string();
  const ImageStore store = load_images(config);
  EXPECT_EQ(store.count(), 5);
  EXPECT_EQ(store.channels(), 3);
  EXPECT_EQ(store.height(), 32);
}

TEST(LoadEmbedded, IsADataSet) {
  if (embedded_images_gz().empty()) GTEST_SKIP() << "built without the embedded data set";
  const ImageStore store = load_images({});
  EXPECT_GT(store.count(), 100);
  EXPECT_GE(store.label(0), 0);
}

TEST(KnownShape, IsThatOfTheLoadedImages) {
  const auto shape = [](const DataConfig& config) {
    const std::optional<StoreShape> s = known_shape(config);
    return s ? std::vector<std::int64_t>{s->channels, s->height, s->width}
             : std::vector<std::int64_t>{};
  };
  using Shape = std::vector<std::int64_t>;
  if (!embedded_images_gz().empty()) {
    const ImageStore images = load_images({.source = DataSource::kEmbedded});
    EXPECT_EQ(shape({.source = DataSource::kEmbedded}),
              (Shape{images.channels(), images.height(), images.width()}));
  }
  EXPECT_EQ(shape({.source = DataSource::kCifar10}), (Shape{3, 32, 32}));
  EXPECT_EQ(shape({.source = DataSource::kCifar10, .height = 64, .channels = 1}),
            (Shape{1, 64, 64}));
  EXPECT_EQ(shape({.source = DataSource::kFolder}), Shape{});
  EXPECT_EQ(shape({.source = DataSource::kFolder, .height = 64}), Shape{});
  EXPECT_EQ(shape({.source = DataSource::kFolder, .height = 64, .width = 48, .channels = 3}),
            (Shape{3, 64, 48}));
}

TEST(LoadImages, TurnsPicturesUpright) {
  const TemporaryFolder folder;
  // 3x2 grey, 10 20 30 / 40 50 60, orientation 6 (the seed of a fuzzer; made by Pillow).
  const auto seed = std::filesystem::path(DDPM_SOURCE_DIR) / "tests/fuzz/corpus/png/valid_exif.png";
  folder.write("a.png", testing::content_of(seed));
  DataConfig config = folder_config(folder);
  const ImageStore upright = load_images(config);
  EXPECT_EQ(upright.height(), 3);
  EXPECT_EQ(upright.width(), 2);
  config.orientation = Orientation::kStored;
  const ImageStore stored = load_images(config);
  EXPECT_EQ(stored.height(), 2);
  EXPECT_NE(stored.fingerprint(), upright.fingerprint());
}

TEST(LoadImages, LaysTransparentPicturesOnTheBackground) {
  const TemporaryFolder folder;
  Image image(1, 1, 4);
  image.pixels = {10, 20, 30, 51};  // a fifth of it is opaque
  folder.write("a.png", encode_png(image));
  DataConfig config = folder_config(folder);
  const auto pixel = [&](const char* background) {
    config.background = background;
    const ImageStore store = load_images(config);
    return std::vector<int>(store.pixels().begin(), store.pixels().end());
  };
  EXPECT_EQ(pixel("white"), (std::vector<int>{206, 208, 210}));
  EXPECT_EQ(pixel("black"), (std::vector<int>{2, 4, 6}));
  EXPECT_EQ(pixel("#0a141e"), (std::vector<int>{10, 20, 30}));
  EXPECT_EQ(pixel("grey"), (std::vector<int>{104, 106, 108}));
}

TEST(LoadImages, NamesClassesWithoutAPicture) {
  const TemporaryFolder folder;
  write_image(folder, "a/1.png", 2, 2, 1, 10);
  folder.write("b/1.png", "damaged");
  folder.write("c/1.gif", "x");
  DataConfig config = folder_config(folder);
  config.on_bad_image = OnBadImage::kSkip;
  const ImageStore store = load_images(config);
  EXPECT_EQ(store.info().empty_classes, (std::vector<std::string>{"c", "b"}));
  EXPECT_EQ(store.info().passed_over, "1 .gif file");
}

TEST(LoadImages, NamesTheSourceThatWouldFit) {
  const TemporaryFolder folder;
  const std::string png = encode_png(Image(2, 2, 1, 10));
  const std::string zip = folder.write("a.zip", testing::zip({{"1.png", png}})).string();
  const std::string images = folder.write("photos/1.png", png).parent_path().string();
  const auto error = [](DataSource source, const std::string& path) {
    return error_of({.source = source, .path = path, .cache = "off"});
  };
  const std::string tar = error(DataSource::kTar, zip);
  EXPECT_TRUE(contains(tar, "data.source is \"tar\", but '" + zip +
                                "' looks like one of \"zip\": "
                                "set data.source=zip, or leave it out"))
      << tar;
  EXPECT_TRUE(contains(error(DataSource::kFolder, zip), "is not a folder; data.source")) << tar;
  for (const DataSource source : {DataSource::kZip, DataSource::kNpz, DataSource::kIdx})
    EXPECT_TRUE(contains(error(source, images), "set data.source=folder")) << name_of(source);
  // Of the right source nothing is said.
  folder.write("photos/1.png", "damaged");
  EXPECT_FALSE(contains(error(DataSource::kFolder, images), "data.source"));
}

class LoadNumpy : public ::testing::Test {
 protected:
  ImageStore load(const std::vector<std::pair<std::string, std::string>>& arrays) {
    return load_images({.source = DataSource::kNpz,
                        .path = folder_.write("a.npz", testing::zip(arrays)).string()});
  }
  TemporaryFolder folder_;
};

// The samples of OpenAI's programs: arr_0 and arr_1.
TEST_F(LoadNumpy, ReadsImagesAndLabels) {
  const std::string numbers = testing::from_hex("000102030405060708090a0b");
  const ImageStore store =
      load({{"arr_0.npy", testing::npy("|u1", "(2, 1, 2, 3)", numbers)},
            {"arr_1.npy",
             testing::npy("<i8", "(2,)", testing::from_hex("07000000000000000900000000000000"))}});
  EXPECT_EQ(store.count(), 2);
  EXPECT_EQ(store.width(), 2);
  EXPECT_EQ(store.channels(), 3);
  EXPECT_EQ(store.labels(), (std::vector<std::int64_t>{7, 9}));
  EXPECT_EQ(store.image(1)[0], 6);
}

// MedMNIST has grey images and labels [N,1]; others put channels first.
TEST_F(LoadNumpy, KnowsOtherNamesAndLayouts) {
  const ImageStore grey = load({{"val_images.npy", testing::npy("|u1", "(1, 1, 2)", "ab")},
                                {"train_images.npy", testing::npy("|u1", "(2, 1, 2)", "abcd")},
                                {"train_labels.npy", testing::npy("|u1", "(2, 1)", "\1\2")}});
  EXPECT_EQ(grey.channels(), 1);
  EXPECT_EQ(grey.labels(), (std::vector<std::int64_t>{1, 2}));
  const ImageStore planes = load({{"pictures.npy", testing::npy("|u1", "(1, 3, 1, 2)", "abcdef")}});
  EXPECT_EQ(planes.channels(), 3);
  EXPECT_EQ(std::string(planes.pixels().begin(), planes.pixels().end()), "acebdf");
  const auto npy = folder_.write("x.npy", testing::npy("|u1", "(2, 1, 1)", "ab"));
  EXPECT_EQ(load_images({.source = DataSource::kNpz, .path = npy.string()}).label(0), -1);
}

TEST_F(LoadNumpy, SaysWhatItFound) {
  const auto error = [&](const std::vector<std::pair<std::string, std::string>>& arrays) {
    return testing::message_of<DataError>([&] { load(arrays); });
  };
  const std::string floats = error({{"x.npy", testing::npy("<f4", "(1, 1, 1)", "abcd")}});
  EXPECT_TRUE(contains(floats, "there is no array of uint8")) << floats;
  EXPECT_TRUE(contains(floats, "'x' <f4 of shape [1,1,1]")) << floats;
  const std::string two = testing::npy("|u1", "(1, 1, 1)", "a");
  EXPECT_TRUE(contains(error({{"p.npy", two}, {"q.npy", two}}), "unclear"));
  EXPECT_TRUE(contains(error({}), "no array"));
  const auto one = folder_.write("one.npy", testing::npy("|u1", "(2, 1, 3)", "abcdef"));
  EXPECT_TRUE(contains(error_of({.source = DataSource::kNpz, .path = one.string()}),
                       "looks like a single picture"));
}

TEST(ImageStore, FingerprintDependsOnContentAlone) {
  const ImageStoreInfo info = {.stored_height = 1,
                               .stored_width = 2,
                               .channels = 1,
                               .height = 1,
                               .width = 2,
                               .class_names = {},
                               .source = "a"};
  ImageStoreInfo moved = info;
  moved.source = "b";
  EXPECT_EQ(ImageStore(info, {1, 2}, {0}).fingerprint(),
            ImageStore(moved, {1, 2}, {0}).fingerprint());
  EXPECT_NE(ImageStore(info, {1, 2}, {0}).fingerprint(),
            ImageStore(info, {1, 3}, {0}).fingerprint());
  EXPECT_NE(ImageStore(info, {1, 2}, {0}).fingerprint(),
            ImageStore(info, {1, 2}, {1}).fingerprint());
  EXPECT_THROW(ImageStore(info, {1}, {0}), std::invalid_argument);
  EXPECT_THROW(ImageStore(info, {}, {}), std::invalid_argument);
}

}  // namespace
}  // namespace ddpm
