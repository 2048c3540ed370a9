#include "ddpm/formats/sha256.h"

#include <gtest/gtest.h>

#include "support/files.h"

namespace ddpm {
namespace {

// The values are test vectors of FIPS 180-4.
TEST(Sha256, MatchesPublishedVectors) {
  EXPECT_EQ(sha256_hex(std::string_view()),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(Sha256, DoesNotDependOnThePieces) {
  Sha256 hash;
  hash.update("a");
  hash.update("");
  hash.update("bc");
  EXPECT_EQ(hash.hex_digest(), sha256_hex("abc"));
}

TEST(Sha256, HashesAFile) {
  const testing::TemporaryFolder folder;
  EXPECT_EQ(sha256_file(folder.write("file", "abc")), sha256_hex("abc"));
  EXPECT_EQ(sha256_file(folder.write("empty", "")), sha256_hex(std::string_view()));
}

}  // namespace
}  // namespace ddpm
