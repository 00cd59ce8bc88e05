// SPDX-License-Identifier: Apache-2.0
/// @file A file that lines are appended to, and that somebody else rotates: cuts down, or moves away.
///
/// One thread at a time.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace weft::ops {

class LogFile {
 public:
  /// A plain file, made (0640) if there is none; never waits, as the open of a FIFO would.
  static tl::expected<std::unique_ptr<LogFile>, std::string> open(const std::filesystem::path& path);
  ~LogFile();
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  const std::filesystem::path& path() const { return path_; }

  /// @param lines each with its end
  /// @returns how many of them, from the first on, are in the file; if not all, error() says why. Half a line may be
  /// there, too: what is written next begins a line of its own.
  size_t write(std::string_view lines);
  /// Once the path names another file, or none: opens that. Where that fails, the old file is written to for as long as
  /// it has a name, and error() says why.
  void follow_path();

  /// What hinders it at present; empty: nothing.
  const std::string& error() const { return write_error_.empty() ? path_error_ : write_error_; }

 private:
  LogFile(std::filesystem::path path, int fd) : path_(std::move(path)), fd_(fd) {}

  const std::filesystem::path path_;
  int fd_;
  bool is_torn_ = false;     ///< the file ends in half a line
  bool is_nobodys_ = false;  ///< it has no name any more: what is written there is lost
  std::string write_error_;
  std::string path_error_;
};

}  // namespace weft::ops
