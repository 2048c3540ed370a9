#include "ddpm/data/cache.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>

#include "ddpm/base/log.h"
#include "ddpm/data/load.h"
#include "ddpm/image/codec.h"
#include "support/files.h"
#include "support/zip.h"

namespace ddpm {
namespace {

using testing::contains;
using testing::TemporaryFolder;

// A folder of two images and a cache folder beside it.
class CacheTest : public ::testing::Test {
 protected:
  CacheTest() {
    write("cats/a.png", 10);
    write("dogs/b.png", 20);
    config_.source = DataSource::kFolder;
    config_.path = (folder_ / "images").string();
    config_.cache = (folder_ / "cache").string();
  }

  void write(const std::string& name, std::uint8_t value) {
    folder_.write("images/" + name, encode_png(Image(4, 4, 3, value)));
  }

  std::vector<std::filesystem::path> cache_files() const {
    std::vector<std::filesystem::path> files;
    if (std::filesystem::exists(folder_ / "cache"))
      for (const auto& entry : std::filesystem::directory_iterator(folder_ / "cache"))
        files.push_back(entry.path());
    return files;
  }

  std::string key() const { return cache_key(find_image_files(config_), config_); }

  TemporaryFolder folder_;
  DataConfig config_;
};

TEST_F(CacheTest, GivesTheSameStore) {
  const ImageStore fresh = load_images(config_);
  ASSERT_EQ(cache_files().size(), 1U);
  const auto cached = load_cache(cache_files()[0], key(), "here");
  ASSERT_TRUE(cached.has_value());
  EXPECT_EQ(cached->fingerprint(), fresh.fingerprint());
  EXPECT_EQ(cached->labels(), fresh.labels());
  EXPECT_EQ(cached->info().class_names, (std::vector<std::string>{"cats", "dogs"}));
  EXPECT_EQ(cached->info().source, "here");
  EXPECT_EQ(cached->image(1)[0], 20);
}

TEST_F(CacheTest, KeepsWhatMessagesName) {
  write("root.png", 30);
  const ImageStore fresh = load_images(config_);
  EXPECT_EQ(fresh.info().unlabelled, (folder_ / "images/root.png").string());
  const auto cached = load_cache(cache_files()[0], key(), "here");
  ASSERT_TRUE(cached.has_value());
  EXPECT_EQ(cached->info().unlabelled, fresh.info().unlabelled);
}

TEST_F(CacheTest, IsUsed) {
  load_images(config_);
  // Only the content of the file changes, not name, size or time, so old pixels show the cache.
  const auto path = folder_ / "images/cats/a.png";
  const auto time = std::filesystem::last_write_time(path);
  const auto size = std::filesystem::file_size(path);
  folder_.write("images/cats/a.png", std::string(size, 'x'));
  std::filesystem::last_write_time(path, time);
  EXPECT_EQ(load_images(config_).image(0)[0], 10);
}

TEST_F(CacheTest, KeyFollowsFilesAndSettings) {
  const std::string before = key();
  EXPECT_EQ(before.size(), 64U);
  EXPECT_EQ(before, key());
  DataConfig resized = config_;
  resized.height = 8;
  EXPECT_NE(cache_key(find_image_files(config_), resized), before);
  DataConfig flipped = config_;
  flipped.horizontal_flip = true;  // images are flipped in the batch, not in the store
  EXPECT_EQ(cache_key(find_image_files(config_), flipped), before);
  const auto changed = [&](auto change) {
    DataConfig other = config_;
    change(other);
    return cache_key(find_image_files(other), other) != before;
  };
  EXPECT_TRUE(changed([](DataConfig& c) { c.orientation = Orientation::kStored; }));
  EXPECT_TRUE(changed([](DataConfig& c) { c.background = "black"; }));
  EXPECT_TRUE(changed([](DataConfig& c) { c.labels = LabelSource::kNone; }));
  EXPECT_TRUE(changed([](DataConfig& c) { c.exclude = {"a.png"}; }));
  write("cats/c.png", 1);
  EXPECT_NE(key(), before);
}

// An archive is known by its own size and time.
TEST_F(CacheTest, KeepsArchivesToo) {
  const auto write_zip = [&](std::uint8_t value) {
    return folder_.write("a.zip", testing::zip({{"a.png", encode_png(Image(4, 4, 3, value))}}));
  };
  config_.source = DataSource::kZip;
  config_.path = write_zip(10).string();
  const auto time = std::filesystem::last_write_time(config_.path);
  load_images(config_);
  EXPECT_EQ(cache_files().size(), 1U);
  write_zip(99);
  std::filesystem::last_write_time(config_.path, time);
  EXPECT_EQ(load_images(config_).image(0)[0], 10);
  std::filesystem::last_write_time(config_.path, time + std::chrono::seconds(5));
  EXPECT_EQ(load_images(config_).image(0)[0], 99);
}

TEST_F(CacheTest, NoticesAChangedFile) {
  load_images(config_);
  write("cats/a.png", 99);
  std::filesystem::last_write_time(
      folder_ / "images/cats/a.png",
      std::filesystem::file_time_type::clock::now() + std::chrono::seconds(5));
  EXPECT_EQ(load_images(config_).image(0)[0], 99);
}

TEST_F(CacheTest, RebuildsADamagedFile) {
  const ImageStore fresh = load_images(config_);
  const auto file = cache_files()[0];
  const std::string good = testing::content_of(file);
  for (const std::size_t position :
       {std::size_t{0}, std::size_t{40}, good.size() - 1, good.size() - 90}) {
    std::string damaged = good;
    damaged[position] ^= 1;
    std::ofstream(file, std::ios::binary) << damaged;
    EXPECT_FALSE(load_cache(file, key(), "").has_value()) << position;
    EXPECT_EQ(load_images(config_).fingerprint(), fresh.fingerprint());
    EXPECT_EQ(testing::content_of(file), good);
  }
  std::ofstream(file, std::ios::binary) << "";
  EXPECT_EQ(load_images(config_).fingerprint(), fresh.fingerprint());
}

TEST_F(CacheTest, RefusesAForeignKey) {
  load_images(config_);
  EXPECT_FALSE(load_cache(cache_files()[0], std::string(64, '0'), "").has_value());
}

// Without a name of its own for each, one would rename what the other is still writing.
TEST_F(CacheTest, ManyProcessesMayWriteIt) {
  const ImageStore store =
      load_images({.source = DataSource::kFolder, .path = config_.path, .cache = "off"});
  const std::filesystem::path file = folder_ / "cache/x.safetensors";
  std::vector<pid_t> writers;
  for (int i = 0; i < 4; ++i) {
    writers.push_back(::fork());
    if (writers.back() != 0) continue;
    ::testing::internal::CaptureStderr();
    set_up_logging({});
    for (int k = 0; k < 50; ++k) save_cache(file, "x", store);
    const std::string log = ::testing::internal::GetCapturedStderr();
    ::_exit(contains(log, "are not cached") || !load_cache(file, "x", "") ? 1 : 0);
  }
  for (const pid_t writer : writers) {
    int status = -1;
    ::waitpid(writer, &status, 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(cache_files(), std::vector<std::filesystem::path>{file});
}

TEST_F(CacheTest, LeftoversOfKilledProcessesGo) {
  folder_.write("cache/x.safetensors.host-1.tmp", "old");
  folder_.write("cache/x.safetensors.host-2.tmp", "new");
  folder_.write("cache/y.safetensors.host-1.tmp", "another's");
  for (const char* name : {"x", "y"}) {
    const auto path = folder_ / "cache" / (std::string(name) + ".safetensors.host-1.tmp");
    std::filesystem::last_write_time(
        path, std::filesystem::last_write_time(path) - std::chrono::hours(2));
  }
  save_cache(folder_ / "cache/x.safetensors", "x", load_images(config_));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "cache/x.safetensors.host-1.tmp"));
  EXPECT_TRUE(std::filesystem::exists(folder_ / "cache/x.safetensors.host-2.tmp"));
  EXPECT_TRUE(std::filesystem::exists(folder_ / "cache/y.safetensors.host-1.tmp"));
}

TEST_F(CacheTest, AnUnwritableFolderIsNoError) {
  config_.cache = folder_.write("file", "x").string();
  EXPECT_EQ(load_images(config_).count(), 2);
  config_.cache = "off";
  EXPECT_EQ(load_images(config_).count(), 2);
  EXPECT_TRUE(cache_files().empty());
}

TEST(CacheFolder, FollowsTheEnvironment) {
  const char* home = ::getenv("HOME");
  const std::string saved = home != nullptr ? home : "/";
  ::setenv("XDG_CACHE_HOME", "/caches", 1);
  EXPECT_EQ(cache_folder("auto"), "/caches/ddpm");
  ::unsetenv("XDG_CACHE_HOME");
  ::setenv("HOME", "/home/someone", 1);
  EXPECT_EQ(cache_folder("auto"), "/home/someone/.cache/ddpm");
  ::unsetenv("HOME");
  EXPECT_EQ(cache_folder("auto"), std::nullopt);
  ::setenv("HOME", saved.c_str(), 1);
  EXPECT_EQ(cache_folder("off"), std::nullopt);
  EXPECT_EQ(cache_folder("some/where"), "some/where");
}

}  // namespace
}  // namespace ddpm
