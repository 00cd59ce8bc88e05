// SPDX-License-Identifier: Apache-2.0
/// @file The files that a client of etcd proves itself by, and what is wrong with them, by the option's name.
///
/// They are read and parsed by OpenSSL, as gRPC would do it: but gRPC says nothing of a key that does not fit, and then
/// no member answers.
#pragma once

#include <sys/stat.h>

#include <array>
#include <string>
#include <tl/expected.hpp>

#include "etcd/types.h"

namespace weft::etcd {

struct TlsFiles {
  std::string ca;           ///< PEM; empty: the system's
  std::string certificate;  ///< PEM, with what signed it; empty: none
  std::string key;

  bool operator==(const TlsFiles&) const = default;
};

/// Is any of them asked for, and is there a member that would be asked by it?
bool has_tls_files(const Options& options);
/// Of `options` that name none, nothing. A key that needs a password is refused.
tl::expected<TlsFiles, OptionError> read_tls_files(const Options& options);

/// Do files look another than at the last call? Their content is not read: a file that is put in another's place, as
/// whatever renews certificates does it, is another.
class FileMarks {
 public:
  /// At the first call, true.
  bool changed(const Options& options);

 private:
  struct Mark {
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = -1;
    int64_t changed_s = 0;
    int64_t changed_ns = 0;

    bool operator==(const Mark&) const = default;
  };
  static Mark mark_of(const std::string& path);

  std::array<Mark, 3> marks_ = {};
  bool known_ = false;
};

}  // namespace weft::etcd
