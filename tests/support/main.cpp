// GoogleTest's main(), which ends as that of the program does (src/main.cpp). CTest starts a process for each
// test, and undoing LibTorch's registrations would be a third of what most of them do.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const int code = RUN_ALL_TESTS();
  std::fflush(nullptr);
  std::_Exit(code);
}
