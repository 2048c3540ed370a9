// A port for tests of processes that meet.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>

namespace ddpm::testing {

// A port that nobody used a moment ago.
inline std::uint16_t free_port() {
  const int connection = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ::bind(connection, reinterpret_cast<sockaddr*>(&address), size);
  ::getsockname(connection, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(connection);
  return ntohs(address.sin_port);
}

}  // namespace ddpm::testing
