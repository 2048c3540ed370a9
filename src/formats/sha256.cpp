#include "ddpm/formats/sha256.h"

#include <openssl/evp.h>

#include <array>
#include <new>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"

namespace ddpm {

struct Sha256::Context {
  EVP_MD_CTX* evp = EVP_MD_CTX_new();
  ~Context() { EVP_MD_CTX_free(evp); }
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {
  if (context_->evp == nullptr) throw std::bad_alloc();
  // This fails only where an administrator has disabled SHA-256.
  if (EVP_DigestInit_ex(context_->evp, EVP_sha256(), nullptr) != 1)
    throw Error(ExitCode::kFailure, "OpenSSL offers no SHA-256");
}

Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;

void Sha256::update(std::span<const std::byte> bytes) {
  EVP_DigestUpdate(context_->evp, bytes.data(), bytes.size());
}

std::string Sha256::hex_digest() {
  std::array<unsigned char, 32> digest{};
  EVP_DigestFinal_ex(context_->evp, digest.data(), nullptr);
  constexpr char kHexDigits[] = "0123456789abcdef";
  std::string hex;
  for (const unsigned char byte : digest) {
    hex += kHexDigits[byte >> 4];
    hex += kHexDigits[byte & 15];
  }
  return hex;
}

std::string sha256_hex(std::span<const std::byte> bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.hex_digest();
}

std::string sha256_hex(std::string_view text) { return sha256_hex(std::as_bytes(std::span(text))); }

std::string sha256_file(const std::filesystem::path& path) {
  Sha256 hash;
  for_each_part(path, [&hash](std::span<const std::byte> part) { hash.update(part); });
  return hash.hex_digest();
}

}  // namespace ddpm
