#include "ddpm/formats/pickle.h"

#include <gtest/gtest.h>

#include "ddpm/base/error.h"
#include "support/files.h"

namespace ddpm {
namespace {

using testing::contains;
using Kind = PickleValue::Kind;

PickleTree read(const std::string& bytes) { return read_pickle(testing::as_bytes(bytes)); }

std::string error_of(const std::string& bytes) {
  return testing::message_of<CheckpointError>([&] { read(bytes); });
}

// Operations: ( mark, ] list, } dictionary, K one byte, X text, N None, R call, q store, h fetch.
TEST(Pickle, ReadsNumbersOfEverySize) {
  // Python's pickle.dumps((255, 65535, -2, 2**40, -2**40, True, 2**100), protocol=2).
  const std::string bytes = testing::from_hex(
      "8002284bff4dffff4afeffffff8a060000000000018a060000000000ff888a0d0000000000000000000000001074"
      "71"
      "002e");
  const PickleTree tree = read(bytes);
  const PickleValue& tuple = tree.values[tree.root];
  ASSERT_EQ(tuple.kind, Kind::kTuple);
  ASSERT_EQ(tuple.items.size(), 7U);
  const std::vector<std::int64_t> expected = {255, 65535, -2, 1LL << 40, -(1LL << 40), 1};
  for (std::size_t i = 0; i < expected.size(); ++i)
    EXPECT_EQ(tree.values[tuple.items[i]].integer, expected[i]) << i;
  EXPECT_EQ(tree.values[tuple.items[5]].kind, Kind::kBoolean);
  EXPECT_EQ(tree.values[tuple.items[6]].kind, Kind::kNone) << "does not fit in 64 bits";
  EXPECT_EQ(tree.size, bytes.size());
}

TEST(Pickle, WritesCallsDownInsteadOfMakingThem) {
  const std::string bytes =
      "\x80\x02"
      "cos\nsystem\nU\x02ls\x85R.";
  const PickleTree tree = read(bytes);
  const PickleValue& call = tree.values[tree.root];
  ASSERT_EQ(call.kind, Kind::kCall);
  EXPECT_EQ(tree.values[call.items[0]].text, "os");
  EXPECT_EQ(tree.values[call.items[0]].name, "system");
  EXPECT_EQ(tree.values[tree.values[call.items[1]].items[0]].text, "ls");
}

TEST(Pickle, KeepsValuesForLater) {
  const PickleTree tree = read(
      "]q\x05(K\x01h\x05"
      "e.");
  const PickleValue& list = tree.values[tree.root];
  ASSERT_EQ(list.items.size(), 2U);
  EXPECT_EQ(list.items[1], tree.root) << "the list contains itself";
}

TEST(Pickle, RefusesWhatDoesNotFit) {
  EXPECT_TRUE(contains(error_of(""), "truncated"));
  EXPECT_TRUE(contains(error_of("N"), "truncated"));
  EXPECT_TRUE(contains(error_of("."), "the stack is empty"));
  EXPECT_TRUE(contains(error_of("NN."), "left over"));
  EXPECT_TRUE(contains(error_of("(NR."), "the stack is empty")) << "not from before a mark";
  EXPECT_TRUE(contains(error_of("}u."), "no mark"));
  EXPECT_TRUE(contains(error_of("}(K\x01u."), "a key without a value"));
  EXPECT_TRUE(contains(error_of("NK\x01K\x02s."), "not a dictionary"));
  EXPECT_TRUE(contains(error_of("NK\x01"
                                "a."),
                       "not a list"));
  EXPECT_TRUE(contains(error_of("h\x07."), "not kept"));
  EXPECT_TRUE(contains(error_of("K\x01K\x02\x93."), "not a text"));
  EXPECT_TRUE(contains(error_of("X\xff\xff\xff\x7fhello."), "truncated"));
  EXPECT_TRUE(contains(error_of("cos"), "without an end"));
  EXPECT_TRUE(contains(error_of("\x80\x09N."), "protocol"));
  EXPECT_TRUE(contains(error_of("N\xfa."), "pickle, byte 1: operation 250"));
}

TEST(Pickle, StaysSmall) {
  EXPECT_TRUE(contains(error_of(std::string(2'000'000, 'N')), "more than 1000000 values"));
  std::string fetches = "N\x94";
  for (int i = 0; i < 2'000'000; ++i) fetches += std::string("h\0", 2);
  EXPECT_TRUE(contains(error_of(fetches), "too long"));
  // Nested tuples need no recursion, because the tree is a list of indices.
  const PickleTree tree = read("N" + std::string(900'000, '\x85') + ".");
  EXPECT_EQ(tree.values.size(), 900'001U);
}

}  // namespace
}  // namespace ddpm
