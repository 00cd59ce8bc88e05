// SPDX-License-Identifier: Apache-2.0
#include "etcd/tls_files.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>

namespace weft::etcd {
namespace {

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using PrivateKey = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

Bio reader_of(const std::string& text) {
  return {BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), BIO_free};
}

/// Instead of a question at the terminal.
int no_password(char*, int, int, void*) {
  return -1;
}

constexpr std::streamsize kMostBytes = std::streamsize{4} << 20;

tl::expected<std::string, OptionError> read_pem(const char* option, const std::string& path) {
  if (path.empty()) {
    return std::string();
  }
  const auto wrong = [&](const std::string& what) {
    return tl::make_unexpected(OptionError{.option = option, .message = path.substr(0, 4096) + ": " + what});
  };
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text;
  if (file) {
    text.resize(static_cast<size_t>(kMostBytes) + 1);
    file.read(text.data(), kMostBytes + 1);
    text.resize(static_cast<size_t>(file.gcount()));
  }
  if (!file.eof() || file.bad()) {
    const bool large = text.size() > static_cast<size_t>(kMostBytes);
    return wrong(large ? std::string("is larger than 4 MiB") : "can't be read: " + std::string(std::strerror(errno)));
  }
  if (text.find("-----BEGIN ") == std::string::npos) {
    return wrong("holds nothing in PEM");
  }
  return text;
}

Certificate first_certificate(const std::string& text) {
  const Bio bio = reader_of(text);
  return {PEM_read_bio_X509(bio.get(), nullptr, no_password, nullptr), X509_free};
}

PrivateKey key_in(const std::string& text) {
  const Bio bio = reader_of(text);
  return {PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr), EVP_PKEY_free};
}

/// OpenSSL keeps errors for whoever asks next on this thread; gRPC must not take ours for its own.
struct NoErrorsLeft {
  ~NoErrorsLeft() { ERR_clear_error(); }
};

}  // namespace

bool has_tls_files(const Options& options) {
  return !options.ca_file.empty() || !options.cert_file.empty() || !options.key_file.empty();
}

tl::expected<TlsFiles, OptionError> read_tls_files(const Options& options) {
  const NoErrorsLeft guard;
  const auto wrong = [](const char* option, const std::string& message) {
    return tl::make_unexpected(OptionError{.option = option, .message = message});
  };
  if (options.cert_file.empty() != options.key_file.empty()) {
    return wrong(options.cert_file.empty() ? "certificate" : "key",
                 "a client certificate and its key go together: this one is missing");
  }
  auto ca = read_pem("ca", options.ca_file);
  auto certificate = read_pem("certificate", options.cert_file);
  auto key = read_pem("key", options.key_file);
  for (const auto* each : {&ca, &certificate, &key}) {
    if (!*each) {
      return tl::make_unexpected(each->error());
    }
  }
  if (!ca->empty() && first_certificate(*ca) == nullptr) {
    return wrong("ca", options.ca_file + ": holds no certificate that can be read");
  }
  if (certificate->empty()) {
    return TlsFiles{.ca = std::move(*ca), .certificate = {}, .key = {}};
  }
  const Certificate own = first_certificate(*certificate);
  if (own == nullptr) {
    return wrong("certificate", options.cert_file + ": holds no certificate that can be read");
  }
  const PrivateKey private_key = key_in(*key);
  if (private_key == nullptr) {
    return wrong("key", options.key_file + ": holds no private key that can be read without a password");
  }
  if (X509_check_private_key(own.get(), private_key.get()) != 1) {
    return wrong("key", options.key_file + ": is not the key of the certificate in " + options.cert_file);
  }
  return TlsFiles{.ca = std::move(*ca), .certificate = std::move(*certificate), .key = std::move(*key)};
}

FileMarks::Mark FileMarks::mark_of(const std::string& path) {
  struct stat info {};
  if (path.empty() || stat(path.c_str(), &info) != 0) {
    return {};
  }
  return {.device = info.st_dev,
          .inode = info.st_ino,
          .size = info.st_size,
          .changed_s = info.st_ctim.tv_sec,
          .changed_ns = info.st_ctim.tv_nsec};
}

bool FileMarks::changed(const Options& options) {
  const std::array<Mark, 3> now = {mark_of(options.ca_file), mark_of(options.cert_file), mark_of(options.key_file)};
  const bool is_other = !known_ || now != marks_;
  marks_ = now;
  known_ = true;
  return is_other;
}

}  // namespace weft::etcd
