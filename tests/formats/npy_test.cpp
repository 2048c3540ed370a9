#include "ddpm/formats/npy.h"

#include <gtest/gtest.h>

#include "ddpm/base/error.h"
#include "support/files.h"
#include "support/npy.h"
#include "support/zip.h"

namespace ddpm {
namespace {

using testing::as_bytes;
using testing::contains;
using testing::from_hex;
using testing::npy;

// numpy.save of int16 [[1, -2], [300, 4]], by NumPy 2.4.
const std::string kInt16 = from_hex(
    "934e554d5059010076007b276465736372273a20273c6932272c2027666f727472616e5f6f72646572273a20"
    "46616c73652c20277368617065273a2028322c2032292c207d20202020202020202020202020202020202020"
    "2020202020202020202020202020202020202020202020202020202020202020202020202020200a0100feff"
    "2c010400");

std::string error_of(const std::string& file) {
  return testing::message_of<DataError>([&] { read_numpy(as_bytes(file), "f"); });
}

TEST(ReadNumpy, ReadsAFileOfNumpy) {
  const std::vector<NumpyArray> arrays = read_numpy(as_bytes(kInt16), "f");
  ASSERT_EQ(arrays.size(), 1U);
  EXPECT_EQ(arrays[0].type, "<i2");
  EXPECT_EQ(arrays[0].shape, (std::vector<std::int64_t>{2, 2}));
  EXPECT_EQ(integers_of(arrays[0]), (std::vector<std::int64_t>{1, -2, 300, 4}));
}

TEST(ReadNumpy, ReadsArchives) {
  for (const bool compressed : {false, true}) {
    const std::string file = testing::zip(
        {{"x.npy", npy("|u1", "(3,)", "abc")}, {"notes.txt", "x"}, {"y.npy", kInt16}}, compressed);
    const std::vector<NumpyArray> arrays = read_numpy(as_bytes(file), "f");
    ASSERT_EQ(arrays.size(), 2U);
    EXPECT_EQ(arrays[0].name, "x");
    EXPECT_EQ(integers_of(arrays[0]), (std::vector<std::int64_t>{97, 98, 99}));
    EXPECT_EQ(arrays[1].count(), 4);
  }
}

// The content is what NumPy 2.4 writes for np.asfortranarray of these numbers.
TEST(ReadNumpy, BringsFortransOrderIntoCs) {
  const std::string file =
      npy("<i2", "(2, 3, 2)", from_hex("010007002c01090005000b00feff080004000a0006000c00"), "True");
  const std::vector<std::int64_t> numbers = {1, -2, 300, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  EXPECT_EQ(integers_of(read_numpy(as_bytes(file), "f")[0]), numbers);
  for (const bool compressed : {false, true}) {
    const std::string archive = testing::zip({{"x.npy", file}}, compressed);
    EXPECT_EQ(integers_of(read_numpy(as_bytes(archive), "f")[0]), numbers);
  }
  EXPECT_EQ(integers_of(read_numpy(as_bytes(npy("|u1", "(1, 4)", "abcd", "True")), "f")[0]),
            (std::vector<std::int64_t>{97, 98, 99, 100}));
}

TEST(ReadNumpy, ListsWhatItCannotRead) {
  for (const char* type : {"<c8", "|O"}) {
    const auto arrays = read_numpy(as_bytes(npy(type, "(1, 4)", "abcd")), "f");
    EXPECT_EQ(arrays[0].type, type);
    EXPECT_TRUE(arrays[0].bytes.empty());
    EXPECT_THROW(integers_of(arrays[0]), DataError);
  }
  const auto large = read_numpy(as_bytes(npy("<u8", "(1,)", std::string(8, '\xff'))), "f");
  EXPECT_THROW(integers_of(large[0]), DataError);
}

// np.save of np.array([[0.5, -2]], "<f4").
TEST(ReadNumpy, ReadsFloatingPointNumbersAsBytes) {
  const std::string file = npy("<f4", "(1, 2)", from_hex("0000003f000000c0"));
  const NumpyArray array = read_npy(as_bytes(file), "f");
  EXPECT_EQ(array.shape, (std::vector<std::int64_t>{1, 2}));
  ASSERT_EQ(array.bytes.size(), 8U);
  EXPECT_EQ(array.bytes[3], std::byte{0x3f});
  EXPECT_THROW(integers_of(array), DataError);
}

TEST(ReadNumpy, RefusesWhatIsDamaged) {
  EXPECT_TRUE(contains(error_of(""), "f: not a file of NumPy"));
  EXPECT_TRUE(contains(error_of("hello, this is no array"), "not a file of NumPy"));
  for (std::size_t size = 0; size < kInt16.size(); ++size)
    EXPECT_FALSE(error_of(kInt16.substr(0, size)).empty()) << size;
  for (const char* shape :
       {"(-1,)", "(9223372036854775807, 2)", "(99999999999999999999,)", "2", "(a)"})
    EXPECT_TRUE(contains(error_of(npy("|u1", shape, "ab")), "f: ")) << shape;
  EXPECT_TRUE(contains(error_of(npy("|u1", "(3,)", "ab")), "truncated"));
  std::string zip = testing::zip({{"x.npy", npy("|u1", "(3,)", "abc")}}, true);
  zip[60] ^= 4;
  EXPECT_TRUE(contains(error_of(zip), "member 'x.npy'")) << error_of(zip);
}

}  // namespace
}  // namespace ddpm
