// SPDX-License-Identifier: Apache-2.0
#include "ops/fault_words.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>

#include "registry-sync/diagnostic.h"
#include "registry-sync/fault_injection.h"
#include "registry-sync/parse_http_values.h"

namespace weft::ops {
namespace {

using registry::in_quotes;

/// What was said of one fault.
class FaultWriter {
 public:
  explicit FaultWriter(const std::vector<std::string>& words) : words_(words) {}

  std::string read(std::string_view otherwise) {
    name_ = otherwise;
    while (at_ < words_.size() && problem_.empty()) {
      read_one(words_[at_++]);
    }
    if (problem_.empty() && !lasts_) {
      problem_ = "expected for <time>, such as for 30s: a fault that is started ends by itself";
    }
    if (problem_.empty() && document_.empty() && target_.is_null()) {
      problem_ = "expected service, route or gateway, and its name";
    } else if (problem_.empty() && !document_.empty() && (!spec_.empty() || !target_.is_null() || is_named_)) {
      problem_ = "expected nothing but for <time> beside spec (or -f)";
    }
    return problem_;
  }

  FaultWords result() const {
    if (!document_.empty()) {
      return {.document = document_, .lasts = *lasts_};
    }
    nlohmann::json spec = spec_;
    spec["targetRef"] = target_;
    const nlohmann::json whole = {{"apiVersion", "weft.dev/v1"},
                                  {"kind", "FaultInjection"},
                                  {"metadata", {{"name", name_}, {"namespace", name_space_}}},
                                  {"spec", spec}};
    return {.document = whole.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace), .lasts = *lasts_};
  }

 private:
  void read_one(const std::string& word) {
    if (word == "service" || word == "route" || word == "gateway") {
      read_target(word);
    } else if (word == "name") {
      name_ = next(word);
      is_named_ = true;
    } else if (word == "spec") {
      document_ = next(word);
    } else if (word == "for") {
      read_end();
    } else if (word == "port") {
      read_number(word, spec_["port"]);
    } else if (word == "from-service" || word == "from-namespace" || word == "from-address") {
      read_caller(word);
    } else if (word == "header") {
      read_header();
    } else if (word == "percentage" || word == "loss" || word == "bandwidth") {
      spec_[word] = next(word);
    } else if (word == "delay") {
      read_delay();
    } else if (word == "abort") {
      read_number(word, spec_["abort"]["httpStatus"]);
    } else if (word == "reset") {
      spec_["abort"]["reset"] = true;
    } else if (word == "dead") {
      spec_["dead"] = nlohmann::json::object();
      if (at_ < words_.size() && words_[at_].find_first_of(".:") != std::string::npos) {
        spec_["dead"]["endpoint"] = words_[at_++];
      }
    } else {
      problem_ = "unknown word " + in_quotes(word) +
                 "; expected name, service, route, gateway, port, from-service, from-namespace, from-address, header, "
                 "percentage, delay, abort, reset, loss, bandwidth, dead, spec or for";
    }
  }

  std::string next(const std::string& word) {
    if (at_ == words_.size()) {
      problem_ = "expected something behind " + word;
      return "";
    }
    return words_[at_++];
  }

  /// "shop/cart", or of namespace default.
  static std::pair<std::string, std::string> parts_of(const std::string& name) {
    const size_t slash = name.find('/');
    return slash == std::string::npos ? std::pair(std::string("default"), name)
                                      : std::pair(name.substr(0, slash), name.substr(slash + 1));
  }

  void read_target(const std::string& word) {
    if (!target_.is_null()) {
      problem_ = "expected one of service, route and gateway";
      return;
    }
    const auto [name_space, name] = parts_of(next(word));
    name_space_ = name_space;
    const std::string group = word == "service" ? "" : "gateway.networking.k8s.io";
    const std::string kind = word == "service" ? "Service" : word == "route" ? "HTTPRoute" : "Gateway";
    target_ = {{"group", group}, {"kind", kind}, {"name", name}};
  }

  void read_end() {
    const std::string text = next("for");
    const std::optional<std::chrono::milliseconds> time = registry::parse_duration(text);
    constexpr std::chrono::milliseconds kLeast{100};
    constexpr std::chrono::milliseconds kMost = registry::LiveFault::kLongest;
    if (problem_.empty() && (!time || *time < kLeast || *time > kMost)) {
      problem_ = "for: expected 100ms to 1h, such as 30s, got " + in_quotes(text);
    }
    lasts_ = time;
  }

  void read_number(const std::string& word, nlohmann::json& into) {
    const std::string text = next(word);
    int64_t number = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc() && rest == text.data() + text.size()) {
      into = number;
    } else {
      into = text;  // the parser says what it expected
    }
  }

  void read_caller(const std::string& word) {
    const std::string said = next(word);
    nlohmann::json source;
    if (word == "from-service") {
      const auto [name_space, name] = parts_of(said);
      source["principals"] = {"cluster.local/ns/" + name_space + "/sa/" + name};
    } else {
      source[word == "from-namespace" ? "namespaces" : "ipBlocks"] = {said};
    }
    spec_["from"].push_back({{"source", source}});
  }

  void read_header() {
    const std::string said = next("header");
    const size_t equals = said.find('=');
    nlohmann::json header = {{"name", said.substr(0, equals)}};
    if (equals == std::string::npos) {
      header["present"] = true;
    } else {
      header["exact"] = said.substr(equals + 1);
    }
    spec_["headers"].push_back(header);
  }

  void read_delay() {
    const std::string said = next("delay");
    const size_t dots = said.find("..");
    if (dots == std::string::npos) {
      spec_["delay"]["fixed"] = said;
    } else {
      spec_["delay"]["uniform"] = {{"min", said.substr(0, dots)}, {"max", said.substr(dots + 2)}};
    }
  }

  const std::vector<std::string>& words_;
  size_t at_ = 0;
  std::string problem_;
  std::string document_;
  std::string name_;
  bool is_named_ = false;
  std::string name_space_ = "default";
  nlohmann::json target_;
  nlohmann::json spec_ = nlohmann::json::object();
  std::optional<std::chrono::milliseconds> lasts_;
};

}  // namespace

tl::expected<FaultWords, std::string> read_fault_words(const std::vector<std::string>& words,
                                                       std::string_view otherwise) {
  FaultWriter writer(words);
  if (std::string problem = writer.read(otherwise); !problem.empty()) {
    return tl::unexpected(std::move(problem));
  }
  return writer.result();
}

}  // namespace weft::ops
