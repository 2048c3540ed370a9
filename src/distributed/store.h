// The meeting place of processes: c10d's store of keys and texts. Private to this folder; the only header that
// includes c10d, which takes seconds to compile.
#pragma once

#include <torch/csrc/distributed/c10d/Store.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <string>

namespace ddpm {

using Store = c10::intrusive_ptr<c10d::Store>;

// Hosts a store. Throws Error(kFailure) if the port is taken. Port 0: the system chooses one, and `port` becomes it.
Store host_store(const std::string& host, std::uint16_t& port, std::chrono::milliseconds timeout);

// Connects to a store. Throws Error(kFailure) if nobody hosts it within the time.
Store join_store(const std::string& host, std::uint16_t port, std::chrono::milliseconds timeout);

// The message of an exception without the trace of the stack that LibTorch's have.
std::string reason_of(const std::exception& error);

// Reads the text of a key that exists, or "" of one that does not.
std::string text_of(c10d::Store& store, const std::string& key);

// Keeps LibTorch's own warnings about connections, each with a trace of the stack, from standard error.
void silence_c10d();

}  // namespace ddpm
