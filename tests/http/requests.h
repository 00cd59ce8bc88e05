// SPDX-License-Identifier: Apache-2.0
/// @file The corpus of requests.txt.
#pragma once

#include <string>
#include <vector>

namespace weft::http::test {

struct Sample {
  std::string verdict;  ///< "ok", "body", or a status
  std::string stream;
  std::string line;  ///< as it is written down
};

/// Throws std::runtime_error: there is none, or a line is malformed.
std::vector<Sample> samples();

}  // namespace weft::http::test
