// SPDX-License-Identifier: Apache-2.0
/// @file Finished requests in a file, as lines of JSON: those of `access`.
///
/// Written by a thread of its own. The file is appended to, so whoever rotates it may cut it down; and opened anew
/// within a second once the path names another, or none. What can't be written is lost, and the log says so.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <tl/expected.hpp>

#include "node/node.h"
#include "runtime/access.h"

namespace weft::ops {

class AccessLog {
 public:
  /// On the control thread, as its destructor, which writes what is left. The node outlives it.
  static tl::expected<std::unique_ptr<AccessLog>, std::string> start(node::Node& node,
                                                                     const std::filesystem::path& path);
  ~AccessLog();
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;

 private:
  AccessLog(node::Node& node, std::filesystem::path path, int fd);

  void run(const std::stop_token& stop);
  bool write_some();
  void write(const std::string& lines);
  void follow_path();

  node::Node& node_;
  const std::filesystem::path path_;
  const std::shared_ptr<runtime::Access> access_;
  int fd_;
  uint64_t told_missed_ = 0;
  std::string error_;    ///< what was last said of it
  std::jthread thread_;  ///< last: it uses the rest
};

}  // namespace weft::ops
