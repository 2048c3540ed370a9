// A port for tests of processes that meet.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>

namespace ddpm::testing {

inline sockaddr_in local_address(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

// A port that nobody used a moment ago.
inline std::uint16_t free_port() {
  const int connection = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = local_address(0);
  socklen_t size = sizeof address;
  ::bind(connection, reinterpret_cast<sockaddr*>(&address), size);
  ::getsockname(connection, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(connection);
  return ntohs(address.sin_port);
}

// Whether somebody accepts connections there.
inline bool is_taken(std::uint16_t port) {
  const int connection = ::socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in address = local_address(port);
  const int result =
      ::connect(connection, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  ::close(connection);
  return result == 0;
}

}  // namespace ddpm::testing
