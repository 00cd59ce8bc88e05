// SPDX-License-Identifier: Apache-2.0
#include "requests.h"

#include <cstdlib>
#include <fstream>
#include <stdexcept>

namespace weft::http::test {
namespace {

std::string unescaped(const std::string& line, size_t from) {
  std::string bytes;
  for (size_t i = from; i < line.size(); ++i) {
    if (line[i] != '\\') {
      bytes += line[i];
      continue;
    }
    switch (line.at(++i)) {
      case 'r':
        bytes += '\r';
        break;
      case 'n':
        bytes += '\n';
        break;
      case 't':
        bytes += '\t';
        break;
      case '\\':
        bytes += '\\';
        break;
      case 'x':
        bytes += static_cast<char>(std::stoi(line.substr(i + 1, 2), nullptr, 16));
        i += 2;
        break;
      case '*': {
        size_t digits = 0;
        const size_t count = std::stoul(line.substr(i + 1), &digits);
        i += digits + 1;
        bytes += std::string(count, line.at(i));
        break;
      }
      default:
        throw std::runtime_error("requests.txt: " + line);
    }
  }
  return bytes;
}

}  // namespace

std::vector<Sample> samples() {
  std::ifstream file(REQUESTS);
  std::vector<Sample> samples;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line[0] != '#') {
      const size_t blank = line.find(' ');
      samples.push_back({line.substr(0, blank), unescaped(line, blank + 1), line});
    }
  }
  if (samples.empty()) {
    throw std::runtime_error("no requests in " REQUESTS);
  }
  return samples;
}

}  // namespace weft::http::test
