// SPDX-License-Identifier: Apache-2.0
/// @file Which of the registry's messages are news to a log: each is said once, until it is another or gone. A registry
/// of a thousand changes a second has a status as often, and a refused key in each of them.
///
/// One thread. Memory: the messages of one status, which are bounded.
#pragma once

#include <set>
#include <vector>

#include "registry-sync/diagnostic.h"

namespace weft::node {

class NewDiagnostics {
 public:
  /// In their order, those that the call before had not.
  std::vector<registry::Diagnostic> of(const std::vector<registry::Diagnostic>& all) {
    std::vector<registry::Diagnostic> news;
    std::set<registry::Diagnostic> now;
    for (const registry::Diagnostic& each : all) {
      if (now.insert(each).second && !told_.contains(each)) {
        news.push_back(each);
      }
    }
    told_ = std::move(now);
    return news;
  }

 private:
  std::set<registry::Diagnostic> told_;
};

}  // namespace weft::node
