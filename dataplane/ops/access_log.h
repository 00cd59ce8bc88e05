// SPDX-License-Identifier: Apache-2.0
/// @file Finished requests in a file, as lines of JSON: those of `access`.
///
/// Written by a thread of its own. The file is appended to, so whoever rotates it may cut it down; and opened anew
/// within a second once the path names another, or none. What can't be written is lost: the log of weftd says so, and
/// the next line that can be written says how much.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <tl/expected.hpp>

#include "node/node.h"
#include "ops/log_file.h"
#include "runtime/access.h"

namespace weft::ops {

class AccessLog {
 public:
  /// On the control thread, as its destructor, which writes what is left. The node outlives it.
  static tl::expected<std::unique_ptr<AccessLog>, std::string> start(node::Node& node, std::unique_ptr<LogFile> file);
  ~AccessLog();
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;

 private:
  AccessLog(node::Node& node, std::unique_ptr<LogFile> file);

  void run(const std::stop_token& stop);
  bool write_some();
  void say_error();

  node::Node& node_;
  const std::unique_ptr<LogFile> file_;
  const std::shared_ptr<runtime::Access> access_;
  const uint64_t missed_before_ = node_.records_missed();
  uint64_t unwritten_ = 0;  ///< requests that the file did not take
  uint64_t told_missed_ = 0;
  std::string error_;    ///< what was last said of it
  std::jthread thread_;  ///< last: it uses the rest
};

}  // namespace weft::ops
