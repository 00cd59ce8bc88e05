// SPDX-License-Identifier: Apache-2.0
#include "ops/log_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace weft::ops {
namespace {

constexpr mode_t kLogMode = 0640;

tl::expected<int, std::string> open_plain_file(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, kLogMode);
  struct stat status {};
  if (fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
    return fd;
  }
  const std::string reason = fd < 0 ? std::strerror(errno) : "it is no plain file";
  if (fd >= 0) {
    close(fd);
  }
  return tl::unexpected(fmt::format("cannot open {}: {}", path.string(), reason));
}

}  // namespace

tl::expected<std::unique_ptr<LogFile>, std::string> LogFile::open(const std::filesystem::path& path) {
  const auto fd = open_plain_file(path);
  if (!fd) {
    return tl::unexpected(fd.error());
  }
  return std::unique_ptr<LogFile>(new LogFile(path, *fd));
}

LogFile::~LogFile() {
  close(fd_);
}

size_t LogFile::write(std::string_view lines) {
  if (is_nobodys_) {
    return 0;
  }
  std::string_view left = lines;
  std::string mended;
  if (is_torn_ && !lines.empty()) {
    mended = "\n" + std::string(lines);
    left = mended;
  }
  const std::string_view all = left;
  while (!left.empty()) {
    const ssize_t count = ::write(fd_, left.data(), left.size());
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      write_error_ = fmt::format("requests are lost: cannot write to {}: {}", path_.string(), std::strerror(errno));
      break;
    }
    write_error_.clear();
    left.remove_prefix(static_cast<size_t>(count));
  }
  const std::string_view written = all.substr(0, all.size() - left.size());
  const auto ends = static_cast<size_t>(std::count(written.begin(), written.end(), '\n'));
  const size_t mends = all.size() > lines.size() && !written.empty() ? 1 : 0;
  is_torn_ = written.empty() ? is_torn_ : written.back() != '\n';
  return ends - mends;
}

void LogFile::follow_path() {
  struct stat there {};
  struct stat ours {};
  const bool is_known = fstat(fd_, &ours) == 0;
  if (is_known && stat(path_.c_str(), &there) == 0 && there.st_dev == ours.st_dev && there.st_ino == ours.st_ino) {
    path_error_.clear();
    return;
  }
  const auto fd = open_plain_file(path_);
  if (!fd) {
    is_nobodys_ = is_known && ours.st_nlink == 0;
    path_error_ = fmt::format("{}; {}", fd.error(),
                              is_nobodys_ ? "requests are lost" : "requests go on into the file that it named before");
    return;
  }
  close(std::exchange(fd_, *fd));
  is_torn_ = is_nobodys_ = false;
  path_error_.clear();
  write_error_.clear();
}

}  // namespace weft::ops
