#include "ddpm/base/host.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "support/files.h"

namespace ddpm {
namespace {

using testing::contains;
using testing::message_of;

TEST(Environment, AnEmptyVariableIsNotSet) {
  ::unsetenv("DDPM_TEST");
  EXPECT_FALSE(is_set("DDPM_TEST"));
  ::setenv("DDPM_TEST", "", 1);
  EXPECT_FALSE(is_set("DDPM_TEST"));
  ::setenv("DDPM_TEST", "0", 1);
  EXPECT_TRUE(is_set("DDPM_TEST"));
  ::unsetenv("DDPM_TEST");
}

TEST(HomeAdvice, NamesThePathThatTheShellWouldHaveMade) {
  const std::string before = ::getenv("HOME") != nullptr ? ::getenv("HOME") : "/";
  ::setenv("HOME", "/home/ada", 1);
  EXPECT_TRUE(contains(home_advice("~/photos/x"), "'/home/ada/photos/x' was probably meant"));
  EXPECT_TRUE(contains(home_advice("~"), "'/home/ada' was probably meant"));
  ::setenv("HOME", before.c_str(), 1);
  EXPECT_TRUE(contains(home_advice("~root/photos"), "'/root/photos' was probably meant"));
  for (const char* path : {"", "photos", "/x/~/y", "a~", "~no-such-user/x"})
    EXPECT_EQ(home_advice(path), "") << path;
}

TEST(HomeAdvice, KeepsFoldersFromBeingCreatedUnderTheNameTilde) {
  EXPECT_TRUE(contains(message_of<ConfigError>([] { make_directories("~/ddpm-test/runs"); }),
                       "/ddpm-test/runs' was probably meant"));
  EXPECT_FALSE(fs::exists("~"));
}

}  // namespace
}  // namespace ddpm
