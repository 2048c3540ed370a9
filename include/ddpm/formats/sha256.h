// SHA-256 (FIPS 180-4) of bytes and files, as 64 lower-case hexadecimal digits.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace ddpm {

// Hashes bytes that arrive in pieces.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) = delete;

  void update(std::span<const std::byte> bytes);
  void update(std::string_view text) { update(std::as_bytes(std::span(text))); }

  // The digest of all bytes so far. The object cannot be used afterwards.
  std::string hex_digest();

 private:
  struct Context;  // keeps OpenSSL out of this header
  std::unique_ptr<Context> context_;
};

std::string sha256_hex(std::span<const std::byte> bytes);
std::string sha256_hex(std::string_view text);

// Digest of a whole file. Throws IoError.
std::string sha256_file(const std::filesystem::path& path);

}  // namespace ddpm
