// SPDX-License-Identifier: Apache-2.0
#include "registrar/fault_flags.h"

#include <algorithm>
#include <fstream>
#include <iterator>

#include "registrar/document.h"

namespace weft::registrar {
namespace {

constexpr size_t kMostFile = 65536;

tl::expected<std::string, std::string> document_of(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
  if (!stream && !stream.eof()) {
    return tl::unexpected("can't read " + registry::in_quotes(file));
  }
  if (text.size() > kMostFile) {
    return tl::unexpected(file + " is longer than a fault can be");
  }
  const auto documents = read_documents(file, text);
  if (!documents) {
    return tl::unexpected(to_string(documents.error().front()));
  }
  if (documents->size() != 1 || documents->front().id.kind != "FaultInjection") {
    return tl::unexpected("expected one FaultInjection in " + file);
  }
  return in_one_word(documents->front().content.dump());
}

}  // namespace

std::string in_one_word(const std::string& json) {
  std::string word;
  for (const char c : json) {
    if (c == ' ') {
      word += "\\u0020";
    } else {
      word += c;
    }
  }
  return word;
}

tl::expected<std::vector<std::string>, std::string> with_fault_words(const std::vector<std::string>& called) {
  const auto fault = std::find(called.begin(), called.end(), "fault");
  if (fault == called.end() || std::next(fault) == called.end() ||
      (*std::next(fault) != "start" && *std::next(fault) != "stop")) {
    return called;
  }
  std::vector<std::string> words(called.begin(), std::next(fault, 2));
  for (auto each = std::next(fault, 2); each != called.end(); ++each) {
    if (*each == "-f" || *each == "--file") {
      if (std::next(each) == called.end()) {
        return tl::unexpected("expected a file behind " + *each);
      }
      auto document = document_of(*++each);
      if (!document) {
        return tl::unexpected(document.error());
      }
      words.insert(words.end(), {"spec", *document});
    } else if (*each == "--json" || *each == "--help" || each->starts_with("--socket=")) {
      words.push_back(*each);
    } else if (*each == "--socket" && std::next(each) != called.end()) {
      words.push_back(*each);
      words.push_back(*++each);
    } else if (each->starts_with("--") && each->size() > 2) {
      const size_t equals = std::min(each->find('='), each->size());
      words.push_back(each->substr(2, equals - 2));
      if (equals < each->size()) {
        words.push_back(each->substr(equals + 1));
      }
    } else {
      words.push_back(*each);
    }
  }
  return words;
}

}  // namespace weft::registrar
