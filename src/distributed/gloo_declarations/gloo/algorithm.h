// LibTorch contains gloo but not its headers, which c10d's ProcessGroupGloo.hpp includes. These declare
// what that header names; nothing here is defined, derived from or allocated by this program. cmake/Gloo.cmake
// tries whether a program that uses the class links.
#pragma once
